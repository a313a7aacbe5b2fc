package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// Checkpoints and head are of one moment: projections may go on.
const sqlBeyondTheHead = `
SELECT c.projection, c.position, h.position FROM ledger.checkpoints c, ledger.head h WHERE c.position > h.position ORDER BY c.position DESC, 1 LIMIT 1`

// checkCheckpoints makes it a fault of the verification that a projection has seen more than the log has: a tail that was cut off so that the rest
// fits shows only there.
func (l *ledger) checkCheckpoints(ctx context.Context, answer *verified) error {
	var projection string
	var short shorterLogError
	err := l.pool.QueryRow(ctx, sqlBeyondTheHead).Scan(&projection, &short.checkpoint, &short.end)
	if errors.Is(err, pgx.ErrNoRows) || err == nil && !answer.OK {
		return nil
	}
	if err != nil {
		return fmt.Errorf("compare the checkpoints with the head: %w", err)
	}
	missing := short.end + 1
	answer.OK, answer.FirstBadPosition = false, &missing
	answer.Problem = fmt.Sprintf("projection %s stands at %d: %v", projection, short.checkpoint, &short)
	return nil
}
