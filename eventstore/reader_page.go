package eventstore

import (
	"context"
	"fmt"
	"math"
	"slices"
	"unsafe"

	"github.com/jackc/pgx/v5"
)

// Page is memory for a stretch of the log, used again and again by one goroutine. The zero value is ready to use.
type Page struct {
	// Events are good until the next read, and so are the payloads and the names of streams that they point to. What no fold may look at
	// isn't read: CommitID, RecordedAt and Hash are zero, and the metadata is cut off, unless Whole is set.
	Events  []Recorded
	Whole   bool
	scanner scanner
}

// metadataHead is how much is read of the metadata, in bytes: its actor and its time with room for a few roles.
const metadataHead = 192

// Every byte and every column counts here: positions aren't read, since they are dense, and of numbers only those that aren't 1. Texts come as
// text, which is the same bytes and costs Postgres less.
const (
	sqlReadPage = `SELECT NULLIF(epoch, 1), id, tenant, stream, NULLIF(version, 1), type, NULLIF(schema, 1), data, substr(metadata, 1, $3), effective_at
FROM ledger.events WHERE position > $1 AND position <= $2 ORDER BY position`
	sqlReadPositions = `SELECT position FROM ledger.events WHERE position > $1 AND position <= $2 ORDER BY position`
)

const bin, text = pgx.BinaryFormatCode, pgx.TextFormatCode

// pageFormats returns the formats of the columns of sqlReadPage.
func pageFormats() pgx.QueryResultFormats {
	return pgx.QueryResultFormats{bin, bin, text, text, bin, text, bin, bin, bin, bin}
}

// pageBytes is how much memory a page keeps for payloads.
const pageBytes = 4 << 20

// ReadPage reads all events after a position up to another one, which are there, in order of position. ErrGap: one of them isn't.
func (r *Reader) ReadPage(ctx context.Context, p *Page, after, upTo int64) error {
	if p.scanner.arena == nil {
		p.scanner.arena = make([]byte, 0, pageBytes)
	}
	p.scanner.arena, p.Events = p.scanner.arena[:0], p.Events[:0]
	head := metadataHead
	if p.Whole {
		head = math.MaxInt32
	}
	rows, err := r.pool.Query(ctx, sqlReadPage, pageFormats(), after, upTo, head)
	if err == nil {
		err = p.scan(rows, after)
	}
	if err == nil && int64(len(p.Events)) != upTo-after {
		err = r.missing(ctx, after, upTo)
	}
	if err != nil {
		return fmt.Errorf("read the log after %d: %w", after, err)
	}
	return nil
}

// scan reads the events after a position.
func (p *Page) scan(rows pgx.Rows, after int64) error {
	defer rows.Close()
	for rows.Next() {
		n := len(p.Events)
		p.Events = slices.Grow(p.Events, 1)[:n+1] // what isn't read was never set
		p.Events[n].Position = after + int64(n) + 1
		if err := p.scanner.scanLean(rows.RawValues(), &p.Events[n]); err != nil {
			return err
		}
	}
	return rows.Err()
}

// missing names the first position after another one that no event has.
func (r *Reader) missing(ctx context.Context, after, upTo int64) error {
	last := after
	err := r.each(ctx, sqlReadPositions, []any{after, upTo}, func(raw [][]byte) error {
		at := readInt64(raw[0])
		if at != last+1 {
			return fmt.Errorf("no event at position %d, the next is at %d: %w", last+1, at, ErrGap)
		}
		last = at
		return nil
	})
	if err == nil {
		err = fmt.Errorf("it ends at %d, not at %d: %w", last, upTo, ErrGap)
	}
	return err
}

// scanLean reads a row of sqlReadPage into r.
func (s *scanner) scanLean(raw [][]byte, r *Recorded) error {
	d := rowDecoder{raw: raw}
	r.Epoch = d.int64Or1()
	r.ID = d.uuid()
	r.Stream.Tenant = s.name(d.bytes(), &s.tenant)
	stream := d.bytes()
	r.Version = d.int64Or1()
	r.Type = s.name(d.bytes(), &s.kind)
	r.Schema = d.int32Or1()
	data, metadata := d.bytes(), d.bytes()
	r.EffectiveAt = d.time()
	if d.failed {
		return fmt.Errorf("event %d, column %d: %w", r.Position, d.next, errUnreadable)
	}
	r.Data, r.Metadata = s.payload(data, metadata)
	name, _ := s.payload(stream, nil)
	r.Stream.Name = unsafe.String(unsafe.SliceData(name), len(name)) //nolint:gosec // nobody writes there until the next page is read
	return nil
}

// null reports whether the next column is NULL, and takes it then.
func (d *rowDecoder) null() bool {
	if d.failed || d.raw[d.next] != nil {
		return false
	}
	d.next++
	return true
}

func (d *rowDecoder) int64Or1() int64 {
	if d.null() {
		return 1
	}
	return d.int64()
}

func (d *rowDecoder) int32Or1() int {
	if d.null() {
		return 1
	}
	return d.int32()
}
