package bulk

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"payledger/eventstore"
	"payledger/eventstore/catalog"
)

// partsAhead is how many parts wait for the one that is copied: while it waits for the disk the others go on.
const partsAhead = 4

// lane is what is recorded of a lane of a share.
type lane struct {
	parts int
	done  bool
}

// replay folds and copies one share after the other: each pass reads the whole log. One goroutine folds and one for each lane copies, so
// that rows stand in a table in the order of the log, as they would if the projection had followed it: most indexes are nearly sorted then.
func (b *builder) replay(ctx context.Context, st *state, create func(context.Context) error) error {
	if st.stage != StageReplay {
		return nil
	}
	group, working := errgroup.WithContext(ctx)
	created := make(chan struct{})
	group.Go(func() error {
		if err := create(working); err != nil {
			return err
		}
		b.Failpoint("prepared")
		close(created)
		return nil
	})
	group.Go(func() error {
		for share, lanes := range b.shares {
			if !slices.ContainsFunc(lanes, func(l lane) bool { return !l.done }) {
				continue
			}
			p := &pass{builder: b, created: created, upTo: st.position, share: Share{Number: share, Of: len(b.shares)}, lanes: lanes}
			if err := p.run(working); err != nil {
				return err
			}
		}
		return nil
	})
	if err := group.Wait(); err != nil {
		return err
	}
	return b.enter(ctx, st, StageIndex)
}

// readShares reads what an earlier run has found out and copied.
func (b *builder) readShares(ctx context.Context) error {
	return b.inTx(ctx, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, sqlCountParts)
		if err != nil {
			return err
		}
		lanes, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (l lane, err error) { return l, row.Scan(&l.parts, &l.done) })
		if err != nil {
			return err
		}
		b.shares = slices.Collect(slices.Chunk(lanes, b.Model.Lanes))
		return tx.QueryRow(ctx, sqlReadEnds).Scan((*[]byte)(&b.ends))
	})
}

// pass folds one share in one go through the log.
type pass struct {
	*builder
	created <-chan struct{} // closed when there are tables to copy into
	upTo    int64
	share   Share
	lanes   []lane // as an earlier run has left them
	next    atomic.Int64
}

// page is a stretch of the log, decoded.
type page struct {
	number int64
	read   int64 // events of the log
	room
}

// room is memory for a page: what is read, the events of the share, and those of them that are all of a stream folded.
type room struct {
	memory *eventstore.Page
	events []catalog.Event
	whole  Fold // nil for a Model without Join
}

// write is what copies a part.
type write func(context.Context, pgx.Tx) error

func (p *pass) run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	pages, parts := make(chan page), make([]chan write, len(p.lanes))
	for n := range parts {
		parts[n] = make(chan write, partsAhead)
	}
	free := make(chan room, p.Workers+2) // for the pages under way
	for range cap(free) {
		r := room{memory: new(eventstore.Page)}
		if p.Model.Join != nil {
			r.whole = p.Model.Fold(p.share)
		}
		free <- r
	}
	for range p.Workers {
		group.Go(func() error { return p.read(ctx, free, pages) })
	}
	group.Go(func() error { return p.fold(ctx, free, pages, parts) })
	for n, lane := range parts {
		group.Go(func() error { return p.copy(ctx, n, lane) })
	}
	return group.Wait()
}

// read reads, decodes and shares out one page after the other.
func (p *pass) read(ctx context.Context, free <-chan room, pages chan<- page) error {
	decode := p.Catalog.Decoder()
	for {
		var r room
		select {
		case r = <-free:
		case <-ctx.Done():
			return ctx.Err()
		}
		number := p.next.Add(1) - 1
		after := number * p.PageSize
		if after >= p.upTo {
			return nil
		}
		limit := min(p.PageSize, p.upTo-after)
		r.events = slices.Grow(r.events, int(limit)+1)
		if err := p.readPage(ctx, decode, &r, after, after+limit); err != nil {
			return err
		}
		if err := send(ctx, pages, page{number, limit, r}); err != nil {
			return err
		}
	}
}

// readPage reads and decodes what is wanted of one page. An event that can't be decoded may be one whose metadata is longer than is usually
// read: from there on all is read.
func (p *pass) readPage(ctx context.Context, decode *catalog.Decoder, r *room, after, upTo int64) error {
	for after < upTo {
		if err := p.Reader.ReadPage(ctx, r.memory, after, upTo); err != nil {
			return err
		}
		for i := range r.memory.Events {
			if err := p.take(ctx, &r.memory.Events[i], decode, r); err != nil {
				if r.memory.Whole || !errors.Is(err, catalog.ErrMalformed) {
					return err
				}
				r.memory = &eventstore.Page{Whole: true} // what was taken stands in the other one
				break
			}
			after++
		}
	}
	return nil
}

// take decodes an event, if it is wanted. The only one of its stream is folded at once, others are kept.
func (p *pass) take(ctx context.Context, rec *eventstore.Recorded, decode *catalog.Decoder, r *room) error {
	wanted, err := p.wants(rec)
	if err != nil || !wanted {
		return err
	}
	ev, last := &r.events[:len(r.events)+1][len(r.events)], p.ends.Last(rec.Position)
	if err := decode.Decode(ctx, p.Keys, rec, ev, last && p.Model.Brief > 0); err != nil {
		return err
	}
	if r.whole != nil && ev.Version == 1 && last {
		return applyEvent(r.whole, ev, true)
	}
	r.events = r.events[:len(r.events)+1]
	return nil
}

// wants reports whether an event is one of the share.
func (p *pass) wants(rec *eventstore.Recorded) (bool, error) {
	handled, decided := p.handled[rec.Type]
	if !decided {
		return false, fmt.Errorf("event %s at %d: %w: %s", rec.ID, rec.Position, ErrNotDecided, rec.Type)
	}
	if !handled || p.share.Of == 1 {
		return handled, nil
	}
	key := rec.Stream.Name
	if p.Model.Key != nil {
		key = p.Model.Key(rec.Stream)
	}
	return key == "" || p.share.Holds(rec.Stream.Tenant, key), nil
}

// fold folds the pages in the order of the log, and hands over what is to be copied. Only when it has all does it tell the end.
func (p *pass) fold(ctx context.Context, free chan<- room, pages <-chan page, parts []chan write) error {
	f := p.Model.Fold(p.share)
	waiting := make(map[int64]page)
	before, total := int64(p.share.Number)*p.upTo, int64(p.share.Of)*p.upTo
	for next, done := int64(0), int64(0); done < p.upTo; next++ {
		pg, ok := waiting[next]
		for ; !ok; pg, ok = waiting[next] {
			select {
			case other := <-pages:
				waiting[other.number] = other
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		delete(waiting, next)
		for i := range pg.events {
			if err := applyEvent(f, &pg.events[i], p.ends.Last(pg.events[i].Position)); err != nil {
				return err
			}
		}
		if pg.whole != nil {
			p.Model.Join(f, pg.whole)
		}
		clear(pg.events) // what they point to may go
		free <- room{pg.memory, pg.events[:0], pg.whole}
		if err := handOver(ctx, f, false, parts); err != nil {
			return err
		}
		done += pg.read
		p.tell(StageReplay, before+done, total)
	}
	if err := handOver(ctx, f, true, parts); err != nil {
		return err
	}
	for _, lane := range parts {
		close(lane)
	}
	return nil
}

// applyEvent names the event that can't be applied.
func applyEvent(f Fold, ev *catalog.Event, last bool) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("event %s at %d: panic: %v", ev.ID, ev.Position, v)
		}
	}()
	return f.Apply(ev, last)
}

func handOver(ctx context.Context, f Fold, end bool, parts []chan write) error {
	for lanes := f.Next(end); lanes != nil; lanes = f.Next(end) {
		for n, rows := range lanes {
			if err := send(ctx, parts[n], rows); err != nil {
				return err
			}
		}
	}
	return nil
}

// copy copies the parts of a lane, but for those that are there already, each in a transaction of its own.
func (p *pass) copy(ctx context.Context, lane int, parts <-chan write) error {
	select {
	case <-p.created:
	case <-ctx.Done():
		return ctx.Err()
	}
	n := 0
	for more := true; more; {
		var rows write
		select {
		case rows, more = <-parts:
		case <-ctx.Done():
			return ctx.Err()
		}
		if !more {
			break
		}
		if n++; n <= p.lanes[lane].parts {
			continue
		}
		err := p.inTx(ctx, func(tx pgx.Tx) error {
			if err := changed(tx.Exec(ctx, sqlPart, p.share.Number, lane, n)); err != nil {
				return err
			}
			if err := rows(ctx, InSchema(tx, p.live, p.schema)); err != nil {
				return err
			}
			p.Failpoint("copied")
			return nil
		})
		if err != nil {
			return err
		}
		p.Failpoint("part")
	}
	return p.inTx(ctx, func(tx pgx.Tx) error { return changed(tx.Exec(ctx, sqlLaneDone, p.share.Number, lane, n)) })
}

func send[T any](ctx context.Context, ch chan<- T, v T) error {
	select {
	case ch <- v:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
