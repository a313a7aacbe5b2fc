package selfaudit

import (
	"context"
	"errors"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"payledger/domain/fee"
	"payledger/eventstore"
	"payledger/internal/ledgertest"
	"payledger/readmodels/checkpoints"
	"payledger/readmodels/compare"
)

// The projector remembers the damaged row, and goes on with it while it is healed.
func TestHealUnderRunningLoad(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 64)
	id := w.Assess(t, w.Users[0], 100_000)
	n := 0
	change := func() {
		n++
		w.Change(t, id, fee.Annotate{Note: strconv.Itoa(n), At: w.Now()})
	}
	annotate := func() {
		change()
		w.await(t, w.Flush(t))
	}
	annotate()
	w.stop() // a new projector loads the damaged rows
	w.exec(t, `UPDATE tables_v2.fees SET paid = paid + 1 WHERE id = $1`, id)
	w.exec(t, `UPDATE documents_v2.documents SET state = replace(state::text, '"userId":"', '"userId":"x')::json WHERE object = 'fee' AND id = $1`, id)
	w.exec(t, `UPDATE books_v1.journal SET user_id = 'x' WHERE fee_id = $1`, id)
	w.project(t)
	annotate()
	require.Equal(t, "1", w.one(t, `SELECT paid::text FROM tables_v2.fees`), "the projector folds on what it finds")

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	healed := make(chan error, 1)
	go func() {
		for _, m := range Models() {
			h := w.healing(Drift{Projection: m.Projection.Name, Place: compare.Place{Tenant: "main"}, Stream: fee.Stream(id)})
			done, err := Heal(ctx, h)
			if err == nil && len(done.Differences) == 0 {
				err = errors.New("nothing was healed in " + m.Projection.Name)
			}
			if err != nil {
				healed <- err
				return
			}
		}
		healed <- nil
	}()
	for done := false; !done; {
		change()
		w.Random(t, 5)
		select {
		case err := <-healed:
			require.NoError(t, err)
			done = true
		default:
		}
	}
	annotate()
	w.await(t, w.Random(t, 20))
	w.requireReplayed(t)
	w.audit(t)
	w.awaitRound(t)
	require.Empty(t, w.drift(t))
}

// Who is killed in mid-heal has changed nothing: the transaction is gone, and the projector goes on.
func TestKilledInMidHeal(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 65)
	w.await(t, w.Random(t, 40))
	id := w.one(t, someFee)
	w.exec(t, `UPDATE tables_v2.fees SET paid = paid + 1 WHERE id = $1`, id)
	const sqlRow = `SELECT f::text || c.lease_epoch FROM tables_v2.fees f, ledger.checkpoints c WHERE c.projection = 'tables' AND f.id = `
	before := w.one(t, sqlRow+`'`+id+`'`)
	d := Drift{Projection: "tables", Place: compare.Place{Tenant: "main"}, Stream: fee.Stream(id)}
	_, err := Heal(t.Context(), w.healing(d, func(h *Healing) {
		h.Failpoint = func(string) {
			w.exec(t, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND state = 'idle in transaction'
				AND query LIKE '%selfaudit_v1.drift%'`)
		}
	}))
	require.Error(t, err)
	require.Eventually(t, func() bool { return w.one(t, sqlRow+`'`+id+`'`) == before }, patience, time.Millisecond)
	w.await(t, w.Random(t, 10))
	require.Len(t, w.heal(t, d).Differences, 1)
	w.await(t, w.Random(t, 10))
	w.requireReplayed(t)
}

func TestNothingBuiltIsNothingToHeal(t *testing.T) {
	t.Parallel()
	l := ledgertest.Open(t, 66)
	for _, m := range Models() {
		_, err := Heal(t.Context(), Healing{
			Pool: l.DB.ProjectorPool(t), Log: Log{l.Reader, l.Catalog, l.Keys}, Model: m, Stream: eventstore.StreamID{Tenant: "main", Name: "fee-1"},
		})
		require.ErrorIs(t, err, checkpoints.ErrNotBuilt)
	}
}
