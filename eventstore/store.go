package eventstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Defaults of Config.
const (
	DefaultMaxBatch   = 512
	DefaultMaxWaiting = 4096
	DefaultCacheSize  = 100_000
	DefaultMaxConns   = 8
	DefaultPatience   = 15 * time.Second
)

// Config says how a Store is opened. Only URL and Folder are needed.
type Config struct {
	URL    string // of the database, as role payledger_app
	Folder Folder // makes states of streams out of events
	Keys   Keys   // opens sealed text; without it every key is unknown
	Logger *slog.Logger

	MaxBatch   int           // commits that are written together at most
	MaxWaiting int           // commits that wait for the writer at most; beyond that Commit answers ErrBusy
	CacheSize  int           // folded states of streams kept in memory
	MaxConns   int           // connections for reading, beside the writer's own
	Patience   time.Duration // how long a batch is tried again before its commits are answered with ErrBusy
	// ClockWithin is how long a batch may take whose answer is believed when it tells the server's clock.
	ClockWithin time.Duration
	AloneAfter  int // batches that must find the log as this store left it before one is written in a single round trip

	// Failpoint is called between every two steps of the writer with one of the names of Failpoints. For crash tests; nil in production.
	Failpoint func(name string)
}

func (c *Config) setDefaults() {
	setDefault(&c.MaxBatch, DefaultMaxBatch)
	setDefault(&c.MaxWaiting, DefaultMaxWaiting)
	setDefault(&c.CacheSize, DefaultCacheSize)
	setDefault(&c.MaxConns, DefaultMaxConns)
	setDefault(&c.Patience, DefaultPatience)
	setDefault(&c.AloneAfter, DefaultAloneAfter)
	setDefault(&c.ClockWithin, DefaultClockWithin)
	if c.Keys == nil {
		c.Keys = noKeys{}
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
}

func setDefault[T int | time.Duration](v *T, value T) {
	if *v <= 0 {
		*v = value
	}
}

// Store appends to the log. It is safe for any number of goroutines, and any number of processes may have one on the same log.
type Store struct {
	config Config
	pool   *pgxpool.Pool
	cache  cache
	loads  loads
	// generation counts how often what the store remembers was found to be of another log, or to show what was erased.
	generation atomic.Int64
	underWay   atomic.Int64 // commits whose callers wait
	known      memory       // guarded by the writer's goroutine, once it runs
	adrift     bool         // likewise: an unread batch, of this process or one that has ended, may still come to the log
	counts     counters

	closing sync.RWMutex // guards closed and sending to queue
	closed  bool
	queue   chan *request
	done    chan struct{} // closed when the writer has ended
}

// Open connects to a migrated database and starts the store's writer. Close ends it.
func Open(ctx context.Context, config Config) (*Store, error) {
	config.setDefaults()
	if config.Folder == nil {
		return nil, fmt.Errorf("open event store: %w: no folder", ErrInvalid)
	}
	s := &Store{config: config, queue: make(chan *request, config.MaxWaiting), done: make(chan struct{}), adrift: true}
	var err error
	if s.cache, err = newCache(config.CacheSize); err != nil {
		return nil, fmt.Errorf("open event store: %w", err)
	}
	if err := s.openPool(ctx); err != nil {
		return nil, fmt.Errorf("open event store: %w", err)
	}
	s.loads.query = s.readNews
	w, err := newWriter(ctx, s)
	if err != nil {
		s.pool.Close()
		return nil, fmt.Errorf("open event store: %w", err)
	}
	go w.run(context.WithoutCancel(ctx))
	return s, nil
}

// openPool makes the pool for reading and reads the head, which also shows that the schema is there.
func (s *Store) openPool(ctx context.Context) error {
	config, err := pgxpool.ParseConfig(s.config.URL)
	if err != nil {
		return fmt.Errorf("parse the database URL: %w", err)
	}
	planSettings(config.ConnConfig.RuntimeParams)
	config.ConnConfig.RuntimeParams["application_name"] = "payledger store"
	config.ConnConfig.RuntimeParams["statement_timeout"] = statementTimeout
	config.ConnConfig.ConnectTimeout = connectTimeout
	config.MaxConns = int32(s.config.MaxConns) //nolint:gosec // a small number
	if s.pool, err = pgxpool.NewWithConfig(ctx, config); err != nil {
		return err
	}
	if err := s.pool.QueryRow(ctx, "SELECT epoch, erased FROM ledger.head").Scan(&s.known.epoch, &s.known.erased); err != nil {
		s.pool.Close()
		return fmt.Errorf("read the head of the log: %w", headError(err))
	}
	return nil
}

// Close takes no more commits, writes those that wait, and returns when the writer has ended: after Config.Patience at the latest when
// the database does not answer. It may be called more than once.
func (s *Store) Close() {
	s.closing.Lock()
	if !s.closed {
		s.closed = true
		close(s.queue)
	}
	s.closing.Unlock()
	<-s.done
	s.pool.Close()
}

// memory is of what a store's memory is: the epoch of the log, and the position of its last erasure.
type memory struct{ epoch, erased int64 }

func (s *Store) isClosed() bool {
	s.closing.RLock()
	defer s.closing.RUnlock()
	return s.closed
}

// Load returns the state of a stream as it stands in the log now. A stream without events has Version 0 and a nil Value.
func (s *Store) Load(ctx context.Context, id StreamID) (StreamState, error) {
	state, _ := s.remembered(ctx, id, s.generation.Load())
	states := []StreamState{state}
	if err := s.fetch(ctx, []StreamID{id}, states); err != nil {
		return StreamState{}, fmt.Errorf("load stream %s: %w", id, err)
	}
	return states[0], nil
}

// Lookup returns what was stored under a commit id: positions and head, not the answer. It goes through the writer and its lock on
// the head, so ErrCommitNotFound is final for every commit that was given to this store or to a process that has ended.
func (s *Store) Lookup(ctx context.Context, id uuid.UUID) (Result, error) {
	r := &request{commit: Commit{ID: id}, lookup: true, began: clock(), done: make(chan struct{})}
	result, err := s.await(ctx, r)
	if err != nil && !errors.Is(err, ErrCommitNotFound) {
		return Result{}, fmt.Errorf("look up commit %s: %w", id, err)
	}
	return result, err
}
