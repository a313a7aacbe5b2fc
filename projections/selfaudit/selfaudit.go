// Package selfaudit folds every stream from the log again, for ever, and compares the read models with what it comes to. It writes
// none of them: what differs is drift, which it stores, counts and tells. Heal puts a key right.
//
// A round walks all streams, which finds what is missing, stale or changed, and then all rows, which finds what no stream tells of.
// Each read model is read with its checkpoint in one snapshot and compared with the fold up to there.
package selfaudit

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"payledger/eventstore"
	"payledger/projections"
	"payledger/readmodels/checkpoints"
	"payledger/readmodels/compare"
)

// The name and version of its lease and schema. Its checkpoint is the position up to which the last whole round has looked.
const (
	Name    = "selfaudit"
	Version = 1
)

// Defaults of Config.
const (
	DefaultRate     = 50
	DefaultLeaseTTL = 15 * time.Second
	DefaultPause    = 5 * time.Second
	DefaultConfirm  = 200 * time.Millisecond
)

// Config is what the self-audit needs. The second half may be left zero.
type Config struct {
	Pool        *pgxpool.Pool // connections of the projector role: it takes up to three at a time
	Log         Log
	Waker       *eventstore.Waker // running
	Models      []Model
	Checks      []Check
	Logger      *slog.Logger
	Metrics     *Metrics
	Projections *projections.Metrics
	Now         func() time.Time

	Owner    string        // who holds the lease, shown to operators; default a random id
	Rate     int           // streams a second, and rows a second, at most
	GiveWay  time.Duration // how long it waits for commands that wait, each time
	LeaseTTL time.Duration // how long a killed owner keeps its standby waiting
	Pause    time.Duration // between rounds, and between looks at known drift
	Confirm  time.Duration // before a second look at what differs: only what still does is drift
}

func (c *Config) setDefaults() {
	if c.Rate == 0 {
		c.Rate = DefaultRate
	}
	if c.LeaseTTL == 0 {
		c.LeaseTTL = DefaultLeaseTTL
	}
	if c.Pause == 0 {
		c.Pause = DefaultPause
	}
	if c.Confirm == 0 {
		c.Confirm = DefaultConfirm
	}
}

// Run looks until ctx ends, as the owner of the lease or waiting for it, and then returns nil. It returns a
// *projections.HaltedError when a stream can't be folded: the log is damaged.
func Run(ctx context.Context, cfg Config) error {
	cfg.setDefaults()
	own := projections.NewOwnConfig(projections.LeaseConfig{
		Pool: cfg.Pool, Projection: Name, Version: Version, Owner: cfg.Owner, TTL: cfg.LeaseTTL,
	}, cfg.Logger, cfg.Now, cfg.Projections)
	cfg.Logger = own.Logger
	return projections.Own(ctx, own, (&auditor{Config: cfg, unable: make(map[string]bool), backoff: own.Backoff}).work)
}

type auditor struct {
	Config
	backoff backoff.BackOff
	lease   *projections.Lease
	at      cursor
	looked  time.Time       // at known drift
	unable  map[string]bool // checks that couldn't be made the last time
}

// work walks on from where the last owner was.
func (a *auditor) work(ctx context.Context, lease *projections.Lease) error {
	a.lease = lease
	if err := a.resume(ctx); err != nil {
		return a.halting(err)
	}
	for {
		began := a.Now()
		a.Waker.GiveWay(ctx, began, min(a.GiveWay, a.LeaseTTL/3), nil)
		n, err := a.step(ctx)
		if err != nil {
			return a.halting(err)
		}
		if err := a.lookAgain(ctx); err != nil {
			return a.halting(err)
		}
		a.backoff.Reset()
		pause := time.Duration(n) * time.Second / time.Duration(a.Rate)
		if n == 0 {
			pause = a.Pause
		}
		if err := a.rest(ctx, pause-a.Now().Sub(began)); err != nil {
			return err
		}
	}
}

// rest waits while the lease is kept.
func (a *auditor) rest(ctx context.Context, d time.Duration) error {
	for ; d > 0 && ctx.Err() == nil; d -= a.LeaseTTL / 3 {
		projections.Wait(ctx, min(d, a.LeaseTTL/3))
		if a.lease.Due() {
			if err := a.lease.Renew(ctx); err != nil {
				return err
			}
		}
	}
	return ctx.Err()
}

// resume reads where the walk is. A checkpoint of 0 is that of a log that was looked at by nobody, or of a restored one.
func (a *auditor) resume(ctx context.Context) error {
	return pgx.BeginFunc(ctx, a.Pool, func(tx pgx.Tx) error {
		if err := a.lease.RenewIn(ctx, tx); err != nil {
			return err
		}
		if err := EnsureSchema(ctx, tx); err != nil {
			return err
		}
		if err := a.forgetUncompared(ctx, tx); err != nil {
			return err
		}
		at := &a.at
		err := tx.QueryRow(ctx, sqlCursor).Scan(&at.stage, &at.last.Tenant, &at.last.Object, &at.last.ID, &at.began)
		if errors.Is(err, pgx.ErrNoRows) {
			return a.begin(ctx, tx)
		}
		return err
	})
}

// begin begins a round: what the read models have folded by now will have been looked at when it ends.
func (a *auditor) begin(ctx context.Context, db Querier) error {
	a.at = cursor{stage: stageStreams}
	for i, m := range a.Models {
		position, err := checkpoints.Read(ctx, db, m.Projection)
		if err != nil {
			return err
		}
		if i == 0 || position < a.at.began {
			a.at.began = position
		}
	}
	return nil
}

const stageStreams = "streams"

// step looks at some more streams or rows, and returns how many: 0 at the end of a round.
func (a *auditor) step(ctx context.Context) (n int, err error) {
	switch check, ok := a.check(a.at.stage); {
	case a.at.stage == stageStreams:
		n, err = a.stepStreams(ctx)
	case ok:
		n, err = a.stepCheck(ctx, check)
	default:
		n, err = a.stepRows(ctx)
	}
	if err != nil {
		return 0, err
	}
	return n, pgx.BeginFunc(ctx, a.Pool, func(tx pgx.Tx) error {
		if err := a.lease.RenewIn(ctx, tx); err != nil {
			return err
		}
		at := a.at
		_, err := tx.Exec(ctx, sqlSaveCursor, at.stage, at.last.Tenant, at.last.Object, at.last.ID, at.began)
		return err
	})
}

// next goes to the next stage, or round, and says with 0 that it is a round.
func (a *auditor) next(ctx context.Context) (n int, err error) {
	stages := []string{stageStreams}
	for _, m := range a.Models {
		stages = append(stages, m.Projection.Name)
	}
	for _, c := range a.Checks {
		stages = append(stages, c.Name)
	}
	for i, stage := range stages[:len(stages)-1] {
		if stage == a.at.stage {
			a.at = cursor{stage: stages[i+1], began: a.at.began}
			return 1, nil
		}
	}
	if err := a.endRound(ctx); err != nil {
		return 0, err
	}
	return 0, a.begin(ctx, a.Pool)
}

const sqlHash = `SELECT hash FROM ledger.events WHERE position = $1`

// endRound moves the checkpoint to where the round began.
func (a *auditor) endRound(ctx context.Context) error {
	a.Metrics.rounds.Inc()
	if a.at.began == 0 {
		return nil
	}
	var hash []byte
	if err := a.Pool.QueryRow(ctx, sqlHash, a.at.began).Scan(&hash); err != nil {
		return fmt.Errorf("read event %d: %w", a.at.began, err)
	}
	if err := a.lease.SaveCheckpoint(ctx, projections.Checkpoint{Position: a.at.began, Hash: [32]byte(hash)}); err != nil {
		return err
	}
	a.Projections.Applied(Name, a.at.began, 0)
	return nil
}

// halting makes a halt of what another try can't cure.
func (a *auditor) halting(err error) error {
	if projections.Transient(err) || errors.Is(err, projections.ErrLeaseLost) {
		return err
	}
	return &projections.HaltedError{Projection: Name, Version: Version, Position: a.at.began, Err: err}
}

// snapshot reads in one snapshot.
func snapshot(ctx context.Context, pool *pgxpool.Pool, fn func(pgx.Tx) error) error {
	return pgx.BeginTxFunc(ctx, pool, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, fn)
}

// model returns the read model of a name.
func (a *auditor) model(name string) (Model, bool) {
	for _, m := range a.Models {
		if m.Projection.Name == name {
			return m, true
		}
	}
	return Model{}, false
}

func placesIn(differences []compare.Difference) (places []compare.Place, streams []eventstore.StreamID) {
	seen := make(map[eventstore.StreamID]bool)
	for _, d := range differences {
		places = append(places, d.Place)
		if !seen[d.Stream] {
			seen[d.Stream] = true
			streams = append(streams, d.Stream)
		}
	}
	return places, streams
}
