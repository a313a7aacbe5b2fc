package eventstore

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"
)

const (
	// parallelLoads is how many queries for streams run at the same time at most. What is wanted meanwhile waits and becomes one query,
	// which costs little more than one for a single stream.
	parallelLoads = 4
	// loadPatience is for how long callers wait for a query that is under way, before one more begins: most take less.
	loadPatience = 2 * time.Millisecond
	// maxLoad is how many streams one query asks for, unless one caller alone wants more.
	maxLoad = 256
	// loadTimeout bounds a query that several callers wait for, whose own contexts may end earlier.
	loadTimeout = 12 * time.Second
)

// streamNews asks for a stream's events after a version.
type streamNews struct {
	id    StreamID
	after int64
}

// loads reads streams for callers who come at the same time together.
type loads struct {
	query func(context.Context, []streamNews) ([]news, error)

	mu      sync.Mutex
	running int
	waiting []*load
}

// load is what one caller wants. found and err are final once done is closed.
type load struct {
	ctx    context.Context //nolint:containedctx // who has left need not be read for
	wanted []streamNews
	found  []news
	err    error
	done   chan struct{}
}

// read returns the news of each wanted stream. A caller who gives up leaves its part of the query to the others.
func (l *loads) read(ctx context.Context, wanted []streamNews) ([]news, error) {
	mine := &load{ctx: ctx, wanted: wanted, done: make(chan struct{})}
	l.mu.Lock()
	l.waiting = append(l.waiting, mine)
	alone := l.running == 0
	l.mu.Unlock()
	if alone {
		l.start(ctx)
	} else {
		defer time.AfterFunc(loadPatience, func() { l.start(ctx) }).Stop()
	}
	select {
	case <-mine.done:
		return mine.found, mine.err
	case <-ctx.Done():
		return nil, readFault(ctx, ctx.Err())
	}
}

// start makes one more query, if there may be one, for those who wait.
func (l *loads) start(ctx context.Context) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.running < parallelLoads && len(l.waiting) > 0 {
		l.running++
		go l.run(context.WithoutCancel(ctx))
	}
}

// run makes queries until nobody waits.
func (l *loads) run(ctx context.Context) {
	for group := l.next(); len(group) > 0; group = l.next() {
		l.answer(ctx, group)
	}
}

// next takes those who wait, as many as fit one query. None: this goroutine ends.
func (l *loads) next() []*load {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.waiting = slices.DeleteFunc(l.waiting, func(one *load) bool { return one.ctx.Err() != nil })
	n, streams := 0, 0
	for n < len(l.waiting) && (n == 0 || streams+len(l.waiting[n].wanted) <= maxLoad) {
		streams += len(l.waiting[n].wanted)
		n++
	}
	if n == 0 {
		l.running--
		return nil
	}
	group := l.waiting[:n:n]
	l.waiting = l.waiting[n:]
	return group
}

// answer reads for a group. When that fails each is asked for alone: one of them may be guilty, or just too long.
func (l *loads) answer(ctx context.Context, group []*load) {
	var wanted []streamNews
	for _, one := range group {
		wanted = append(wanted, one.wanted...)
	}
	found, err := l.ask(ctx, wanted)
	if err != nil && len(group) > 1 {
		for _, one := range group {
			l.answer(ctx, []*load{one})
		}
		return
	}
	for _, one := range group {
		if one.err = err; err == nil {
			one.found, found = found[:len(one.wanted)], found[len(one.wanted):]
		}
		close(one.done)
	}
}

// ask makes one query. A panic in it is an error of those who asked, not the end of the process.
func (l *loads) ask(ctx context.Context, wanted []streamNews) (found []news, err error) {
	ctx, cancel := context.WithTimeout(ctx, loadTimeout)
	defer cancel()
	defer func() {
		if fault := recover(); fault != nil {
			found, err = nil, fmt.Errorf("%w: read the log: %v", ErrPanic, fault)
		}
	}()
	return l.query(ctx, wanted)
}

// readNews reads the news of streams in one query.
func (s *Store) readNews(ctx context.Context, wanted []streamNews) ([]news, error) {
	tenants, names, after := make([]string, len(wanted)), make([]string, len(wanted)), make([]int64, len(wanted))
	for i, w := range wanted {
		tenants[i], names[i], after[i] = w.id.Tenant, w.id.Name, w.after
	}
	rows, err := s.pool.Query(ctx, sqlNews, binaryRows, tenants, names, after)
	if err != nil {
		return nil, readFault(ctx, err)
	}
	found := make([]news, len(wanted))
	defer rows.Close()
	var scan scanner
	for rows.Next() {
		if err := readNews(rows.RawValues(), found, &scan); err != nil {
			return nil, err
		}
	}
	if err := rows.Err(); err != nil {
		return nil, readFault(ctx, err)
	}
	return found, nil
}
