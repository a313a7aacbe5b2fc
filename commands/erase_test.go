package commands_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"payledger/commands"
	"payledger/domain/payment"
	"payledger/domain/person"
	"payledger/eventstore"
	"payledger/readmodels"
)

func TestErasePerson(t *testing.T) {
	t.Parallel()
	d := setup(t)
	erase := func() (eventstore.Result, error) {
		return d.ErasePerson(t.Context(), d.request(), "u1", "request", false)
	}
	_, err := erase()
	require.ErrorIs(t, err, commands.ErrRecordNotFound)

	owed := commands.NewFee{FeeID: newID(), UserID: "u1", Amount: usd("2"), Note: "before"}
	_, err = d.AssessFee(t.Context(), d.request(), owed)
	require.NoError(t, err)
	_, err = erase()
	require.ErrorIs(t, err, person.ErrMoneyOpen)
	require.ErrorContains(t, err, "fee-"+owed.FeeID+" owes USD 2.00")
	_, err = d.RecordPayment(t.Context(), d.request(), commands.NewPayment{
		UserID: "u1", Tender: payment.TenderCash, Amount: usd("2"), Shares: []payment.Share{{FeeID: owed.FeeID, Amount: usd("2")}},
	})
	require.NoError(t, err)
	require.Equal(t, "before", d.row(owed.FeeID).Note)

	first, err := erase()
	require.NoError(t, err)
	require.NotZero(t, first.First)
	again, err := erase()
	require.NoError(t, err)
	require.Zero(t, again.First, "already so")
	certificate := person.Certified{UserID: "u1", ErasedAt: int(first.First)}
	for _, keys := range []int{1, 2} {
		found := certificate
		found.Keys = keys
		kept, err := d.CertifyErasure(t.Context(), d.request(), found)
		require.NoError(t, err)
		require.Equal(t, 1, kept.Keys, "the first one is kept")
	}
	require.Equal(t, []string{"person.erased", "person.erasure_certified"}, d.types(first.First-1))

	// The same process, whose memory had it: the text is gone, a new one is kept, and goes with the next erasure.
	require.Empty(t, d.row(owed.FeeID).Note)
	_, err = d.PatchFee(t.Context(), d.request(), commands.FeePatch{FeeID: owed.FeeID, Note: "after"})
	require.NoError(t, err)
	require.Equal(t, "after", d.second().row(owed.FeeID).Note)
	second, err := erase()
	require.NoError(t, err)
	require.NotZero(t, second.First)
	require.Empty(t, d.second().row(owed.FeeID).Note)
	d.requireSound()
}

// Nobody is erased while money is open, whichever: what is open is said, and nothing is stored. Once it is settled they are erased.
func TestErasureWaitsForMoney(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name    string
		arrange func(*testing.T, *desk)
		want    string
		settle  func(*desk)
	}{
		{
			"an owed fee", func(_ *testing.T, d *desk) { d.assess("u1", usd("2")) }, " owes USD 2.00",
			func(d *desk) { d.do(d.pay(cash("u1", usd("2")))) },
		},
		{
			"a fee of which a part is paid", func(_ *testing.T, d *desk) {
				d.do(d.pay(cash("u1", usd("1"), share(d.assess("u1", usd("3")), usd("1")))))
			}, " owes USD 2.00",
			func(d *desk) { d.do(d.pay(cash("u1", usd("2")))) },
		},
		{
			"a fee owed again", func(t *testing.T, d *desk) {
				t.Helper()
				paid := d.do(d.pay(cash("u1", usd("2"), share(d.assess("u1", usd("2")), usd("2")))))
				d.do(d.void(readPayment(t, paid).ID))
			}, " owes USD 2.00",
			func(d *desk) { d.do(d.pay(cash("u1", usd("2")))) },
		},
		{
			"a credit", func(_ *testing.T, d *desk) { d.do(d.grant("u1", newID(), usd("2"))) }, " has USD 2.00 left",
			func(d *desk) { d.do(d.applyCredit(d.credits()[0].ID, d.assess("u1", usd("2")), usd("2"))) },
		},
		{
			"too much paid", func(_ *testing.T, d *desk) {
				d.do(d.pay(cash("u1", usd("5"), share(d.assess("u1", usd("3")), usd("3")))))
			}, " has USD 2.00 left",
			func(d *desk) { d.do(d.applyCredit(d.credits()[0].ID, d.assess("u1", usd("2")), usd("2"))) },
		},
		{
			"a payment on its way", func(_ *testing.T, d *desk) { d.started(d.assess("u1", usd("2")), usd("2")) }, " of USD 2.00 is on its way",
			func(d *desk) { d.do(d.setPayment(d.startedID(), readmodels.PaymentComplete)) },
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			d := setup(t)
			erase := func(ctx context.Context, req commands.Request) (eventstore.Result, error) {
				return d.ErasePerson(ctx, req, "u1", "request", false)
			}
			test.arrange(t, d)
			d.refused(person.ErrMoneyOpen, erase)
			_, err := erase(t.Context(), d.request())
			require.ErrorContains(t, err, test.want)
			test.settle(d)
			require.NotZero(t, d.do(erase).First)
		})
	}
}

// startedID returns the id of the row of the only payment that was started.
func (d *desk) startedID() string {
	for _, ev := range d.events() {
		if started, ok := ev.Data.(payment.Started); ok {
			return started.Allocations[0].ID
		}
	}
	return ""
}
