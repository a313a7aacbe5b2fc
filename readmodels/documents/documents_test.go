package documents_test

import (
	"context"
	"encoding/json"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"payledger/domain/fee"
	"payledger/domain/money"
	"payledger/eventstore/catalog"
	documentsprojection "payledger/projections/documents"
	"payledger/projections/projtest"
	"payledger/readmodels"
	"payledger/readmodels/documents"
)

type bundle struct {
	*projtest.Log
	fee, payment string
	head         int64
}

// setup projects a fee with a note that was paid in part.
func setup(t *testing.T) *bundle {
	t.Helper()
	l := projtest.Open(t, 41)
	b := &bundle{Log: l, fee: l.Assess(t, l.Users[0], 1250)}
	l.Change(t, b.fee, fee.Annotate{Note: "Übergröße, naïve CAFÉ", At: l.Now()})
	b.payment = l.Pay(t, l.Users[0], 250)
	b.head = l.Flush(t)
	projector := documentsprojection.New()
	require.NoError(t, pgx.BeginFunc(t.Context(), l.DB.ProjectorPool(t), func(tx pgx.Tx) error {
		if _, err := projector.EnsureSchema(t.Context(), tx); err != nil {
			return err
		}
		return projector.Apply(t.Context(), tx, l.Events(t, 0, 100))
	}))
	return b
}

func TestDocumentIsRowAndExtends(t *testing.T) {
	t.Parallel()
	b := setup(t)
	pool := b.DB.AppPool(t)
	var body, status, owner string
	var position, epoch int64
	var deleted bool
	require.NoError(t, pool.QueryRow(t.Context(), `SELECT body::text, status, owner, position, epoch, deleted FROM documents_v1.documents
		WHERE tenant = $1 AND object = 'fee' AND id = $2`, projtest.Tenant, b.fee).Scan(&body, &status, &owner, &position, &epoch, &deleted))
	require.Equal(t, "unpaid", status)
	require.Equal(t, b.Users[0], owner)
	require.Equal(t, b.head, position, "of the newest event, on whichever stream")
	require.Equal(t, int64(1), epoch)
	require.False(t, deleted)

	var doc struct {
		ID            string
		Note          string
		RecordVersion int64
		Extends       struct {
			FeePayments       []struct{ AmountPaid json.Number } `json:"feePayments"`
			FeePaymentsNumber int                                `json:"feePayments_count"`
		}
	}
	require.NoError(t, json.Unmarshal([]byte(body), &doc))
	require.Equal(t, b.fee, doc.ID)
	require.Equal(t, "Übergröße, naïve CAFÉ", doc.Note)
	require.Equal(t, int64(2), doc.RecordVersion)
	require.Equal(t, 1, doc.Extends.FeePaymentsNumber)
	require.Equal(t, json.Number("2.5"), doc.Extends.FeePayments[0].AmountPaid)
}

func TestStoredStateIsTheDocument(t *testing.T) {
	t.Parallel()
	b := setup(t)
	entries, err := documents.Load(t.Context(), b.DB.ProjectorPool(t), []documents.Key{
		{Tenant: projtest.Tenant, FeeID: b.fee}, {Tenant: "other", FeeID: b.fee}, {Tenant: projtest.Tenant, FeeID: "missing"},
	})
	require.NoError(t, err)
	require.Len(t, entries, 1)
	var want *readmodels.Document
	var row *readmodels.Fee
	for _, ev := range b.Events(t, 0, 100) {
		var changes []readmodels.Change
		if _, ok := ev.Data.(fee.Event); ok {
			row, changes, err = readmodels.FoldFee(row, ev)
		} else {
			_, changes, err = readmodels.Fold(nil, ev)
		}
		require.NoError(t, err)
		for _, c := range changes {
			want = readmodels.FoldDocument(want, c)
		}
	}
	same := gocmp.Comparer(func(a, b money.Amount) bool { return a == b })
	require.Empty(t, gocmp.Diff(want, entries[0].Document, same))
	require.Equal(t, b.head, entries[0].Position)
}

func TestWordsAreFoundWithoutAccentsAndCase(t *testing.T) {
	t.Parallel()
	b := setup(t)
	pool := b.DB.AppPool(t)
	found := func(query string) (n int) {
		require.NoError(t, pool.QueryRow(context.Background(),
			`SELECT count(*) FROM documents_v1.documents WHERE words @@ $1::tsquery`, query).Scan(&n))
		return n
	}
	for _, query := range []string{"'cafe'", "'naiv':* & 'uber':*", "'usd'", "'unpaid'"} {
		require.Equal(t, 1, found(query), query)
	}
	require.Zero(t, found("'café'"))
}

// TestPaymentBeforeItsFee: a document whose fee isn't there yet is kept, can't be found, and is complete once the fee comes.
func TestPaymentBeforeItsFee(t *testing.T) {
	t.Parallel()
	l := projtest.Open(t, 42)
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
		require.NoError(t, pool.QueryRow(t.Context(), `SELECT deleted, body::text FROM documents_v1.documents WHERE id = $1`, id).Scan(&deleted, &body))
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
