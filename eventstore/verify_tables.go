package eventstore

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/maphash"

	"github.com/google/uuid"
)

// tablePage is the number of rows of streams or commits that one query reads.
const tablePage = 10_000

// tables compares what stands beside the log with the log. The chain is right up to the head.
func (v *verification) tables(ctx context.Context) (*damage, error) {
	var bad *damage
	for name, compare := range map[string]func(context.Context) (*damage, error){"streams": v.streams, "commits": v.commits} {
		found, err := compare(ctx)
		switch {
		case errors.Is(err, errUnreadable):
			found = damaged(0, "a row of %s can't be read", name)
		case err != nil:
			return nil, fmt.Errorf("compare %s: %w", name, err)
		}
		bad = lower(bad, found)
	}
	return bad, nil
}

// The look-up is a scalar subquery, so that it is one in the index whatever the planner thinks of the sizes.
const sqlStreamPage = `SELECT s.tenant, s.stream, s.version, s.position, coalesce((SELECT max(e.position) FROM ledger.events e
    WHERE e.tenant = s.tenant AND e.stream = s.stream AND e.version = s.version), 0)
FROM ledger.streams s WHERE (s.tenant, s.stream) > ($1, $2) ORDER BY s.tenant, s.stream LIMIT $3`

// streams is right if each of its rows names the position at which its version stands, and all its versions together are
// as many as there are events: the chain's pass has seen that versions follow each other within each stream.
// Every statement sees one moment of the log, so commits meanwhile don't matter.
func (v *verification) streams(ctx context.Context) (*damage, error) {
	var bad *damage
	var id StreamID
	for n := tablePage; n == tablePage; {
		n = 0
		err := v.reader.each(ctx, sqlStreamPage, []any{id.Tenant, id.Name, tablePage}, func(raw [][]byte) error {
			n++
			d := rowDecoder{raw: raw}
			id = StreamID{Tenant: string(d.bytes()), Name: string(d.bytes())}
			version, says, is := d.int64(), d.int64(), d.int64()
			switch {
			case d.failed:
				return errUnreadable
			case is == 0:
				bad = lower(bad, damaged(says, "streams has version %d of %s, the log has not", version, id))
			case says != is:
				bad = lower(bad, damaged(is, "version %d of %s stands here, streams says at %d", version, id, says))
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	if bad != nil {
		return bad, nil
	}
	return v.streamSum(ctx)
}

const sqlStreamSum = `SELECT coalesce((SELECT sum(version) FROM ledger.streams), 0) = position FROM ledger.head`

const sqlStreamBehind = `SELECT coalesce(min(e.position), 0)
FROM ledger.events e LEFT JOIN ledger.streams s ON s.tenant = e.tenant AND s.stream = e.stream
WHERE s.version IS NULL OR s.version < e.version`

func (v *verification) streamSum(ctx context.Context) (*damage, error) {
	var equal bool
	if err := v.reader.pool.QueryRow(ctx, sqlStreamSum).Scan(&equal); err != nil || equal {
		return nil, err
	}
	position, err := v.reader.firstPosition(ctx, sqlStreamBehind)
	if err != nil {
		return nil, err
	}
	return damaged(position, "streams knows fewer or more versions than the log has events"), nil
}

// commitRuns adds up a fingerprint of each run of events with the same commit id: of (id, first, last). Sums don't depend on
// order, so the log in order of position can be compared with commits in order of id, in no memory at all. The seed
// is random: that two different sets have the same sum is as likely as guessing 64 bits.
type commitRuns struct {
	seed        maphash.Seed
	sum         uint64
	id          uuid.UUID
	first, last int64 // 0 before the first event
}

func newCommitRuns() *commitRuns { return &commitRuns{seed: maphash.MakeSeed()} }

func (c *commitRuns) add(e *Recorded) {
	if c.first == 0 || e.CommitID != c.id {
		c.end()
		c.id, c.first = e.CommitID, e.Position
	}
	c.last = e.Position
}

// end closes the current run.
func (c *commitRuns) end() {
	if c.first != 0 {
		c.sum += c.fingerprint(c.id, c.first, c.last)
		c.first = 0
	}
}

func (c *commitRuns) fingerprint(id uuid.UUID, first, last int64) uint64 {
	var b [32]byte
	copy(b[:], id[:])
	binary.BigEndian.PutUint64(b[16:], uint64(first)) //nolint:gosec // only to be told apart
	binary.BigEndian.PutUint64(b[24:], uint64(last))  //nolint:gosec // only to be told apart
	return maphash.Bytes(c.seed, b[:])
}

// The pair lets the first page begin before every id.
const sqlCommitPage = `SELECT commit_id, first_position, last_position FROM ledger.commits
WHERE (commit_id, first_position) > ($1, $2) ORDER BY commit_id LIMIT $3`

const sqlCommitWrong = `SELECT coalesce(min(least(e.first, c.first_position)), 0)
FROM (SELECT commit_id, min(position) AS first, max(position) AS last, count(*) AS n
        FROM ledger.events WHERE position <= $1 GROUP BY commit_id) e
FULL JOIN (SELECT * FROM ledger.commits WHERE first_position BETWEEN 1 AND $1) c USING (commit_id)
WHERE (e.first, e.last) IS DISTINCT FROM (c.first_position, c.last_position) OR e.n <> e.last - e.first + 1`

// commits compares the rows of commits that stored events up to the head. Rows of later commits begin after it.
func (v *verification) commits(ctx context.Context) (*damage, error) {
	v.runs.end()
	rest := v.runs.sum
	id, first := uuid.Nil, int64(-1)
	for n := tablePage; n == tablePage; {
		n = 0
		err := v.reader.each(ctx, sqlCommitPage, []any{id, first, tablePage}, func(raw [][]byte) error {
			n++
			d := rowDecoder{raw: raw}
			id, first = d.uuid(), d.int64()
			last := d.int64()
			if d.failed {
				return errUnreadable
			}
			if first >= 1 && first <= v.head.Position {
				rest -= v.runs.fingerprint(id, first, last)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	if rest == 0 {
		return nil, nil
	}
	position, err := v.reader.firstPosition(ctx, sqlCommitWrong, v.head.Position)
	if err != nil {
		return nil, err
	}
	return damaged(position, "commits doesn't have the commit of this event, or has it elsewhere"), nil
}

// firstPosition runs a query for one position; 0 if it has none.
func (r *Reader) firstPosition(ctx context.Context, sql string, args ...any) (int64, error) {
	var position int64
	err := r.pool.QueryRow(ctx, sql, args...).Scan(&position)
	return position, err
}
