package publisher

import (
	"context"
	"time"

	"payledger/eventstore"
	"payledger/readmodels"
)

// pageSize is how many events or route events are read at a time.
const pageSize = 512

// pumpDB sends the db events and the journal.
func (s *session) pumpDB(ctx context.Context) error {
	fold := newFolder(s.Source)
	after := s.from.db
	var atEnd time.Time
	for {
		s.Waker.GiveWay(ctx, atEnd, s.GiveWay, nil)
		began := s.Now()
		grown := s.Waker.Next()
		recs, err := s.Reader.ReadAll(ctx, after, pageSize)
		if err != nil {
			return halting(err, after+1, noEvent)
		}
		full := len(recs) == pageSize
		if !full {
			atEnd = began
		}
		recs, erasure := untilErasure(recs)
		if len(recs) > 0 {
			if err := s.sendDB(ctx, fold, recs); err != nil {
				return err
			}
			after = recs[len(recs)-1].Position
			s.seen.advance(after)
		}
		if erasure {
			if err := fold.forget(ctx); err != nil {
				return halting(err, after+1, noEvent)
			}
			full = true // there may be more of the stretch
		}
		if full {
			continue
		}
		if err := s.pause(ctx, grown); err != nil {
			return err
		}
	}
}

func (s *session) sendDB(ctx context.Context, fold *folder, recs []eventstore.Recorded) error {
	page, fault := fold.page(ctx, recs)
	s.Failpoint("read")
	for i := range page {
		out := s.dbMessages(&page[i])
		if err := s.db.put(ctx, markOf(page[i].rec), out); err != nil {
			return err
		}
	}
	return fault
}

// dbMessages returns the journal's message of an event and one for each row change.
func (r *renderer) dbMessages(f *folded) []outgoing {
	out := append(make([]outgoing, 0, 1+len(f.changes)), r.journal(f.rec, f.ev.Meta.TraceParent))
	lane := "db " + f.ev.Stream.String()
	for _, c := range f.changes {
		about := subject{topic: r.topics.rows[rowChange{c.Object, c.Action}], key: c.New.Key(), schema: string(c.Object), action: string(c.Action)}
		out = append(out, outgoing{kind: KindDB, topic: about.topic, lane: lane, msg: r.envelope(&f.ev, about, rowBody(c))})
	}
	return out
}

// bodySize is room for the usual row twice.
const bodySize = 1200

// rowBody prints a row change: the row as created; the row before and after; of a deleted one the last live row, inactive.
func rowBody(c readmodels.Change) []byte {
	body := make([]byte, 0, bodySize)
	switch c.Action {
	case readmodels.ActionDeleted:
		return c.Old.Deleted().AppendJSON(body, false)
	case readmodels.ActionUpdated:
		body = append(append(append(body, `{"old_`...), c.Object.Name()...), `":`...)
		body = c.Old.AppendJSON(body, false)
		body = append(append(append(body, `,"`...), c.Object.Name()...), `":`...)
		return append(c.New.AppendJSON(body, false), '}')
	case readmodels.ActionCreated:
	}
	return c.New.AppendJSON(body, false)
}

func markOf(rec *eventstore.Recorded) mark {
	return mark{position: rec.Position, hash: rec.Hash}
}
