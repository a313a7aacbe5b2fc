package tables

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"payledger/readmodels/checkpoints"
	"payledger/readmodels/totals"
)

// Queries answers the GET routes. Safe for concurrent use.
type Queries struct {
	Pool    *pgxpool.Pool // connections of the app role
	Watcher *checkpoints.Watcher
	Totals  *totals.Memory // nil: each list is counted
}

const sqlOpenFees = `
SELECT coalesce(served.position, 0), f.id
FROM (SELECT max(position) AS position FROM ledger.checkpoints WHERE projection = $3 AND version = $4) AS served
LEFT JOIN (
    SELECT id FROM tables_v2.fees
    WHERE tenant = $1 AND user_id = $2 AND is_active AND status IN (0, 1) -- unpaid, paymentInProgress
) AS f ON true
ORDER BY f.id`

// OpenFees returns the ids of a person's fees that are still owed, and the checkpoint at which they were. Before the
// tables are built that is none at 0, which is true.
func (q Queries) OpenFees(ctx context.Context, tenant, userID string) (feeIDs []string, checkpoint int64, err error) {
	rows, err := q.Pool.Query(ctx, sqlOpenFees, tenant, userID, ProjectionName, ProjectionVersion)
	if err == nil {
		var id *string
		_, err = pgx.ForEachRow(rows, []any{&checkpoint, &id}, func() error {
			if id != nil {
				feeIDs = append(feeIDs, *id)
			}
			return nil
		})
	}
	if err = checkpoints.NotBuilt(err); errors.Is(err, checkpoints.ErrNotBuilt) {
		return nil, 0, nil
	}
	if err != nil {
		return nil, 0, fmt.Errorf("read open fees: %w", err)
	}
	return feeIDs, checkpoint, nil
}

// WaitFor returns the checkpoint of a projection once it has reached position, or as it is after timeout: the caller compares.
func (q Queries) WaitFor(ctx context.Context, p checkpoints.Projection, position int64, timeout time.Duration) (int64, error) {
	return q.Watcher.Hurry(ctx, p, position, timeout)
}
