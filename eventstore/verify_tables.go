package eventstore

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/maphash"
	"sync"

	"github.com/google/uuid"
)

// tablePage is the number of rows of streams or commits that one query reads.
const tablePage = 10_000

// fingerprints turn rows into numbers whose sum stands for a set of rows in any order, so that tables which are ordered by
// key can be compared with the log, which is ordered by position, in no memory at all. The seed is random: that two
// different sets have the same sum is as likely as guessing 64 bits.
type fingerprints struct{ seed maphash.Seed }

func (f fingerprints) stream(id StreamID) uint64 { return maphash.Comparable(f.seed, id) }

// place is the fingerprint of where an event of a stream stands.
func (f fingerprints) place(stream uint64, p place) uint64 {
	var b [24]byte
	binary.BigEndian.PutUint64(b[:], stream)
	binary.BigEndian.PutUint64(b[8:], uint64(p.version))   //nolint:gosec // only to be told apart
	binary.BigEndian.PutUint64(b[16:], uint64(p.position)) //nolint:gosec // only to be told apart
	return maphash.Bytes(f.seed, b[:])
}

func (f fingerprints) commit(id uuid.UUID, first, last int64) uint64 {
	var b [32]byte
	copy(b[:], id[:])
	binary.BigEndian.PutUint64(b[16:], uint64(first)) //nolint:gosec // only to be told apart
	binary.BigEndian.PutUint64(b[24:], uint64(last))  //nolint:gosec // only to be told apart
	return maphash.Bytes(f.seed, b[:])
}

// commitRuns adds up the fingerprints of runs of events with the same commit id.
type commitRuns struct {
	prints      fingerprints
	sum         uint64
	id          uuid.UUID
	first, last int64 // 0 before the first event
}

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
		c.sum += c.prints.commit(c.id, c.first, c.last)
		c.first = 0
	}
}

// tableScan adds up streams and commits as they were at the head that is verified, beside the reading of the log. Each
// statement sees one moment at or after that head, and what was committed since is told by its positions.
type tableScan struct {
	reader *Reader
	prints fingerprints
	head   int64

	running          sync.WaitGroup
	streams, commits uint64
	bad              *damage
	err              error
}

func startTableScan(ctx context.Context, v *verification) *tableScan {
	s := &tableScan{reader: v.reader, prints: v.prints, head: v.head.Position}
	s.running.Go(func() {
		s.err = errors.Join(s.scan(ctx, "streams", s.scanStreams), s.scan(ctx, "commits", s.scanCommits))
	})
	return s
}

func (s *tableScan) wait() { s.running.Wait() }

func (s *tableScan) scan(ctx context.Context, name string, scan func(context.Context) error) error {
	err := scan(ctx)
	if errors.Is(err, errUnreadable) {
		s.bad = lower(s.bad, damaged(0, "a row of %s can't be read", name))
		return nil
	}
	if err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	return nil
}

// For a stream that has moved on since the head ($4): where its version stands now, and where it stood at the head.
const sqlStreamPage = `SELECT s.tenant, s.stream, s.version, s.position, coalesce(now.position, 0), coalesce(old.version, 0), coalesce(old.position, 0)
FROM (SELECT * FROM ledger.streams WHERE (tenant, stream) > ($1, $2) ORDER BY tenant, stream LIMIT $3) s
LEFT JOIN LATERAL (SELECT e.position FROM ledger.events e
    WHERE s.position > $4 AND e.tenant = s.tenant AND e.stream = s.stream AND e.version = s.version LIMIT 1) now ON true
LEFT JOIN LATERAL (SELECT e.version, e.position FROM ledger.events e
    WHERE s.position > $4 AND e.tenant = s.tenant AND e.stream = s.stream AND e.position <= $4
    ORDER BY e.version DESC LIMIT 1) old ON true
ORDER BY s.tenant, s.stream`

func (s *tableScan) scanStreams(ctx context.Context) error {
	var id StreamID
	for n := tablePage; n == tablePage; {
		n = 0
		err := s.reader.each(ctx, sqlStreamPage, []any{id.Tenant, id.Name, tablePage, s.head}, func(raw [][]byte) error {
			n++
			d := rowDecoder{raw: raw}
			id = StreamID{Tenant: string(d.bytes()), Name: string(d.bytes())}
			says, now, old := place{d.int64(), d.int64()}, d.int64(), place{d.int64(), d.int64()}
			if d.failed {
				return errUnreadable
			}
			if says.position > s.head {
				if says.position != now {
					s.bad = lower(s.bad, damaged(s.head+1, "streams says that %s ends at %d, the log does not", id, says.position))
				}
				says = old
			}
			if says.version != 0 {
				s.streams += s.prints.place(s.prints.stream(id), says)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// The pair lets the first page begin before every id.
const sqlCommitPage = `SELECT commit_id, first_position, last_position FROM ledger.commits
WHERE (commit_id, first_position) > ($1, $2) ORDER BY commit_id LIMIT $3`

// scanCommits leaves out commits without events, and those after the head.
func (s *tableScan) scanCommits(ctx context.Context) error {
	id, first := uuid.Nil, int64(-1)
	for n := tablePage; n == tablePage; {
		n = 0
		err := s.reader.each(ctx, sqlCommitPage, []any{id, first, tablePage}, func(raw [][]byte) error {
			n++
			d := rowDecoder{raw: raw}
			id, first = d.uuid(), d.int64()
			last := d.int64()
			if d.failed {
				return errUnreadable
			}
			if first >= 1 && first <= s.head {
				s.commits += s.prints.commit(id, first, last)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

const sqlStreamsWrong = `SELECT coalesce(min(coalesce(e.position, s.position)), 0)
FROM (SELECT tenant, stream, max(version) AS version, max(position) AS position FROM ledger.events GROUP BY tenant, stream) e
FULL JOIN ledger.streams s USING (tenant, stream)
WHERE (e.version, e.position) IS DISTINCT FROM (s.version, s.position)`

const sqlCommitsWrong = `SELECT coalesce(min(least(e.first, c.first_position)), 0)
FROM (SELECT commit_id, min(position) AS first, max(position) AS last, count(*) AS n
        FROM ledger.events WHERE position <= $1 GROUP BY commit_id) e
FULL JOIN (SELECT * FROM ledger.commits WHERE first_position BETWEEN 1 AND $1) c USING (commit_id)
WHERE (e.first, e.last) IS DISTINCT FROM (c.first_position, c.last_position) OR e.n <> e.last - e.first + 1`

// compare tells whether the tables are what the log makes them, and if not, where: only then the log is grouped in SQL.
func (v *verification) compare(ctx context.Context, s *tableScan) (*damage, error) {
	s.wait()
	if s.bad != nil || s.err != nil {
		return s.bad, s.err
	}
	v.runs.end()
	var bad *damage
	if s.streams != v.ends {
		position, err := v.reader.firstPosition(ctx, sqlStreamsWrong)
		if err != nil {
			return nil, fmt.Errorf("look for what is wrong in streams: %w", err)
		}
		bad = damaged(position, "streams has another end for the stream of this event than the log")
	}
	if s.commits != v.runs.sum {
		position, err := v.reader.firstPosition(ctx, sqlCommitsWrong, v.head.Position)
		if err != nil {
			return nil, fmt.Errorf("look for what is wrong in commits: %w", err)
		}
		bad = lower(bad, damaged(position, "commits doesn't have the commit of this event, or has it elsewhere"))
	}
	return bad, nil
}

// firstPosition runs a query for one position; 0 if it has none.
func (r *Reader) firstPosition(ctx context.Context, sql string, args ...any) (int64, error) {
	var position int64
	err := r.pool.QueryRow(ctx, sql, args...).Scan(&position)
	return position, err
}
