package digest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5/pgtype"

	"payledger/eventstore"
)

// Shape says how the rows of a table are told apart and compared.
type Shape struct {
	Table string
	// Label begins the form of a row; empty for none.
	Label string
	// Key are the columns of its primary key, in their order: texts that compare by bytes, whole numbers, dates.
	Key []string
	// Columns are those that digests are made of, in their order. Comparisons of two read models look at all.
	Columns []string
	// OfEvent says that a row is made by one event, the one at its column position.
	OfEvent bool
	// Streams returns the streams that a row, by its columns, is folded from; nil where a row doesn't tell.
	Streams func(row map[string]any) []eventstore.StreamID
}

var errColumn = errors.New("column has no form for digests")

var numbers = pgtype.NewMap()

func dateOf(raw []byte) time.Time {
	return time.Date(2000, 1, 1+int(int32(binary.BigEndian.Uint32(raw))), 0, 0, 0, 0, time.UTC) //nolint:gosec // two's complement
}

// KeyPart returns a column of a key as it came from Postgres in binary format: as text for a statement, and as bytes in whose order the
// database has the rows.
func KeyPart(oid uint32, raw []byte) (text, rank string, err error) {
	var n int64
	switch oid {
	case pgtype.TextOID:
		return string(raw), string(raw), nil
	case pgtype.Int2OID:
		n = int64(int16(binary.BigEndian.Uint16(raw))) //nolint:gosec // two's complement
		text = strconv.FormatInt(n, 10)
	case pgtype.Int8OID:
		n = int64(binary.BigEndian.Uint64(raw)) //nolint:gosec // two's complement
		text = strconv.FormatInt(n, 10)
	case pgtype.DateOID:
		at := dateOf(raw)
		n, text = at.Unix(), at.Format(time.DateOnly)
	default:
		return "", "", fmt.Errorf("%w: a key of a type with OID %d", errColumn, oid)
	}
	const negativesFirst = 1 << 63
	return text, string(binary.BigEndian.AppendUint64(nil, uint64(n)^negativesFirst)), nil //nolint:gosec // two's complement
}

// Column appends a column of a row as it came from Postgres in binary format.
func (r Row) Column(oid uint32, raw []byte) (Row, error) {
	if raw == nil {
		return nil, fmt.Errorf("%w: it is null", errColumn)
	}
	switch oid {
	case pgtype.TextOID, pgtype.JSONOID, pgtype.ByteaOID:
		return r.Bytes(raw), nil
	case pgtype.BoolOID:
		return r.Bool(raw[0] != 0), nil
	case pgtype.Int2OID:
		return r.Int(int64(int16(binary.BigEndian.Uint16(raw)))), nil //nolint:gosec // two's complement
	case pgtype.Int4OID:
		return r.Int(int64(int32(binary.BigEndian.Uint32(raw)))), nil //nolint:gosec // two's complement
	case pgtype.Int8OID:
		return r.Int(int64(binary.BigEndian.Uint64(raw))), nil //nolint:gosec // two's complement
	case pgtype.TimestamptzOID:
		const year2000 = 946_684_800_000_000
		return r.Int(int64(binary.BigEndian.Uint64(raw)) + year2000), nil //nolint:gosec // two's complement
	case pgtype.DateOID:
		return r.Time(dateOf(raw)), nil
	case pgtype.NumericOID:
		var n pgtype.Numeric
		if err := numbers.Scan(oid, pgtype.BinaryFormatCode, raw, &n); err != nil {
			return nil, fmt.Errorf("%w: %w", errColumn, err)
		}
		text, err := n.MarshalJSON() // as Postgres prints it
		return r.Bytes(text), err
	}
	return nil, fmt.Errorf("%w: its type has OID %d", errColumn, oid)
}
