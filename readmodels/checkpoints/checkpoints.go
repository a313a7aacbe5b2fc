// Package checkpoints tells how far projections have come, and waits until they have come far enough: that is how a
// caller reads its own write.
package checkpoints

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Channel is the NOTIFY channel on which projections announce their checkpoints, once for each transaction.
const Channel = "checkpoint"

// wantedChannel is the one on which those who wait for a projection say so.
const wantedChannel = "wanted"

const (
	// listeningPoll is how often a waiter looks for itself while notifications come in, pollAlone while none can.
	listeningPoll = 100 * time.Millisecond
	pollAlone     = 5 * time.Millisecond
	// hurriesAfter is how long who is in a hurry waits before saying so: mostly the projection is on its way.
	hurriesAfter = 20 * time.Millisecond
	// askEvery bounds how often a process says that a projection is wanted, wantedFor is for how long that holds: longer than a
	// caller waits before it comes again.
	askEvery  = 100 * time.Millisecond
	wantedFor = 2 * time.Second
	// relistenPause is the wait before a lost connection is made again.
	relistenPause = 200 * time.Millisecond
)

// ErrNotBuilt says that the projection hasn't created its tables yet.
var ErrNotBuilt = errors.New("the read model is not built yet")

// NotBuilt maps the database's errors about absent tables to ErrNotBuilt, and leaves others as they are.
func NotBuilt(err error) error {
	var pgErr *pgconn.PgError
	if errors.As(err, &pgErr) && (pgErr.Code == "42P01" || pgErr.Code == "3F000") {
		return ErrNotBuilt
	}
	return err
}

// Projection names one version of a projection.
type Projection struct {
	Name    string
	Version int
}

// Notification is the payload that announces a checkpoint.
func Notification(p Projection, position int64) string {
	return fmt.Sprintf("%s %d %d", p.Name, p.Version, position)
}

// parseNotification is the inverse of Notification; ok is false for what isn't one.
func parseNotification(payload string) (p Projection, position int64, ok bool) {
	n, err := fmt.Sscanf(payload, "%s %d %d", &p.Name, &p.Version, &position)
	return p, position, err == nil && n == 3
}

// Watcher knows the checkpoints. While Run runs, waiting costs no queries but the first; without it Wait polls.
type Watcher struct {
	pool *pgxpool.Pool
	log  *slog.Logger

	mu        sync.Mutex
	listening bool
	known     map[Projection]int64
	moved     chan struct{}            // closed at the next news
	asked     map[Projection]time.Time // when this process last said that it waits
	wanted    map[Projection]time.Time // when any process did
}

// NewWatcher returns a watcher over pool, whose role may read ledger.checkpoints.
func NewWatcher(pool *pgxpool.Pool, log *slog.Logger) *Watcher {
	return &Watcher{
		pool: pool, log: log, known: make(map[Projection]int64), moved: make(chan struct{}),
		asked: make(map[Projection]time.Time), wanted: make(map[Projection]time.Time),
	}
}

const sqlCheckpoint = `SELECT position FROM ledger.checkpoints WHERE projection = $1 AND version = $2`

// Querier is what a query can be run on: a transaction, a connection or a pool.
type Querier interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// Read returns the checkpoint as stored, 0 for a projection that never ran.
func Read(ctx context.Context, db Querier, p Projection) (int64, error) {
	var position int64
	err := db.QueryRow(ctx, sqlCheckpoint, p.Name, p.Version).Scan(&position)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return 0, fmt.Errorf("read the checkpoint of %s: %w", p.Name, err)
	}
	return position, nil
}

// Wait returns the checkpoint as soon as it has reached position, or as it is after timeout; the caller compares. It
// returns the error of ctx, or of the database.
func (w *Watcher) Wait(ctx context.Context, p Projection, position int64, timeout time.Duration) (int64, error) {
	return w.wait(ctx, p, position, timeout, false)
}

// Hurry is Wait for somebody whom the projection shall not keep waiting: soon it is told, see Wanted.
func (w *Watcher) Hurry(ctx context.Context, p Projection, position int64, timeout time.Duration) (int64, error) {
	return w.wait(ctx, p, position, timeout, true)
}

func (w *Watcher) wait(ctx context.Context, p Projection, position int64, timeout time.Duration, hurry bool) (int64, error) {
	deadline := time.NewTimer(timeout)
	defer deadline.Stop()
	for first := true; ; first = false {
		moved, known, poll := w.news(p)
		if known >= position {
			return known, nil
		}
		stored, err := Read(ctx, w.pool, p)
		if err != nil || stored >= position {
			return stored, err
		}
		switch {
		case hurry && first:
			poll = min(poll, hurriesAfter)
		case hurry:
			if err := w.ask(ctx, p, position); err != nil {
				return stored, err
			}
		}
		if stop, err := w.await(ctx, p, position, moved, deadline.C, poll); stop {
			return stored, err
		}
	}
}

// await returns when it is time to read again, or true when waiting is over.
func (w *Watcher) await(ctx context.Context, p Projection, position int64, moved <-chan struct{}, deadline <-chan time.Time, poll time.Duration) (bool, error) {
	timer := time.NewTimer(poll)
	defer timer.Stop()
	for {
		select {
		case <-moved: // perhaps another projection, or not far enough yet
			var known int64
			if moved, known, _ = w.news(p); known >= position {
				return false, nil
			}
		case <-timer.C:
			return false, nil
		case <-deadline:
			return true, nil
		case <-ctx.Done():
			return true, ctx.Err()
		}
	}
}

// A NOTIFY of its own makes its transaction wait for the disk, and writers for it, unless told otherwise.
const sqlAsk = `SELECT set_config('synchronous_commit', 'off', true), pg_notify('` + wantedChannel + `', $1)`

// ask tells the projection's process that somebody waits, so that it doesn't give way to commands.
func (w *Watcher) ask(ctx context.Context, p Projection, position int64) error {
	w.mu.Lock()
	now := clock()
	due := now.Sub(w.asked[p]) >= askEvery
	if due {
		w.asked[p] = now
	}
	w.mu.Unlock()
	if !due {
		return nil
	}
	if _, err := w.pool.Exec(ctx, sqlAsk, Notification(p, position)); err != nil {
		return fmt.Errorf("ask for %s: %w", p.Name, err)
	}
	return nil
}

// Wanted reports whether anybody, in any process, has been in a hurry for the projection a moment ago. It hears of it while Run runs.
func (w *Watcher) Wanted(p Projection) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return clock().Sub(w.wanted[p]) < wantedFor
}

func (w *Watcher) news(p Projection) (moved <-chan struct{}, known int64, poll time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.listening {
		return w.moved, 0, pollAlone
	}
	return w.moved, w.known[p], listeningPoll
}

// Run listens until ctx ends.
func (w *Watcher) Run(ctx context.Context) {
	for ctx.Err() == nil {
		err := w.listen(ctx)
		w.setListening(false)
		if ctx.Err() != nil {
			return
		}
		w.log.WarnContext(ctx, "listening for checkpoints was interrupted", slog.Any("error", err))
		select {
		case <-ctx.Done():
		case <-time.After(relistenPause):
		}
	}
}

// listen returns only with an error: that of ctx, or of the connection.
func (w *Watcher) listen(ctx context.Context) error {
	conn, err := pgx.ConnectConfig(ctx, w.pool.Config().ConnConfig)
	if err != nil {
		return err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), relistenPause)
		defer cancel()
		_ = conn.Close(ctx) // it may be broken already; nothing is lost with it
	}()
	for _, channel := range []string{Channel, wantedChannel} {
		if _, err := conn.Exec(ctx, "LISTEN "+channel); err != nil {
			return err
		}
	}
	w.setListening(true)
	for {
		n, err := conn.WaitForNotification(ctx)
		if err != nil {
			return err
		}
		p, position, ok := parseNotification(n.Payload)
		switch {
		case !ok:
		case n.Channel == wantedChannel:
			w.want(p)
		default:
			w.announce(p, position)
		}
	}
}

func (w *Watcher) announce(p Projection, position int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.known[p] = position
	w.wake()
}

func (w *Watcher) want(p Projection) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.wanted[p] = clock()
}

// setListening forgets what was known: notifications may have been missed, and a restore may have set checkpoints back.
func (w *Watcher) setListening(listening bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.listening = listening
	clear(w.known)
	w.wake()
}

func (w *Watcher) wake() {
	close(w.moved)
	w.moved = make(chan struct{})
}

// clock measures how long something waits.
func clock() time.Time { return time.Now() } //nolint:forbidigo // see above
