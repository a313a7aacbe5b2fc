package publisher

import (
	"context"
	"time"

	"payledger/eventstore"
	"payledger/eventstore/catalog"
	"payledger/projections"
)

// boundTimeout is how long one look for the search's checkpoint waits.
const boundTimeout = time.Second

// pumpIndex sends the index events, each after the search has reached its position: the document can be found by then.
func (s *session) pumpIndex(ctx context.Context) error {
	docs := newDocuments(s.Source)
	after := s.from.index
	for {
		if err := s.seen.beyond(ctx, after); err != nil {
			return err
		}
		began := s.Now()
		bound, err := s.Checkpoints.Wait(ctx, s.IndexAfter, after+1, boundTimeout)
		if err != nil {
			return err
		}
		if bound <= after {
			continue
		}
		recs, err := s.Reader.ReadAll(ctx, after, int(min(pageSize, bound-after)))
		if err != nil {
			return halting(err, after+1, noEvent)
		}
		read := len(recs)
		recs, erasure := untilErasure(recs)
		if len(recs) > 0 {
			if err := s.sendIndex(ctx, docs, recs); err != nil {
				return err
			}
			after = recs[len(recs)-1].Position
		}
		if erasure {
			if err := docs.fold.forget(ctx); err != nil {
				return halting(err, after+1, noEvent)
			}
		} else if read < pageSize {
			projections.Wait(ctx, s.Interval-s.Now().Sub(began))
		}
	}
}

func (s *session) sendIndex(ctx context.Context, docs *documents, recs []eventstore.Recorded) error {
	page, fault := docs.page(ctx, recs)
	for i := range page {
		var out []outgoing
		for _, c := range page[i].changed {
			out = append(out, s.indexMessages(&page[i].ev, c)...)
		}
		if err := s.index.put(ctx, markOf(page[i].rec), out); err != nil {
			return err
		}
	}
	return fault
}

// indexMessages returns the message of a document change; for an update also the copy on the -created topic.
func (r *renderer) indexMessages(ev *catalog.Event, c docChange) []outgoing {
	topics := r.topics.documents[c.root.Object]
	about := subject{topic: topics[c.action], key: c.root.ID, schema: string(c.root.Object), action: c.action}
	msg := r.envelope(ev, about, c.body)
	if c.truncated {
		msg.Metadata[headerTruncated] = "true"
	}
	lane := "index " + c.root.tenant + "/" + string(c.root.Object) + "/" + c.root.ID
	out := []outgoing{{kind: KindIndex, topic: about.topic, lane: lane, msg: msg}}
	if c.action == actionUpdated && r.updatedOnCreated {
		out = append(out, outgoing{kind: KindIndex, topic: topics[actionCreated], lane: lane, msg: msg})
	}
	return out
}
