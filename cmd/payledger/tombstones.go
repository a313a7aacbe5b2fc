package main

import (
	"context"
	"errors"
	"fmt"
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
func (e *eraser) askTopics(ctx context.Context, events []catalog.Event, c *person.Certified) error {
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
		if t.Compacted && topics[t.Topic].Kind == publisher.KindRoute {
			return refused("topic %s is compacted, which payledger doesn't set: its keys are request ids, so that its messages would stay for ever; set cleanup.policy to delete", t.Topic)
		}
		if t.Compacted {
			compacted = append(compacted, topics[t.Topic])
		}
		c.Topics = append(c.Topics, person.Topic{Topic: t.Topic, RetentionMS: int(t.MS), Compacted: t.Compacted})
	}
	if len(compacted) == 0 || e.isCertified(events, c) {
		return nil
	}
	return e.bury(ctx, compacted, events, c)
}

// isCertified reports whether the erasure was certified before: rows that were published since then have no texts and stay.
func (e *eraser) isCertified(events []catalog.Event, c *person.Certified) bool {
	return slices.ContainsFunc(events, func(ev catalog.Event) bool {
		_, ok := ev.Data.(person.Certified)
		return ok && ev.Position > int64(c.ErasedAt)
	})
}

// bury sends a tombstone for each row of the person that may have had texts. All that the publisher had in hand before the erasure is
// acknowledged, so that it comes last.
func (e *eraser) bury(ctx context.Context, topics []publisher.Topic, events []catalog.Event, c *person.Certified) error {
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
	bus, err := kafkabus.NewPublisher(kafkaConfig(e.cfg))
	if err != nil {
		return &exitError{code: exitUnreachable, err: err}
	}
	sent := make(map[string]int)
	for _, topic := range topics {
		for _, row := range rows {
			if row.Object.Name() != topic.Object || err != nil {
				continue
			}
			sent[topic.Topic]++
			err = bus.Publish(topic.Topic, publisher.Tombstone(e.messages(), &erasure, topic.Topic, string(row.Object), row.ID))
		}
	}
	if err = errors.Join(err, bus.Close()); err != nil {
		return &exitError{code: exitUnreachable, err: fmt.Errorf("send tombstones: %w", err)}
	}
	for i := range c.Topics {
		c.Topics[i].Tombstones = sent[c.Topics[i].Topic]
	}
	e.fail("erase.buried")
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
