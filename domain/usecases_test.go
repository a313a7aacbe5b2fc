package domain_test

import (
	"time"

	"payledger/domain/credit"
	"payledger/domain/fee"
	"payledger/domain/money"
	"payledger/domain/payment"
)

// The use cases as the real ones are, over the log in memory: what one decider
// decides about a stream is carried over to the others in the same commit.

// change commits a command on one fee, and what an adjustment takes off it.
func (l *ledger) change(feeID string, c fee.Command) error {
	return l.commit(func() error {
		events, err := l.fee(feeID).do(c)
		if err != nil {
			return err
		}
		adjust, ok := c.(fee.Adjust)
		if !ok {
			return nil
		}
		for _, e := range events {
			switch e := e.(type) {
			case fee.PaymentUnapplied:
				err = l.toCredit(adjust, e)
			case fee.CreditUnapplied:
				_, err = l.credit(l.fee(feeID).state().UserID).do(credit.Return{AllocationID: e.AllocationID, Amount: e.Amount, At: adjust.At})
			default:
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// toCredit keeps money that a fee has no room for any more.
func (l *ledger) toCredit(adjust fee.Adjust, e fee.PaymentUnapplied) error {
	id := adjust.AdjustmentID + e.AllocationID
	events, err := l.payment(e.PaymentID).do(payment.Reallocate{
		Taken: []payment.Taken{{AllocationID: e.AllocationID, Amount: e.Amount}}, CreditID: id, Cause: payment.CauseAdjustment,
	})
	if err != nil {
		return err
	}
	return l.grant(e.PaymentID, events[0].(payment.Reallocated).CreditID, e.Amount, credit.SourceAdjustment, adjust.At)
}

func (l *ledger) grant(paymentID, creditID string, amount money.Amount, source credit.Source, at time.Time) error {
	if creditID == "" {
		return nil
	}
	user := l.payment(paymentID).state().UserID
	_, err := l.credit(user).do(credit.Grant{CreditID: creditID, UserID: user, Amount: amount, Source: source, PaymentID: paymentID, At: at})
	return err
}

// pay commits a payment with what it does to fees and credits.
func (l *ledger) pay(c payment.Record) error {
	return l.commit(func() error {
		events, err := l.payment(c.PaymentID).do(c)
		if err != nil || len(events) == 0 {
			return err
		}
		return l.apply(events[0].(payment.Captured), c.At)
	})
}

func (l *ledger) apply(captured payment.Captured, at time.Time) error {
	for _, a := range captured.Allocations {
		_, err := l.fee(a.FeeID).do(fee.ApplyPayment{PaymentID: captured.PaymentID, AllocationID: a.ID, Amount: a.Amount, At: at})
		if err != nil {
			return err
		}
	}
	return l.grant(captured.PaymentID, captured.CreditID, captured.Credit, credit.SourceOverpayment, at)
}

func (l *ledger) begin(c payment.Start, at time.Time) error {
	return l.commit(func() error {
		events, err := l.payment(c.PaymentID).do(c)
		if err != nil || len(events) == 0 {
			return err
		}
		for _, a := range c.Allocations {
			if _, err := l.fee(a.FeeID).do(fee.Reserve{PaymentID: c.PaymentID, AllocationID: a.ID, Amount: a.Amount, At: at}); err != nil {
				return err
			}
		}
		return nil
	})
}

// capture gives each fee what it still owes.
func (l *ledger) capture(paymentID, creditID string, at time.Time) error {
	return l.commit(func() error {
		var takes []payment.Allocation
		for _, a := range l.payment(paymentID).state().Allocations {
			if err := l.release(a.Allocation, fee.ReleaseCaptured, at); err != nil {
				return err
			}
			if a.Amount = money.Min(a.Amount, l.fee(a.FeeID).state().Free()); a.Amount.IsPositive() {
				takes = append(takes, a.Allocation)
			}
		}
		events, err := l.payment(paymentID).do(payment.Capture{Allocations: takes, CreditID: creditID})
		if err != nil || len(events) == 0 {
			return err
		}
		return l.apply(events[0].(payment.Captured), at)
	})
}

// end ends a started payment without money.
func (l *ledger) end(paymentID string, c payment.Command, cause fee.ReleaseCause, at time.Time) error {
	return l.commit(func() error {
		events, err := l.payment(paymentID).do(c)
		if err != nil || len(events) == 0 {
			return err
		}
		for _, a := range l.payment(paymentID).state().Allocations {
			if err := l.release(a.Allocation, cause, at); err != nil {
				return err
			}
		}
		return nil
	})
}

func (l *ledger) release(a payment.Allocation, cause fee.ReleaseCause, at time.Time) error {
	_, err := l.fee(a.FeeID).do(fee.Release{AllocationID: a.ID, Cause: cause, At: at})
	return err
}

func (l *ledger) void(paymentID string, at time.Time) error {
	return l.commit(func() error {
		before := l.payment(paymentID).state()
		events, err := l.payment(paymentID).do(payment.Void{Outcome: payment.OutcomeCanceled})
		if err != nil || len(events) == 0 {
			return err
		}
		for _, a := range before.Allocations {
			if !a.Amount.IsPositive() {
				continue
			}
			if _, err := l.fee(a.FeeID).do(fee.UnapplyPayment{AllocationID: a.ID, Amount: a.Amount, Cause: fee.UnapplyVoid, At: at}); err != nil {
				return err
			}
		}
		for _, k := range before.Credits {
			if _, err := l.credit(before.UserID).do(credit.Reverse{CreditID: k.ID, Cause: credit.CauseVoid, At: at}); err != nil {
				return err
			}
		}
		return nil
	})
}

func (l *ledger) reallocate(paymentID string, c payment.Reallocate, at time.Time) error {
	return l.commit(func() error {
		events, err := l.payment(paymentID).do(c)
		if err != nil || len(events) == 0 {
			return err
		}
		moved := events[0].(payment.Reallocated)
		for _, t := range moved.Taken {
			_, err := l.fee(t.FeeID).do(fee.UnapplyPayment{AllocationID: t.AllocationID, Amount: t.Amount, Cause: fee.UnapplyReallocation, At: at})
			if err != nil {
				return err
			}
		}
		for _, a := range moved.Given {
			_, err := l.fee(a.FeeID).do(fee.ApplyPayment{PaymentID: paymentID, AllocationID: a.ID, Amount: a.Amount, At: at})
			if err != nil {
				return err
			}
		}
		return l.grant(paymentID, moved.CreditID, moved.Credit, credit.SourceReallocation, at)
	})
}

// applyCredit settles a fee with credits of its user, the oldest first.
func (l *ledger) applyCredit(feeID string, amount money.Amount, ids []string, at time.Time) error {
	return l.commit(func() error {
		lots := l.credit(l.fee(feeID).state().UserID)
		parts, err := lots.state().Pick(amount)
		if err != nil {
			return err
		}
		for i, p := range parts {
			if _, err := lots.do(credit.Spend{CreditID: p.CreditID, FeeID: feeID, AllocationID: ids[i], Amount: p.Amount, At: at}); err != nil {
				return err
			}
			if _, err := l.fee(feeID).do(fee.ApplyCredit{CreditID: p.CreditID, AllocationID: ids[i], Amount: p.Amount, At: at}); err != nil {
				return err
			}
		}
		return nil
	})
}
