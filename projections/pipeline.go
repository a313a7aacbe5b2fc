package projections

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"

	"payledger/eventstore"
	"payledger/eventstore/catalog"
)

// page is a stretch of the log, decoded.
type page struct {
	events []catalog.Event // those that the projection handles
	marks  []Checkpoint    // of each of events
	end    Checkpoint      // of the stretch, ignored events included
	nearly bool            // the stretch reaches the end of the log, as it was then
	fault  error           // what ends the stretch: a *HaltedError or a passing trouble with the log or with the next event
}

// stretch is what one read of the log brought.
type stretch struct {
	events []eventstore.Recorded
	nearly bool  // they reach the end of the log
	err    error // nothing follows
}

// pipeline reads and decodes ahead of the transaction that applies, so that all three are busy while catching up.
type pipeline struct {
	r     *runner
	raw   chan stretch
	pages chan page
	done  sync.WaitGroup
}

func (r *runner) startPipeline(ctx context.Context, after int64) *pipeline {
	p := &pipeline{r: r, raw: make(chan stretch, 1), pages: make(chan page, 1)}
	p.done.Go(func() { p.read(ctx, after) })
	p.done.Go(func() { p.decode(ctx) })
	return p
}

// wait returns when the goroutines have ended; the caller has cancelled their context.
func (p *pipeline) wait() { p.done.Wait() }

// read reads until ctx ends or the log can't be read.
func (p *pipeline) read(ctx context.Context, after int64) {
	defer close(p.raw)
	var atEnd time.Time
	full := false
	for {
		p.r.Waker.GiveWay(ctx, atEnd, p.r.GiveWay, p.r.Wanted) // behind a full page, too: a peak makes many
		began, more := p.r.Now(), full
		grown := p.r.Waker.Next()
		most := int(p.r.batch.Load())
		events, err := p.r.Reader.ReadAll(ctx, after, most)
		full = len(events) == most
		if err != nil {
			send(ctx, p.raw, stretch{err: p.r.halting(err, after, uuid.Nil)})
			return
		}
		if !full {
			atEnd = began
		}
		if len(events) > 0 {
			after = events[len(events)-1].Position
		}
		if len(events) > 0 || more { // a full page that was the last is followed by an empty one
			if !send(ctx, p.raw, stretch{events: events, nearly: !full}) {
				return
			}
		}
		if full {
			continue
		}
		select {
		case <-grown:
		case <-ctx.Done():
			return
		}
		Wait(ctx, p.r.Interval-p.r.Now().Sub(began))
	}
}

// decode decodes page by page until the raw ones end.
func (p *pipeline) decode(ctx context.Context) {
	for raw := range p.raw {
		pg := page{fault: raw.err}
		if len(raw.events) > 0 {
			pg = p.decodePage(ctx, raw.events)
		}
		if raw.err == nil {
			pg.nearly = raw.nearly
		}
		if !send(ctx, p.pages, pg) || pg.fault != nil {
			break
		}
	}
	for range p.raw { // nobody else empties it, and the reader must not hang
	}
}

// decodePage decodes in parallel; the result is in order, and ends before the first event that can't be decoded.
func (p *pipeline) decodePage(ctx context.Context, raw []eventstore.Recorded) page {
	parts := make([]page, min(p.r.Decoders, len(raw)))
	var wg sync.WaitGroup
	for i := range parts {
		from, to := i*len(raw)/len(parts), (i+1)*len(raw)/len(parts)
		if i == len(parts)-1 { // the last one here
			parts[i] = p.decodePart(ctx, raw[from:to])
			continue
		}
		wg.Go(func() { parts[i] = p.decodePart(ctx, raw[from:to]) })
	}
	wg.Wait()
	all := parts[0]
	for _, part := range parts[1:] {
		if all.fault != nil {
			break
		}
		all.events, all.marks = append(all.events, part.events...), append(all.marks, part.marks...)
		if part.end.Position > 0 {
			all.end = part.end
		}
		all.fault = part.fault
	}
	return all
}

func (p *pipeline) decodePart(ctx context.Context, raw []eventstore.Recorded) page {
	pg := page{events: make([]catalog.Event, 0, len(raw)), marks: make([]Checkpoint, 0, len(raw))}
	for i := range raw {
		rec := &raw[i]
		mark := Checkpoint{Position: rec.Position, Hash: rec.Hash}
		handled, decided := p.r.handled[rec.Type]
		if !decided {
			pg.fault = p.r.halted(fmt.Errorf("%w: %s", ErrNotDecided, rec.Type), rec.Position, rec.ID)
			return pg
		}
		if handled {
			event, err := p.decodeEvent(ctx, rec)
			if err != nil {
				pg.fault = p.r.halting(err, rec.Position, rec.ID)
				return pg
			}
			pg.events, pg.marks = append(pg.events, event), append(pg.marks, mark)
		}
		pg.end = mark
	}
	return pg
}

func (p *pipeline) decodeEvent(ctx context.Context, rec *eventstore.Recorded) (event catalog.Event, err error) {
	defer recovered(&err)
	return p.r.Catalog.Decode(ctx, p.r.Keys, rec)
}

// recovered turns a panic into ErrPanic: it halts one projection, not the process.
func recovered(err *error) {
	if v := recover(); v != nil {
		*err = fmt.Errorf("%w: %v", ErrPanic, v)
	}
}

// send reports whether the value was taken before ctx ended.
func send[T any](ctx context.Context, ch chan<- T, v T) bool {
	select {
	case ch <- v:
		return true
	case <-ctx.Done():
		return false
	}
}
