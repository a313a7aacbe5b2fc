package commands_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"payledger/commands"
	"payledger/domain/credit"
	"payledger/domain/fee"
	"payledger/domain/money"
	"payledger/domain/payment"
	"payledger/domain/policy"
	"payledger/eventstore"
	"payledger/readmodels"
)

func (d *desk) void(paymentID string) useCase {
	return func(ctx context.Context, req commands.Request) (eventstore.Result, error) {
		return d.VoidPayment(ctx, req, commands.Voiding{PaymentID: paymentID, Reason: "keyingError", Note: "typo"})
	}
}

func TestVoidPayment(t *testing.T) {
	t.Parallel()
	d := setup(t)
	a, b := d.assess("u1", usd("10")), d.assess("u1", usd("10"))
	p := readPayment(t, d.do(d.pay(cash("u1", usd("25"), share(a, usd("10")), share(b, usd("8"))))))
	d.refused(policy.ErrUnknownReason, func(ctx context.Context, req commands.Request) (eventstore.Result, error) {
		return d.VoidPayment(ctx, req, commands.Voiding{PaymentID: p.ID, Reason: "goodwill"})
	})
	d.do(d.applyCredit("", b, usd("2")))
	d.refused(credit.ErrSpent, d.void(p.ID))
	d.do(d.adjust(b, fee.DirectionDecrease, usd("2"))) // the credit goes back
	head := int64(len(d.events()))
	result := d.do(d.void(p.ID))
	require.Equal(t, []string{"payment.voided", "fee.payment_unapplied", "fee.payment_unapplied", "credit.reversed"}, d.types(head))
	require.Contains(t, string(result.Answer.Body), p.ID)
	require.Equal(t, balance{"10", "0", "0", "10", readmodels.FeeUnpaid}, d.balance(a))
	require.Equal(t, balance{"8", "0", "0", "8", readmodels.FeeUnpaid}, d.balance(b))
	require.Equal(t, []string{"0"}, d.left())
	head = int64(len(d.events()))
	d.do(d.void(p.ID))
	require.Empty(t, d.types(head), "is so")
	d.refused(payment.ErrNotFound, d.void(newID()))
	pending := d.started(a, usd("1"))
	d.refused(payment.ErrNotCaptured, d.void(pending))
	d.requireSound()
}

func TestReallocatePayment(t *testing.T) {
	t.Parallel()
	d := setup(t)
	a, b, theirs := d.assess("u1", usd("10")), d.assess("u1", usd("10")), d.assess("u2", usd("10"))
	p := readPayment(t, d.do(d.pay(cash("u1", usd("10"), share(a, usd("10"))))))
	row := p.Allocations[0].ID
	move := func(taken []payment.Taken, given ...payment.Share) useCase {
		return func(ctx context.Context, req commands.Request) (eventstore.Result, error) {
			return d.ReallocatePayment(ctx, req, commands.Reallocation{PaymentID: p.ID, Taken: taken, Given: given, Reason: "wrongFee"})
		}
	}
	all, part := []payment.Taken{{AllocationID: row}}, []payment.Taken{{AllocationID: row, Amount: usd("4")}}
	d.refused(commands.ErrFeeNotFound, move(all, share(newID(), usd("1"))))
	d.refused(commands.ErrOtherUsersFee, move(all, share(theirs, usd("1"))))
	d.refused(payment.ErrAllocationNotFound, move([]payment.Taken{{AllocationID: newID(), Amount: usd("1")}}, share(b, usd("1"))))
	d.refused(payment.ErrOverAllocated, move(part, share(b, usd("4.01"))))
	d.refused(policy.ErrUnknownReason, func(ctx context.Context, req commands.Request) (eventstore.Result, error) {
		return d.ReallocatePayment(ctx, req, commands.Reallocation{PaymentID: p.ID, Taken: all, Given: []payment.Share{share(b, usd("1"))}})
	})
	result := d.do(move(part, share(b, usd("3"))))
	require.Equal(t, map[string]string{a: "6", b: "3"}, readPayment(t, result).shares())
	require.Equal(t, "1", readPayment(t, result).Credit.String())
	require.Equal(t, balance{"10", "0", "6", "4", readmodels.FeeUnpaid}, d.balance(a))
	require.Equal(t, balance{"10", "0", "3", "7", readmodels.FeeUnpaid}, d.balance(b))
	require.Equal(t, []string{"1"}, d.left())
	require.Equal(t, credit.SourceReallocation, d.events()[len(d.events())-1].Data.(credit.Granted).Source)
	d.do(move(all))
	require.Equal(t, []string{"1", "6"}, d.left())
	d.do(d.void(p.ID))
	require.Equal(t, []string{"0", "0"}, d.left(), "all of it is taken back")
	d.refused(payment.ErrNotCaptured, move(all))
	d.requireSound()
}

// A payment that names a written-off fee recovers what was written off; one that names none never does.
func TestPaymentAfterWriteOff(t *testing.T) {
	t.Parallel()
	d := setup(t)
	id, open := d.assess("u1", usd("10")), d.assess("u1", usd("3"))
	d.do(d.writeOff(id, money.Amount{}))
	require.Equal(t, balance{"10", "10", "0", "0", readmodels.FeeWaived}, d.balance(id))
	writeOff := d.events()[2]

	d.OpenFees = tablesAt{ids: []string{open}, checkpoint: int64(len(d.events()))}
	oldest := readPayment(t, d.do(d.pay(cash("u1", usd("5")))))
	require.Equal(t, map[string]string{open: "3"}, oldest.shares(), "oldest first passes over what was written off")
	require.Equal(t, "2", oldest.Credit.String())

	d.refused(fee.ErrExceedsOutstanding, d.pay(cash("u1", usd("11"), share(id, usd("10.01")))))
	d.refused(fee.ErrAlreadySettled, d.applyCredit("", id, usd("1")))
	d.refused(fee.ErrAlreadySettled, func(ctx context.Context, req commands.Request) (eventstore.Result, error) {
		return d.CreateFeePayment(ctx, req, commands.NewFeePayment{
			FeeID: id, UserID: "u1", Tender: payment.TenderOther, Amount: usd("1"), Status: readmodels.PaymentPending,
		})
	})
	d.refused(fee.ErrAlreadySettled, func(ctx context.Context, req commands.Request) (eventstore.Result, error) {
		return d.PatchFee(ctx, req, commands.FeePatch{FeeID: id, Status: new(readmodels.FeePaid)})
	})
	d.refused(commands.ErrBeforeTakenBack, d.pay(cash("u1", usd("1"), share(id, usd("1")))), at(writeOff.EffectiveAt.Add(-time.Microsecond)))

	head := int64(len(d.events()))
	p := readPayment(t, d.do(d.pay(cash("u1", usd("7"), share(id, usd("6"))))))
	require.Equal(t, []string{"payment.captured", "fee.write_off_recovered", "fee.payment_applied", "credit.granted"}, d.types(head))
	require.Equal(t, map[string]string{id: "6"}, p.shares())
	require.Equal(t, "1", p.Credit.String())
	require.Equal(t, balance{"10", "4", "6", "0", readmodels.FeePaid}, d.balance(id))
	d.refused(fee.ErrExceedsOutstanding, d.pay(cash("u1", usd("5"), share(id, usd("5")))))

	head = int64(len(d.events()))
	d.do(d.void(p.ID))
	require.Equal(t, []string{"payment.voided", "fee.payment_unapplied", "fee.recovery_reversed", "credit.reversed"}, d.types(head))
	require.Equal(t, balance{"10", "10", "0", "0", readmodels.FeeWaived}, d.balance(id), "written off again")

	// As one feePayment; then the write-off itself is taken back, and then the payment.
	check := newID()
	d.do(func(ctx context.Context, req commands.Request) (eventstore.Result, error) {
		return d.CreateFeePayment(ctx, req, commands.NewFeePayment{
			ID: check, FeeID: id, UserID: "u1", Tender: payment.TenderCheck, Amount: usd("4"), Status: readmodels.PaymentComplete,
		})
	})
	require.Equal(t, balance{"10", "6", "4", "0", readmodels.FeePaid}, d.balance(id))
	reverse := func(ctx context.Context, req commands.Request) (eventstore.Result, error) {
		return d.ReverseReduction(ctx, req, commands.Reversal{FeeID: id, ReductionID: writeOff.ID.String(), Reason: "staffError"})
	}
	rest := readPayment(t, d.do(d.pay(cash("u1", usd("6"), share(id, usd("6"))))))
	d.refused(fee.ErrRecovered, reverse)
	d.do(d.void(rest.ID))
	d.do(reverse)
	require.Equal(t, balance{"10", "0", "4", "6", readmodels.FeeUnpaid}, d.balance(id), "what had not come is owed again")
	d.do(d.void(check))
	require.Equal(t, balance{"10", "4", "0", "6", readmodels.FeeUnpaid}, d.balance(id), "what had come is written off again")
	d.do(reverse)
	require.Equal(t, balance{"10", "0", "0", "10", readmodels.FeeUnpaid}, d.balance(id), "and can be taken back as well")
	d.requireSound()
}

// Money that is moved to a written-off fee recovers it, moved away it doesn't; a fee that shrinks gives back what it recovered.
func TestRecoveriesMove(t *testing.T) {
	t.Parallel()
	d := setup(t)
	a, b := d.assess("u1", usd("10")), d.assess("u1", usd("10"))
	d.do(d.writeOff(b, money.Amount{}))
	p := readPayment(t, d.do(d.pay(cash("u1", usd("10"), share(a, usd("10"))))))
	move := func(taken string, given ...payment.Share) useCase {
		return func(ctx context.Context, req commands.Request) (eventstore.Result, error) {
			return d.ReallocatePayment(ctx, req, commands.Reallocation{PaymentID: p.ID, Taken: []payment.Taken{{AllocationID: taken}}, Given: given, Reason: "wrongFee"})
		}
	}
	moved := readPayment(t, d.do(move(p.Allocations[0].ID, share(b, usd("8")))))
	require.Equal(t, balance{"10", "2", "8", "0", readmodels.FeePaid}, d.balance(b))
	require.Equal(t, balance{"10", "0", "0", "10", readmodels.FeeUnpaid}, d.balance(a))
	d.do(d.adjust(b, fee.DirectionDecrease, usd("5")))
	require.Equal(t, balance{"5", "0", "5", "0", readmodels.FeePaid}, d.balance(b))
	require.Equal(t, []string{"2", "3"}, d.left(), "what was paid beyond the charge is a credit")
	for _, row := range moved.Allocations {
		if row.FeeID == b {
			d.do(move(row.ID, share(a, usd("5"))))
		}
	}
	require.Equal(t, balance{"5", "5", "0", "0", readmodels.FeeWaived}, d.balance(b), "written off again")
	require.Equal(t, balance{"10", "0", "5", "5", readmodels.FeeUnpaid}, d.balance(a))
	d.requireSound()
}

// Two processes void a payment and spend its credit at once: one of them is refused.
func TestVoidAndSpendRace(t *testing.T) {
	t.Parallel()
	d := setup(t)
	other := d.second()
	for range 10 {
		p := readPayment(t, d.do(d.pay(cash("u1", usd("5")))))
		id := d.assess("u1", usd("10"))
		lots := d.credits()
		errs := make(chan error, 2)
		go func() { _, err := d.void(p.ID)(t.Context(), d.request()); errs <- err }()
		go func() {
			_, err := other.applyCredit(lots[len(lots)-1].ID, id, usd("5"))(t.Context(), other.request())
			errs <- err
		}()
		first, second := <-errs, <-errs
		if first == nil {
			first, second = second, first
		}
		require.NoError(t, second)
		require.True(t, isOneOf(first, credit.ErrSpent, credit.ErrExceedsCredit), "%v", first)
		d.do(d.adjust(id, fee.DirectionDecrease, usd("10"))) // out of the next payment's way
	}
	d.requireSound()
}
