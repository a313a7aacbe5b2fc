package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"payledger/domain/fee"
	"payledger/domain/payment"
	"payledger/internal/ledgertest"
	"payledger/readmodels/books"
)

// A log whose commits tell of different money is told with the invariant, and ends with 5, though its chain is whole.
func TestVerifyFindsBooksOutOfBalance(t *testing.T) {
	t.Parallel()
	l := ledgertest.Open(t, 51)
	id := l.Assess(t, l.Users[0], 500)
	l.Queue(t, payment.Stream("p"), l.Users[0], payment.Captured{
		PaymentID: "p", UserID: l.Users[0], Tender: payment.TenderCash, Amount: ledgertest.USD(t, 100), Credit: ledgertest.USD(t, 0),
	})
	l.Queue(t, fee.Stream(id), l.Users[0], fee.PaymentApplied{PaymentID: "p", AllocationID: "a", Amount: ledgertest.USD(t, 101)})
	l.Flush(t)
	l.Assess(t, l.Users[1], 500)
	head := l.Flush(t)
	pool := l.DB.ProjectorPool(t)
	require.NoError(t, pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) error {
		if _, err := books.EnsureSchema(t.Context(), tx); err != nil {
			return err
		}
		_, err := tx.Exec(t.Context(), `INSERT INTO ledger.checkpoints (projection, version, position, hash) VALUES ('books', 1, $1, '\x00')`, head)
		return err
	}))
	key := [32]byte{1} // of ledgertest
	var out, errs bytes.Buffer
	environ := []string{"APP_DATABASE_URL=" + l.DB.AppURL, "VAULT_KEY=" + base64.StdEncoding.EncodeToString(key[:])}
	code := newApp(environ, &out, &errs).execute(t.Context(), []string{"audit", "verify", "--json"})
	require.Equal(t, exitDamaged, code, "%s%s", &out, &errs)
	var answer verified
	require.NoError(t, json.Unmarshal(out.Bytes(), &answer))
	require.False(t, answer.OK)
	require.Nil(t, answer.FirstBadPosition, "the chain is whole")
	require.Contains(t, answer.Problem, "books are out of balance at position 3: I22: commit ")
}
