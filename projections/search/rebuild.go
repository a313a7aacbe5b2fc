package search

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"payledger/projections"
	"payledger/projections/bulk"
	"payledger/projections/rebuild"
	"payledger/readmodels/checkpoints"
	"payledger/readmodels/documents"
	"payledger/readmodels/search"
)

// Side is one of the sets of indices that stand beside each other while a mirror is rebuilt.
type Side interface {
	Index
	// Find returns the documents with the ids of the given ones, in their order, as of their last Write; the zero value for one that isn't there.
	Find(ctx context.Context, wanted []search.Document) ([]search.Document, error)
	Each(ctx context.Context, each func(search.Document) error) error
	Count(ctx context.Context) (int64, error)
	// Names returns the names of the indices that stand there, sorted; no other ever had one of them.
	Names(ctx context.Context) ([]string, error)
	// Remove deletes what stands there.
	Remove(ctx context.Context) error
}

// RebuildConfig is what a rebuild of the mirror needs. Of Config, Reader, Catalog, Keys, Projection and MaxStreams aren't used.
type RebuildConfig struct {
	rebuild.Config
	Live, New, Old Side
	// Swap puts New in the place of Live, which becomes Old, in one step; with back it swaps Live and Old.
	Swap     func(ctx context.Context, back bool) error
	LeaseTTL time.Duration // for how long a killed rebuild keeps the mirror waiting; default DefaultLeaseTTL
}

// What a rebuild has done is recorded in a schema of its own: how far the indices beside those in use have come, and the certificate while the
// log doesn't have it.
const (
	sqlCreateRebuild = `
CREATE SCHEMA IF NOT EXISTS search_v2_rebuild;
CREATE TABLE IF NOT EXISTS search_v2_rebuild.sides (
    side     text   PRIMARY KEY, -- new or old
    code     text   NOT NULL,
    position bigint NOT NULL,
    hash     bytea  NOT NULL
);
CREATE TABLE IF NOT EXISTS search_v2_rebuild.certificate (one boolean PRIMARY KEY DEFAULT true CHECK (one), body text NOT NULL);
ALTER TABLE search_v2_rebuild.certificate ADD COLUMN IF NOT EXISTS indices text[] NOT NULL DEFAULT '{}'; -- that are in use if it has swapped`

	sqlReadSide  = `SELECT code, position, hash FROM search_v2_rebuild.sides WHERE side = $1`
	sqlBeginSide = `INSERT INTO search_v2_rebuild.sides (side, code, position, hash) VALUES ($1, $2, $3, $4)
ON CONFLICT (side) DO UPDATE SET code = excluded.code, position = excluded.position, hash = excluded.hash`
	sqlMoveSide = `UPDATE search_v2_rebuild.sides SET position = $4, hash = $5 WHERE side = $1 AND position = $2 AND hash = $3`
	sqlDropSide = `DELETE FROM search_v2_rebuild.sides WHERE side = $1`

	sqlKeepCertificate = `INSERT INTO search_v2_rebuild.certificate (body, indices) VALUES ($1, $2)`
	sqlReadCertificate = `SELECT body, indices FROM search_v2_rebuild.certificate`
	sqlDropCertificate = `DELETE FROM search_v2_rebuild.certificate`
)

// Names of the sides that are recorded.
const (
	sideNew = "new"
	sideOld = "old"
)

// errMoved: the record isn't where this process left it.
var errMoved = errors.New("somebody else works on the rebuilt mirror")

// errErased: an erasure empties texts without moving documents on, so what was compared before counts no more.
var errErased = errors.New("an erasure came in between")

// rebuilder is a rebuild under way.
type rebuilder struct {
	RebuildConfig
	mirror *mirror // reads the documents
}

// aside is a set of indices that isn't in use, and how far it has come.
type aside struct {
	Side
	name string
	at   projections.Checkpoint
}

func newRebuilder(ctx context.Context, cfg RebuildConfig) (r *rebuilder, unlock func(), err error) {
	cfg.SetDefaults()
	if cfg.LeaseTTL == 0 {
		cfg.LeaseTTL = DefaultLeaseTTL
	}
	r = &rebuilder{RebuildConfig: cfg, mirror: &mirror{Config: Config{Pool: cfg.Pool, Logger: slog.New(slog.DiscardHandler), PageSize: min(cfg.PageRows, DefaultPageSize)}}}
	if unlock, err = bulk.Lock(ctx, r.Pool, "search_v2"); err != nil {
		return nil, nil, err
	}
	if _, err = r.Pool.Exec(ctx, sqlCreateRebuild); err != nil {
		unlock()
		return nil, nil, err
	}
	return r, unlock, nil
}

// Rebuild builds new indices beside those in use from the documents, compares both with the documents one by one, and puts the new ones in
// their place. Searches go on; the mirror stands by while the last documents are written to both and the indices are swapped. It may be
// stopped at any time, as rebuild.Run may, whose errors it has.
func Rebuild(ctx context.Context, cfg RebuildConfig) (rebuild.Result, error) {
	began := cfg.Now()
	r, unlock, err := newRebuilder(ctx, cfg)
	if err != nil {
		return rebuild.Result{}, err
	}
	defer unlock()
	result, err := r.run(ctx)
	result.Elapsed = r.Now().Sub(began)
	if err != nil {
		err = fmt.Errorf("rebuild search: %w", err)
	}
	return result, err
}

func (r *rebuilder) run(ctx context.Context) (rebuild.Result, error) {
	if result, found, err := r.certify(ctx); err != nil || found {
		return result, err
	}
	live, err := checkpoints.Read(ctx, r.Pool, search.Mirror())
	if err != nil {
		return rebuild.Result{}, err
	}
	if ready, err := r.Live.Ready(ctx); err != nil || !ready || live == 0 {
		return rebuild.Result{}, errors.Join(err, rebuild.ErrNotBuilt)
	}
	next, err := r.prepare(ctx)
	if err != nil {
		return rebuild.Result{}, err
	}
	r.Failpoint("prepared")
	const attempts = 10
	for range attempts {
		result, err := r.attempt(ctx, next)
		if errors.Is(err, errErased) || errors.Is(err, projections.ErrLeaseLost) {
			r.Wait(ctx) // until the mirror is past it
			continue
		}
		return result, err
	}
	return rebuild.Result{}, rebuild.ErrBusy
}

// prepare finds the indices that an earlier run of this code has begun, or makes empty ones.
func (r *rebuilder) prepare(ctx context.Context) (*aside, error) {
	next, err := r.recorded(ctx, sideNew, r.New)
	if err != nil || next != nil {
		return next, err
	}
	if err := r.New.Replace(ctx); err != nil {
		return nil, err
	}
	next = &aside{Side: r.New, name: sideNew}
	_, err = r.Pool.Exec(ctx, sqlBeginSide, sideNew, r.Code, 0, next.at.Hash[:])
	return next, err
}

// recorded returns the indices of a side, nil unless they stand and are of this log; new ones must be of this code, too.
func (r *rebuilder) recorded(ctx context.Context, name string, side Side) (*aside, error) {
	a := &aside{Side: side, name: name}
	var code string
	var hash []byte
	err := r.Pool.QueryRow(ctx, sqlReadSide, name).Scan(&code, &a.at.Position, &hash)
	if errors.Is(err, pgx.ErrNoRows) || err == nil && name == sideNew && code != r.Code {
		return nil, nil //nolint:nilnil // there is none
	}
	if err != nil {
		return nil, err
	}
	a.at.Hash = [32]byte(hash)
	if ready, err := side.Ready(ctx); err != nil || !ready {
		return nil, err
	}
	if err := r.mirror.checkLog(ctx, a.at); err != nil {
		if halted := new(projections.HaltedError); errors.As(err, &halted) {
			return nil, nil //nolint:nilnil // it is of another log
		}
		return nil, err
	}
	return a, nil
}

// write writes a page in requests of bounded size.
func write(ctx context.Context, to Index, page []search.Document) error {
	for len(page) > 0 {
		n := bulkSize(page)
		if err := to.Write(ctx, page[:n]); err != nil {
			return err
		}
		page = page[n:]
	}
	return nil
}

// catchUp takes indices that aren't in use to a position of the documents, or beyond.
func (r *rebuilder) catchUp(ctx context.Context, a *aside, upTo int64) error {
	from := a.at.Position
	for a.at.Position < upTo {
		page, to, err := r.mirror.read(ctx, a.at.Position)
		if err != nil {
			return err
		}
		if to.Position <= a.at.Position {
			return fmt.Errorf("%w: the documents end at %d", projections.ErrOtherLog, a.at.Position)
		}
		if err := write(ctx, a, page); err != nil {
			return err
		}
		r.Failpoint("applied")
		if err := r.move(ctx, a, to); err != nil {
			return err
		}
		r.Progress(bulk.Progress{Stage: rebuild.StageCatchUp, Done: min(a.at.Position, upTo) - from, Total: upTo - from})
	}
	return nil
}

func (r *rebuilder) move(ctx context.Context, a *aside, to projections.Checkpoint) error {
	tag, err := r.Pool.Exec(ctx, sqlMoveSide, a.name, a.at.Position, a.at.Hash[:], to.Position, to.Hash[:])
	if err == nil && tag.RowsAffected() != 1 {
		err = errMoved
	}
	if err == nil {
		a.at = to
	}
	return err
}

// attempt compares and swaps. errErased: begin again.
func (r *rebuilder) attempt(ctx context.Context, next *aside) (rebuild.Result, error) {
	if err := r.overtake(ctx, next); err != nil {
		return rebuild.Result{}, err
	}
	r.Failpoint("caught")
	c := &comparison{rebuilder: r, since: next.at.Position, later: make(map[documentKey]search.Document)}
	if err := c.all(ctx); err != nil {
		return rebuild.Result{}, err
	}
	r.Failpoint("verified")
	if c.different > 0 && !r.AcceptChanges {
		return c.result(next), errors.Join(rebuild.ErrDiffers, r.forget(ctx))
	}
	swap := !r.NoSwap && !r.VerifyOnly
	if err := r.meet(ctx, next, c, swap); err != nil {
		if errors.Is(err, rebuild.ErrDiffers) {
			err = errors.Join(err, r.forget(ctx))
		}
		return c.result(next), err
	}
	if !swap {
		return c.result(next), r.forget(ctx)
	}
	r.Failpoint("swapped")
	result, _, err := r.certify(ctx)
	return result, err
}

// overtake takes indices to where the documents stand.
func (r *rebuilder) overtake(ctx context.Context, a *aside) error {
	end, err := checkpoints.Read(ctx, r.Pool, documents.Projection())
	if err != nil {
		return err
	}
	return r.catchUp(ctx, a, end)
}

// forget removes what was built only to be compared.
func (r *rebuilder) forget(ctx context.Context) error {
	if !r.VerifyOnly {
		return nil
	}
	if err := r.New.Remove(ctx); err != nil {
		return err
	}
	_, err := r.Pool.Exec(ctx, sqlDropSide, sideNew)
	return err
}

// together takes indices that aren't in use, and those in use in the mirror's place, to one position.
func (r *rebuilder) together(ctx context.Context, a *aside, lease *projections.Lease) error {
	end, err := checkpoints.Read(ctx, r.Pool, documents.Projection())
	if err != nil {
		return err
	}
	for a.at.Position < end || lease.Checkpoint() != a.at {
		from := min(a.at.Position, lease.Checkpoint().Position)
		page, to, err := r.mirror.read(ctx, from)
		if err != nil {
			return err
		}
		if to.Position <= from {
			return fmt.Errorf("%w: the documents end at %d", projections.ErrOtherLog, from)
		}
		for _, side := range []Index{a, r.Live} {
			if err := lease.Renew(ctx); err != nil {
				return err
			}
			if err := write(ctx, side, page); err != nil {
				return err
			}
		}
		if to.Position >= a.at.Position {
			if err := r.move(ctx, a, to); err != nil {
				return err
			}
		}
		if to.Position >= lease.Checkpoint().Position {
			if err := lease.SaveCheckpoint(ctx, to); err != nil {
				return err
			}
		}
	}
	return nil
}

// underLease stops the mirror while fn runs: its owner can't save what it has written, and stands by.
func (r *rebuilder) underLease(ctx context.Context, fn func(*projections.Lease) error) error {
	p := search.Mirror()
	lease, err := projections.TakeLease(ctx, projections.LeaseConfig{Pool: r.Pool, Projection: p.Name, Version: p.Version, Owner: uuid.NewString(), TTL: r.LeaseTTL}, r.Now)
	if err != nil {
		return err
	}
	err = fn(lease)
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseTimeout)
	defer cancel()
	return errors.Join(err, lease.Release(ending))
}

const releaseTimeout = 2 * time.Second

// meet takes both to one position, compares what has changed since the comparison began, and swaps.
func (r *rebuilder) meet(ctx context.Context, next *aside, c *comparison, swap bool) error {
	if err := r.overtake(ctx, next); err != nil {
		return err
	}
	return r.underLease(ctx, func(lease *projections.Lease) error {
		if err := r.together(ctx, next, lease); err != nil {
			return err
		}
		if err := c.changed(ctx, lease, next.at.Position); err != nil {
			return err
		}
		if c.different > 0 && !r.AcceptChanges {
			return rebuild.ErrDiffers
		}
		if !swap {
			return nil
		}
		if err := r.keepCertificate(ctx, next, c); err != nil {
			return err
		}
		r.Failpoint("met")
		return r.Swap(ctx, false)
	})
}

// RollBack puts the indices back that were in use before the last rebuild, after they have caught up.
func RollBack(ctx context.Context, cfg RebuildConfig) (rebuild.Result, error) {
	began := cfg.Now()
	r, unlock, err := newRebuilder(ctx, cfg)
	if err != nil {
		return rebuild.Result{}, err
	}
	defer unlock()
	result, err := r.rollBack(ctx)
	result.Elapsed = r.Now().Sub(began)
	if err != nil {
		err = fmt.Errorf("roll search back: %w", err)
	}
	return result, err
}

func (r *rebuilder) rollBack(ctx context.Context) (rebuild.Result, error) {
	if _, _, err := r.certify(ctx); err != nil {
		return rebuild.Result{}, err
	}
	old, err := r.recorded(ctx, sideOld, r.Old)
	if err != nil {
		return rebuild.Result{}, err
	}
	if old == nil {
		return rebuild.Result{}, rebuild.ErrNothingToRollBack
	}
	from := old.at.Position
	if err := r.overtake(ctx, old); err != nil {
		return rebuild.Result{}, err
	}
	err = r.underLease(ctx, func(lease *projections.Lease) error {
		if err := r.together(ctx, old, lease); err != nil {
			return err
		}
		return r.Swap(ctx, true) // what is in use from now on, and what stands aside, are both as far as is recorded
	})
	return rebuild.Result{Position: old.at.Position, Events: old.at.Position - from, Swapped: err == nil}, err
}

// DropOld deletes what stands aside since the last rebuild.
func DropOld(ctx context.Context, cfg RebuildConfig) error {
	r, unlock, err := newRebuilder(ctx, cfg)
	if err != nil {
		return err
	}
	defer unlock()
	if _, _, err := r.certify(ctx); err != nil {
		return err
	}
	if err := r.Old.Remove(ctx); err != nil {
		return err
	}
	_, err = r.Pool.Exec(ctx, sqlDropSide, sideOld)
	return err
}
