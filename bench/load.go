package main

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// load says how calls are made: by so many clients, each with one call at a time, until time or the calls are up.
type load struct {
	clients  int
	duration time.Duration
	limit    int64 // most calls; 0 for no limit
	// rate, when set, is how many calls a second are due, whether or not those before have been answered; latency counts
	// from when a call was due.
	rate float64
	// open, when set, is asked before each call; it returns when the call may be made.
	open func(context.Context) error
}

// sample is what a load came to.
type sample struct {
	calls   int64
	elapsed time.Duration
	taken   []time.Duration // of each call, sorted
}

// and returns what two loads came to, one after the other.
func (s sample) and(other sample) sample {
	taken := slices.Concat(s.taken, other.taken)
	slices.Sort(taken)
	return sample{calls: s.calls + other.calls, elapsed: s.elapsed + other.elapsed, taken: taken}
}

// perSecond is the rate of the calls.
func (s sample) perSecond() float64 { return float64(s.calls) / s.elapsed.Seconds() }

// percentile returns the time within which this part of the calls was answered, in milliseconds.
func (s sample) percentile(part float64) float64 { return milliseconds(percentile(s.taken, part)) }

// percentile returns an element of a sorted slice, 0 of an empty one.
func percentile(sorted []time.Duration, part float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(len(sorted)-1, int(part*float64(len(sorted))))]
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// errNoMore is what a call returns when there is nothing left to do: it ends the load and is no fault.
var errNoMore = errors.New("nothing left to do")

// run makes the calls; client and n number them, n from 0 over all clients. The first error ends it.
func (l load) run(ctx context.Context, call func(ctx context.Context, client int, n int64) error) (sample, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	began := time.Now()
	var next atomic.Int64
	var wg sync.WaitGroup
	taken := make([][]time.Duration, l.clients)
	for client := range taken {
		wg.Go(func() {
			for ctx.Err() == nil {
				n := next.Add(1) - 1
				due, ok, err := l.next(ctx, began, n)
				if err == nil && ok {
					err = call(ctx, client, n)
				}
				if err != nil && !errors.Is(err, errNoMore) {
					cancel(err)
				}
				if err != nil || !ok {
					return
				}
				taken[client] = append(taken[client], time.Since(due))
			}
		})
	}
	wg.Wait()
	s := sample{elapsed: time.Since(began), taken: slices.Concat(taken...)}
	s.calls = int64(len(s.taken))
	slices.Sort(s.taken)
	return s, context.Cause(ctx)
}

// next returns when call n is to be made, having waited until then; not ok when time or calls are up.
func (l load) next(ctx context.Context, began time.Time, n int64) (due time.Time, ok bool, err error) {
	if l.limit > 0 && n >= l.limit {
		return due, false, nil
	}
	if l.open != nil {
		if err := l.open(ctx); err != nil {
			return due, false, err
		}
	}
	due = time.Now()
	if l.rate > 0 {
		due = began.Add(time.Duration(float64(n) / l.rate * float64(time.Second)))
		if err := sleep(ctx, time.Until(due)); err != nil {
			return due, false, err
		}
	}
	return due, due.Sub(began) < l.duration, nil
}

// sleep returns after d, or with the cause when ctx ends.
func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
