package eventstore

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
)

// eventColumns are the columns of an event in the order of scanner.scan.
const eventColumns = `position, epoch, id, commit_id, tenant, stream, version, type, schema, data, metadata, effective_at, recorded_at, hash`

// maxNames bounds the texts that a scanner keeps.
const maxNames = 4096

// errUnreadable: a column holds NULL or what is no value of its type. Only a changed table can do that.
var errUnreadable = errors.New("unreadable column")

// scanner turns rows in Postgres' binary format into events. It does without reflection and allocates twice for a row:
// projections read tens of thousands of events a second. The zero value is ready to use, by one goroutine.
type scanner struct {
	names        map[string]string // tenants and event types, which repeat in almost every row
	tenant, kind string            // of the row before
	arena        []byte            // where payloads are copied to, if the caller has set one
}

// scan reads a row of eventColumns into r. Nothing in r points into raw.
func (s *scanner) scan(raw [][]byte, r *Recorded) error {
	d := rowDecoder{raw: raw}
	r.Position = d.int64()
	r.Epoch = d.int64()
	r.ID = d.uuid()
	r.CommitID = d.uuid()
	r.Stream.Tenant = s.name(d.bytes(), &s.tenant)
	r.Stream.Name = string(d.bytes())
	r.Version = d.int64()
	r.Type = s.name(d.bytes(), &s.kind)
	r.Schema = d.int32()
	r.Data, r.Metadata = s.payload(d.bytes(), d.bytes())
	r.EffectiveAt = d.time()
	r.RecordedAt = d.time()
	r.Hash = d.hash()
	if d.failed {
		return fmt.Errorf("event %d, column %s: %w", r.Position, strings.Split(eventColumns, ", ")[d.next-1], errUnreadable)
	}
	return nil
}

func (s *scanner) name(b []byte, before *string) string {
	if string(b) == *before {
		return *before
	}
	if name, ok := s.names[string(b)]; ok {
		*before = name
		return name
	}
	if s.names == nil || len(s.names) >= maxNames {
		s.names = make(map[string]string)
	}
	name := string(b)
	s.names[name], *before = name, name
	return name
}

// payload copies both into one piece of memory. Appending to the first can't reach the second.
func (s *scanner) payload(data, metadata []byte) (dataCopy, metadataCopy []byte) {
	n, size := len(data), len(data)+len(metadata)
	var b []byte
	if cap(s.arena)-len(s.arena) >= size {
		start := len(s.arena)
		s.arena = s.arena[:start+size]
		b = s.arena[start:]
	} else {
		b = make([]byte, size)
	}
	copy(b, data)
	copy(b[n:], metadata)
	return b[:n:n], b[n:size:size]
}

// rowDecoder reads one column after the other; the first that can't be read sets failed and stops it there.
type rowDecoder struct {
	raw    [][]byte
	next   int
	failed bool
}

// column returns the next column, which must have size bytes if size isn't negative. NULL is never right.
func (d *rowDecoder) column(size int) []byte {
	if d.failed {
		return nil
	}
	b := d.raw[d.next]
	d.next++
	if b == nil || size >= 0 && len(b) != size {
		d.failed = true
		return nil
	}
	return b
}

func (d *rowDecoder) bytes() []byte { return d.column(-1) }

func (d *rowDecoder) int64() int64 {
	if b := d.column(8); b != nil {
		return int64(binary.BigEndian.Uint64(b)) //nolint:gosec // two's complement on the wire
	}
	return 0
}

func (d *rowDecoder) int32() int {
	if b := d.column(4); b != nil {
		return int(int32(binary.BigEndian.Uint32(b))) //nolint:gosec // two's complement on the wire
	}
	return 0
}

func (d *rowDecoder) uuid() (id uuid.UUID) {
	copy(id[:], d.column(len(id)))
	return id
}

func (d *rowDecoder) hash() (hash [32]byte) {
	copy(hash[:], d.column(len(hash)))
	return hash
}

// time reads a timestamptz: microseconds since 2000-01-01 UTC. In seconds, because microseconds since 1970 would overflow
// in the last years that Postgres knows.
func (d *rowDecoder) time() time.Time {
	const year2000 = 946_684_800
	micros := d.int64()
	return time.Unix(year2000+micros/1e6, micros%1e6*1e3).UTC()
}
