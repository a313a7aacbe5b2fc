package commands

import (
	"context"
	"fmt"
	"strings"

	"payledger/domain/credit"
	"payledger/domain/fee"
	"payledger/domain/money"
	"payledger/domain/payment"
	"payledger/eventstore"
	"payledger/readmodels"
)

// NewFeePayment is what CreateFeePayment needs: a payment for one fee. Without an id one is made.
type NewFeePayment struct {
	ID                    string // of the row: its allocation's; the payment has the same
	FeeID                 string
	UserID                string // whose fee it is
	Tender                payment.Tender
	Amount                money.Amount
	Status                readmodels.PaymentStatus
	StripePaymentIntentID string
	Note                  string
}

// CreateFeePayment records money for one fee (PaymentComplete), or says that it is on its way (PaymentPending). Its own refusals are
// ErrIDInUse, ErrStatusNotSettable for another status, ErrFeeNotFound, ErrOtherUsersFee, ErrEffectiveInFuture, and those of the deciders.
func (s *Service) CreateFeePayment(ctx context.Context, req Request, p NewFeePayment) (eventstore.Result, error) {
	if p.Status != readmodels.PaymentComplete && p.Status != readmodels.PaymentPending {
		return eventstore.Result{}, fmt.Errorf("new feePayment: %w", ErrStatusNotSettable)
	}
	ids := sequence{req.CommandID}
	if p.ID == "" {
		p.ID = ids.next().String()
	} else if err := s.free(ctx, req.Tenant, readmodels.ObjectFeePayment, p.ID); err != nil {
		return eventstore.Result{}, err
	}
	work := plan{
		streams: []eventstore.StreamID{{Tenant: req.Tenant, Name: fee.Stream(p.FeeID)}},
		fresh:   []eventstore.StreamID{{Tenant: req.Tenant, Name: payment.Stream(p.ID)}},
		decide: func(d *draft) (Outcome, error) {
			d.ids.next() // the payment's
			return d.createFeePayment(p)
		},
	}
	if p.Note != "" {
		work.sealFor = p.UserID
	}
	return s.run(ctx, req, work)
}

func (d *draft) createFeePayment(p NewFeePayment) (Outcome, error) {
	pay := NewPayment{
		PaymentID: p.ID, UserID: p.UserID, Tender: p.Tender, Amount: p.Amount, Shares: []payment.Share{{FeeID: p.FeeID, Amount: p.Amount}}, Note: p.Note,
		allocationIDs: []string{p.ID}, stripePaymentIntentID: p.StripePaymentIntentID,
	}
	if p.Status == readmodels.PaymentPending {
		return d.start(pay)
	}
	outcome, err := d.recordPayment(pay, []string{p.FeeID})
	if err != nil {
		return Outcome{}, err
	}
	return Outcome{Payment: outcome.Payment, FeePayment: feePaymentRow(d.payment(p.ID), p.ID)}, nil
}

// start says that money for one fee is on its way, and holds what it is for.
func (d *draft) start(p NewPayment) (Outcome, error) {
	if d.payment(p.PaymentID).state.Exists() {
		return Outcome{}, fmt.Errorf("payment %s: %w", p.PaymentID, ErrIDInUse)
	}
	feeID := p.Shares[0].FeeID
	if _, err := d.openFees(p, []string{feeID}); err != nil {
		return Outcome{}, err
	}
	d.takesEffect(fee.Stream(feeID))
	start := payment.Start{
		PaymentID: p.PaymentID, UserID: p.UserID, Tender: p.Tender, Amount: p.Amount, HandledBy: d.req.Actor.ID,
		Allocations:           []payment.Allocation{{ID: p.allocationIDs[0], FeeID: feeID, Amount: p.Amount}},
		StripePaymentIntentID: p.stripePaymentIntentID, Note: p.Note,
	}
	after, err := d.onPayment(p.PaymentID, p.UserID, start)
	if err != nil {
		return Outcome{}, err
	}
	reserve := fee.Reserve{PaymentID: p.PaymentID, AllocationID: p.allocationIDs[0], Amount: p.Amount, At: d.at}
	_, err = d.onFee(feeID, p.UserID, reserve)
	return Outcome{Payment: paymentRow(after), FeePayment: feePaymentRow(after, p.allocationIDs[0])}, err
}

// FeePaymentPatch is what PatchFeePayment changes. Without a status or a note the row keeps its own.
type FeePaymentPatch struct {
	ID     string
	Status *readmodels.PaymentStatus
	Note   string
}

// PatchFeePayment changes a feePayment's status and note. Pending becomes complete by capturing the payment, failed or canceled by
// ending it; complete becomes failed or canceled by voiding the payment. What is so already is no change. Its own refusals are
// ErrRecordNotFound, *VersionMismatchError, ErrStatusNotSettable, ErrPaysOthers, ErrEffectiveInFuture, ErrBeforeTakenBack, and
// those of the deciders.
func (s *Service) PatchFeePayment(ctx context.Context, req Request, p FeePaymentPatch) (eventstore.Result, error) {
	return s.onFeePayment(ctx, req, p.ID, func(d *draft, row *readmodels.FeePayment) error {
		if p.Status != nil && *p.Status != row.PaymentStatus {
			if err := d.setPaymentStatus(row, *p.Status); err != nil {
				return err
			}
		} else {
			d.takesEffect(payment.Stream(row.PaymentID))
		}
		if p.Note == "" {
			return nil
		}
		_, err := d.onPayment(row.PaymentID, row.UserID, payment.Annotate{AllocationID: row.ID, Note: p.Note})
		return err
	})
}

// DeleteFeePayment ends a pending payment, or voids a captured one, and ends its being shown. Its own refusals are those of PatchFeePayment.
func (s *Service) DeleteFeePayment(ctx context.Context, req Request, id string) (eventstore.Result, error) {
	return s.onFeePayment(ctx, req, id, func(d *draft, row *readmodels.FeePayment) error {
		switch row.PaymentStatus {
		case readmodels.PaymentPending:
			return d.endPayment(row.PaymentID, payment.Cancel{Hide: true}, fee.ReleaseCanceled)
		case readmodels.PaymentComplete:
			return d.voidRow(row, payment.Void{Outcome: payment.OutcomeCanceled, Hide: true})
		case readmodels.PaymentFailed, readmodels.PaymentCanceled:
		}
		return fmt.Errorf("feePayment %s: %w", id, payment.ErrNotCaptured)
	})
}

// onFeePayment carries out what is asked of one row of a payment.
func (s *Service) onFeePayment(ctx context.Context, req Request, id string, do func(*draft, *readmodels.FeePayment) error) (eventstore.Result, error) {
	stream, err := s.Rows.StreamOf(ctx, req.Tenant, readmodels.ObjectFeePayment, id)
	if err != nil {
		return eventstore.Result{}, fmt.Errorf("find feePayment %s: %w", id, err)
	}
	paymentID := strings.TrimPrefix(stream, payment.Stream(""))
	return s.run(ctx, req, plan{
		streams: []eventstore.StreamID{{Tenant: req.Tenant, Name: stream}},
		decide: func(d *draft) (Outcome, error) {
			row := feePaymentRow(d.payment(paymentID), id)
			if row == nil || !row.IsActive {
				return Outcome{}, fmt.Errorf("feePayment %s: %w", id, ErrRecordNotFound)
			}
			if err := d.matches(row.RecordVersion); err != nil {
				return Outcome{}, err
			}
			if err := do(d, row); err != nil {
				return Outcome{}, err
			}
			after := d.payment(paymentID)
			return Outcome{Payment: paymentRow(after), FeePayment: feePaymentRow(after, id)}, nil
		},
	})
}

// setPaymentStatus decides the command that leads to a status.
func (d *draft) setPaymentStatus(row *readmodels.FeePayment, to readmodels.PaymentStatus) error {
	switch from := row.PaymentStatus; {
	case from == readmodels.PaymentPending && to == readmodels.PaymentComplete:
		return d.capture(row.PaymentID)
	case from == readmodels.PaymentPending && to == readmodels.PaymentFailed:
		return d.endPayment(row.PaymentID, payment.Fail{}, fee.ReleaseFailed)
	case from == readmodels.PaymentPending && to == readmodels.PaymentCanceled:
		return d.endPayment(row.PaymentID, payment.Cancel{}, fee.ReleaseCanceled)
	case from == readmodels.PaymentComplete && to == readmodels.PaymentFailed:
		return d.voidRow(row, payment.Void{Outcome: payment.OutcomeFailed})
	case from == readmodels.PaymentComplete && to == readmodels.PaymentCanceled:
		return d.voidRow(row, payment.Void{Outcome: payment.OutcomeCanceled})
	}
	return fmt.Errorf("feePayment %s: %w", row.ID, ErrStatusNotSettable)
}

// voidRow voids a payment that is nothing but one row.
func (d *draft) voidRow(row *readmodels.FeePayment, c payment.Void) error {
	for _, a := range d.payment(row.PaymentID).state.Allocations {
		if a.ID != row.ID && a.Amount.IsPositive() {
			return fmt.Errorf("feePayment %s: %w", row.ID, ErrPaysOthers)
		}
	}
	return d.void(row.PaymentID, c)
}

// capture records that the money of a started payment arrived. Each fee takes what it still owes, also of what other payments
// hold; the rest becomes a credit.
func (d *draft) capture(paymentID string) error {
	before := d.payment(paymentID).state
	if err := d.need(touchedBy(before)...); err != nil {
		return err
	}
	d.takesEffect(append(touchedBy(before), payment.Stream(paymentID))...)
	if err := d.release(before, fee.ReleaseCaptured); err != nil {
		return err
	}
	capture := payment.Capture{CreditID: d.ids.next().String()}
	for _, a := range before.Allocations {
		if a.Amount = money.Min(a.Amount, d.fee(a.FeeID).state.Outstanding()); a.Amount.IsPositive() {
			capture.Allocations = append(capture.Allocations, a.Allocation)
		}
	}
	after, err := d.onPayment(paymentID, before.UserID, capture)
	if err != nil {
		return err
	}
	rest := payment.Credit{Amount: money.Zero(before.Amount.Currency())}
	if len(after.state.Credits) > 0 {
		rest = after.state.Credits[0]
	}
	return d.apply(after.state, capture.Allocations, rest, credit.SourceOverpayment, true)
}

// endPayment ends a started payment without money.
func (d *draft) endPayment(paymentID string, c payment.Command, cause fee.ReleaseCause) error {
	before := d.payment(paymentID).state
	if err := d.need(touchedBy(before)...); err != nil {
		return err
	}
	d.takesEffect(append(touchedBy(before), payment.Stream(paymentID))...)
	if _, err := d.onPayment(paymentID, before.UserID, c); err != nil {
		return err
	}
	return d.release(before, cause)
}

// release ends the reservations of a payment.
func (d *draft) release(p payment.State, cause fee.ReleaseCause) error {
	for _, a := range p.Allocations {
		if _, err := d.onFee(a.FeeID, p.UserID, fee.Release{AllocationID: a.ID, Cause: cause, At: d.at}); err != nil {
			return err
		}
	}
	return nil
}

// touchedBy names the streams that the end of a payment, or its void, may change beside its own.
func touchedBy(p payment.State) []string {
	names := []string{credit.Stream(p.UserID)}
	for _, a := range p.Allocations {
		names = append(names, fee.Stream(a.FeeID))
	}
	return names
}
