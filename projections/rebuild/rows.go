package rebuild

import (
	"bytes"
	"context"
	"encoding/binary"
	"slices"

	"github.com/jackc/pgx/v5/pgconn"

	"payledger/readmodels/digest"
)

// rawRows are rows as they came, in one piece of memory: nearly all of them are only compared byte by byte.
type rawRows struct {
	fields []pgconn.FieldDescription
	buf    []byte // of each column its length, 2^32-1 for null, and its bytes
	ends   []int  // of the rows in buf
}

func (r *rawRows) count() int { return len(r.ends) }

func (r *rawRows) add(fields []pgconn.FieldDescription, raw [][]byte) {
	if r.fields == nil {
		r.fields = slices.Clone(fields)
	}
	for _, value := range raw {
		size := uint32(len(value)) //nolint:gosec // below 1 GB
		if value == nil {
			size = ^uint32(0)
		}
		r.buf = append(binary.BigEndian.AppendUint32(r.buf, size), value...)
	}
	r.ends = append(r.ends, len(r.buf))
}

// bytes returns row i as it was added.
func (r *rawRows) bytes(i int) []byte {
	begin := 0
	if i > 0 {
		begin = r.ends[i-1]
	}
	return r.buf[begin:r.ends[i]]
}

// row returns the columns of row i.
func (r *rawRows) row(i int) [][]byte {
	raw := make([][]byte, len(r.fields))
	rest := r.bytes(i)
	for c := range raw {
		size := binary.BigEndian.Uint32(rest)
		rest = rest[4:]
		if size != ^uint32(0) {
			raw[c], rest = rest[:size:size], rest[size:]
		}
	}
	return raw
}

// reset forgets the rows and keeps their memory.
func (r *rawRows) reset() { r.buf, r.ends = r.buf[:0], r.ends[:0] }

// comparePage compares live rows with the shadow's between the same keys. As long as they are the same bytes, they are summed up once for both;
// from the first that differ on, each is looked at.
func (r *rebuild) comparePage(ctx context.Context, s *shadow, t table, live *rawRows, b bounds, found *verified) error {
	var one rawRows
	var form digest.Row
	var shared digest.Sum
	var built []row
	same, equal := 0, true
	sql, args := t.sqlPage(s.schema, b, 0)
	err := t.each(ctx, r.Pool, sql, args, func(fields []pgconn.FieldDescription, raw [][]byte) (err error) {
		if equal {
			one.reset()
			one.add(fields, raw)
			equal = same < live.count() && bytes.Equal(one.buf, live.bytes(same))
		}
		if !equal {
			row, err := t.parse(fields, raw)
			built = append(built, row)
			return err
		}
		if form, err = t.form(form[:0], fields, raw); err != nil {
			return err
		}
		shared.Add(form)
		same++
		return nil
	})
	if err != nil {
		return err
	}
	found.sum.AddAll(shared)
	found.liveSum.AddAll(shared)
	rest := make([]row, 0, live.count()-same)
	for i := same; i < live.count(); i++ {
		row, err := t.parse(live.fields, live.row(i))
		if err != nil {
			return err
		}
		rest = append(rest, row)
	}
	return r.compare(ctx, s, t, rest, built, found)
}
