package commands_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"payledger/commands"
	"payledger/domain/payment"
	"payledger/domain/person"
	"payledger/eventstore"
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
	certified, err := d.CertifyErasure(t.Context(), d.request(), certificate)
	require.NoError(t, err)
	require.NotZero(t, certified.First)
	certified, err = d.CertifyErasure(t.Context(), d.request(), certificate)
	require.NoError(t, err)
	require.Zero(t, certified.First)

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
