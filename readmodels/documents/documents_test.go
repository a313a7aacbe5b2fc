package documents_test

import (
	"context"
	"encoding/json"
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"payledger/domain/extension"
	"payledger/domain/fee"
	"payledger/domain/money"
	"payledger/eventstore"
	"payledger/internal/ledgertest"
	"payledger/readmodels"
	"payledger/readmodels/documents"
)

type bundle struct {
	*ledgertest.Log
	fee      string
	head     int64
	document *readmodels.Document // folded by the test
}

// setup stores the document of a fee with a note that was paid in part.
func setup(t *testing.T) *bundle {
	t.Helper()
	l := ledgertest.Open(t, 41)
	b := &bundle{Log: l, fee: l.Assess(t, l.Users[0], 1250)}
	l.Change(t, b.fee, fee.Annotate{Note: "Übergröße, naïve CAFÉ", At: l.Now()})
	l.Pay(t, l.Users[0], 250)
	b.head = l.Flush(t)
	ref := readmodels.Ref{Object: readmodels.ObjectFee, ID: b.fee}
	states := make(map[eventstore.StreamID]any)
	for _, ev := range b.Events(t, 0, 100) {
		state, changes, err := readmodels.Fold(states[ev.Stream], ev)
		require.NoError(t, err)
		states[ev.Stream] = state
		for _, c := range changes {
			if slices.Contains(c.Documents(), ref) {
				b.document = b.document.Fold(ref, c)
			}
		}
	}
	b.document, _ = b.document.Extend(extension.Put{Name: "reminders", Elements: []extension.Element{{ID: "1", Value: `{"id": "1"}`}}})
	entry := documents.Entry{Key: documents.Key{Tenant: ledgertest.Tenant, Ref: ref}, Document: b.document, Position: b.head, Epoch: 1}
	require.NoError(t, pgx.BeginFunc(t.Context(), l.DB.ProjectorPool(t), func(tx pgx.Tx) error {
		if _, err := documents.EnsureSchema(t.Context(), tx); err != nil {
			return err
		}
		return documents.Write(t.Context(), tx, []documents.Entry{entry})
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
	require.NoError(t, pool.QueryRow(t.Context(), `SELECT body::text, status, owner, position, epoch, deleted FROM documents_v2.documents
		WHERE tenant = $1 AND object = 'fee' AND id = $2`, ledgertest.Tenant, b.fee).Scan(&body, &status, &owner, &position, &epoch, &deleted))
	require.Equal(t, "unpaid", status)
	require.Equal(t, b.Users[0], owner)
	require.Equal(t, b.head, position, "of the newest event, on whichever stream")
	require.Equal(t, int64(1), epoch)
	require.False(t, deleted)

	var doc struct {
		ID            string `json:"id"`
		Note          string `json:"note"`
		RecordVersion int64  `json:"recordVersion"`
		Extends       struct {
			FeePayments []struct {
				AmountPaid json.Number `json:"amountPaid"`
			} `json:"feePayments"`
			FeePaymentsNumber int `json:"feePayments_count"`
			FeeEventsNumber   int `json:"feeEvents_count"`
			RemindersNumber   int `json:"reminders_count"`
		} `json:"extends"`
	}
	require.NoError(t, json.Unmarshal([]byte(body), &doc))
	require.Equal(t, b.fee, doc.ID)
	require.Equal(t, "Übergröße, naïve CAFÉ", doc.Note)
	require.Equal(t, int64(2), doc.RecordVersion)
	require.Equal(t, 1, doc.Extends.FeePaymentsNumber)
	require.Equal(t, json.Number("2.5"), doc.Extends.FeePayments[0].AmountPaid)
	require.Equal(t, 2, doc.Extends.FeeEventsNumber, "assessed, paymentSuccess")
	require.Equal(t, 1, doc.Extends.RemindersNumber)
}

func key(tenant, feeID string) documents.Key {
	return documents.Key{Tenant: tenant, Ref: readmodels.Ref{Object: readmodels.ObjectFee, ID: feeID}}
}

func TestStoredStateIsTheDocument(t *testing.T) {
	t.Parallel()
	b := setup(t)
	entries, err := documents.Load(t.Context(), b.DB.ProjectorPool(t), []documents.Key{
		key(ledgertest.Tenant, b.fee), key("other", b.fee), key(ledgertest.Tenant, "missing"),
	})
	require.NoError(t, err)
	require.Len(t, entries, 1)
	same := gocmp.Comparer(func(a, b money.Amount) bool { return a == b })
	require.Empty(t, gocmp.Diff(b.document, entries[0].Document, same))
	require.Equal(t, b.head, entries[0].Position)
}

func TestWordsAreFoundWithoutAccentsAndCase(t *testing.T) {
	t.Parallel()
	b := setup(t)
	pool := b.DB.AppPool(t)
	found := func(query string) (n int) {
		require.NoError(t, pool.QueryRow(context.Background(),
			`SELECT count(*) FROM documents_v2.documents WHERE words @@ $1::tsquery`, query).Scan(&n))
		return n
	}
	for _, query := range []string{"'cafe'", "'naiv':* & 'uber':*", "'usd'", "'unpaid'"} {
		require.Equal(t, 1, found(query), query)
	}
	require.Zero(t, found("'café'"))
}
