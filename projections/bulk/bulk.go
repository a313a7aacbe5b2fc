// Package bulk builds a read model from the whole log at once, several times as fast as the projector that follows the log: it reads
// and decodes in parallel, folds streams in memory, copies what they come to into a schema of its own beside the live one, and makes
// the indexes at the end. No transaction is long, memory is bounded by folding one share of the streams after the other, and each step
// is recorded in that schema with what it did: a build that was stopped or killed goes on where it was.
package bulk

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"payledger/eventstore"
	"payledger/eventstore/catalog"
)

// Errors of builds. Callers compare with errors.Is.
var (
	// ErrRunning: another process builds beside this schema.
	ErrRunning = errors.New("another build of this read model is running")
	// ErrNotDecided: the projection neither handles nor ignores an event type of the log.
	ErrNotDecided = errors.New("event type is neither handled nor ignored")
	// errOvertaken: what this process wrote is recorded as written already. It has lost its connection, and another one has gone on.
	errOvertaken = errors.New("another build has gone on here")
)

// Projector is what a build needs to know of a projection: a part of projections.Projector, which says more.
type Projector interface {
	Name() string
	Version() int
	Handles() []string
	Ignores() []string
	Tables() []string
	EnsureSchema(ctx context.Context, tx pgx.Tx) (created bool, err error)
	EnsureIndexes(ctx context.Context, tx pgx.Tx) error
}

// Fold folds a share of the log in memory. It belongs to one goroutine.
type Fold interface {
	// Apply folds the next event of the share. With last no later event of its stream comes. Its errors mean: this event can't be applied.
	Apply(ev *catalog.Event, last bool) error
	// Next returns functions that write rows which no later event changes, one for each lane of the Model, and forgets them; nil while there
	// are few. With end, after the last event, it returns all that are left step by step, and nil when there is no more. What it returns after
	// which events is the same in every run: what is written is recorded by its number.
	Next(end bool) []func(ctx context.Context, tx pgx.Tx) error
}

// Model is how a projection is built at once. Without a Fold it isn't: what is built is empty, for the projector itself to fill.
type Model struct {
	// Fold returns the fold of a share: of the rows whose keys are in it, for a Model with Key; of the events that it is given, otherwise.
	Fold func(Share) Fold
	// Join moves all rows that one Fold has to another one; the first has folded nothing but whole streams, and has no rows then. With it streams
	// of one event are folded where they are decoded, beside each other. Nil: they aren't.
	Join func(to, from Fold)
	// Lanes is how many transactions copy at the same time, each into tables of its own; 0: one.
	Lanes int
	// StreamSize is about how many bytes a Fold holds of a stream.
	StreamSize int64
	// Brief is how many events a stream has at most that the Fold doesn't hold: 1 for one that lets go of streams at their last event and keeps
	// nothing of that, which is good until Apply returns.
	Brief int64
	// Key returns the text by which the events of a stream are shared out; empty: each share gets them. Nil: by the stream itself.
	Key func(stream eventstore.StreamID) string
}

// Config is what Build needs. Progress and Failpoint may be nil.
type Config struct {
	Pool      *pgxpool.Pool // connections of the projector role: up to 2*Workers+1 at a time, but Lanes+2 at least
	Reader    *eventstore.Reader
	Catalog   *catalog.Catalog
	Keys      eventstore.Keys
	Projector Projector
	Model     Model
	// Code names what the rows are made by: a build that other code began is thrown away.
	Code string

	// UpTo and UpToHash are the event up to which a new build goes; 0: the end of the log.
	UpTo     int64
	UpToHash [32]byte

	Workers    int   // goroutines that read and decode, that fold, and that make indexes; default DefaultWorkers
	MaxStreams int64 // streams that are held in memory at the same time; default what MaxMemory has room for
	PageSize   int64 // events that are read at a time; default DefaultPageSize
	// Progress is called from one goroutine at a time.
	Progress func(Progress)
	// Failpoint is called in tests at "prepared", "copied" (before a part is committed), "part" (after), "replayed", "index" (one is made), "built".
	Failpoint func(point string)
}

// Defaults of Config.
const (
	DefaultWorkers  = 2
	DefaultPageSize = 4096
	// MaxMemory is how many bytes the streams take that are held at the same time. The pages that are read and the rows that are copied
	// come on top, and what the collector hasn't freed yet.
	MaxMemory = 1 << 30
)

// Progress says how far a stage has come: events of replay, indexes of index.
type Progress struct {
	Stage       string
	Done, Total int64
}

// Built is a read model as of a position of the log.
type Built struct {
	Schema   string // where it stands
	Position int64
	Hash     [32]byte // of the event there
	Events   int64    // that were read for it
}

// Beside returns the schema beside a live one in which builds stand.
func Beside(schema string) string { return schema + "_new" }

// SchemaOf returns the schema of a projection's live read model.
func SchemaOf(p Projector) string { return fmt.Sprintf("%s_v%d", p.Name(), p.Version()) }

// builder is a build under way.
type builder struct {
	Config
	live, schema string
	ends         eventstore.Ends // of the log that is folded
	shares       [][]lane        // of each share, as an earlier run has left them
	handled      map[string]bool // by event type; ignored ones are false
	progress     sync.Mutex
}

// Build builds the read model as of the end of the log in the schema Beside the live one, or goes on with a build that was stopped. The caller
// holds the Lock of the schema. Its errors are those of the database and of keys, ErrNotDecided, and those of events that can't be decoded or
// folded, which name the event.
func Build(ctx context.Context, cfg Config) (Built, error) {
	b := newBuilder(cfg)
	st, err := b.fold(ctx, cfg.Code)
	if err == nil {
		b.Failpoint("replayed")
		err = b.index(ctx, &st)
	}
	if err != nil {
		return Built{}, fmt.Errorf("build %s: %w", b.schema, err)
	}
	b.Failpoint("built")
	return Built{Schema: b.schema, Position: st.position, Hash: st.hash, Events: st.position}, nil
}

// fold makes the rows of the log as it can be read after the last erasure. Rows of before may show texts that are gone, so a build that is
// overtaken by an erasure, or was stopped before one, begins anew.
func (b *builder) fold(ctx context.Context, code string) (state, error) {
	for {
		erased, err := b.Reader.LastErased(ctx)
		if err != nil {
			return state{}, err
		}
		if err := eventstore.RefreshKeys(ctx, b.Keys); err != nil {
			return state{}, err
		}
		b.Code = fmt.Sprintf("%s, erased %d", code, erased)
		st, create, err := b.prepare(ctx)
		if err != nil {
			return state{}, err
		}
		if err := b.replay(ctx, &st, create); err != nil {
			return state{}, err
		}
		// One behind the build is applied to it when it goes on.
		if now, err := b.Reader.LastErased(ctx); err != nil || now == erased || now > st.position {
			return st, err
		}
	}
}

func newBuilder(cfg Config) *builder {
	if cfg.Workers == 0 {
		cfg.Workers = DefaultWorkers
	}
	if cfg.MaxStreams == 0 {
		cfg.MaxStreams = MaxMemory / max(1, cfg.Model.StreamSize)
	}
	if cfg.PageSize == 0 {
		cfg.PageSize = DefaultPageSize
	}
	cfg.Model.Lanes = max(1, cfg.Model.Lanes)
	if cfg.Progress == nil {
		cfg.Progress = func(Progress) {}
	}
	if cfg.Failpoint == nil {
		cfg.Failpoint = func(string) {}
	}
	b := &builder{Config: cfg, live: SchemaOf(cfg.Projector), handled: make(map[string]bool)}
	b.schema = Beside(b.live)
	for _, t := range cfg.Projector.Handles() {
		b.handled[t] = true
	}
	for _, t := range cfg.Projector.Ignores() {
		b.handled[t] = false
	}
	return b
}

func (b *builder) tell(stage string, done, total int64) {
	b.progress.Lock()
	defer b.progress.Unlock()
	b.Progress(Progress{Stage: stage, Done: done, Total: total})
}

const (
	sqlLock   = `SELECT pg_try_advisory_lock(hashtextextended($1, 0))`
	sqlUnlock = `SELECT pg_advisory_unlock(hashtextextended($1, 0))`
)

// Lock makes sure that nobody else builds beside a live schema until unlock is called, or the process ends. ErrRunning: somebody does.
func Lock(ctx context.Context, pool *pgxpool.Pool, schema string) (unlock func(), err error) {
	conn, err := pool.Acquire(ctx)
	if err != nil {
		return nil, fmt.Errorf("lock %s: %w", schema, err)
	}
	name := "payledger build " + schema
	var locked bool
	if err := conn.QueryRow(ctx, sqlLock, name).Scan(&locked); err != nil || !locked {
		conn.Release()
		if err == nil {
			err = ErrRunning
		}
		return nil, fmt.Errorf("lock %s: %w", schema, err)
	}
	return func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), unlockTimeout)
		defer cancel()
		if _, err := conn.Exec(ctx, sqlUnlock, name); err != nil {
			_ = conn.Conn().Close(ctx) // the lock goes with the connection
		}
		conn.Release()
	}, nil
}
