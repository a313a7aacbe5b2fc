package audit

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"payledger/eventstore"
	"payledger/eventstore/catalog"
	"payledger/readmodels/history"
)

var (
	// ErrUnknownReport refuses a kind of report that there isn't.
	ErrUnknownReport = errors.New("unknown kind of report")
	// ErrBadFilter refuses a filter that a report doesn't have, or a value that it doesn't know.
	ErrBadFilter = errors.New("filter doesn't fit the report")
	// ErrOtherForm refuses to make a report again that was made by other rules than this program's.
	ErrOtherForm = errors.New("report was made by another version of its rules")
)

// ErrNotFound says that the log, as far as it was to be read, has nothing about what was asked after.
var ErrNotFound = history.ErrNotFound

// Reader answers from a log. Safe for concurrent use.
type Reader struct {
	Log     *eventstore.Reader
	Catalog *catalog.Catalog
	// Keys opens texts about people: SealedKeys for none.
	Keys eventstore.Keys
}

// History answers what happened.
func (r Reader) History() history.Reader {
	return history.Reader{Log: r.Log, Catalog: r.Catalog, Keys: r.Keys}
}

// Bounds say what of the log an answer is made of.
type Bounds struct {
	From    time.Time // what took effect earlier is only in opening balances; zero: from the beginning
	AsOf    time.Time // what took effect later is left out
	KnownAt int64     // what was recorded behind this position is left out
}

// counts reports whether what took effect at an instant is known as of the bounds.
func (b Bounds) counts(at time.Time) bool { return !at.After(b.AsOf) }

// within reports whether an instant is in the period.
func (b Bounds) within(at time.Time) bool { return b.counts(at) && !at.Before(b.From) }

// check refuses a period that ends before it begins.
func (b Bounds) check() error {
	if b.From.After(b.AsOf) {
		return fmt.Errorf("%w: from is later than as of", ErrBadFilter)
	}
	return nil
}

// Known returns the position up to which an answer can go, the asked one (nil: all) but no further than the head, and the hash
// of the chain there.
func (r Reader) Known(ctx context.Context, asked *int64) (int64, [32]byte, error) {
	head, err := r.Log.Head(ctx)
	if err != nil || asked == nil || *asked >= head.Position {
		return head.Position, head.Hash, err
	}
	if *asked <= 0 {
		return 0, [32]byte{}, nil
	}
	at, err := r.Log.ReadAll(ctx, *asked-1, 1)
	if err != nil {
		return 0, [32]byte{}, err
	}
	if len(at) == 0 {
		return 0, [32]byte{}, fmt.Errorf("read position %d: %w", *asked, eventstore.ErrGap)
	}
	return *asked, at[0].Hash, nil
}

// SealedKeys opens nothing: texts about people stay empty.
type SealedKeys struct{}

// Key implements eventstore.Keys.
func (SealedKeys) Key(context.Context, uuid.UUID) (eventstore.Key, error) {
	return eventstore.Key{}, eventstore.ErrKeyDestroyed
}

// How much of the log is read at once. Queries are short: a long snapshot would slow the writers down.
const (
	pageEvents  = 4096
	pageStreams = 512
)

// eachPage hands over the events of a tenant between two positions that are wanted by their type, in order of position and by
// pages; a page may be empty.
func (r Reader) eachPage(
	ctx context.Context, tenant string, after, upTo int64, want func(eventType string) bool, page func([]catalog.Event) error,
) error {
	return r.eachRecorded(ctx, tenant, after, upTo, want, func(recorded []eventstore.Recorded) error {
		events := make([]catalog.Event, len(recorded))
		for i := range recorded {
			var err error
			if events[i], err = r.Catalog.Decode(ctx, r.Keys, &recorded[i]); err != nil {
				return err
			}
		}
		return page(events)
	})
}

// eachRecorded is eachPage of events that aren't decoded.
func (r Reader) eachRecorded(
	ctx context.Context, tenant string, after, upTo int64, want func(eventType string) bool, page func([]eventstore.Recorded) error,
) error {
	for after < upTo {
		recorded, err := r.Log.ReadAll(ctx, after, int(min(pageEvents, upTo-after)))
		if err != nil {
			return err
		}
		if len(recorded) == 0 {
			return fmt.Errorf("the log ends at %d, not at %d: %w", after, upTo, eventstore.ErrGap)
		}
		after = recorded[len(recorded)-1].Position
		wanted := slices.DeleteFunc(recorded, func(rec eventstore.Recorded) bool { return rec.Stream.Tenant != tenant || !want(rec.Type) })
		if err := page(wanted); err != nil {
			return err
		}
	}
	return nil
}

// eachStream hands over the events of each stream of a tenant whose name begins with prefix, in order of name, up to a position.
// Texts about people stay sealed.
func (r Reader) eachStream(ctx context.Context, tenant, prefix string, upTo int64, stream func([]catalog.Event) error) error {
	return r.eachStreams(ctx, tenant, prefix, upTo, func(page [][]catalog.Event) error {
		for _, events := range page {
			if err := stream(events); err != nil {
				return err
			}
		}
		return nil
	})
}

// eachStreams is eachStream by pages of streams.
func (r Reader) eachStreams(ctx context.Context, tenant, prefix string, upTo int64, page func([][]catalog.Event) error) error {
	for after := ""; ; {
		ids, err := r.Log.Streams(ctx, tenant, prefix, after, pageStreams)
		if err != nil || len(ids) == 0 {
			return err
		}
		after = ids[len(ids)-1].Name
		recorded, err := r.Log.ReadStreams(ctx, ids, upTo)
		if err != nil {
			return err
		}
		events := make(map[string][]catalog.Event, len(ids))
		for i := range recorded {
			ev, err := r.Catalog.Decode(ctx, SealedKeys{}, &recorded[i])
			if err != nil {
				return err
			}
			events[ev.Stream.Name] = append(events[ev.Stream.Name], ev)
		}
		var begun [][]catalog.Event
		for _, id := range ids {
			if len(events[id.Name]) > 0 { // else it began later
				begun = append(begun, events[id.Name])
			}
		}
		if err := page(begun); err != nil {
			return err
		}
	}
}
