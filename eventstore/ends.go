package eventstore

import (
	"context"
	"fmt"
)

// Ends says of the events up to a position which are the last of their streams: a bit for each, from position 1.
type Ends []byte

// Last reports whether no later event of its stream stands in the log up to that position.
func (e Ends) Last(position int64) bool {
	n := position - 1
	return n>>3 < int64(len(e)) && e[n>>3]&(1<<(n&7)) != 0
}

// endsBlocks is how many blocks of the table of streams are read in one snapshot.
const endsBlocks = 8192

const (
	sqlStreamBlocks = `SELECT pg_relation_size('ledger.streams') / current_setting('block_size')::bigint`
	// One value for all: a row for each takes four times as long.
	sqlStreamEnds = `SELECT coalesce(string_agg(int8send(position), ''), '') FROM ledger.streams
WHERE ctid >= $1::text::tid AND ctid < $2::text::tid AND position <= $3`
)

// Ends returns those of the log up to a position that stands in it. A stream that has gone on behind the position has none: it is told by the
// table of streams, which knows the newest only, and what moves in that table meanwhile moves behind the position.
func (r *Reader) Ends(ctx context.Context, upTo int64) (Ends, error) {
	var blocks int64
	if err := r.pool.QueryRow(ctx, sqlStreamBlocks).Scan(&blocks); err != nil {
		return nil, fmt.Errorf("read where streams end: %w", err)
	}
	ends := make(Ends, (upTo+7)/8)
	for block := int64(0); block < blocks; block += endsBlocks {
		from, to := fmt.Sprintf("(%d,0)", block), fmt.Sprintf("(%d,0)", block+endsBlocks)
		err := r.each(ctx, sqlStreamEnds, []any{from, to, upTo}, func(raw [][]byte) error {
			for all := raw[0]; len(all) > 0; all = all[8:] {
				n := readInt64(all) - 1
				ends[n>>3] |= 1 << (n & 7)
			}
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("read where streams end: %w", err)
		}
	}
	return ends, nil
}
