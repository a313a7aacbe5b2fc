package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"payledger/cmd/payledger/internal/kafkabus"
	"payledger/domain/person"
	"payledger/eventstore"
	"payledger/eventstore/catalog"
	"payledger/projections/publisher"
	"payledger/readmodels"
)

// askTopics says what bounds the texts in topics that carry them in the clear, and sends tombstones to those that are compacted: there the last
// message of a key would stay for ever. The journal has ciphertext.
func (e *eraser) askTopics(ctx context.Context, events []catalog.Event, upTo int64, c *person.Certified) error {
	if len(e.cfg.KafkaBrokers) == 0 {
		return nil
	}
	topics := make(map[string]publisher.Topic)
	var names []string
	for _, t := range publisher.Topics(topicConfig(e.cfg)) {
		if t.Kind != publisher.KindJournal {
			topics[t.Topic], names = t, append(names, t.Topic)
		}
	}
	found, err := kafkabus.Retentions(ctx, kafkaConfig(e.cfg), names)
	if err != nil {
		return err
	}
	slices.SortFunc(found, func(a, b kafkabus.Retention) int { return strings.Compare(a.Topic, b.Topic) })
	var compacted []publisher.Topic
	for _, t := range found {
		if t.Compacted {
			compacted = append(compacted, topics[t.Topic])
		}
		c.Topics = append(c.Topics, person.Topic{Topic: t.Topic, RetentionMS: int(t.MS), Compacted: t.Compacted})
	}
	if len(compacted) == 0 || e.isCertified(events, c) {
		return nil
	}
	if err := e.awaitRoutes(ctx); err != nil {
		return err
	}
	return e.bury(ctx, compacted, events, upTo, c)
}

// isCertified reports whether the erasure was certified before: rows that were published since then have no texts and stay.
func (e *eraser) isCertified(events []catalog.Event, c *person.Certified) bool {
	return slices.ContainsFunc(events, func(ev catalog.Event) bool {
		_, ok := ev.Data.(person.Certified)
		return ok && ev.Position > int64(c.ErasedAt)
	})
}

// bury sends a tombstone for each row of the person that may have had texts, and for each route event that shows some. All that the publisher had
// in hand before the erasure is acknowledged, so that it comes last.
func (e *eraser) bury(ctx context.Context, topics []publisher.Topic, events []catalog.Event, upTo int64, c *person.Certified) error {
	rows, err := rowsWithTexts(events)
	if err != nil {
		return err
	}
	recs, err := e.reader.ReadAll(ctx, int64(c.ErasedAt)-1, 1)
	if err != nil {
		return err
	}
	if len(recs) == 0 {
		return errors.New("the erasure isn't in the log")
	}
	erasure, err := e.catalog.Decode(ctx, e.vault, &recs[0])
	if err != nil {
		return err
	}
	var graves []grave
	for _, topic := range topics {
		if topic.Kind == publisher.KindRoute {
			found, err := e.findRoutes(ctx, topic, &erasure, upTo)
			if err != nil {
				return err
			}
			graves = append(graves, found...)
			continue
		}
		for _, row := range rows {
			if row.Object.Name() == topic.Object {
				graves = append(graves, grave{topic.Topic, string(row.Object), row.ID})
			}
		}
	}
	if err := e.sendTombstones(graves, &erasure, c); err != nil {
		return &exitError{code: exitUnreachable, err: fmt.Errorf("send tombstones: %w", err)}
	}
	if err := e.checkRoutes(ctx, topics, upTo); err != nil {
		return err
	}
	e.fail("erase.buried")
	return nil
}

// grave is a key of a compacted topic under which there are texts.
type grave struct{ topic, schema, key string }

func (e *eraser) sendTombstones(graves []grave, erasure *catalog.Event, c *person.Certified) error {
	bus, err := kafkabus.NewPublisher(kafkaConfig(e.cfg))
	if err != nil {
		return err
	}
	sent := make(map[string]int)
	for _, g := range graves {
		if err := bus.Publish(g.topic, publisher.Tombstone(e.messages(), erasure, g.topic, g.schema, g.key)); err != nil {
			return errors.Join(err, bus.Close())
		}
		sent[g.topic]++
	}
	for i := range c.Topics {
		c.Topics[i].Tombstones = sent[c.Topics[i].Topic]
	}
	return bus.Close()
}

// findRoutes returns the keys of a route topic whose last message shows texts of the person, or is a tombstone of an earlier try. They are request ids, of
// which we forget those older than answerDays: so the topic itself is read.
func (e *eraser) findRoutes(ctx context.Context, topic publisher.Topic, erasure *catalog.Event, upTo int64) ([]grave, error) {
	found, err := e.lastMessages(ctx, topic.Topic, func(m *publisher.Sent) bool { return m.IsTombstone(erasure) || m.ShowsTexts(e.who, upTo) })
	keys := make(map[grave]bool)
	for at := range found {
		keys[grave{topic.Topic, topic.Schema, at.key}] = true
	}
	return slices.Collect(maps.Keys(keys)), err
}

// checkRoutes reads route topics once more: a message that stands in another partition than its tombstone would stay for ever.
func (e *eraser) checkRoutes(ctx context.Context, topics []publisher.Topic, upTo int64) error {
	for _, topic := range topics {
		if topic.Kind != publisher.KindRoute {
			continue
		}
		left, err := e.lastMessages(ctx, topic.Topic, func(m *publisher.Sent) bool { return m.ShowsTexts(e.who, upTo) })
		if err != nil {
			return err
		}
		if len(left) > 0 {
			return refused("topic %s is compacted, and %d of its messages with the texts stand in other partitions than their keys lead to, as after partitions were added: no tombstone "+
				"comes there, and they would stay for ever; set its cleanup.policy to delete", topic.Topic, len(left))
		}
	}
	return nil
}

// place is where Kafka keeps the last message of a key.
type place struct {
	partition int32
	key       string
}

// lastMessages returns where messages stand that are the last of their places and as they are looked for.
func (e *eraser) lastMessages(ctx context.Context, topic string, wanted func(*publisher.Sent) bool) (map[place]bool, error) {
	found := make(map[place]bool)
	err := kafkabus.ReadTopic(ctx, kafkaConfig(e.cfg), topic, e.flags.wait, func(m publisher.Sent) {
		at := place{m.Partition, m.Key}
		if delete(found, at); wanted(&m) {
			found[at] = true
		}
	})
	if err != nil {
		return nil, &exitError{code: exitUnreachable, err: fmt.Errorf("look for texts in the compacted topic %s: %w", topic, err)}
	}
	return found, nil
}

// awaitRoutes waits for route events on their way that the publisher has read with the texts.
func (e *eraser) awaitRoutes(ctx context.Context) error {
	head, err := e.reader.Head(ctx)
	if err != nil {
		return err
	}
	waiting, cancel := context.WithTimeout(ctx, e.flags.wait)
	defer cancel()
	if err := publisher.AwaitRoutes(waiting, e.pool, head.Route); err != nil {
		return fmt.Errorf("does the publisher run? %w", err)
	}
	return nil
}

// rowsWithTexts returns the rows that streams tell of, of the objects that may have texts.
func rowsWithTexts(events []catalog.Event) ([]readmodels.Ref, error) {
	var rows []readmodels.Ref
	seen := make(map[readmodels.Ref]bool)
	states := make(map[eventstore.StreamID]any)
	for _, ev := range events {
		state, changes, err := readmodels.Fold(states[ev.Stream], ev)
		if err != nil {
			return nil, err
		}
		states[ev.Stream] = state
		for _, change := range changes {
			ref := readmodels.Ref{Object: change.Object, ID: change.New.Key()}
			if readmodels.HasTexts(change.Object) && !seen[ref] {
				seen[ref] = true
				rows = append(rows, ref)
			}
		}
	}
	return rows, nil
}
