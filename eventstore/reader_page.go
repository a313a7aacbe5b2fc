package eventstore

import (
	"context"
	"fmt"
)

// Page is memory for a stretch of the log, used again and again by one goroutine. The zero value is ready to use.
type Page struct {
	// Events are good until the next read, and so are the payloads that they point to. What no fold may look at isn't read:
	// CommitID, RecordedAt and Hash are zero.
	Events  []Recorded
	scanner scanner
}

const sqlReadPage = `SELECT position, epoch, id, tenant, stream, version, type, schema, data, metadata, effective_at FROM ledger.events
WHERE position > $1 AND position <= $2 ORDER BY position`

// pageBytes is how much memory a page keeps for payloads.
const pageBytes = 8 << 20

// ReadPage reads all events after a position up to another one, which are there, in order of position. ErrGap: one of them isn't.
func (r *Reader) ReadPage(ctx context.Context, p *Page, after, upTo int64) error {
	if p.scanner.arena == nil {
		p.scanner.arena = make([]byte, 0, pageBytes)
	}
	p.scanner.arena, p.Events = p.scanner.arena[:0], p.Events[:0]
	err := r.each(ctx, sqlReadPage, []any{after, upTo}, func(raw [][]byte) error {
		p.Events = append(p.Events, Recorded{})
		e := &p.Events[len(p.Events)-1]
		if err := p.scanner.scanLean(raw, e); err != nil {
			return err
		}
		if want := after + int64(len(p.Events)); e.Position != want {
			return fmt.Errorf("no event at position %d, the next is at %d: %w", want, e.Position, ErrGap)
		}
		return nil
	})
	if last := after + int64(len(p.Events)); err == nil && last < upTo {
		err = fmt.Errorf("it ends at %d, not at %d: %w", last, upTo, ErrGap)
	}
	if err != nil {
		return fmt.Errorf("read the log after %d: %w", after, err)
	}
	return nil
}

// scanLean reads a row of sqlReadPage into r.
func (s *scanner) scanLean(raw [][]byte, r *Recorded) error {
	d := rowDecoder{raw: raw}
	r.Position = d.int64()
	r.Epoch = d.int64()
	r.ID = d.uuid()
	r.Stream.Tenant = s.name(d.bytes())
	r.Stream.Name = string(d.bytes())
	r.Version = d.int64()
	r.Type = s.name(d.bytes())
	r.Schema = d.int32()
	r.Data, r.Metadata = s.payload(d.bytes(), d.bytes())
	r.EffectiveAt = d.time()
	if d.failed {
		return fmt.Errorf("event %d, column %d: %w", r.Position, d.next, errUnreadable)
	}
	return nil
}
