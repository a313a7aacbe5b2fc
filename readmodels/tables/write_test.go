package tables_test

import (
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"payledger/internal/ledgertest"
	"payledger/readmodels"
	"payledger/readmodels/tables"
)

// TestWriteNoticesThatTheTableIsOutOfStep: new rows must be new, and changed ones there.
func TestWriteNoticesThatTheTableIsOutOfStep(t *testing.T) {
	t.Parallel()
	l := newLibrary(t, 18, 10)
	pool := l.DB.ProjectorPool(t)
	write := func(rows tables.Rows) error {
		return pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) error { return tables.Write(t.Context(), tx, rows) })
	}
	fees := func(fresh []*readmodels.Fee, changed ...*readmodels.Fee) tables.Rows {
		return tables.Rows{Fees: tables.Set[*readmodels.Fee]{New: fresh, Changed: changed}}
	}
	there := l.fees[l.Fees[0]]
	missing := *there
	missing.ID = "missing"
	require.NoError(t, write(tables.Rows{}))
	require.NoError(t, write(fees(nil, there)))
	require.ErrorIs(t, write(fees(nil, there, &missing)), tables.ErrOutOfStep)
	gone := &readmodels.FeeEvent{Tenant: ledgertest.Tenant, ID: "missing"}
	require.ErrorIs(t, write(tables.Rows{FeeEvents: tables.Set[*readmodels.FeeEvent]{Changed: []*readmodels.FeeEvent{gone}}}), tables.ErrOutOfStep)
	var pgErr *pgconn.PgError
	require.ErrorAs(t, write(fees([]*readmodels.Fee{&missing, there})), &pgErr)
	require.Equal(t, "fees_pkey", pgErr.ConstraintName)
	res, err := l.queries.Fee(t.Context(), ledgertest.Tenant, missing.ID)
	require.NoError(t, err)
	require.Nil(t, res.Row, "all or nothing")
}
