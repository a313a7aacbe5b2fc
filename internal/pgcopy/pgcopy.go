// Package pgcopy writes rows in the binary format of COPY by itself: several times as fast as through the driver, which looks up a codec for
// each value.
package pgcopy

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// ErrType reports a value that has no form here.
var ErrType = errors.New("a column has a type that copies don't take")

const (
	header  = "PGCOPY\n\xff\r\n\x00" + "\x00\x00\x00\x00" + "\x00\x00\x00\x00"
	trailer = "\xff\xff"
)

// Rows are rows for columns of just the types of their values. The zero value has none.
type Rows struct {
	buf    []byte
	count  int
	begins int    // of the last row, in buf
	values uint16 // of the last row
}

// Empty takes all rows out. The memory that they took is used again.
func (r *Rows) Empty() {
	if r.count > 0 {
		*r = Rows{buf: r.buf[:0]}
	}
}

// Row begins a row, whose values follow.
func (r *Rows) Row() {
	r.end()
	r.begins = len(r.buf)
	r.buf = append(r.buf, 0, 0)
	r.count++
}

// end writes down how many values the last row has.
func (r *Rows) end() {
	if r.count > 0 {
		binary.BigEndian.PutUint16(r.buf[r.begins:], r.values)
	}
	r.values = 0
}

// Text adds a text.
func (r *Rows) Text(s string) {
	r.values++
	r.buf = append(binary.BigEndian.AppendUint32(r.buf, uint32(len(s))), s...) //nolint:gosec // far below 4 GB
}

// Bool adds a truth value.
func (r *Rows) Bool(v bool) {
	r.values++
	if v {
		r.buf = append(r.buf, 0, 0, 0, 1, 1)
	} else {
		r.buf = append(r.buf, 0, 0, 0, 1, 0)
	}
}

// Int2 adds a smallint.
func (r *Rows) Int2(v int16) {
	r.values++
	r.buf = binary.BigEndian.AppendUint16(append(r.buf, 0, 0, 0, 2), uint16(v)) //nolint:gosec // two's complement
}

// Int8 adds a bigint.
func (r *Rows) Int8(v int64) {
	r.values++
	r.buf = binary.BigEndian.AppendUint64(append(r.buf, 0, 0, 0, 8), uint64(v)) //nolint:gosec // two's complement
}

// Time adds an instant, in microseconds.
func (r *Rows) Time(v time.Time) {
	const year2000 = 946_684_800_000_000
	r.Int8(v.UnixMicro() - year2000)
}

// Null adds nothing known.
func (r *Rows) Null() {
	r.values++
	r.buf = append(r.buf, 0xff, 0xff, 0xff, 0xff)
}

// Value adds a value that is one of the types above, or nil. ErrType: it isn't.
func (r *Rows) Value(value any) error {
	switch v := value.(type) {
	case string:
		r.Text(v)
	case bool:
		r.Bool(v)
	case int16:
		r.Int2(v)
	case int64:
		r.Int8(v)
	case time.Time:
		r.Time(v)
	case nil:
		r.Null()
	default:
		return fmt.Errorf("%w: %T", ErrType, v)
	}
	return nil
}

// Add adds a row of values.
func (r *Rows) Add(values []any) error {
	r.Row()
	for _, value := range values {
		if err := r.Value(value); err != nil {
			return err
		}
	}
	return nil
}

// Renaming is a transaction in which a schema is another than the one that is named.
type Renaming interface {
	Schema(named string) string
}

// Copy copies the rows into columns of a table, as part of a transaction. The rows aren't changed and may be copied again.
func (r *Rows) Copy(ctx context.Context, tx pgx.Tx, table pgx.Identifier, columns []string) (int64, error) {
	return Copy(ctx, tx, table, columns, r)
}

// Copy copies the rows of all, one after the other, as Rows.Copy does.
func Copy(ctx context.Context, tx pgx.Tx, table pgx.Identifier, columns []string, all ...*Rows) (int64, error) {
	parts := []io.Reader{strings.NewReader(header)}
	for _, r := range all {
		if r.count > 0 {
			binary.BigEndian.PutUint16(r.buf[r.begins:], r.values)
			parts = append(parts, bytes.NewReader(r.buf))
		}
	}
	if len(parts) == 1 {
		return 0, nil
	}
	if t, ok := tx.(Renaming); ok && len(table) > 1 {
		table = append(pgx.Identifier{t.Schema(table[0])}, table[1:]...)
	}
	names := make([]string, len(columns))
	for i, column := range columns {
		names[i] = pgx.Identifier{column}.Sanitize()
	}
	sql := "COPY " + table.Sanitize() + " (" + strings.Join(names, ", ") + ") FROM STDIN (FORMAT binary)"
	tag, err := tx.Conn().PgConn().CopyFrom(ctx, io.MultiReader(append(parts, strings.NewReader(trailer))...), sql)
	return tag.RowsAffected(), err
}
