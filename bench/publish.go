package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"payledger/projections/publisher"
)

// measurePublishing measures how many messages a second a publisher sends that has the whole log before it. It is stopped when
// the time is up; the rest of the history is never sent.
func measurePublishing(ctx context.Context, s *suite) (err error) {
	st, err := s.useStack(ctx)
	if err != nil {
		return err
	}
	if err := s.build(ctx, "documents"); err != nil {
		return err
	}
	p, err := st.role(ctx, "publisher", "project", "publisher")
	if err != nil {
		return err
	}
	stopped := false
	defer func() {
		if !stopped {
			err = errors.Join(err, p.stop())
		}
	}()
	if _, err := climbTo(ctx, 1, patience, func() (int64, error) { return s.library.published(ctx) }); err != nil {
		return err
	}
	before, err := countMessages(ctx, st.kafka, st.topics)
	if err != nil {
		return err
	}
	spentBefore, measured := p.processTime()
	began := time.Now()
	if err := s.publishingTime(ctx); err != nil {
		return err
	}
	after, err := countMessages(ctx, st.kafka, st.topics)
	if err != nil {
		return err
	}
	sent := float64(after - before)
	s.report.add("publish.rate", sent/time.Since(began).Seconds(), perSecond, "")
	if spent, _ := p.processTime(); measured && sent > 0 {
		s.report.add("publish.rate.cpu", float64((spent-spentBefore).Microseconds())/sent, microsecond, "")
	}
	stopped = true
	return errors.Join(p.stop(), s.library.skipPublishing(ctx))
}

// publishingTime waits until the time is up or the whole log is published.
func (s *suite) publishingTime(ctx context.Context) error {
	end := time.Now().Add(s.duration)
	for time.Now().Before(end) {
		at, err := s.library.published(ctx)
		if err != nil || at >= s.library.events {
			return err
		}
		if err := sleep(ctx, 10*time.Millisecond); err != nil {
			return err
		}
	}
	return nil
}

// build makes sure that a read model has the whole history.
func (s *suite) build(ctx context.Context, projection string) (err error) {
	at, err := s.library.checkpoint(ctx, projection)
	if err != nil || at >= s.library.events {
		return err
	}
	p, err := s.stack.role(ctx, projection, "project", projection)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.stop()) }()
	_, err = climbTo(ctx, s.library.events, patience, func() (int64, error) { return s.library.checkpoint(ctx, projection) })
	return err
}

const sqlPublished = `SELECT coalesce(min(position), 0) FROM ledger.cursors WHERE name IN ('db', 'index')`

// published returns the position up to which all messages but those of routes are acknowledged.
func (l *library) published(ctx context.Context) (int64, error) {
	var at int64
	if err := l.pool.QueryRow(ctx, sqlPublished).Scan(&at); err != nil {
		return 0, fmt.Errorf("read the cursors: %w", err)
	}
	return at, nil
}

const sqlSkipPublishing = `
UPDATE ledger.cursors c SET position = greatest(c.position, h.position) FROM ledger.head h WHERE c.name IN ('db', 'index')`

// skipPublishing lets the publisher begin with what is new.
func (l *library) skipPublishing(ctx context.Context) error {
	if _, err := l.pool.Exec(ctx, sqlSkipPublishing); err != nil {
		return fmt.Errorf("move the cursors: %w", err)
	}
	return nil
}

// publishRate is the rate of the commands, in commands a second, at which the way of a message to Kafka is measured.
const publishRate = 1000

// measureLatency measures the time from the commit (when the event was recorded, which is before the commit) until a consumer
// has the message.
func measureLatency(ctx context.Context, s *suite) error {
	st, err := s.useRunning(ctx)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	consumer, err := st.consume()
	if err != nil {
		return err
	}
	defer consumer.Close()
	arrived := make(chan map[publisher.Kind][]time.Duration, 1)
	go func() { arrived <- receive(ctx, consumer, st.kinds()) }()
	l := load{clients: 64, duration: 2 * s.duration, rate: publishRate}
	callers := st.callers(assess, l.clients)
	defer callers.close()
	got, err := l.run(ctx, callers.call)
	if err != nil {
		return err
	}
	if err := s.settle(ctx); err != nil {
		return err
	}
	cancel()
	s.report.add("publish.commands", got.perSecond(), perSecond, "")
	taken := <-arrived
	for _, kind := range []publisher.Kind{publisher.KindDB, publisher.KindJournal, publisher.KindIndex, publisher.KindRoute} {
		slices.Sort(taken[kind])
		name := "publish"
		if kind != publisher.KindDB {
			name += "." + string(kind)
		}
		for _, part := range []int{50, 99} {
			s.report.add(fmt.Sprintf("%s.p%d", name, part), milliseconds(percentile(taken[kind], float64(part)/100)), millisecond, "")
		}
	}
	return nil
}

// kinds returns the kind of each topic.
func (st *stack) kinds() map[string]publisher.Kind {
	kinds := map[string]publisher.Kind{}
	for _, t := range publisher.Topics(publisher.TopicConfig{}) {
		kinds[t.Topic] = t.Kind
	}
	return kinds
}

// consume opens a consumer of all topics from their ends on.
func (st *stack) consume() (*kgo.Client, error) {
	client, err := kgo.NewClient(kgo.SeedBrokers(st.kafka.OptValue(kgo.SeedBrokers).([]string)...), kgo.ConsumeTopics(st.topics...), //nolint:forcetypeassert // that is what SeedBrokers takes
		kgo.ConsumeResetOffset(kgo.NewOffset().AtEnd()))
	if err != nil {
		return nil, fmt.Errorf("consume: %w", err)
	}
	return client, nil
}

// receive takes messages until ctx ends, and returns how old they were by the time of their event.
func receive(ctx context.Context, client *kgo.Client, kinds map[string]publisher.Kind) map[publisher.Kind][]time.Duration {
	taken := make(map[publisher.Kind][]time.Duration)
	for {
		fetches := client.PollFetches(ctx)
		if ctx.Err() != nil {
			return taken
		}
		now := time.Now()
		fetches.EachRecord(func(r *kgo.Record) {
			for _, h := range r.Headers {
				if h.Key != "ce_time" {
					continue
				}
				if recorded, err := time.Parse(time.RFC3339Nano, string(h.Value)); err == nil {
					taken[kinds[r.Topic]] = append(taken[kinds[r.Topic]], now.Sub(recorded))
				}
			}
		})
	}
}
