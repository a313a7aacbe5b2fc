package projections

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"payledger/eventstore/catalog"
)

// applyPage applies a page and returns what ended it, if anything did.
func (r *runner) applyPage(ctx context.Context, lease *Lease, pg page) error {
	r.Failpoint("decoded")
	if pg.nearly {
		if err := r.ensureIndexes(ctx, lease); err != nil {
			return r.halting(err, lease.Checkpoint().Position, uuid.Nil)
		}
	}
	if pg.end.Position > 0 {
		if err := r.applyEvents(ctx, lease, pg.events, pg.marks, pg.end); err != nil {
			return err
		}
	}
	return pg.fault
}

// applyEvents applies events in one transaction. When they can't be applied it halves them down to the first that can't:
// all before it are applied, and the projection halts at it.
func (r *runner) applyEvents(ctx context.Context, lease *Lease, events []catalog.Event, marks []Checkpoint, end Checkpoint) error {
	err := r.transact(ctx, lease, events, end)
	if err == nil {
		r.backoff.Reset()
		r.grow()
		r.Metrics.Applied(r.name, end.Position, len(events))
		return nil
	}
	r.Projector.Reset()
	switch {
	case Transient(err), errors.Is(err, ErrLeaseLost):
		r.shrink()
		return err
	case len(events) == 0:
		return r.halted(err, end.Position, uuid.Nil)
	case len(events) == 1:
		return r.halted(err, events[0].Position, events[0].ID)
	}
	half := len(events) / 2
	if err := r.applyEvents(ctx, lease, events[:half], marks[:half], marks[half-1]); err != nil {
		return err
	}
	return r.applyEvents(ctx, lease, events[half:], marks[half:], end)
}

// Rows and checkpoint come back together after a crash of the server, so a commit needn't wait for the disk: what is
// lost is applied again. The timeouts free the rows of an owner that hangs in mid-transaction. The rest makes Postgres look
// rows up by their keys: in an empty table all plans seem equal, and one made then must not be used once it is full.
const sqlTransactionSettings = `SELECT set_config('synchronous_commit', 'off', true),
    set_config('idle_in_transaction_session_timeout', $1, true), set_config('statement_timeout', '60s', true),
    set_config('enable_seqscan', 'off', true), set_config('enable_hashjoin', 'off', true), set_config('enable_mergejoin', 'off', true),
    set_config('plan_cache_mode', 'force_custom_plan', true), set_config('jit', 'off', true)`

// SetForApply makes a transaction, which stands still for no longer than idle, one in which a projector's Apply is called.
func SetForApply(ctx context.Context, tx pgx.Tx, idle string) error {
	_, err := tx.Exec(ctx, sqlTransactionSettings, idle)
	return err
}

// idleTimeout is how long a transaction of ours may stand still: who hangs in it has lost the lease by then.
func (r *runner) idleTimeout() string { return fmt.Sprintf("%dms", r.LeaseTTL.Milliseconds()) }

// transact writes the rows of events and the checkpoint in one transaction.
func (r *runner) transact(ctx context.Context, lease *Lease, events []catalog.Event, end Checkpoint) error {
	began := r.Now()
	err := pgx.BeginTxFunc(ctx, r.Pool, pgx.TxOptions{}, func(tx pgx.Tx) error {
		if err := SetForApply(ctx, tx, r.idleTimeout()); err != nil {
			return err
		}
		if err := lease.Move(ctx, tx, end); err != nil {
			return err
		}
		if err := r.applyTo(ctx, tx, events); err != nil {
			return err
		}
		if analyzeDue(lease.Checkpoint().Position, end.Position) {
			if _, err := tx.Exec(ctx, "ANALYZE "+strings.Join(r.Projector.Tables(), ", ")); err != nil {
				return err
			}
		}
		// Delivered when the transaction commits, and only then.
		if _, err := tx.Exec(ctx, sqlNotifyCheckpoint, lease.notification(end)); err != nil {
			return err
		}
		r.Failpoint("applied")
		return nil
	})
	if err != nil {
		return err
	}
	r.Failpoint("committed")
	lease.Moved(end, began)
	return nil
}

// firstAnalyze is the position at which tables are analysed first, then at each fourfold of it.
const firstAnalyze = 500

// analyzeDue reports whether a batch passes such a position. While a projection catches up its tables grow faster than
// autovacuum looks at them, and without statistics the planner takes every index for as good as the key.
func analyzeDue(from, to int64) bool {
	for at := int64(firstAnalyze); at <= to; at *= 4 {
		if from < at {
			return true
		}
	}
	return false
}

// applyTo calls the projector. An error that leaves the connection broken is the connection's, whatever it says.
func (r *runner) applyTo(ctx context.Context, tx pgx.Tx, events []catalog.Event) (err error) {
	if len(events) == 0 {
		return nil
	}
	defer recovered(&err)
	if err = r.Projector.Apply(ctx, tx, events); err != nil && tx.Conn().IsClosed() {
		return fmt.Errorf("%w: %w", errConnectionLost, err)
	}
	return err
}
