package kafkabus_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"payledger/commands"
	"payledger/domain/payment"
	"payledger/eventstore"
	"payledger/eventstore/catalog"
	"payledger/eventstore/storetest"
	"payledger/internal/ledgertest"
)

// openFees are the fees that a read model knows to be open, up to a position.
type openFees struct {
	ids []string
	at  int64
}

func (f openFees) OpenFees(context.Context, string, string) ([]string, int64, error) {
	return f.ids, f.at, nil
}

// TestLargestPaymentIsPublished: a payment that would go to more fees than a payment may is refused, stored nowhere; the largest that is
// accepted is published, far below what a topic takes, though all its fees have long amounts.
func TestLargestPaymentIsPublished(t *testing.T) {
	t.Parallel()
	const cents = 999_999_999_99 // as long as amounts of fees get
	l := ledgertest.Open(t, 64)
	w := worldOf(t, plain(t), l)
	user, open := l.Users[1], openFees{}
	for range payment.MaxAllocations + 1 {
		open.ids = append(open.ids, l.Assess(t, user, cents))
	}
	open.at = l.Flush(t)
	events := catalog.New()
	store := storetest.OpenOn(t, w.db, func(c *eventstore.Config) { c.Folder, c.Keys = commands.Folder{Catalog: events}, w.vault })
	w.service = &commands.Service{Store: store, Catalog: events, Vault: w.vault, OpenFees: open}
	pay := func(fees int64) error {
		p := paymentOf(fees * cents)
		p.UserID = user
		_, err := w.service.RecordPayment(t.Context(), w.request(""), p)
		return err
	}
	require.ErrorIs(t, pay(payment.MaxAllocations+1), payment.ErrTooManyFees)
	head, err := w.reader.Head(t.Context())
	require.NoError(t, err)
	require.Equal(t, open.at, head.Position)
	require.NoError(t, pay(payment.MaxAllocations))

	_, err = w.projector.Exec(t.Context(), "UPDATE ledger.cursors SET position = $1 WHERE name <> 'route'", open.at) // the fees are of no interest
	require.NoError(t, err)
	w.foundAll(t)
	w.publish(t)
	w.published(t)
	for _, m := range w.messagesOn(t, w.names.Journal()) {
		if m.Headers["ce_type"] == "payment.captured" {
			require.Less(t, len(m.Value), 200_000)
			return
		}
	}
	require.Fail(t, "the payment wasn't published")
}
