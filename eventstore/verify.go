package eventstore

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash/maphash"

	"github.com/jackc/pgx/v5"
)

// VerifyOptions narrow a verification. The zero value verifies the whole log.
type VerifyOptions struct {
	// From and To bound the positions whose chain is recomputed, both included; 0 stands for the first and for the head.
	// Only when the whole log is verified are the tables streams and commits compared with it.
	From, To int64
	// Progress, if set, is called from time to time with the number of events that are done and to do.
	Progress func(done, total int64)
	// Each, if set, is called with every event that was found right, in order: its position and the bytes that are hashed (see
	// AppendHashed), which are good until it returns.
	Each func(position int64, encoded []byte)
}

// VerifyReport says whether the log is what its writers wrote.
type VerifyReport struct {
	OK               bool
	Events           int64  // that were read and found right
	Head             Head   // up to which the log was verified; commits after it don't matter
	FirstBadPosition int64  // the lowest position that is wrong; 0 if all are right, or if what is wrong has no position
	Problem          string // in words; empty if OK
}

// Verify recomputes the hash chain from the stored bytes and looks for every kind of damage: a changed field, a missing or
// additional event, a cut tail (against the head), events out of order, versions of a stream that don't follow each
// other, times or epochs that go back, and streams and commits that say something else than the log. Writers may go on:
// the head is read first and verified up to. Memory is bounded, whatever the size of the log.
// Who a stream is about (streams.subject) stands in no event, so nothing here can tell whether it was changed.
//
// Damage is not an error: see the report. An error means that the verification couldn't be finished: ErrNotInLog, and the database's.
func Verify(ctx context.Context, r *Reader, o VerifyOptions) (VerifyReport, error) {
	v := &verification{reader: r, progress: o.Progress, each: o.Each, prints: fingerprints{seed: maphash.MakeSeed()}}
	v.runs.prints = v.prints
	bad, err := v.run(ctx, o)
	if err != nil {
		return VerifyReport{}, fmt.Errorf("verify the log: %w", err)
	}
	report := VerifyReport{OK: bad == nil, Events: v.done, Head: v.head}
	if bad != nil {
		report.FirstBadPosition, report.Problem = bad.position, bad.problem
	}
	return report, nil
}

// damage is what is wrong with the log, and where.
type damage struct {
	position int64
	problem  string
}

func damaged(position int64, format string, args ...any) *damage {
	return &damage{position: position, problem: fmt.Sprintf(format, args...)}
}

// lower returns the damage at the lower position, the first of two at the same; nil if there is none.
func lower(a, b *damage) *damage {
	if a == nil || b != nil && b.position < a.position {
		return b
	}
	return a
}

// verification is one run of Verify.
type verification struct {
	reader   *Reader
	progress func(done, total int64)
	each     func(position int64, encoded []byte)
	encoded  []byte // what each is given, used again and again
	head     Head
	newest   int64 // position of the last event that stood there when the head was read
	from, to int64

	done   int64
	last   Recorded // the event before the next one; only hash, epoch and time are kept
	prints fingerprints
	runs   commitRuns
	// versions follows the versions of each stream.
	versions versionCheck
	ends     uint64 // sum of the fingerprints of the last event of every stream
}

func (v *verification) run(ctx context.Context, o VerifyOptions) (*damage, error) {
	bad, err := v.start(ctx, o)
	if bad != nil || err != nil {
		return bad, err
	}
	var tables *tableScan
	if o.From <= 1 && o.To == 0 {
		ctx, cancel := context.WithCancel(ctx)
		tables = startTableScan(ctx, v)
		defer tables.wait()
		defer cancel() // a damaged chain is reported without reading the tables to their end
	}
	if bad, err = v.chain(ctx); bad != nil || err != nil {
		return bad, err
	}
	if v.to == v.head.Position {
		bad = v.checkHead()
	}
	if bad != nil || tables == nil {
		return bad, nil
	}
	return v.compare(ctx, tables)
}

// Head and last event come from one statement, that is from one moment.
const sqlEnds = `SELECT position, epoch, hash, route, (SELECT coalesce(max(position), 0) FROM ledger.events) FROM ledger.head`

const sqlBefore = `SELECT ` + eventColumns + ` FROM ledger.events WHERE position = $1`

// start reads the head and the event before the first one to verify.
func (v *verification) start(ctx context.Context, o VerifyOptions) (*damage, error) {
	var hash []byte
	h := &v.head
	err := v.reader.pool.QueryRow(ctx, sqlEnds).Scan(&h.Position, &h.Epoch, &hash, &h.Route, &v.newest)
	if errors.Is(err, pgx.ErrNoRows) {
		return damaged(0, "%s", ErrNoHead), nil
	}
	if err != nil {
		return nil, fmt.Errorf("read head: %w", err)
	}
	copy(h.Hash[:], hash)
	v.from, v.to = max(o.From, 1), o.To
	if v.to == 0 {
		v.to = h.Position
	}
	if v.to > h.Position || v.from > v.to+1 {
		return nil, fmt.Errorf("positions %d to %d are %w that ends at %d", v.from, v.to, ErrNotInLog, h.Position)
	}
	if v.from == 1 {
		return nil, nil
	}
	before, err := v.reader.collect(ctx, 1, sqlBefore, v.from-1)
	if err == nil && len(before) == 0 || errors.Is(err, errUnreadable) {
		return damaged(v.from-1, "there is no readable event to go on from"), nil
	}
	if err != nil {
		return nil, fmt.Errorf("read event %d: %w", v.from-1, err)
	}
	v.last = before[0]
	return nil, nil
}

// checkEvent checks the next event by itself and against the one before.
func (v *verification) checkEvent(e *Recorded) *damage {
	want := v.from + v.done
	if e.Position != want {
		return damaged(want, "the event is missing, the next one is at %d", e.Position)
	}
	if v.hash(e) != e.Hash {
		return damaged(want, "the event is not what was hashed")
	}
	if e.Epoch < v.last.Epoch {
		return damaged(want, "epoch %d stands after epoch %d", e.Epoch, v.last.Epoch)
	}
	if e.RecordedAt.Before(v.last.RecordedAt) {
		return damaged(want, "the event was recorded before the one before it")
	}
	v.last.Hash, v.last.Epoch, v.last.RecordedAt = e.Hash, e.Epoch, e.RecordedAt
	v.runs.add(e)
	v.done++
	return nil
}

// hash returns the hash that an event should have, and shows the event to whoever wants to see it.
func (v *verification) hash(e *Recorded) [32]byte {
	if v.each == nil {
		return hashEvent(v.last.Hash, e)
	}
	v.encoded = appendHashed(v.encoded[:0], v.last.Hash, e)
	sum := sha256.Sum256(v.encoded)
	if sum == e.Hash {
		v.each(e.Position, v.encoded)
	}
	return sum
}

// checkHead compares the head with the last event. The chain up to there is right.
func (v *verification) checkHead() *damage {
	switch {
	case v.head.Hash != v.last.Hash:
		return damaged(v.head.Position, "the head has another hash than the last event")
	case v.head.Epoch < v.last.Epoch:
		return damaged(v.head.Position, "the head is in epoch %d, the last event in epoch %d", v.head.Epoch, v.last.Epoch)
	case v.newest > v.head.Position:
		return damaged(v.head.Position+1, "there are events after the head, up to %d", v.newest)
	}
	return nil
}
