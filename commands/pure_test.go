package commands_test

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"payledger/commands"
	"payledger/domain/fee"
	"payledger/domain/money"
	"payledger/domain/payment"
	"payledger/eventstore"
	"payledger/readmodels"
)

// twice is a store that makes each decision two times before it commits: both must be the same to the byte, because the writer
// may make a decision again under its lock.
type twice struct {
	commands.Store
	t *testing.T
}

func (s twice) Commit(ctx context.Context, c eventstore.Commit) (eventstore.Result, error) {
	decide := c.Decide
	c.Decide = func(v eventstore.View) (eventstore.Decision, error) {
		first, err := decide(v)
		again, errAgain := decide(v)
		if diff := cmp.Diff(first, again); diff != "" || err != nil || errAgain != nil {
			s.t.Errorf("decided %v, then %v: %s", err, errAgain, diff)
		}
		return first, err
	}
	return s.Store.Commit(ctx, c)
}

func TestDecisionsAreRepeatable(t *testing.T) {
	t.Parallel()
	d := setup(t)
	d.Store = twice{d.Store, t}
	a, b, c := d.assess("u1", usd("3")), d.assess("u1", usd("4")), d.assess("u1", usd("5"))
	for _, p := range []commands.NewPayment{
		cash("u1", usd("5")), cash("u1", usd("4"), share(b, usd("1")), share(c, usd("2"))),
	} {
		_, err := d.RecordPayment(t.Context(), d.request(), p)
		require.NoError(t, err)
	}
	for id, to := range map[string]readmodels.FeeStatus{a: readmodels.FeePaid, b: readmodels.FeeWaived, c: readmodels.FeePaid} {
		_, err := d.PatchFee(t.Context(), d.request(), commands.FeePatch{FeeID: id, Status: new(to)})
		require.NoError(t, err)
	}
	x, y := d.assess("u2", usd("9")), d.assess("u2", usd("9"))
	pending := commands.NewFeePayment{ID: newID(), FeeID: x, UserID: "u2", Tender: payment.TenderPOS, Amount: usd("4"), Status: readmodels.PaymentPending}
	d.do(d.createFeePayment(pending))
	d.do(d.adjust(x, fee.DirectionDecrease, usd("7")))
	d.do(d.setPayment(pending.ID, readmodels.PaymentComplete))
	d.do(d.applyCredit("", y, money.Amount{}))
	d.do(d.adjust(y, fee.DirectionDecrease, usd("8")))
	d.do(d.deleteFeePayment(readPayment(t, d.do(d.pay(cash("u3", usd("2"), share(d.assess("u3", usd("1")), usd("1")))))).Allocations[0].ID))
	d.requireSound()
}

// All ids of a command are its own, of version 7, and differ from those of the next one.
func TestIDsOfACommand(t *testing.T) {
	t.Parallel()
	d := setup(t)
	seen := map[string]bool{}
	fees := []payment.Share{share(d.assess("u1", usd("1")), usd("1")), share(d.assess("u1", usd("1")), usd("1"))}
	head := len(d.events())
	for i := range 2 {
		_, err := d.RecordPayment(t.Context(), d.request(), cash("u1", usd("2"), fees[i]))
		require.NoError(t, err)
	}
	fresh := func(id string) {
		parsed := uuid.MustParse(id)
		require.Equal(t, uuid.Version(7), parsed.Version())
		require.Equal(t, uuid.RFC4122, parsed.Variant())
		require.False(t, seen[id], id)
		seen[id] = true
	}
	for _, ev := range d.events()[head:] {
		fresh(ev.ID.String())
		if e, ok := ev.Data.(payment.Captured); ok {
			fresh(e.PaymentID)
			fresh(e.CreditID)
			for _, a := range e.Allocations {
				fresh(a.ID)
			}
		}
	}
	require.Len(t, seen, 12)
}
