package selfaudit

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"github.com/jackc/pgx/v5"

	"payledger/readmodels/books"
	"payledger/readmodels/checkpoints"
	"payledger/readmodels/compare"
)

// ErrCantLook says that a check can't be made now, because a server beside the database isn't there: the round goes on without it.
var ErrCantLook = errors.New("can't be compared now")

// Check is a comparison that isn't folded from streams alone. It is made after the rows, once a round.
type Check struct {
	Name       string // of the stage
	Projection string // in which what differs is drift
	Object     string // of its places, if another check or model has places in the same projection
	// Look compares some places behind one, and returns those that may differ, how many it has looked at, and the place to go on behind, the
	// zero Place at the end.
	Look func(ctx context.Context, after compare.Place, limit int) (seen []compare.Difference, n int, next compare.Place, err error)
	// Judge compares the places of differences, of which it gets places and streams alone, and returns those that differ for certain. Of the
	// others known drift is dropped.
	Judge func(ctx context.Context, seen []compare.Difference) ([]compare.Difference, error)
}

// check returns the check of a stage.
func (a *auditor) check(stage string) (Check, bool) {
	i := slices.IndexFunc(a.Checks, func(c Check) bool { return c.Name == stage })
	if i < 0 {
		return Check{}, false
	}
	return a.Checks[i], true
}

// checked reports whether places of an object of a projection are a check's, not a model's.
func (a *auditor) checked(projection, object string) bool {
	return slices.ContainsFunc(a.Checks, func(c Check) bool { return c.Projection == projection && c.Object == object })
}

// projections names all in which there can be drift.
func (a *auditor) projections() []string {
	var names []string
	for _, m := range a.Models {
		names = append(names, m.Projection.Name)
	}
	for _, c := range a.Checks {
		names = append(names, c.Projection)
	}
	return names
}

func (a *auditor) stepCheck(ctx context.Context, c Check) (int, error) {
	seen, n, next, err := c.Look(ctx, a.at.last, a.size())
	if unable := errors.Is(err, ErrCantLook); unable != a.unable[c.Name] {
		a.unable[c.Name] = unable
		if unable {
			a.Logger.WarnContext(ctx, "not compared with the log", slog.String("check", c.Name), slog.Any("error", err))
		}
	}
	if errors.Is(err, ErrCantLook) {
		return a.next(ctx)
	}
	if errors.Is(err, checkpoints.ErrNotBuilt) {
		return a.next(ctx)
	}
	if err != nil {
		return 0, err
	}
	if len(seen) > 0 {
		if err := a.rest(ctx, a.Confirm); err != nil {
			return 0, err
		}
		if err := a.judgeCheck(ctx, c, seen); err != nil {
			return 0, err
		}
	}
	if next == (compare.Place{}) {
		return a.next(ctx)
	}
	a.at.last = next
	return n, nil
}

// judgeCheck keeps those of the places that differ as drift, and drops those that don't.
func (a *auditor) judgeCheck(ctx context.Context, c Check, seen []compare.Difference) error {
	differences, err := c.Judge(ctx, seen)
	if errors.Is(err, ErrCantLook) || errors.Is(err, checkpoints.ErrNotBuilt) {
		return nil // what is known stays
	}
	if err != nil {
		return fmt.Errorf("%s: %w", c.Name, err)
	}
	differing := make(map[compare.Place]compare.Difference, len(differences))
	for _, d := range differences {
		differing[d.Place] = d
	}
	err = pgx.BeginFunc(ctx, a.Pool, func(tx pgx.Tx) error {
		if err := a.lease.RenewIn(ctx, tx); err != nil {
			return err
		}
		for _, was := range seen {
			d, ok := differing[was.Place]
			if !ok {
				err = clearDrift(ctx, tx, c.Projection, was.Place)
			} else {
				err = a.note(ctx, tx, c.Projection, d, positionOf(d))
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return a.count(ctx)
}

// positionOf returns that of the event that a difference is about, 0 if it is about none.
func positionOf(d compare.Difference) int64 {
	for _, row := range []*compare.Row{d.Wanted, d.Stored} {
		if row != nil {
			if at, ok := row.Value("position").(int64); ok {
				return at
			}
		}
	}
	return 0
}

const objectControl = "control"

// Controls checks that the control accounts of the books are what the rows of fees and credits come to.
func Controls(q books.Queries) Check {
	judge := func(ctx context.Context) ([]compare.Difference, error) {
		controls, err := q.Controls(ctx)
		if err != nil {
			return nil, err
		}
		var all []compare.Difference
		for _, d := range controls.Differences {
			place := compare.Place{Tenant: d.Tenant, Object: objectControl, ID: d.Currency}
			if i := len(all) - 1; i >= 0 && all[i].Place == place { // both accounts
				all[i].What += "; " + d.What
				continue
			}
			all = append(all, compare.Difference{Place: place, What: "changed: " + d.What})
		}
		if !controls.Compared {
			return nil, fmt.Errorf("%w: the books stand at %d, the tables at %d", ErrCantLook, controls.Books, controls.Tables)
		}
		return all, nil
	}
	return Check{
		Name: "control accounts", Projection: books.ProjectionName, Object: objectControl,
		Look: func(ctx context.Context, _ compare.Place, _ int) ([]compare.Difference, int, compare.Place, error) {
			differences, err := judge(ctx)
			if errors.Is(err, ErrCantLook) { // one of the two lags, as it may
				err = nil
			}
			return differences, 1, compare.Place{}, err
		},
		Judge: func(ctx context.Context, _ []compare.Difference) ([]compare.Difference, error) { return judge(ctx) },
	}
}
