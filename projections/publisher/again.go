package publisher

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sort"

	"github.com/jackc/pgx/v5"

	"payledger/eventstore"
	"payledger/readmodels/proofs"
)

// againPage is how many events are rendered again at a time: documents may be large, and nobody waits.
const againPage = 128

// rendered is a position with all messages that it led to: of the event, of route events that were answered there, of checkpoints of
// that size.
type rendered struct {
	rec  *eventstore.Recorded
	sent []outgoing
}

// again renders stretches of the log another time, from its first sendings' own parts. It belongs to one goroutine.
type again struct {
	Source
	renderer
	docs   *documents
	erased int64 // position of the last erasure that is accounted for
	routes []routeEvent
	route  int64 // the number up to which routes were read
	taken  int64 // the number up to which they were rendered
	// lastRoute is the number of the last route event that is rendered.
	lastRoute int64
}

// newAgain makes ready to render what comes after a position.
func newAgain(ctx context.Context, c Source, after int64) (*again, error) {
	head, err := c.Reader.Head(ctx)
	if err != nil {
		return nil, err
	}
	a := &again{Source: c, renderer: newRenderer(c, head.Epoch), docs: newDocuments(c), lastRoute: math.MaxInt64}
	if a.route, err = c.routesBefore(ctx, after, head.Route); err != nil {
		return nil, err
	}
	a.taken = a.route
	return a, nil
}

// forgetRead drops what was read ahead: texts in it may be gone from the log.
func (a *again) forgetRead() { a.routes, a.route = nil, a.taken }

// page renders the next positions after one, up to another: none at the end. Its errors halt, as the publisher's would, or pass.
func (a *again) page(ctx context.Context, after, until int64) ([]rendered, error) {
	if err := a.forgetErased(ctx); err != nil {
		return nil, err
	}
	recs, err := a.Reader.ReadAll(ctx, after, int(min(againPage, until-after)))
	if err != nil {
		return nil, halting(err, after+1, noEvent)
	}
	if len(recs) == 0 {
		return nil, nil
	}
	last := recs[len(recs)-1].Position
	if err := a.readRoutesUpTo(ctx, last); err != nil {
		return nil, err
	}
	signed, err := proofs.SignedBetween(ctx, a.Pool, after, last)
	if err != nil {
		return nil, err
	}
	folds, err := a.docs.page(ctx, recs)
	if err != nil {
		return nil, err
	}
	page := make([]rendered, len(folds))
	for i := range folds {
		f := &folds[i]
		r := rendered{rec: f.rec, sent: a.dbMessages(&f.folded)}
		for _, c := range f.changed {
			r.sent = append(r.sent, a.indexMessages(&f.ev, c)...)
		}
		for len(a.routes) > 0 && a.routes[0].Position <= f.rec.Position {
			a.taken = a.routes[0].Number
			if a.routes[0].Number > a.lastRoute {
				a.routes = a.routes[1:]
				continue
			}
			out, err := a.routeMessage(&a.routes[0])
			if err != nil {
				return nil, halting(fmt.Errorf("route event %d: %w", a.routes[0].Number, err), f.rec.Position, noEvent)
			}
			r.sent, a.routes = append(r.sent, out), a.routes[1:]
		}
		for len(signed) > 0 && signed[0].Size == f.rec.Position {
			out, err := a.checkpoint(signed[0])
			if err != nil {
				return nil, err
			}
			r.sent, signed = append(r.sent, out), signed[1:]
		}
		page[i] = r
	}
	return page, nil
}

// forgetErased drops what was folded from texts of people who were erased since the last page.
func (a *again) forgetErased(ctx context.Context) error {
	erased, err := a.Reader.LastErased(ctx)
	if err != nil || erased == a.erased {
		return err
	}
	a.erased = erased
	a.docs.cache.Purge()
	return a.docs.fold.forget(ctx)
}

// readRoutesUpTo reads the route events up to a position; some that come after it may be read as well.
func (a *again) readRoutesUpTo(ctx context.Context, position int64) error {
	for len(a.routes) == 0 || a.routes[len(a.routes)-1].Position <= position {
		more, err := a.readRoutes(ctx, a.route)
		if err != nil || len(more) == 0 {
			return err
		}
		if err := dense(more, more[0].Number-1); err != nil { // older ones may have been trimmed meanwhile
			return halting(err, position, noEvent)
		}
		a.routes, a.route = append(a.routes, more...), more[len(more)-1].Number
	}
	return nil
}

const sqlRoutePosition = `
SELECT c.head FROM ledger.route_events r JOIN ledger.commits c USING (commit_id) WHERE r.number >= $1 ORDER BY r.number LIMIT 1`

// routesBefore returns the number of the last route event that was answered at a position or before it. Both only grow.
func (c Source) routesBefore(ctx context.Context, position, last int64) (int64, error) {
	var fault error
	number := sort.Search(int(last), func(i int) bool {
		var at int64
		err := c.Pool.QueryRow(ctx, sqlRoutePosition, i+1).Scan(&at)
		if err != nil && !errors.Is(err, pgx.ErrNoRows) {
			fault = fmt.Errorf("look for the route events after %d: %w", position, err)
		}
		return err != nil || at > position
	})
	return int64(number), fault
}
