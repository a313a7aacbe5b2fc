package main

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"
)

const (
	// sustainedClients make the commands whose rate the projectors can follow.
	sustainedClients = 64
	// maxLag is how many events may wait for the slowest projection or topic before the clients are held back.
	maxLag = 10_000
	// lagEvery is how often the lag is looked at.
	lagEvery = 20 * time.Millisecond
)

// The lag is that of the slowest: tables, documents, books, or one of the publisher's three cursors.
const sqlLag = `
SELECT greatest(h.position - (SELECT CASE count(*) WHEN 3 THEN min(position) ELSE 0 END FROM ledger.checkpoints WHERE projection IN ('tables', 'documents', 'books')),
                h.position - (SELECT min(position) FROM ledger.cursors WHERE name IN ('db', 'index')),
                h.route - (SELECT min(position) FROM ledger.cursors WHERE name = 'route')),
       h.position, coalesce((SELECT string_agg(projection || ': ' || problem, '; ') FROM ledger.checkpoints WHERE state = 'halted'), '')
FROM ledger.head h`

// lag returns how many events or route events the slowest projection or topic is behind, and the position of the head.
func (l *library) lag(ctx context.Context) (behind, head int64, err error) {
	var halted string
	if err := l.pool.QueryRow(ctx, sqlLag).Scan(&behind, &head, &halted); err != nil {
		return 0, 0, fmt.Errorf("read the lag: %w", err)
	}
	if halted != "" {
		return 0, 0, fmt.Errorf("%w: %s", errBehind, halted)
	}
	return behind, head, nil
}

// settle waits until nothing is behind.
func (s *suite) settle(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, errBehind)
	defer cancel()
	for {
		behind, _, err := s.library.lag(ctx)
		if err != nil || behind == 0 {
			return err
		}
		if err := sleep(ctx, lagEvery); err != nil {
			return err
		}
	}
}

// gate holds clients back while the lag is too large.
type gate struct {
	shut atomic.Pointer[chan struct{}] // nil while it is open
}

// pass returns when the gate is open.
func (g *gate) pass(ctx context.Context) error {
	for {
		shut := g.shut.Load()
		if shut == nil {
			return nil
		}
		select {
		case <-*shut:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// set opens or shuts the gate. One goroutine calls it.
func (g *gate) set(open bool) {
	shut := g.shut.Load()
	if open && shut != nil {
		g.shut.Store(nil)
		close(*shut)
	}
	if !open && shut == nil {
		c := make(chan struct{})
		g.shut.Store(&c)
	}
}

// measureSustained measures the rate at which all projections and topics keep up: clients make commands as fast as they are
// answered, but wait while more than maxLag events do. What isn't projected when the time is up doesn't count.
func (s *suite) measureSustained(ctx context.Context, kind string) error {
	st, err := s.useRunning(ctx)
	if err != nil {
		return err
	}
	watching, stop := context.WithCancel(ctx)
	defer stop()
	g := &gate{}
	failed := make(chan error, 1)
	go func() { failed <- s.guard(watching, g) }()
	callers := st.callers(kind, sustainedClients)
	defer callers.close()
	warm := load{clients: sustainedClients, duration: s.warmUp(), open: g.pass}
	if _, err := warm.run(ctx, callers.call); err != nil {
		return err
	}
	lagBefore, headBefore, err := s.library.lag(ctx)
	if err != nil {
		return err
	}
	spentBefore := st.spent()
	got, err := load{clients: sustainedClients, duration: s.sustained, open: g.pass}.run(ctx, callers.call)
	if err != nil {
		return err
	}
	spent := st.spent().since(spentBefore)
	lagAfter, headAfter, err := s.library.lag(ctx)
	if err != nil {
		return err
	}
	stop()
	if err := <-failed; err != nil {
		return err
	}
	// The part of the commands whose events were projected within the time.
	projected := float64(headAfter-lagAfter-(headBefore-lagBefore)) / float64(headAfter-headBefore)
	name := "http." + kind + ".sustained"
	s.report.add(name, got.perSecond()*projected, perSecond, "rows.64")
	s.report.add(name+".p50", got.percentile(0.5), millisecond, "")
	s.report.add(name+".p99", got.percentile(0.99), millisecond, "")
	s.addSpent(name, spent, got.calls)
	return nil
}

// guard watches the lag and moves the gate until ctx ends.
func (s *suite) guard(ctx context.Context, g *gate) error {
	defer g.set(true)
	for {
		behind, _, err := s.library.lag(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		g.set(behind <= maxLag)
		if sleep(ctx, lagEvery) != nil {
			return nil
		}
	}
}
