package commands

import (
	"context"
	"fmt"

	"payledger/domain/credit"
	"payledger/domain/fee"
	"payledger/domain/money"
	"payledger/domain/payment"
	"payledger/eventstore"
)

// NewPayment is what RecordPayment needs. Without an id one is made. Without shares the oldest fee is paid first.
type NewPayment struct {
	PaymentID string
	UserID    string
	Tender    payment.Tender
	Amount    money.Amount
	Shares    []payment.Share
	Note      string

	allocationIDs         []string // of the shares; made if there are none
	stripePaymentIntentID string
}

// RecordPayment records money that was taken, divides it among fees of the person who paid, and keeps the rest as a credit: all of
// it in one commit. What was written off of a fee is paid only by a share that names the fee. Its own refusals are ErrIDInUse, ErrFeeNotFound, ErrOtherUsersFee, ErrEffectiveInFuture, and those of
// the deciders.
func (s *Service) RecordPayment(ctx context.Context, req Request, p NewPayment) (eventstore.Result, error) {
	if p.PaymentID == "" {
		ids := sequence{req.CommandID}
		p.PaymentID = ids.next().String()
	}
	work := plan{fresh: []eventstore.StreamID{{Tenant: req.Tenant, Name: payment.Stream(p.PaymentID)}}}
	feeIDs, err := s.payable(ctx, req.Tenant, p, &work)
	if err != nil {
		return eventstore.Result{}, err
	}
	for _, id := range feeIDs {
		work.streams = append(work.streams, eventstore.StreamID{Tenant: req.Tenant, Name: fee.Stream(id)})
	}
	if mayLeaveRest(p) {
		work.fresh = append(work.fresh, eventstore.StreamID{Tenant: req.Tenant, Name: credit.Stream(p.UserID)})
	}
	if p.Note != "" {
		work.sealFor = p.UserID
	}
	work.decide = func(d *draft) (Outcome, error) {
		d.ids.next() // the payment's
		return d.recordPayment(p, feeIDs)
	}
	return s.run(ctx, req, work)
}

// payable returns the fees that the payment may go to: the named ones, or all open ones. The read model that knows those may be
// behind: what has moved since is watched, and looked at under the lock.
func (s *Service) payable(ctx context.Context, tenant string, p NewPayment, work *plan) ([]string, error) {
	if len(p.Shares) > 0 {
		ids := make([]string, len(p.Shares))
		for i, share := range p.Shares {
			ids[i] = share.FeeID
		}
		return ids, nil
	}
	ids, checkpoint, err := s.OpenFees.OpenFees(ctx, tenant, p.UserID)
	if err != nil {
		return nil, fmt.Errorf("find open fees: %w", err)
	}
	work.watch = &eventstore.Watch{Tenant: tenant, Subject: p.UserID, Prefix: fee.Stream(""), After: checkpoint}
	return ids, nil
}

// mayLeaveRest reports whether some of the money may become a credit.
func mayLeaveRest(p NewPayment) bool {
	if len(p.Shares) == 0 {
		return true
	}
	given := money.Zero(p.Amount.Currency())
	for _, share := range p.Shares {
		sum, err := given.Add(share.Amount)
		if err != nil {
			return false // refused by the decision
		}
		given = sum
	}
	return given.Cmp(p.Amount) < 0
}

func (d *draft) recordPayment(p NewPayment, feeIDs []string) (Outcome, error) {
	if d.payment(p.PaymentID).state.Exists() {
		return Outcome{}, fmt.Errorf("payment %s: %w", p.PaymentID, ErrIDInUse)
	}
	open, err := d.openFees(p, feeIDs)
	if err != nil {
		return Outcome{}, err
	}
	shares, rest, err := payment.Allocate(p.Amount, open, p.Shares)
	if err != nil {
		return Outcome{}, err
	}
	d.takesEffect(changed(p.UserID, shares, rest)...)
	after, err := d.pay(p, shares, rest)
	if err != nil {
		return Outcome{}, err
	}
	return Outcome{Payment: paymentRow(after)}, nil
}

// openFees returns the fees that the payment may go to, as they are now.
func (d *draft) openFees(p NewPayment, feeIDs []string) ([]payment.OpenFee, error) {
	open := make([]payment.OpenFee, 0, len(feeIDs))
	seen := make(map[eventstore.StreamID]bool, len(feeIDs))
	for _, id := range feeIDs {
		seen[d.stream(fee.Stream(id))] = true
		state := d.fee(id).state
		if len(p.Shares) == 0 && state.Hidden {
			continue // deleted since the read model listed it
		}
		switch {
		case !state.Exists, state.Hidden:
			return nil, fmt.Errorf("fee %s: %w", id, ErrFeeNotFound)
		case state.UserID != p.UserID:
			return nil, fmt.Errorf("fee %s: %w", id, ErrOtherUsersFee)
		}
		owed := state.Free()
		if len(p.Shares) > 0 {
			if err := owing(id, state); err != nil && !state.WrittenOff().IsPositive() {
				return nil, err
			}
			owed = state.Payable() // a share of what is reserved is refused as such
		}
		open = append(open, payment.OpenFee{FeeID: id, Outstanding: owed, AssessedAt: state.FirstEffective})
	}
	for _, id := range d.view.Watched() {
		if seen[id] {
			continue
		}
		moved := as(fee.Decider, d.view.Stream(id).Value)
		open = append(open, payment.OpenFee{
			FeeID: feeRow(moved).ID, Outstanding: moved.state.Free(), AssessedAt: moved.state.FirstEffective,
		})
	}
	return open, nil
}

// changed names the streams that the payment changes beside its own.
func changed(userID string, shares []payment.Share, rest money.Amount) []string {
	names := make([]string, 0, len(shares)+1)
	for _, share := range shares {
		names = append(names, fee.Stream(share.FeeID))
	}
	if rest.IsPositive() {
		names = append(names, credit.Stream(userID))
	}
	return names
}

// pay captures the money, applies the shares to their fees, and grants the rest as a credit.
func (d *draft) pay(p NewPayment, shares []payment.Share, rest money.Amount) (folded[payment.State], error) {
	record := payment.Record{
		PaymentID: p.PaymentID, UserID: p.UserID, Tender: p.Tender, Amount: p.Amount, HandledBy: d.req.Actor.ID,
		Allocations: d.allocations(shares), StripePaymentIntentID: p.stripePaymentIntentID, Note: p.Note, At: d.at,
	}
	for i, id := range p.allocationIDs {
		record.Allocations[i].ID = id
	}
	if rest.IsPositive() {
		record.CreditID = d.ids.next().String()
	}
	captured, err := d.onPayment(p.PaymentID, p.UserID, record)
	if err != nil {
		return captured, err
	}
	return captured, d.apply(captured.state, record.Allocations, payment.Credit{ID: record.CreditID, Amount: rest}, credit.SourceOverpayment, false)
}

// allocations gives each share an id.
func (d *draft) allocations(shares []payment.Share) []payment.Allocation {
	list := make([]payment.Allocation, len(shares))
	for i, share := range shares {
		list[i] = payment.Allocation{ID: d.ids.next().String(), FeeID: share.FeeID, Amount: share.Amount}
	}
	return list
}

// apply carries money of a payment over to its fees, and what no fee took to a credit. Captured is money that they had reserved.
func (d *draft) apply(p payment.State, allocations []payment.Allocation, rest payment.Credit, source credit.Source, captured bool) error {
	for _, a := range allocations {
		apply := fee.ApplyPayment{PaymentID: p.PaymentID, AllocationID: a.ID, Amount: a.Amount, Captured: captured, At: d.at}
		if _, err := d.onFee(a.FeeID, p.UserID, apply); err != nil {
			return err
		}
	}
	if !rest.Amount.IsPositive() {
		return nil
	}
	_, err := d.onCredit(p.UserID, credit.Grant{
		CreditID: rest.ID, UserID: p.UserID, Amount: rest.Amount, Source: source, PaymentID: p.PaymentID, At: d.at,
	})
	return err
}
