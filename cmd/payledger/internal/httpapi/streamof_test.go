package httpapi_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"payledger/cmd/payledger/internal/httpapi"
	"payledger/commands"
	"payledger/domain/fee"
	"payledger/readmodels"
	"payledger/readmodels/tables"
)

// Use cases find a row that was just written, and take its absence for granted only when the tables can know.
func TestRowsOfUseCases(t *testing.T) {
	t.Parallel()
	w := setup(t)
	rows := httpapi.Rows{Tables: tables.Queries{Pool: w.pool, Watcher: w.watcher}, Patience: wait}
	for range 10 {
		id := w.assess("5")
		stream, err := rows.StreamOf(t.Context(), tenant, readmodels.ObjectFee, id)
		require.NoError(t, err)
		require.Equal(t, fee.Stream(id), stream)
	}
	_, err := rows.StreamOf(t.Context(), tenant, readmodels.ObjectFeeEvent, otherID)
	require.ErrorIs(t, err, commands.ErrRecordNotFound)
	w.pause()
	w.assess("5")
	rows.Patience = 0 // the default
	_, err = rows.StreamOf(t.Context(), tenant, readmodels.ObjectFeeEvent, otherID)
	status, message, _ := httpapi.Answered(err)
	require.Equal(t, 503, status)
	require.Equal(t, "errMsg_notYetVisible", message)
	w.project()
	rows.Patience = wait
	_, err = rows.StreamOf(t.Context(), tenant, readmodels.ObjectFeePayment, otherID)
	require.ErrorIs(t, err, commands.ErrRecordNotFound)
}
