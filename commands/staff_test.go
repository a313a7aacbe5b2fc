package commands_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"payledger/commands"
	"payledger/domain"
	"payledger/domain/fee"
	"payledger/domain/money"
	"payledger/domain/policy"
	"payledger/eventstore"
	"payledger/readmodels"
)

// useCase is a use case with its parameters bound.
type useCase func(context.Context, commands.Request) (eventstore.Result, error)

// do runs a use case that must succeed.
func (d *desk) do(run useCase, change ...func(*commands.Request)) eventstore.Result {
	d.t.Helper()
	result, err := run(context.WithoutCancel(d.t.Context()), d.request(change...))
	require.NoError(d.t, err)
	return result
}

// refused runs a use case that must be refused, and stores nothing.
func (d *desk) refused(want error, run useCase, change ...func(*commands.Request)) {
	d.t.Helper()
	head := len(d.events())
	_, err := run(d.t.Context(), d.request(change...))
	require.ErrorIs(d.t, err, want)
	require.Len(d.t, d.events(), head)
}

func (d *desk) waive(feeID string, part money.Amount) useCase {
	return func(ctx context.Context, req commands.Request) (eventstore.Result, error) {
		return d.WaiveFee(ctx, req, commands.Reduction{FeeID: feeID, Amount: part, Reason: "goodwill", Note: "kind"})
	}
}

func (d *desk) writeOff(feeID string, part money.Amount) useCase {
	return func(ctx context.Context, req commands.Request) (eventstore.Result, error) {
		return d.WriteOffFee(ctx, req, commands.Reduction{FeeID: feeID, Amount: part, Reason: "deceased"})
	}
}

func (d *desk) adjust(feeID string, direction fee.Direction, by money.Amount) useCase {
	return func(ctx context.Context, req commands.Request) (eventstore.Result, error) {
		return d.AdjustFee(ctx, req, commands.Adjustment{FeeID: feeID, Direction: direction, Amount: by, Reason: "priceCorrection"})
	}
}

func (d *desk) deleteFee(feeID string) useCase {
	return func(ctx context.Context, req commands.Request) (eventstore.Result, error) {
		return d.DeleteFee(ctx, req, feeID)
	}
}

func (d *desk) pay(p commands.NewPayment) useCase {
	return func(ctx context.Context, req commands.Request) (eventstore.Result, error) {
		return d.RecordPayment(ctx, req, p)
	}
}

// balance is what the log says of a fee: amount, reduced, paid, owed, status.
type balance struct {
	amount, reduced, paid, owed string
	status                      readmodels.FeeStatus
}

func (d *desk) balance(feeID string) balance {
	d.t.Helper()
	row := d.row(feeID)
	return balance{row.Amount.Number(), row.Reduced.Number(), row.Paid.Number(), row.Outstanding().Number(), row.Status}
}

func TestWaiveAndWriteOff(t *testing.T) {
	t.Parallel()
	d := setup(t)
	id := d.assess("u1", usd("10"))
	result := d.do(d.waive(id, usd("4")))
	require.JSONEq(t, string(d.row(id).AppendJSON(nil, true)), string(result.Answer.Body))
	waived := d.events()[1]
	require.Equal(t, waived.ID.String(), waived.Data.(fee.Waived).ReductionID, "a reduction has the id of its feeEvent")
	require.Equal(t, "kind", d.row(id).Note)
	require.Equal(t, balance{"10", "4", "0", "6", readmodels.FeeUnpaid}, d.balance(id))
	d.do(d.writeOff(id, usd("1")))
	d.do(d.waive(id, money.Amount{}))
	require.Equal(t, balance{"10", "10", "0", "0", readmodels.FeeWaived}, d.balance(id))
	d.do(d.waive(id, money.Amount{})) // is so
	require.Equal(t, []string{"fee.assessed", "fee.waived", "fee.written_off", "fee.waived"}, d.types(0))

	d.refused(fee.ErrAlreadySettled, d.waive(id, usd("1")))
	d.refused(commands.ErrFeeNotFound, d.waive(newID(), usd("1")))
	other := d.assess("u1", usd("10"))
	d.refused(fee.ErrExceedsOutstanding, d.writeOff(other, usd("10.01")))
	for _, why := range []string{"", "deceased", "because"} {
		d.refused(policy.ErrUnknownReason, func(ctx context.Context, req commands.Request) (eventstore.Result, error) {
			return d.WaiveFee(ctx, req, commands.Reduction{FeeID: other, Reason: why})
		})
	}
	d.requireSound()
}

func TestReverseReduction(t *testing.T) {
	t.Parallel()
	d := setup(t)
	id := d.assess("u1", usd("10"))
	d.do(d.waive(id, money.Amount{}))
	reduction := d.events()[1]
	reverse := func(reductionID string) useCase {
		return func(ctx context.Context, req commands.Request) (eventstore.Result, error) {
			return d.ReverseReduction(ctx, req, commands.Reversal{FeeID: id, ReductionID: reductionID, Reason: "staffError"})
		}
	}
	d.refused(fee.ErrReductionNotFound, reverse(newID()))
	// Dated between the assessment and the waiver: it can't have been taken back before it was there.
	d.refused(commands.ErrBeforeTakenBack, reverse(reduction.ID.String()), at(reduction.EffectiveAt.Add(-time.Microsecond)))
	d.do(reverse(reduction.ID.String()), at(reduction.EffectiveAt))
	require.Equal(t, balance{"10", "0", "0", "10", readmodels.FeeUnpaid}, d.balance(id))
	head := len(d.events())
	d.do(reverse(reduction.ID.String()))
	require.Len(t, d.events(), head, "is so")
	d.requireSound()
}

// Rule 1.4, over three payments and a credit: what was forgiven goes first and is never paid out, then money goes to the person's
// credit and credit back to its lot.
func TestAdjustFeeBelowWhatWasSettled(t *testing.T) {
	t.Parallel()
	d := setup(t)
	d.do(d.pay(cash("u1", usd("3")))) // for no fee yet: a credit
	id := d.assess("u1", usd("20"))
	d.do(d.pay(cash("u1", usd("5"), share(id, usd("5")))))
	d.do(d.applyCredit("", id, usd("2")))
	d.do(d.pay(cash("u1", usd("4"), share(id, usd("4")))))
	d.do(d.waive(id, usd("9")))
	require.Equal(t, balance{"20", "9", "11", "0", readmodels.FeePaid}, d.balance(id))

	d.do(d.adjust(id, fee.DirectionDecrease, usd("5")))
	require.Equal(t, balance{"15", "4", "11", "0", readmodels.FeePaid}, d.balance(id))
	head := int64(len(d.events()))
	d.do(d.adjust(id, fee.DirectionDecrease, usd("11")))
	require.Equal(t, balance{"4", "0", "4", "0", readmodels.FeePaid}, d.balance(id))
	require.Equal(t, []string{
		"fee.reduction_released", "fee.payment_unapplied", "fee.credit_unapplied", "fee.payment_unapplied", "fee.adjusted",
		"payment.reallocated", "credit.granted", "credit.returned", "credit.granted", "payment.reallocated",
	}, d.types(head))
	require.Equal(t, []string{"3", "4", "1"}, d.left())
	d.do(d.adjust(id, fee.DirectionIncrease, usd("1")))
	require.Equal(t, balance{"5", "0", "4", "1", readmodels.FeeUnpaid}, d.balance(id))
	d.refused(fee.ErrExceedsGross, d.adjust(id, fee.DirectionDecrease, usd("5.01")))
	d.refused(domain.ErrBeforeFirstEvent, d.adjust(id, fee.DirectionDecrease, usd("1")), at(start().AddDate(0, 0, -1)))
	d.refused(commands.ErrFeeNotFound, d.adjust(newID(), fee.DirectionIncrease, usd("1")))
	d.refused(commands.ErrBeforeTakenBack, d.adjust(id, fee.DirectionDecrease, usd("5")), at(start().Add(2*time.Millisecond)))
	d.do(d.adjust(id, fee.DirectionDecrease, usd("5")))
	require.Equal(t, balance{"0", "0", "0", "0", readmodels.FeeCanceled}, d.balance(id))
	d.requireSound()
}

func TestDeleteFee(t *testing.T) {
	t.Parallel()
	d := setup(t)
	id, paid := d.assess("u1", usd("10")), d.assess("u1", usd("10"))
	d.do(d.waive(id, usd("1")))
	d.do(d.pay(cash("u1", usd("1"), share(paid, usd("1")))))
	d.refused(fee.ErrMoneyApplied, d.deleteFee(paid))
	var mismatch *commands.VersionMismatchError
	_, err := d.DeleteFee(t.Context(), d.request(ifMatch(0)), id)
	require.ErrorAs(t, err, &mismatch)
	result := d.do(d.deleteFee(id), ifMatch(1))
	require.JSONEq(t, string(d.row(id).AppendJSON(nil, true)), string(result.Answer.Body))
	require.False(t, d.row(id).IsActive)
	require.Equal(t, readmodels.FeeCanceled, d.row(id).Status)
	d.refused(commands.ErrFeeNotFound, d.deleteFee(id))
	d.refused(commands.ErrFeeNotFound, d.waive(id, usd("1")))
	d.refused(commands.ErrFeeNotFound, d.pay(cash("u1", usd("1"), share(id, usd("1")))))
	d.refused(commands.ErrFeeNotFound, func(ctx context.Context, req commands.Request) (eventstore.Result, error) {
		return d.PatchFee(ctx, req, commands.FeePatch{FeeID: id, Note: "n"})
	})

	cancelled := d.assess("u1", usd("10"))
	_, err = d.PatchFee(t.Context(), d.request(), commands.FeePatch{FeeID: cancelled, Status: new(readmodels.FeeCanceled)})
	require.NoError(t, err)
	d.do(d.deleteFee(cancelled))
	require.False(t, d.row(cancelled).IsActive)
	d.requireSound()
}

// Two desks in two processes: one takes money while the other makes the fee smaller. Whoever comes second sees the first.
func TestAdjustAndPayRace(t *testing.T) {
	t.Parallel()
	d := setup(t)
	other := d.second()
	for range 10 {
		id := d.assess("u1", usd("10"))
		errs := make(chan error, 2)
		go func() {
			_, err := d.adjust(id, fee.DirectionDecrease, usd("4"))(t.Context(), d.request())
			errs <- err
		}()
		go func() {
			_, err := other.RecordPayment(t.Context(), other.request(), cash("u1", usd("6"), share(id, usd("6"))))
			errs <- err
		}()
		require.NoError(t, <-errs)
		require.NoError(t, <-errs)
		require.Equal(t, balance{"6", "0", "6", "0", readmodels.FeePaid}, d.balance(id))
	}
	for range 10 {
		id := d.assess("u1", usd("10"))
		errs := make(chan error, 2)
		go func() {
			_, err := d.adjust(id, fee.DirectionDecrease, usd("9"))(t.Context(), d.request())
			errs <- err
		}()
		go func() {
			_, err := other.RecordPayment(t.Context(), other.request(), cash("u1", usd("6"), share(id, usd("6"))))
			errs <- err
		}()
		first, second := <-errs, <-errs
		if first == nil {
			first, second = second, first
		}
		require.NoError(t, second)
		if first == nil { // the payment came first: what is too much of it is a credit
			require.Equal(t, balance{"1", "0", "1", "0", readmodels.FeePaid}, d.balance(id))
		} else {
			require.ErrorIs(t, first, fee.ErrExceedsOutstanding)
			require.Equal(t, balance{"1", "0", "0", "1", readmodels.FeeUnpaid}, d.balance(id))
		}
	}
	d.requireSound()
}
