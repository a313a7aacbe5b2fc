// Package rebuild replaces a live read model by one that is built anew from the log beside it, see package bulk: it lets the new one
// catch up, compares the two, all of all rows, at the same position, and swaps their schemas in one transaction while readers and
// projectors go on. The old one stays, to be swapped back. Nothing is published again.
package rebuild

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"payledger/domain/evidence"
	"payledger/eventstore"
	"payledger/eventstore/catalog"
	"payledger/projections"
	"payledger/projections/bulk"
)

// Errors of rebuilds. Callers compare with errors.Is; bulk.ErrRunning is one more.
var (
	// ErrNotBuilt: there is no live read model to replace. A projector builds it.
	ErrNotBuilt = errors.New("the read model isn't built yet: start its projector")
	// ErrDiffers: what is built anew differs from the live read model. Nothing was swapped.
	ErrDiffers = errors.New("the rebuilt read model differs from the live one")
	// ErrNothingToRollBack: no old read model stands beside the live one.
	ErrNothingToRollBack = errors.New("there is no old read model to go back to")
	// ErrBusy: readers hold the tables, or projectors go on too fast, for longer than a swap waits. Nothing was swapped.
	ErrBusy = errors.New("the read model is too busy to be swapped: try again")
	// ErrErasing: the live read model is behind an erasure and doesn't go on. It shows texts that the log has no more, so the two can't be
	// compared. Nothing was swapped.
	ErrErasing = errors.New("the live read model is behind an erasure, compare it when it has gone on")
	// errMoved: the shadow isn't where this process left it.
	errMoved = errors.New("somebody else works on the rebuilt read model")
)

// MinConns is how many connections Run, RollBack and DropOld wait for while they hold others, with one to spare: with fewer they would wait for
// themselves.
const MinConns = 6

// Config is what Run needs. The second half may be left zero.
type Config struct {
	Pool       *pgxpool.Pool // connections of the projector role, MinConns at least
	Reader     *eventstore.Reader
	Catalog    *catalog.Catalog
	Keys       eventstore.Keys
	Projection projections.Postgres
	Code       string // names what the rows are made by
	Now        func() time.Time
	// Certify appends the certificate of a rebuild that has swapped to the log, once for its id, and returns the position of the event.
	Certify func(ctx context.Context, c evidence.Rebuilt) (int64, error)

	NoSwap        bool // build and compare; what is built stays, and the next run goes on with it
	VerifyOnly    bool // build and compare, and drop what was built
	AcceptChanges bool // swap although the two differ
	MaxStreams    int64
	PageRows      int                   // rows compared at a time, for tests
	BatchEvents   int64                 // events applied at a time, for tests
	Progress      func(bulk.Progress)   // called from one goroutine at a time
	Differs       func(Difference)      // called for the first rows that differ
	Failpoint     func(point string)    // in tests: those of package bulk, "applied" (before events are committed), "caught", "verified", "met" (before the swap commits), "swapped", "certified"
	Wait          func(context.Context) // between attempts to swap, for tests
}

// Result says what a rebuild did.
type Result struct {
	Position   int64 // up to which both were compared, or where they were swapped
	Events     int64 // of the log that the new one is made of
	Digest     string
	LiveDigest string
	Equal      bool
	Swapped    bool
	// RebuildID is that of the certificate, CertifiedAt the position of its event; only of a rebuild that has swapped.
	RebuildID   string
	CertifiedAt int64
	Elapsed     time.Duration
}

// Stages that follow those of package bulk.
const (
	StageCatchUp = "catchup"
	StageVerify  = "verify"
	StageSwap    = "swap"
	StageDigest  = "digest"
)

// rebuild is a rebuild under way.
type rebuild struct {
	Config
	projector projections.Projector
	live      string
	shapes    []table
	handled   map[string]bool
	erasing   bool // differences count though the live one is behind an erasure: it can't go on, and changes are accepted
}

// SetDefaults fills in what was left zero.
func (cfg *Config) SetDefaults() {
	if cfg.PageRows == 0 {
		cfg.PageRows = defaultPageRows
	}
	if cfg.BatchEvents == 0 {
		cfg.BatchEvents = defaultBatchEvents
	}
	if cfg.Progress == nil {
		cfg.Progress = func(bulk.Progress) {}
	}
	if cfg.Differs == nil {
		cfg.Differs = func(Difference) {}
	}
	if cfg.Failpoint == nil {
		cfg.Failpoint = func(string) {}
	}
	if cfg.Wait == nil {
		cfg.Wait = func(ctx context.Context) { projections.Wait(ctx, swapPause) }
	}
}

func newRebuild(cfg Config) *rebuild {
	cfg.SetDefaults()
	r := &rebuild{Config: cfg, projector: cfg.Projection.New(), handled: make(map[string]bool)}
	r.live = bulk.SchemaOf(r.projector)
	for _, name := range r.projector.Handles() {
		r.handled[name] = true
	}
	r.projector.Reset()
	return r
}

// Run rebuilds a read model. It may be stopped at any time: the live one is whole, and the next run goes on; one that has swapped is only
// certified then. ErrDiffers comes with a Result.
func Run(ctx context.Context, cfg Config) (Result, error) {
	began := cfg.Now()
	r := newRebuild(cfg)
	unlock, err := bulk.Lock(ctx, r.Pool, r.live)
	if err != nil {
		return Result{}, err
	}
	defer unlock()
	result, err := r.run(ctx)
	result.Elapsed = r.Now().Sub(began)
	if err != nil {
		err = fmt.Errorf("rebuild %s: %w", r.live, err)
	}
	return result, err
}

func (r *rebuild) run(ctx context.Context) (Result, error) {
	if result, found, err := r.certify(ctx); err != nil || found {
		return result, err
	}
	live, err := r.checkpoint(ctx, r.Pool)
	if err != nil {
		return Result{}, err
	}
	built, err := bulk.Build(ctx, bulk.Config{
		Pool: r.Pool, Reader: r.Reader, Catalog: r.Catalog, Keys: r.Keys, Projector: r.projector, Model: r.Projection.Bulk, Code: r.Code,
		MaxStreams: r.MaxStreams, Progress: r.Progress, Failpoint: r.Failpoint, UpTo: live.Position, UpToHash: live.Hash,
	})
	if err != nil {
		return Result{}, err
	}
	if r.shapes, err = r.readShapes(ctx, built.Schema); err != nil {
		return Result{}, err
	}
	s := &shadow{rebuild: r, schema: built.Schema, at: projections.Checkpoint{Position: built.Position, Hash: built.Hash}}
	if live, err = r.checkpoint(ctx, r.Pool); err != nil {
		return Result{}, err
	}
	if err := s.catchUp(ctx, live.Position); err != nil {
		return Result{}, err
	}
	r.Failpoint("caught")
	found, err := r.verify(ctx, s)
	for errors.Is(err, ErrErasing) {
		if err := r.passErasure(ctx); err != nil {
			return Result{}, errors.Join(err, r.forget(ctx, s))
		}
		found, err = r.verify(ctx, s)
	}
	if err != nil {
		return Result{}, err
	}
	r.Failpoint("verified")
	return r.finish(ctx, s, found)
}

// finish swaps, if that is wanted and allowed, and sums up.
func (r *rebuild) finish(ctx context.Context, s *shadow, found verified) (Result, error) {
	result := Result{Position: s.at.Position, Events: s.at.Position, Digest: found.sum.String(), LiveDigest: found.liveSum.String(), Equal: found.differences == 0}
	if !result.Equal && !r.AcceptChanges {
		return result, errors.Join(ErrDiffers, r.forget(ctx, s))
	}
	swap := !r.NoSwap && !r.VerifyOnly
	same, err := r.meet(ctx, s, found, swap)
	if err != nil {
		return result, err
	}
	result.Position, result.Events = s.at.Position, s.at.Position
	if result.Equal = result.Equal && same; !result.Equal && !r.AcceptChanges {
		return result, errors.Join(ErrDiffers, r.forget(ctx, s))
	}
	if swap {
		r.Failpoint("swapped")
		result, _, err = r.certify(ctx)
		return result, err
	}
	if result.Equal { // what stands still now is what both were
		sum, err := r.digest(ctx, s.schema)
		if err != nil {
			return result, err
		}
		result.Digest, result.LiveDigest = sum.String(), sum.String()
	}
	return result, r.forget(ctx, s)
}

// forget drops what was built only to be compared.
func (r *rebuild) forget(ctx context.Context, s *shadow) error {
	if !r.VerifyOnly {
		return nil
	}
	return r.drop(ctx, s.schema)
}
