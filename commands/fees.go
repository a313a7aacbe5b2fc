package commands

import (
	"context"
	"errors"
	"fmt"

	"payledger/domain/fee"
	"payledger/domain/money"
	"payledger/domain/payment"
	"payledger/eventstore"
	"payledger/readmodels"
)

// NewFee is what AssessFee needs. Without an id one is made.
type NewFee struct {
	FeeID  string
	UserID string
	LoanID string
	Amount money.Amount
	Reason string
	Note   string
}

// AssessFee charges a fee to a person. Its own refusals are ErrIDInUse, ErrEffectiveInFuture and money.ErrNotPositive.
func (s *Service) AssessFee(ctx context.Context, req Request, p NewFee) (eventstore.Result, error) {
	if p.FeeID == "" {
		ids := sequence{req.CommandID}
		p.FeeID = ids.next().String()
	}
	work := plan{
		fresh: []eventstore.StreamID{{Tenant: req.Tenant, Name: fee.Stream(p.FeeID)}},
		decide: func(d *draft) (Outcome, error) {
			d.ids.next() // the fee's
			d.takesEffect()
			after, err := d.onFee(p.FeeID, p.UserID, fee.Assess{
				FeeID: p.FeeID, UserID: p.UserID, LoanID: p.LoanID, Amount: p.Amount, Reason: p.Reason, Note: p.Note, At: d.at,
			})
			if errors.Is(err, fee.ErrExists) {
				return Outcome{}, fmt.Errorf("fee %s: %w", p.FeeID, ErrIDInUse)
			}
			return Outcome{Fee: feeRow(after)}, err
		},
	}
	if p.Note != "" {
		work.sealFor = p.UserID
	}
	return s.run(ctx, req, work)
}

// FeePatch is what PatchFee changes. Without a status or a note the fee keeps its own.
type FeePatch struct {
	FeeID  string
	Status *readmodels.FeeStatus
	Note   string
}

// PatchFee changes a fee's status and note. Waived forgives all that is owed, canceled takes the fee back, paid records a payment
// (tender other) of all that is owed. What is so already is no change. Its own refusals are ErrFeeNotFound,
// *VersionMismatchError, ErrStatusNotSettable, ErrEffectiveInFuture, and those of the fee's decider.
func (s *Service) PatchFee(ctx context.Context, req Request, p FeePatch) (eventstore.Result, error) {
	ids := sequence{req.CommandID}
	paymentID := ids.next().String()
	work := plan{
		streams: []eventstore.StreamID{{Tenant: req.Tenant, Name: fee.Stream(p.FeeID)}},
		decide: func(d *draft) (Outcome, error) {
			d.ids.next() // the payment's
			return d.patch(p, paymentID)
		},
	}
	if p.Status != nil && *p.Status == readmodels.FeePaid {
		work.fresh = []eventstore.StreamID{{Tenant: req.Tenant, Name: payment.Stream(paymentID)}}
	}
	return s.run(ctx, req, work)
}

func (d *draft) patch(p FeePatch, paymentID string) (Outcome, error) {
	before, err := d.existing(p.FeeID)
	if err != nil {
		return Outcome{}, err
	}
	d.takesEffect(fee.Stream(p.FeeID))
	if p.Status != nil && *p.Status != feeRow(before).Status {
		if err := d.setStatus(p, before.state, paymentID); err != nil {
			return Outcome{}, err
		}
	}
	if p.Note != "" {
		if _, err := d.onFee(p.FeeID, before.state.UserID, fee.Annotate{Note: p.Note, At: d.at}); err != nil {
			return Outcome{}, err
		}
	}
	return Outcome{Fee: feeRow(d.fee(p.FeeID))}, nil
}

// existing returns a fee that was assessed and isn't deleted. A version that the caller asks for is the fee's row's.
func (d *draft) existing(feeID string) (folded[fee.State], error) {
	before := d.fee(feeID)
	if !before.state.Exists || before.state.Hidden {
		return before, fmt.Errorf("fee %s: %w", feeID, ErrFeeNotFound)
	}
	return before, d.matches(feeRow(before).RecordVersion)
}

// setStatus decides the command that leads to a status.
func (d *draft) setStatus(p FeePatch, before fee.State, paymentID string) error {
	var err error
	switch *p.Status {
	case readmodels.FeeWaived:
		if before.Outstanding().IsPositive() && before.Reserved().IsPositive() { // part of it could not be
			return fmt.Errorf("fee %s: %w", p.FeeID, fee.ErrReserved)
		}
		_, err = d.onFee(p.FeeID, before.UserID, fee.Waive{ReductionID: d.peek(), Note: p.Note, At: d.at})
	case readmodels.FeeCanceled:
		_, err = d.onFee(p.FeeID, before.UserID, fee.Cancel{Cause: fee.CauseError, Note: p.Note, At: d.at})
	case readmodels.FeePaid:
		if err = owing(p.FeeID, before); err != nil {
			return err
		}
		owed := before.Outstanding()
		_, err = d.pay(
			NewPayment{PaymentID: paymentID, UserID: before.UserID, Tender: payment.TenderOther, Amount: owed},
			[]payment.Share{{FeeID: p.FeeID, Amount: owed}}, money.Zero(before.Currency),
		)
	case readmodels.FeeUnpaid, readmodels.FeePaymentInProgress:
		err = ErrStatusNotSettable
	default:
		err = ErrStatusNotSettable
	}
	return err
}

// owing refuses money for a fee where nothing is owed, or nothing that isn't held for another payment, with the reason.
func owing(feeID string, s fee.State) error {
	switch {
	case s.Cancelled:
		return fmt.Errorf("fee %s: %w", feeID, fee.ErrCancelled)
	case s.Outstanding().IsZero():
		return fmt.Errorf("fee %s: %w", feeID, fee.ErrAlreadySettled)
	case s.Free().IsZero():
		return fmt.Errorf("fee %s: %w", feeID, fee.ErrReserved)
	}
	return nil
}

// DeleteFee takes a fee back that should never have been, and ends its being shown. Its own refusals are ErrFeeNotFound,
// *VersionMismatchError, ErrEffectiveInFuture, and those of the fee's decider: fee.ErrMoneyApplied once money is on it.
func (s *Service) DeleteFee(ctx context.Context, req Request, feeID string) (eventstore.Result, error) {
	return s.run(ctx, req, plan{
		streams: []eventstore.StreamID{{Tenant: req.Tenant, Name: fee.Stream(feeID)}},
		decide: func(d *draft) (Outcome, error) {
			before, err := d.existing(feeID)
			if err != nil {
				return Outcome{}, err
			}
			d.takesEffect(fee.Stream(feeID))
			after, err := d.onFee(feeID, before.state.UserID, fee.Cancel{Cause: fee.CauseError, Hide: true, At: d.at})
			return Outcome{Fee: feeRow(after)}, err
		},
	})
}
