package httpapi

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"payledger/commands"
	"payledger/readmodels"
	"payledger/readmodels/tables"
)

// Rows tells the use cases which stream a row is folded from. That nothing has an id counts, as for a read, only once the tables
// have come as far as the log was on arrival; before that it is answered with 503.
type Rows struct {
	Tables tables.Queries
	// Patience is how long to wait for the tables. Default DefaultPatience.
	Patience time.Duration
}

var _ commands.Rows = Rows{}

// StreamOf returns the name of the stream of a row. Its own error is commands.ErrRecordNotFound.
func (r Rows) StreamOf(ctx context.Context, tenant string, object readmodels.Object, id string) (string, error) {
	res, err := r.Tables.StreamOf(ctx, tenant, object, id)
	if err != nil || res.Row != "" {
		return res.Row, err
	}
	head := res.Head
	if res.Checkpoint < head {
		if _, err = r.Tables.WaitFor(ctx, tables.Projection(), head, cmp.Or(r.Patience, DefaultPatience)); err != nil {
			return "", err
		}
		if res, err = r.Tables.StreamOf(ctx, tenant, object, id); err != nil || res.Row != "" {
			return res.Row, err
		}
	}
	if res.Checkpoint < head {
		return "", fmt.Errorf("%s %s: tables are at %d of %d: %w", object, id, res.Checkpoint, head, errNotYetVisible)
	}
	return "", fmt.Errorf("%s %s: %w", object, id, commands.ErrRecordNotFound)
}
