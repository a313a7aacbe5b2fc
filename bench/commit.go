package main

import (
	"context"
	"fmt"
	"sync/atomic"

	"payledger/domain/fee"
	"payledger/eventstore"
)

// storeDatabase holds the log of the in-process commits.
const storeDatabase = "store"

// counting is a folder that counts: what states are made of costs the callers, not the store.
type counting struct{}

// Fold implements eventstore.Folder.
func (counting) Fold(_ context.Context, _ eventstore.Keys, _ eventstore.StreamID, value any, events []eventstore.Recorded) (any, error) {
	n, _ := value.(int)
	return n + len(events), nil
}

// commitSteps are commits of one event by callers in this process: on a new stream each, then all on one stream.
func commitSteps() []step {
	var next atomic.Int64
	var all []step
	for _, callers := range []int{1, 16, 64, 256} {
		name := fmt.Sprint("commit.", callers)
		all = append(all, step{names: []string{name}, inProcess: true, run: func(ctx context.Context, s *suite) error {
			return s.measureCommits(ctx, name, callers, func(store *eventstore.Store) func(context.Context, int, int64) error {
				return func(ctx context.Context, _ int, _ int64) error { return s.data.commit(ctx, store, next.Add(1), nil) }
			})
		}})
	}
	return append(all, step{names: []string{"commit.hot.64"}, inProcess: true, run: func(ctx context.Context, s *suite) error {
		hot := eventstore.StreamID{Tenant: tenant, Name: fee.Stream("hot")}
		return s.measureCommits(ctx, "commit.hot.64", 64, func(store *eventstore.Store) func(context.Context, int, int64) error {
			return func(ctx context.Context, _ int, _ int64) error { return s.data.commit(ctx, store, next.Add(1), &hot) }
		})
	}})
}

// commit appends event n to a stream, or to a new one.
func (d data) commit(ctx context.Context, store *eventstore.Store, n int64, stream *eventstore.StreamID) error {
	c := eventstore.Commit{ID: newID(idCommit, n)}
	var id eventstore.StreamID
	if stream != nil {
		id = *stream
		c.Streams = []eventstore.StreamID{id}
	} else {
		id = eventstore.StreamID{Tenant: tenant, Name: fee.Stream(newID(idFee, n).String())}
		c.New = []eventstore.StreamID{id}
	}
	event := d.event
	event.ID = newID(idEvent, n)
	c.Decide = func(eventstore.View) (eventstore.Decision, error) {
		return eventstore.Decision{Appends: []eventstore.Append{{Stream: id, Events: []eventstore.NewEvent{event}}}}, nil
	}
	_, err := store.Commit(ctx, c)
	return err
}

func (s *suite) measureCommits(ctx context.Context, name string, callers int, calls func(*eventstore.Store) func(context.Context, int, int64) error) error {
	store, err := s.openStore(ctx)
	if err != nil {
		return err
	}
	defer store.Close()
	got, err := s.rate(ctx, name, "copy", load{clients: callers, duration: s.duration}, calls(store))
	if err != nil {
		return err
	}
	s.report.add(name+".p50", got.percentile(0.5), millisecond, "")
	s.report.add(name+".p99", got.percentile(0.99), millisecond, "")
	stats := store.Stats()
	s.report.add(name+".batch", float64(stats.Commits)/float64(stats.Batches), "commits", "")
	return nil
}

// openStore opens a store on the log of the commits, and makes that first if need be.
func (s *suite) openStore(ctx context.Context) (*eventstore.Store, error) {
	if !s.storeMade {
		if err := s.postgres.create(ctx, storeDatabase); err != nil {
			return nil, err
		}
		s.storeMade = true
	}
	return eventstore.Open(ctx, eventstore.Config{URL: s.postgres.url(storeDatabase, roleApp), Folder: counting{}})
}
