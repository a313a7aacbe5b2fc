package documents_test

import (
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"payledger/eventstore/catalog"
	"payledger/internal/ledgertest"
	documentsprojection "payledger/projections/documents"
)

// TestPaymentBeforeItsFee: a document whose fee isn't there yet is kept, can't be found, and is complete once the fee comes.
func TestPaymentBeforeItsFee(t *testing.T) {
	t.Parallel()
	l := ledgertest.Open(t, 42)
	id := l.Assess(t, l.Users[0], 1000)
	l.Pay(t, l.Users[0], 300)
	events := l.Events(t, 0, int(l.Flush(t)))
	pool := l.DB.ProjectorPool(t)
	apply := func(events ...catalog.Event) {
		projector := documentsprojection.New()
		require.NoError(t, pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) error {
			if _, err := projector.EnsureSchema(t.Context(), tx); err != nil {
				return err
			}
			return projector.Apply(t.Context(), tx, events)
		}))
	}
	read := func() (deleted bool, body string) {
		require.NoError(t, pool.QueryRow(t.Context(), `SELECT deleted, body::text FROM documents_v2.documents WHERE id = $1`, id).Scan(&deleted, &body))
		return deleted, body
	}
	apply(events[1])
	deleted, body := read()
	require.True(t, deleted)
	require.Equal(t, "null", body)
	apply(events[0])
	deleted, body = read()
	require.False(t, deleted)
	require.Contains(t, body, `"feePayments_count":1`)
}
