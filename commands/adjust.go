package commands

import (
	"context"
	"fmt"
	"slices"

	"payledger/domain/credit"
	"payledger/domain/fee"
	"payledger/domain/money"
	"payledger/domain/payment"
	"payledger/domain/policy"
	"payledger/eventstore"
)

// Adjustment is what AdjustFee needs.
type Adjustment struct {
	FeeID        string
	Direction    fee.Direction
	Amount       money.Amount
	Reason, Note string
}

// AdjustFee charges more or less. When a fee shrinks below what was settled, reductions are released, money goes to a credit of the
// person, and spent credit goes back to its lot: all of it in one commit. Its own refusals are those of WaiveFee.
func (s *Service) AdjustFee(ctx context.Context, req Request, p Adjustment) (eventstore.Result, error) {
	return s.run(ctx, req, plan{
		streams: []eventstore.StreamID{{Tenant: req.Tenant, Name: fee.Stream(p.FeeID)}},
		fresh:   []eventstore.StreamID{{Tenant: req.Tenant, Name: policy.Stream}},
		decide:  func(d *draft) (Outcome, error) { return d.adjust(p) },
	})
}

func (d *draft) adjust(p Adjustment) (Outcome, error) {
	before, err := d.existing(p.FeeID)
	if err != nil {
		return Outcome{}, err
	}
	if err := d.policy().Check(policy.KindAdjust, p.Reason); err != nil {
		return Outcome{}, err
	}
	command := fee.Adjust{AdjustmentID: d.peek(), Direction: p.Direction, Amount: p.Amount, Reason: p.Reason, Note: p.Note}
	command.At = before.dates.latest
	events, err := fee.Decider.Decide(before.state, command) // to learn what else changes, and so when it may take effect
	if err != nil {
		return Outcome{}, fmt.Errorf("%s: %w", fee.Stream(p.FeeID), err)
	}
	streams := losing(events, before.state.UserID)
	if err := d.need(streams...); err != nil {
		return Outcome{}, err
	}
	d.takesEffect(append(streams, fee.Stream(p.FeeID))...)
	command.At = d.at
	after, err := d.onFee(p.FeeID, before.state.UserID, command)
	if err != nil {
		return Outcome{}, err
	}
	return Outcome{Fee: feeRow(after)}, d.giveBack(events, before.state.UserID)
}

// losing names the streams of payments and credits whose money a fee has no room for any more.
func losing(events []fee.Event, userID string) []string {
	var names []string
	for _, e := range events {
		switch e := e.(type) {
		case fee.PaymentUnapplied:
			names = append(names, payment.Stream(e.PaymentID), credit.Stream(userID))
		case fee.CreditUnapplied:
			names = append(names, credit.Stream(userID))
		default:
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// giveBack carries over what was taken off a fee: money of payments to credits, money of credits to their lots.
func (d *draft) giveBack(events []fee.Event, userID string) error {
	var err error
	for _, e := range events {
		switch e := e.(type) {
		case fee.PaymentUnapplied:
			err = d.toCredit(e, userID)
		case fee.CreditUnapplied:
			_, err = d.onCredit(userID, credit.Return{AllocationID: e.AllocationID, Amount: e.Amount, At: d.at})
		default:
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (d *draft) toCredit(e fee.PaymentUnapplied, userID string) error {
	id := d.ids.next().String()
	after, err := d.onPayment(e.PaymentID, userID, payment.Reallocate{
		Taken: []payment.Taken{{AllocationID: e.AllocationID, Amount: e.Amount}}, CreditID: id, Cause: payment.CauseAdjustment,
	})
	if err != nil {
		return err
	}
	return d.apply(after.state, nil, payment.Credit{ID: id, Amount: e.Amount}, credit.SourceAdjustment, false)
}
