package readmodels

import (
	"errors"
	"fmt"
	"strings"

	"payledger/domain/credit"
	"payledger/domain/fee"
	"payledger/domain/money"
	"payledger/domain/payment"
	"payledger/eventstore/catalog"
)

// The beginnings of the names of streams.
const (
	feePrefix     = "fee-"
	paymentPrefix = "payment-"
	creditPrefix  = "credit-"
)

var (
	// ErrUnknownStream reports a stream whose name begins like none that rows are folded from or that is known to have none.
	ErrUnknownStream = errors.New("unknown kind of stream")
	// ErrUnexpectedEvent reports an event that stands where it can't, such as a payment on a fee that was never assessed. The log is damaged.
	ErrUnexpectedEvent = errors.New("event doesn't fit its stream")
)

// Fold returns the state of a stream after an event, and what the event did to rows: the one entry that all readers use.
// The state is a *Fee or a *Payment, nil before the first event and for streams without rows. It is pure: the given
// state stays as it was. Its errors are ErrUnknownStream and ErrUnexpectedEvent.
func Fold(state any, ev catalog.Event) (any, []Change, error) {
	switch name := ev.Stream.Name; {
	case strings.HasPrefix(name, feePrefix):
		row, _ := state.(*Fee)
		next, changes, err := FoldFee(row, ev)
		return next, changes, err
	case strings.HasPrefix(name, paymentPrefix):
		row, _ := state.(*Payment)
		next, changes, err := FoldPayment(row, ev)
		return next, changes, err
	case strings.HasPrefix(name, creditPrefix):
		if _, ok := ev.Data.(credit.Event); !ok {
			return nil, nil, unexpected(ev)
		}
		return nil, nil, nil
	}
	return nil, nil, fmt.Errorf("fold event %s: %w: %s", ev.ID, ErrUnknownStream, ev.Stream)
}

// FoldFee returns the row of a fee after an event of its stream; row is nil before the first. Each event is one change.
func FoldFee(row *Fee, ev catalog.Event) (*Fee, []Change, error) {
	e, ok := ev.Data.(fee.Event)
	if !ok {
		return nil, nil, unexpected(ev)
	}
	if assessed, ok := e.(fee.Assessed); ok {
		return assessFee(row, assessed, ev)
	}
	if row == nil {
		return nil, nil, unexpected(ev)
	}
	next := *row
	next.RecordVersion = ev.Version - 1
	next.UpdatedAt = ev.Meta.At
	next.Position = ev.Position
	if !next.apply(e) {
		return nil, nil, unexpected(ev)
	}
	if next.Status = next.status(); next.Status != row.Status {
		next.StatusUpdateDate = ev.EffectiveAt
	}
	return &next, []Change{{Object: ObjectFee, Action: ActionUpdated, Old: row, New: &next}}, nil
}

func assessFee(row *Fee, e fee.Assessed, ev catalog.Event) (*Fee, []Change, error) {
	if row != nil || !e.Amount.IsPositive() {
		return nil, nil, unexpected(ev)
	}
	none := money.Zero(e.Amount.Currency())
	next := &Fee{
		Tenant: ev.Stream.Tenant, ID: e.FeeID, UserID: e.UserID, LoanID: e.LoanID, Amount: e.Amount, Status: FeeUnpaid,
		StatusUpdateDate: ev.EffectiveAt, Reason: e.Reason, Note: e.Note, IsActive: true, RecordVersion: ev.Version - 1,
		CreatedAt: ev.Meta.At, UpdatedAt: ev.Meta.At, Paid: none, Reduced: none, Position: ev.Position,
	}
	return next, []Change{{Object: ObjectFee, Action: ActionCreated, New: next}}, nil
}

// apply changes the sums and texts of the row, which is a copy, by one event. It reports false for amounts in another
// currency, or beyond any that was decided: the log is damaged then.
func (r *Fee) apply(e fee.Event) bool {
	var err error
	switch e := e.(type) {
	case fee.Assessed:
		return false
	case fee.Adjusted:
		if e.Direction == fee.DirectionIncrease {
			r.Amount, err = r.Amount.Add(e.Amount)
		} else {
			r.Amount, err = r.Amount.Sub(e.Amount)
		}
		r.annotate(e.Note)
	case fee.Waived:
		r.Reduced, err = r.Reduced.Add(e.Amount)
		r.annotate(e.Note)
	case fee.WrittenOff:
		r.Reduced, err = r.Reduced.Add(e.Amount)
		r.annotate(e.Note)
	case fee.ReductionReleased:
		r.Reduced, err = r.Reduced.Sub(e.Amount)
	case fee.ReductionReversed:
		r.Reduced, err = r.Reduced.Sub(e.Amount)
		r.annotate(e.Note)
	case fee.Cancelled:
		r.Amount, err = r.Amount.Sub(e.Amount)
		r.Cancelled = true
		r.IsActive = r.IsActive && !e.Hidden
		r.annotate(e.Note)
	case fee.PaymentApplied:
		r.Paid, err = r.Paid.Add(e.Amount)
	case fee.CreditApplied:
		r.Paid, err = r.Paid.Add(e.Amount)
	case fee.PaymentUnapplied:
		r.Paid, err = r.Paid.Sub(e.Amount)
	case fee.CreditUnapplied:
		r.Paid, err = r.Paid.Sub(e.Amount)
	case fee.PaymentReserved, fee.ReservationReleased, fee.NoteAdded, fee.NoteChanged, fee.NoteHidden:
	case fee.Annotated:
		r.Note = e.Note
	}
	return err == nil
}

// annotate shows the note of a waiver or cancellation, if it has one, as the fee's: the last that was said about it.
func (r *Fee) annotate(note string) {
	if note != "" {
		r.Note = note
	}
}

// Outstanding returns what is still owed.
func (r *Fee) Outstanding() money.Amount {
	return money.New(r.Amount.Minor()-r.Reduced.Minor()-r.Paid.Minor(), r.Amount.Currency())
}

// status derives the contract's word from the sums, as fee.State.Status does.
func (r *Fee) status() FeeStatus {
	switch {
	case r.Cancelled, r.Amount.IsZero():
		return FeeCanceled
	case r.Outstanding().IsPositive():
		return FeeUnpaid
	case r.Paid.IsPositive():
		return FeePaid
	default:
		return FeeWaived
	}
}

// FoldPayment returns a payment with its rows after an event of its stream; p is nil before the first.
func FoldPayment(p *Payment, ev catalog.Event) (*Payment, []Change, error) {
	e, ok := ev.Data.(payment.Event)
	if !ok {
		return nil, nil, unexpected(ev)
	}
	switch e := e.(type) {
	case payment.Captured:
		if p != nil {
			return nil, nil, unexpected(ev)
		}
		next, changes := capture(e, ev)
		return next, changes, nil
	case payment.Started, payment.Failed, payment.Cancelled, payment.Voided, payment.Reallocated, payment.Annotated:
	}
	return nil, nil, unexpected(ev)
}

// capture makes the payment with a row for each allocation. What became a credit has no row.
func capture(e payment.Captured, ev catalog.Event) (*Payment, []Change) {
	p := &Payment{
		Tenant: ev.Stream.Tenant, ID: e.PaymentID, UserID: e.UserID, Tender: string(e.Tender),
		Amount: e.Amount, Credit: e.Credit, Rows: make([]FeePayment, len(e.Allocations)), Position: ev.Position,
	}
	changes := make([]Change, len(e.Allocations))
	for i, a := range e.Allocations {
		p.Rows[i] = FeePayment{
			Tenant: p.Tenant, ID: a.ID, PaymentID: p.ID, FeeID: a.FeeID, AmountPaid: a.Amount, UserID: p.UserID,
			PaymentMethod: paymentMethod(e.Tender), PaymentStatus: PaymentComplete, PaymentDate: ev.EffectiveAt,
			HandledByUserID: e.HandledBy, Note: e.Note, IsActive: true,
			CreatedAt: ev.Meta.At, UpdatedAt: ev.Meta.At, Position: ev.Position,
		}
		changes[i] = Change{Object: ObjectFeePayment, Action: ActionCreated, New: &p.Rows[i]}
	}
	return p, changes
}

// paymentMethod is the contract's word for a tender: a check is other.
func paymentMethod(t payment.Tender) PaymentMethod {
	switch t {
	case payment.TenderCash:
		return PaymentMethodCash
	case payment.TenderPOS:
		return PaymentMethodPOS
	case payment.TenderCheck, payment.TenderOther:
		return PaymentMethodOther
	}
	return PaymentMethodOther
}

func unexpected(ev catalog.Event) error {
	return fmt.Errorf("fold event %s: %w: %s v%d as version %d of %s", ev.ID, ErrUnexpectedEvent, ev.Type, ev.Schema, ev.Version, ev.Stream)
}
