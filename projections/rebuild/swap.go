package rebuild

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"payledger/projections"
	"payledger/projections/bulk"
)

// oldOf is the schema in which the read model stands that was live before the last swap.
func oldOf(live string) string { return live + "_old" }

// goneOf is the schema of one that stood there before: it goes only when another one takes its place, and is dropped when nothing waits.
func goneOf(live string) string { return live + "_gone" }

const (
	// swapAttempts and swapPause bound how long a swap tries to get between readers.
	swapAttempts = 100
	swapPause    = 200 * time.Millisecond
	// stallEvents is how much is applied at most while the projector waits: some tens of milliseconds.
	stallEvents = 500
)

const (
	// Autovacuum gives way to who has waited for a second, and a large table keeps it busy for longer than a swap is tried. Waiting for this lock
	// keeps nobody else waiting but an ANALYZE.
	sqlSpareSettings = `SELECT set_config('lock_timeout', '5s', true), set_config('statement_timeout', '60s', true),
    set_config('idle_in_transaction_session_timeout', '10s', true)`
	spareMode       = "SHARE UPDATE EXCLUSIVE"
	sqlSwapSettings = `SELECT set_config('lock_timeout', '200ms', true)`
	// The projector commits nothing while this row is locked: the live read model stands still.
	sqlStopLive = `SELECT position FROM ledger.checkpoints WHERE projection = $1 AND version = $2 FOR UPDATE`
	// Whoever owns the lease remembers rows of the other read model: the next epoch makes it begin anew. A halt was of the other one, too.
	sqlFence = `UPDATE ledger.checkpoints SET position = $3, hash = $4, lease_epoch = lease_epoch + 1, lease_owner = '', lease_until = '-infinity', state = 'running',
    halted_position = NULL, halted_event = NULL, problem = '', updated_at = clock_timestamp() WHERE projection = $1 AND version = $2`
	// What is recorded of the shadow is from now on recorded of the one that stands aside.
	sqlAside = `UPDATE shadow.rebuild SET stage = 'old', position = $1, hash = $2`
)

// errBehind: more is left to apply than the projector should wait for.
var errBehind = errors.New("the rebuilt read model is behind")

// meet takes the shadow to where the live read model stands, while that stands still, compares what was written since the comparison began,
// and swaps the two if that is wanted. It reports whether what changed is the same in both; different ones are swapped only if that is accepted.
func (r *rebuild) meet(ctx context.Context, s *shadow, found verified, swap bool) (same bool, err error) {
	var late verified
	for range swapAttempts {
		err := r.compareTouched(ctx, s, &late) // most of it, while the projector goes on
		if err == nil {
			err = r.tryMeet(ctx, s, func(ctx context.Context, tx pgx.Tx) error {
				if err := r.compareStopped(ctx, s, &late); err != nil || !swap || late.differences > 0 && !r.AcceptChanges {
					return err
				}
				if err := r.makeRoom(ctx, tx); err != nil {
					return err
				}
				if err := r.swap(ctx, tx, s, oldOf(r.live)); err != nil {
					return err
				}
				certificate, err := NewCertificate(r.Projection.Projection, r.Code, r.Now(), s.at, found.sum, found.liveSum, found.differences+late.differences == 0)
				if err != nil {
					return err
				}
				certificate.Summed = s.at.Position == found.since
				if err := r.keepCertificate(ctx, tx, certificate); err != nil {
					return err
				}
				r.Failpoint("met")
				return nil
			})
		}
		if err == nil || !lockTimeout(err) && !errors.Is(err, errBehind) && !errors.Is(err, ErrErasing) {
			return late.differences == 0, err
		}
		r.Wait(ctx)
	}
	return false, ErrBusy
}

// tryMeet calls fn in a transaction in which the live read model stands still and the shadow has come as far.
func (r *rebuild) tryMeet(ctx context.Context, s *shadow, fn func(context.Context, pgx.Tx) error) error {
	return pgx.BeginTxFunc(ctx, r.Pool, pgx.TxOptions{}, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, sqlSpareSettings); err != nil {
			return err
		}
		for _, tables := range []pgx.Tx{tx, bulk.InSchema(tx, r.live, s.schema)} {
			if err := r.lock(ctx, tables, spareMode); err != nil {
				return err
			}
		}
		if _, err := tx.Exec(ctx, sqlSwapSettings); err != nil {
			return err
		}
		var position int64
		if err := tx.QueryRow(ctx, sqlStopLive, r.projector.Name(), r.projector.Version()).Scan(&position); err != nil {
			return err
		}
		if position-s.at.Position > stallEvents {
			return errBehind
		}
		if err := s.catchUp(ctx, position); err != nil {
			return err
		}
		return fn(ctx, tx)
	})
}

// lock locks the tables of the live read model.
func (r *rebuild) lock(ctx context.Context, tx pgx.Tx, mode string) error {
	for _, name := range r.projector.Tables() {
		if _, err := tx.Exec(ctx, "LOCK TABLE "+name+" IN "+mode+" MODE"); err != nil {
			return err
		}
	}
	return nil
}

// makeRoom takes the name from the read model that stands aside, if there is one.
func (r *rebuild) makeRoom(ctx context.Context, tx pgx.Tx) error {
	var stands bool
	if err := tx.QueryRow(ctx, sqlStands, oldOf(r.live)).Scan(&stands); err != nil || !stands {
		return err
	}
	_, err := tx.Exec(ctx, "ALTER SCHEMA "+pgx.Identifier{oldOf(r.live)}.Sanitize()+" RENAME TO "+pgx.Identifier{goneOf(r.live)}.Sanitize())
	return err
}

// swap gives the shadow the live one's name, and that one the name aside. Readers of the live one are waited for, briefly; then all see
// the new one with their next statement.
func (r *rebuild) swap(ctx context.Context, tx pgx.Tx, s *shadow, aside string) error {
	r.Progress(bulk.Progress{Stage: StageSwap, Done: 0, Total: 1})
	if err := r.lock(ctx, tx, "ACCESS EXCLUSIVE"); err != nil {
		return err
	}
	if err := bulk.EndRecord(ctx, tx, s.projector, s.schema); err != nil {
		return err
	}
	live, was, between := pgx.Identifier{r.live}.Sanitize(), pgx.Identifier{s.schema}.Sanitize(), pgx.Identifier{r.live + "_swap"}.Sanitize()
	for _, sql := range []string{
		"ALTER TABLE " + was + ".rebuild SET SCHEMA " + live,
		"ALTER SCHEMA " + live + " RENAME TO " + between,
		"ALTER SCHEMA " + was + " RENAME TO " + live,
		"ALTER SCHEMA " + between + " RENAME TO " + pgx.Identifier{aside}.Sanitize(),
		"DROP TABLE IF EXISTS " + live + ".rebuild_shares, " + live + ".rebuild_ends, " + live + ".rebuild_indexes",
	} {
		if _, err := tx.Exec(ctx, sql); err != nil {
			return fmt.Errorf("swap: %w", err)
		}
	}
	if _, err := bulk.InSchema(tx, "shadow.", aside+".").Exec(ctx, sqlAside, s.at.Position, s.at.Hash[:]); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, sqlFence, r.projector.Name(), r.projector.Version(), s.at.Position, s.at.Hash[:])
	return err
}

// RollBack swaps back to the read model that was live before the last rebuild, after it has caught up. The one that is live now stays in its
// place, so that rolling back twice is a way forward.
func RollBack(ctx context.Context, cfg Config) (Result, error) {
	began := cfg.Now()
	r := newRebuild(cfg)
	unlock, err := bulk.Lock(ctx, r.Pool, r.live)
	if err != nil {
		return Result{}, err
	}
	defer unlock()
	if _, _, err := r.certify(ctx); err != nil {
		return Result{}, fmt.Errorf("roll %s back: %w", r.live, err)
	}
	s, err := r.oldShadow(ctx)
	if err != nil {
		return Result{}, fmt.Errorf("roll %s back: %w", r.live, err)
	}
	from := s.at.Position
	for range swapAttempts {
		live, err := r.checkpoint(ctx, r.Pool)
		if err == nil {
			err = s.catchUp(ctx, live.Position)
		}
		if err == nil {
			err = r.tryMeet(ctx, s, func(ctx context.Context, tx pgx.Tx) error { return r.swap(ctx, tx, s, s.schema) })
		}
		if err == nil {
			return Result{Position: s.at.Position, Events: s.at.Position - from, Swapped: true, Elapsed: r.Now().Sub(began)}, nil
		}
		if !lockTimeout(err) && !errors.Is(err, errBehind) {
			return Result{}, fmt.Errorf("roll %s back: %w", r.live, err)
		}
		r.Wait(ctx)
	}
	return Result{}, ErrBusy
}

// DropOld drops the read model that stands aside since the last rebuild.
func DropOld(ctx context.Context, cfg Config) error {
	r := newRebuild(cfg)
	unlock, err := bulk.Lock(ctx, r.Pool, r.live)
	if err != nil {
		return err
	}
	defer unlock()
	if _, _, err := r.certify(ctx); err != nil {
		return err
	}
	return r.drop(ctx, oldOf(r.live))
}

const sqlOld = `SELECT position, hash FROM shadow.rebuild WHERE stage = 'old'`

// oldShadow is the read model that stands aside.
func (r *rebuild) oldShadow(ctx context.Context) (*shadow, error) {
	s := &shadow{rebuild: r, schema: oldOf(r.live)}
	var exists bool
	if err := r.Pool.QueryRow(ctx, sqlRegclass, s.schema+".rebuild").Scan(&exists); err != nil || !exists {
		return nil, errors.Join(err, ErrNothingToRollBack)
	}
	var hash []byte
	err := s.inTx(ctx, func(tx pgx.Tx) error { return tx.QueryRow(ctx, sqlOld).Scan(&s.at.Position, &hash) })
	if err != nil {
		return nil, err
	}
	s.at.Hash = [32]byte(hash)
	at, err := r.Reader.ReadAll(ctx, s.at.Position-1, 1)
	if err != nil {
		return nil, err
	}
	if len(at) == 0 || at[0].Hash != s.at.Hash {
		return nil, projections.ErrOtherLog
	}
	return s, nil
}

const sqlStands = `SELECT to_regnamespace($1) IS NOT NULL`

const sqlRegclass = `SELECT to_regclass($1) IS NOT NULL`
