package eventstore

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"golang.org/x/sync/errgroup"
)

// Ends says of the events up to a position which are the last of their streams: a bit for each, from position 1.
type Ends []byte

// Last reports whether no later event of its stream stands in the log up to that position.
func (e Ends) Last(position int64) bool {
	n := position - 1
	return n>>3 < int64(len(e)) && e[n>>3]&(1<<(n&7)) != 0
}

// errStreams: the table of streams doesn't fit the log.
var errStreams = errors.New("it isn't in the log; payledger audit verify compares the two")

const (
	// endsBlocks is how many blocks of the table of streams are read in one snapshot.
	endsBlocks = 2048
	// endsReaders is how many of these are read at the same time.
	endsReaders = 2
)

const (
	sqlStreamBlocks = `SELECT pg_relation_size('ledger.streams') / current_setting('block_size')::bigint`
	// One value for all: a row for each takes four times as long.
	sqlStreamEnds = `SELECT coalesce(string_agg(int8send(position), '') FILTER (WHERE position <= $3), ''), count(*) FILTER (WHERE version > $4)
FROM ledger.streams WHERE ctid >= $1::text::tid AND ctid < $2::text::tid`
)

// Ends returns those of the log up to a position that stands in it, and how many streams have more than brief events. A stream that has gone on
// behind the position has no end: it is told by the table of streams, which knows the newest only, and what moves in that table meanwhile moves
// behind the position.
func (r *Reader) Ends(ctx context.Context, upTo, brief int64) (ends Ends, long int64, err error) {
	var blocks int64
	if err := r.pool.QueryRow(ctx, sqlStreamBlocks).Scan(&blocks); err != nil {
		return nil, 0, fmt.Errorf("read where streams end: %w", err)
	}
	ends = make(Ends, (upTo+7)/8)
	var writing sync.Mutex // ends and long
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(endsReaders)
	for block := int64(0); block < blocks; block += endsBlocks {
		group.Go(func() error {
			from, to := fmt.Sprintf("(%d,0)", block), fmt.Sprintf("(%d,0)", block+endsBlocks)
			return r.each(ctx, sqlStreamEnds, []any{from, to, upTo, brief}, func(raw [][]byte) error {
				writing.Lock()
				defer writing.Unlock()
				long += readInt64(raw[1])
				return ends.mark(raw[0])
			})
		})
	}
	if err := group.Wait(); err != nil {
		return nil, 0, fmt.Errorf("read where streams end: %w", err)
	}
	return ends, long, nil
}

// mark takes positions of eight bytes each. The table of streams isn't part of the hash chain: one may be there that no event can have.
func (e Ends) mark(positions []byte) error {
	for ; len(positions) > 0; positions = positions[8:] {
		n := readInt64(positions) - 1
		if n < 0 || n>>3 >= int64(len(e)) {
			return fmt.Errorf("the table of streams has position %d: %w", n+1, errStreams)
		}
		e[n>>3] |= 1 << (n & 7)
	}
	return nil
}
