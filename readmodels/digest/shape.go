package digest

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgtype"

	"payledger/eventstore"
)

// Shape says how the rows of a table are told apart and compared. Every row has a column position: of the newest event folded in.
type Shape struct {
	Table string
	// Label begins the form of a row; empty for none.
	Label string
	// Key are the texts that its primary key is made of, in their order.
	Key []string
	// Columns are those that digests are made of, in their order. Comparisons of two read models look at all.
	Columns []string
	// Streams returns the streams that a row, by its columns, is folded from; nil where a row doesn't tell.
	Streams func(row map[string]any) []eventstore.StreamID
}

var errColumn = errors.New("column has no form for digests")

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
	}
	return nil, fmt.Errorf("%w: its type has OID %d", errColumn, oid)
}
