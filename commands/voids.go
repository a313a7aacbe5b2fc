package commands

import (
	"context"
	"fmt"

	"payledger/domain/credit"
	"payledger/domain/fee"
	"payledger/domain/money"
	"payledger/domain/payment"
	"payledger/domain/policy"
	"payledger/eventstore"
)

// Voiding is what VoidPayment needs.
type Voiding struct {
	PaymentID    string
	Reason, Note string
}

// VoidPayment says that a captured payment was a mistake: its fees owe again, and its credits are taken back. Its own refusals are
// policy.ErrUnknownReason, ErrEffectiveInFuture, ErrBeforeTakenBack, and those of the deciders: credit.ErrSpent once its credit is spent.
func (s *Service) VoidPayment(ctx context.Context, req Request, p Voiding) (eventstore.Result, error) {
	return s.run(ctx, req, plan{
		streams: []eventstore.StreamID{{Tenant: req.Tenant, Name: payment.Stream(p.PaymentID)}},
		fresh:   []eventstore.StreamID{{Tenant: req.Tenant, Name: policy.Stream}},
		decide: func(d *draft) (Outcome, error) {
			if err := d.policy().Check(policy.KindVoid, p.Reason); err != nil {
				return Outcome{}, err
			}
			err := d.void(p.PaymentID, payment.Void{Reason: p.Reason, Note: p.Note, Outcome: payment.OutcomeCanceled})
			return Outcome{Payment: paymentRow(d.payment(p.PaymentID))}, err
		},
	})
}

func (d *draft) void(paymentID string, c payment.Void) error {
	before := d.payment(paymentID).state
	if !before.Exists() {
		return fmt.Errorf("payment %s: %w", paymentID, payment.ErrNotFound)
	}
	if err := d.need(touchedBy(before)...); err != nil {
		return err
	}
	d.takesEffect(append(touchedBy(before), payment.Stream(paymentID))...)
	after, err := d.onPayment(paymentID, before.UserID, c)
	if err != nil || after.state.Phase == before.Phase {
		return err
	}
	for _, a := range before.Allocations {
		if !a.Amount.IsPositive() {
			continue
		}
		unapply := fee.UnapplyPayment{AllocationID: a.ID, Amount: a.Amount, Cause: fee.UnapplyVoid, At: d.at}
		if _, err := d.onFee(a.FeeID, before.UserID, unapply); err != nil {
			return err
		}
	}
	for _, k := range before.Credits {
		if _, err := d.onCredit(before.UserID, credit.Reverse{CreditID: k.ID, Cause: credit.CauseVoid, At: d.at}); err != nil {
			return err
		}
	}
	return nil
}

// Reallocation is what ReallocatePayment needs: which allocations lose how much, and which fees get it. What they leave over becomes a credit.
type Reallocation struct {
	PaymentID    string
	Taken        []payment.Taken // FeeID is not looked at; the zero Amount is all
	Given        []payment.Share
	Reason, Note string
}

// ReallocatePayment moves money of a captured payment to other fees of the same person, or to a credit. Its own refusals are
// ErrFeeNotFound, ErrOtherUsersFee, policy.ErrUnknownReason, ErrEffectiveInFuture, ErrBeforeTakenBack, and those of the deciders.
func (s *Service) ReallocatePayment(ctx context.Context, req Request, p Reallocation) (eventstore.Result, error) {
	work := plan{
		streams: []eventstore.StreamID{{Tenant: req.Tenant, Name: payment.Stream(p.PaymentID)}},
		fresh:   []eventstore.StreamID{{Tenant: req.Tenant, Name: policy.Stream}},
		decide:  func(d *draft) (Outcome, error) { return d.reallocate(p) },
	}
	for _, share := range p.Given {
		work.streams = append(work.streams, eventstore.StreamID{Tenant: req.Tenant, Name: fee.Stream(share.FeeID)})
	}
	return s.run(ctx, req, work)
}

func (d *draft) reallocate(p Reallocation) (Outcome, error) {
	if err := d.policy().Check(policy.KindReallocate, p.Reason); err != nil {
		return Outcome{}, err
	}
	before := d.payment(p.PaymentID).state
	if !before.Exists() {
		return Outcome{}, fmt.Errorf("payment %s: %w", p.PaymentID, payment.ErrNotFound)
	}
	if err := d.need(touchedBy(before)...); err != nil {
		return Outcome{}, err
	}
	streams := append(touchedBy(before), payment.Stream(p.PaymentID))
	for _, share := range p.Given {
		switch state := d.fee(share.FeeID).state; {
		case !state.Exists, state.Hidden:
			return Outcome{}, fmt.Errorf("fee %s: %w", share.FeeID, ErrFeeNotFound)
		case state.UserID != before.UserID:
			return Outcome{}, fmt.Errorf("fee %s: %w", share.FeeID, ErrOtherUsersFee)
		}
		streams = append(streams, fee.Stream(share.FeeID))
	}
	d.takesEffect(streams...)
	move := payment.Reallocate{
		Taken: whole(p.Taken, before), Given: d.allocations(p.Given), CreditID: d.ids.next().String(),
		Cause: payment.CauseReallocation, Reason: p.Reason, Note: p.Note,
	}
	after, err := d.onPayment(p.PaymentID, before.UserID, move)
	if err != nil {
		return Outcome{}, err
	}
	for _, t := range move.Taken {
		unapply := fee.UnapplyPayment{AllocationID: t.AllocationID, Amount: t.Amount, Cause: fee.UnapplyReallocation, At: d.at}
		if _, err := d.onFee(t.FeeID, before.UserID, unapply); err != nil {
			return Outcome{}, err
		}
	}
	rest := payment.Credit{Amount: money.Zero(before.Amount.Currency())}
	if n := len(after.state.Credits); n > len(before.Credits) {
		rest = after.state.Credits[n-1]
	}
	err = d.apply(after.state, move.Given, rest, credit.SourceReallocation, false)
	return Outcome{Payment: paymentRow(d.payment(p.PaymentID))}, err
}

// whole fills in what the caller left out of a list of what is taken: the fees, and the amounts that are all.
func whole(list []payment.Taken, p payment.State) []payment.Taken {
	filled := make([]payment.Taken, len(list))
	for i, t := range list {
		for _, a := range p.Allocations {
			if a.ID != t.AllocationID {
				continue
			}
			if t.FeeID = a.FeeID; t.Amount == (money.Amount{}) {
				t.Amount = a.Amount
			}
		}
		filled[i] = t
	}
	return filled
}
