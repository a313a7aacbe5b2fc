package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// All are of one moment: projections and the publisher may go on. Its cursor of route events counts something else.
const sqlBeyondTheHead = `
SELECT seen.by, seen.position, h.position FROM ledger.head h, (
    SELECT 'projection ' || projection, position FROM ledger.checkpoints UNION ALL SELECT 'publisher cursor ' || name, position FROM ledger.cursors WHERE name <> 'route'
) AS seen (by, position) WHERE seen.position > h.position ORDER BY seen.position DESC, 1 LIMIT 1`

// checkCheckpoints makes it a fault of the verification that a projection or the publisher has seen more than the log has: a tail that was cut off so that the rest
// fits shows only there.
func (l *ledger) checkCheckpoints(ctx context.Context, answer *verified) error {
	var by string
	var short shorterLogError
	err := l.pool.QueryRow(ctx, sqlBeyondTheHead).Scan(&by, &short.checkpoint, &short.end)
	if errors.Is(err, pgx.ErrNoRows) || err == nil && !answer.OK {
		return nil
	}
	if err != nil {
		return fmt.Errorf("compare the checkpoints with the head: %w", err)
	}
	missing := short.end + 1
	answer.OK, answer.FirstBadPosition = false, &missing
	answer.Problem = fmt.Sprintf("%s stands at %d: %v", by, short.checkpoint, &short)
	return nil
}
