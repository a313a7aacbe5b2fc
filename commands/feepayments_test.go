package commands_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"payledger/commands"
	"payledger/domain/fee"
	"payledger/domain/money"
	"payledger/domain/payment"
	"payledger/eventstore"
	"payledger/readmodels"
)

func (d *desk) createFeePayment(p commands.NewFeePayment) useCase {
	return func(ctx context.Context, req commands.Request) (eventstore.Result, error) {
		return d.CreateFeePayment(ctx, req, p)
	}
}

// feePayment is a payment of one fee of u1.
func feePayment(feeID string, paid money.Amount, status readmodels.PaymentStatus) commands.NewFeePayment {
	return commands.NewFeePayment{FeeID: feeID, UserID: "u1", Tender: payment.TenderCash, Amount: paid, Status: status, StripePaymentIntentID: "pi_1", Note: "n"}
}

// started starts a payment of one fee and returns the id of its row.
func (d *desk) started(feeID string, paid money.Amount) string {
	d.t.Helper()
	p := feePayment(feeID, paid, readmodels.PaymentPending)
	p.ID = newID()
	d.do(d.createFeePayment(p))
	return p.ID
}

func (d *desk) setPayment(id string, to readmodels.PaymentStatus) useCase {
	return func(ctx context.Context, req commands.Request) (eventstore.Result, error) {
		return d.PatchFeePayment(ctx, req, commands.FeePaymentPatch{ID: id, Status: &to})
	}
}

func (d *desk) deleteFeePayment(id string) useCase {
	return func(ctx context.Context, req commands.Request) (eventstore.Result, error) {
		return d.DeleteFeePayment(ctx, req, id)
	}
}

// feePayment returns a row as the log tells it.
func (d *desk) feePayment(id string) *readmodels.FeePayment {
	d.t.Helper()
	payments := map[string]any{}
	var found *readmodels.FeePayment
	for _, ev := range d.events() {
		if _, ok := ev.Data.(payment.Event); !ok {
			continue
		}
		next, _, err := readmodels.Fold(payments[ev.Stream.Name], ev)
		require.NoError(d.t, err)
		payments[ev.Stream.Name] = next
		for i, row := range next.(*readmodels.Payment).Rows {
			if row.ID == id {
				found = &next.(*readmodels.Payment).Rows[i]
			}
		}
	}
	require.NotNil(d.t, found)
	return found
}

func TestCreateFeePayment(t *testing.T) {
	t.Parallel()
	d := setup(t)
	id := d.assess("u1", usd("10"))
	result := d.do(d.createFeePayment(feePayment(id, usd("4"), readmodels.PaymentComplete)))
	captured := d.events()[1].Data.(payment.Captured)
	require.Equal(t, captured.PaymentID, captured.Allocations[0].ID)
	require.Equal(t, "pi_1", captured.StripePaymentIntentID)
	row := d.feePayment(captured.PaymentID)
	require.JSONEq(t, string(row.AppendJSON(nil, true)), string(result.Answer.Body))
	require.Equal(t, readmodels.PaymentComplete, row.PaymentStatus)
	require.Equal(t, balance{"10", "0", "4", "6", readmodels.FeeUnpaid}, d.balance(id))

	chosen := feePayment(id, usd("1"), readmodels.PaymentComplete)
	chosen.ID = newID()
	d.do(d.createFeePayment(chosen))
	d.refused(commands.ErrIDInUse, d.createFeePayment(chosen))
	d.do(d.pay(cash("u1", usd("1"), share(id, usd("1")))))
	chosen.ID = d.events()[len(d.events())-2].Data.(payment.Captured).Allocations[0].ID // a row of a payment with another id
	d.refused(commands.ErrIDInUse, d.createFeePayment(chosen))

	theirs := feePayment(d.assess("u2", usd("1")), usd("1"), readmodels.PaymentComplete)
	d.refused(commands.ErrOtherUsersFee, d.createFeePayment(theirs))
	d.refused(fee.ErrExceedsOutstanding, d.createFeePayment(feePayment(id, usd("4.01"), readmodels.PaymentComplete)))
	d.refused(commands.ErrFeeNotFound, d.createFeePayment(feePayment(newID(), usd("1"), readmodels.PaymentComplete)))
	d.refused(commands.ErrStatusNotSettable, d.createFeePayment(feePayment(id, usd("1"), readmodels.PaymentFailed)))
	d.refused(commands.ErrStatusNotSettable, d.createFeePayment(feePayment(id, usd("1"), readmodels.PaymentCanceled)))
	d.requireSound()
}

func TestPendingFeePayment(t *testing.T) {
	t.Parallel()
	d := setup(t)
	id := d.assess("u1", usd("10"))
	row := d.started(id, usd("6"))
	require.Equal(t, []string{"fee.assessed", "payment.started", "fee.payment_reserved"}, d.types(0))
	require.Equal(t, readmodels.PaymentPending, d.feePayment(row).PaymentStatus)
	require.Equal(t, balance{"10", "0", "0", "10", readmodels.FeePaymentInProgress}, d.balance(id))

	// Staff takes only what isn't on its way.
	d.refused(fee.ErrReserved, d.pay(cash("u1", usd("5"), share(id, usd("5")))))
	d.refused(fee.ErrReserved, d.waive(id, usd("4.01")))
	d.refused(fee.ErrReserved, d.createFeePayment(feePayment(id, usd("5"), readmodels.PaymentPending)))
	for _, to := range []readmodels.FeeStatus{readmodels.FeePaid, readmodels.FeeWaived} {
		d.refused(fee.ErrReserved, func(ctx context.Context, req commands.Request) (eventstore.Result, error) {
			return d.PatchFee(ctx, req, commands.FeePatch{FeeID: id, Status: &to})
		})
	}
	require.Equal(t, map[string]string{id: "4"}, readPayment(t, d.do(d.pay(cash("u1", usd("4"))))).shares())
	d.refused(fee.ErrReserved, d.pay(cash("u1", usd("1"), share(id, usd("1")))))
	d.refused(fee.ErrReserved, d.applyCredit("", id, money.Amount{}))
	require.Equal(t, "1", readPayment(t, d.do(d.pay(cash("u1", usd("1"))))).Credit.String(), "oldest first passes it over")

	head := int64(len(d.events()))
	result := d.do(d.setPayment(row, readmodels.PaymentComplete))
	require.Equal(t, []string{"fee.reservation_released", "fee.payment_applied", "payment.captured"}, d.types(head))
	require.JSONEq(t, string(d.feePayment(row).AppendJSON(nil, true)), string(result.Answer.Body))
	require.Equal(t, readmodels.PaymentComplete, d.feePayment(row).PaymentStatus)
	require.Equal(t, balance{"10", "0", "10", "0", readmodels.FeePaid}, d.balance(id))
	d.do(d.setPayment(row, readmodels.PaymentComplete)) // is so
	d.refused(commands.ErrStatusNotSettable, d.setPayment(row, readmodels.PaymentPending))
	d.requireSound()
}

// Money that arrives is recorded, whatever became of the fee meanwhile: what the fee has no need for is a credit.
func TestCaptureOfWhatIsOwedNoMore(t *testing.T) {
	t.Parallel()
	d := setup(t)
	shrunk, cancelled, deleted := d.assess("u1", usd("10")), d.assess("u1", usd("10")), d.assess("u1", usd("10"))
	rows := []string{d.started(shrunk, usd("8")), d.started(cancelled, usd("10")), d.started(deleted, usd("2"))}
	d.do(d.adjust(shrunk, fee.DirectionDecrease, usd("7")))
	_, err := d.PatchFee(t.Context(), d.request(), commands.FeePatch{FeeID: cancelled, Status: new(readmodels.FeeCanceled)})
	require.NoError(t, err)
	d.do(d.deleteFee(deleted))
	for _, row := range rows {
		d.do(d.setPayment(row, readmodels.PaymentComplete))
	}
	require.Equal(t, balance{"3", "0", "3", "0", readmodels.FeePaid}, d.balance(shrunk))
	require.Equal(t, balance{"0", "0", "0", "0", readmodels.FeeCanceled}, d.balance(cancelled))
	require.Equal(t, []string{"5", "10", "2"}, d.left())
	d.requireSound()
}

// Of a fee that shrank below what is held of it, the first money to arrive gets what is owed.
func TestCaptureGoesBeforeWhatOthersHold(t *testing.T) {
	t.Parallel()
	d := setup(t)
	id := d.assess("u1", usd("10"))
	first, second := d.started(id, usd("4")), d.started(id, usd("6"))
	d.do(d.adjust(id, fee.DirectionDecrease, usd("6")))
	d.refused(fee.ErrReserved, d.pay(cash("u1", usd("1"), share(id, usd("1")))))
	d.do(d.setPayment(first, readmodels.PaymentComplete))
	require.Equal(t, balance{"4", "0", "4", "0", readmodels.FeePaid}, d.balance(id))
	require.Empty(t, d.left())
	d.do(d.setPayment(second, readmodels.PaymentComplete))
	require.Equal(t, balance{"4", "0", "4", "0", readmodels.FeePaid}, d.balance(id))
	require.Equal(t, []string{"6"}, d.left())
	d.requireSound()
}

func TestPendingFeePaymentEnds(t *testing.T) {
	t.Parallel()
	d := setup(t)
	id := d.assess("u1", usd("10"))
	failed, canceled, deleted := d.started(id, usd("1")), d.started(id, usd("2")), d.started(id, usd("3"))
	d.do(d.setPayment(failed, readmodels.PaymentFailed))
	require.Equal(t, readmodels.FeePaymentInProgress, d.row(id).Status, "others are on their way")
	d.do(d.setPayment(canceled, readmodels.PaymentCanceled))
	d.do(d.deleteFeePayment(deleted))
	require.Equal(t, balance{"10", "0", "0", "10", readmodels.FeeUnpaid}, d.balance(id))
	require.Equal(t, readmodels.PaymentFailed, d.feePayment(failed).PaymentStatus)
	require.Equal(t, readmodels.PaymentCanceled, d.feePayment(canceled).PaymentStatus)
	require.False(t, d.feePayment(deleted).IsActive)
	d.refused(commands.ErrRecordNotFound, d.deleteFeePayment(deleted))
	d.refused(commands.ErrRecordNotFound, d.setPayment(deleted, readmodels.PaymentComplete))
	d.refused(commands.ErrRecordNotFound, d.deleteFeePayment(newID()))
	d.refused(payment.ErrNotCaptured, d.deleteFeePayment(failed))
	d.refused(commands.ErrStatusNotSettable, d.setPayment(failed, readmodels.PaymentComplete))
	d.refused(commands.ErrStatusNotSettable, d.setPayment(canceled, readmodels.PaymentFailed))
	d.do(d.setPayment(failed, readmodels.PaymentFailed)) // is so
	d.requireSound()
}

func TestPatchFeePayment(t *testing.T) {
	t.Parallel()
	d := setup(t)
	id := d.assess("u1", usd("10"))
	row := d.started(id, usd("6"))
	patch := func(p commands.FeePaymentPatch) useCase {
		p.ID = row
		return func(ctx context.Context, req commands.Request) (eventstore.Result, error) {
			return d.PatchFeePayment(ctx, req, p)
		}
	}
	head := len(d.events())
	d.do(patch(commands.FeePaymentPatch{}))
	d.do(patch(commands.FeePaymentPatch{Note: "n"}))
	require.Len(t, d.events(), head, "is so")
	d.do(patch(commands.FeePaymentPatch{Note: "other"}), ifMatch(0))
	require.Equal(t, "other", d.feePayment(row).Note)
	var mismatch *commands.VersionMismatchError
	_, err := d.setPayment(row, readmodels.PaymentComplete)(t.Context(), d.request(ifMatch(0)))
	require.ErrorAs(t, err, &mismatch)
	require.Equal(t, int64(1), mismatch.Current)
	d.do(patch(commands.FeePaymentPatch{Status: new(readmodels.PaymentComplete), Note: "paid at last"}), ifMatch(1))
	require.Equal(t, readmodels.PaymentComplete, d.feePayment(row).PaymentStatus)
	require.Equal(t, "paid at last", d.feePayment(row).Note)
	d.refused(commands.ErrBeforeTakenBack, d.setPayment(row, readmodels.PaymentFailed), at(start().Add(2*time.Millisecond)))
	d.do(d.setPayment(row, readmodels.PaymentFailed))
	require.Equal(t, readmodels.PaymentFailed, d.feePayment(row).PaymentStatus)
	require.Equal(t, balance{"10", "0", "0", "10", readmodels.FeeUnpaid}, d.balance(id))
	d.requireSound()
}

func TestDeleteFeePaymentVoids(t *testing.T) {
	t.Parallel()
	d := setup(t)
	a, b := d.assess("u1", usd("10")), d.assess("u1", usd("10"))
	p := readPayment(t, d.do(d.pay(cash("u1", usd("5"), share(a, usd("4"))))))
	d.do(d.deleteFeePayment(p.Allocations[0].ID))
	require.False(t, d.feePayment(p.Allocations[0].ID).IsActive)
	require.Equal(t, balance{"10", "0", "0", "10", readmodels.FeeUnpaid}, d.balance(a))
	require.Equal(t, []string{"0"}, d.left(), "its credit is taken back")

	both := readPayment(t, d.do(d.pay(cash("u1", usd("5"), share(a, usd("4")), share(b, usd("1"))))))
	d.refused(commands.ErrPaysOthers, d.deleteFeePayment(both.Allocations[0].ID))
	d.refused(commands.ErrPaysOthers, d.setPayment(both.Allocations[1].ID, readmodels.PaymentCanceled))
	d.requireSound()
}
