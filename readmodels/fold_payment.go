package readmodels

import (
	"slices"

	"payledger/domain/money"
	"payledger/domain/payment"
	"payledger/eventstore/catalog"
)

// FoldPayment returns a payment with its rows after an event of its stream; p is nil before the first.
func FoldPayment(p *Payment, ev catalog.Event) (*Payment, []Change, error) {
	return foldPayment(p, &ev)
}

func foldPayment(p *Payment, ev *catalog.Event) (*Payment, []Change, error) {
	e, ok := ev.Data.(payment.Event)
	if !ok {
		return nil, nil, unexpected(ev)
	}
	f := paymentFold{ev: ev}
	switch e := e.(type) {
	case payment.Started:
		ok = p == nil
		f.start(e)
	case payment.Captured:
		f.next, ok = p.copied(), p == nil || p.pending()
		f.capture(e)
	case payment.Failed:
		f.next, ok = p.copied(), p.pending()
		f.end(PaymentFailed, false, e.Note)
	case payment.Cancelled:
		f.next, ok = p.copied(), p.pending()
		f.end(PaymentCanceled, e.Hidden, e.Note)
	case payment.Voided:
		f.next, ok = p.copied(), p != nil
		f.void(e)
	case payment.Reallocated:
		f.next, ok = p.copied(), p != nil
		ok = ok && f.reallocate(e)
	case payment.Annotated:
		f.next, ok = p.copied(), p != nil
		ok = ok && f.annotate(e)
	}
	if !ok {
		return nil, nil, unexpected(ev)
	}
	f.next.Position = ev.Position
	return f.next, f.changes, nil
}

// PaymentOf returns a payment as far as its rows tell of it, which is enough to fold on.
func PaymentOf(tenant, id string, rows []*FeePayment) *Payment {
	p := &Payment{Tenant: tenant, ID: id, Rows: make([]FeePayment, len(rows))}
	for i, r := range rows {
		p.Rows[i] = *r
		p.UserID, p.Credit, p.Position = r.UserID, money.Zero(r.AmountPaid.Currency()), max(p.Position, r.Position)
	}
	return p
}

// copied returns a copy whose rows may be replaced, an empty one of nil.
func (p *Payment) copied() *Payment {
	if p == nil {
		return &Payment{}
	}
	next := *p
	next.Rows = slices.Clone(p.Rows)
	return &next
}

// pending reports whether the payment has started and its money is still on its way.
func (p *Payment) pending() bool {
	return p != nil && len(p.Rows) > 0 && !slices.ContainsFunc(p.Rows, func(r FeePayment) bool { return r.PaymentStatus != PaymentPending })
}

// paymentFold is a payment after an event, while it is worked out.
type paymentFold struct {
	ev      *catalog.Event
	next    *Payment
	changes []Change
}

func (f *paymentFold) start(e payment.Started) {
	f.next = &Payment{
		Tenant: f.ev.Stream.Tenant, ID: e.PaymentID, UserID: e.UserID, Tender: string(e.Tender),
		Amount: e.Amount, Credit: money.Zero(e.Amount.Currency()),
	}
	like := f.allocation(e.Tender, PaymentPending, e.HandledBy, e.Note, e.StripePaymentIntentID)
	f.create(like, e.Allocations)
}

// capture makes a row for each allocation, or completes those that were pending. What became a credit has no row; a pending
// one whose fee took nothing any more is canceled.
func (f *paymentFold) capture(e payment.Captured) {
	started := f.next.Rows
	*f.next = Payment{
		Tenant: f.ev.Stream.Tenant, ID: e.PaymentID, UserID: e.UserID, Tender: string(e.Tender), Amount: e.Amount, Credit: e.Credit, Rows: started,
	}
	like := f.allocation(e.Tender, PaymentComplete, e.HandledBy, e.Note, e.StripePaymentIntentID)
	if len(started) == 0 {
		f.create(like, e.Allocations)
		return
	}
	for i := range started {
		at := slices.IndexFunc(e.Allocations, func(a payment.Allocation) bool { return a.ID == started[i].ID })
		f.change(i, func(row *FeePayment) {
			if at < 0 {
				row.PaymentStatus = PaymentCanceled
				return
			}
			row.AmountPaid, row.PaymentStatus, row.PaymentDate = e.Allocations[at].Amount, PaymentComplete, f.ev.EffectiveAt
			row.HandledByUserID, row.StripePaymentIntentID = e.HandledBy, e.StripePaymentIntentID
			row.annotate(e.Note)
		})
	}
}

// end gives the rows that hold money the word for a payment without any. A hidden payment has no row that is shown.
func (f *paymentFold) end(status PaymentStatus, hidden bool, note string) {
	for i := range f.next.Rows {
		if row := &f.next.Rows[i]; !row.holdsMoney() {
			if hidden && row.IsActive {
				f.change(i, func(row *FeePayment) { row.IsActive = false })
			}
			continue
		}
		f.change(i, func(row *FeePayment) {
			row.PaymentStatus, row.IsActive = status, !hidden
			row.annotate(note)
		})
	}
}

func (f *paymentFold) void(e payment.Voided) {
	f.next.Credit = money.Zero(e.Amount.Currency())
	status := PaymentCanceled
	if e.Outcome == payment.OutcomeFailed {
		status = PaymentFailed
	}
	f.end(status, e.Hidden, e.Note)
}

// reallocate takes money from rows, all of one that is canceled then, and makes rows of what is given. New rows are like
// those that lost money, but for the fee.
func (f *paymentFold) reallocate(e payment.Reallocated) bool {
	if len(e.Taken) == 0 {
		return false
	}
	var like FeePayment
	for _, taken := range e.Taken {
		i := f.find(taken.AllocationID)
		if i < 0 {
			return false
		}
		like = f.next.Rows[i]
		left, err := like.AmountPaid.Sub(taken.Amount)
		if err != nil || left.IsNegative() {
			return false
		}
		f.change(i, func(row *FeePayment) {
			if left.IsZero() {
				row.PaymentStatus = PaymentCanceled
			} else {
				row.AmountPaid = left
			}
		})
	}
	like.RecordVersion = 0
	like.PaymentDate, like.CreatedAt, like.UpdatedAt, like.Position = f.ev.EffectiveAt, f.ev.Meta.At, f.ev.Meta.At, f.ev.Position
	like.annotate(e.Note)
	f.create(like, e.Given)
	credit, err := f.next.Credit.Add(e.Credit)
	f.next.Credit = credit
	return err == nil
}

func (f *paymentFold) annotate(e payment.Annotated) bool {
	i := slices.IndexFunc(f.next.Rows, func(r FeePayment) bool { return r.ID == e.AllocationID && r.IsActive })
	if i < 0 {
		return false
	}
	f.change(i, func(row *FeePayment) { row.Note = e.Note })
	return true
}

// allocation returns a new row of the payment, without what is an allocation's own.
func (f *paymentFold) allocation(tender payment.Tender, status PaymentStatus, handledBy, note, intentID string) FeePayment {
	return FeePayment{
		Tenant: f.next.Tenant, PaymentID: f.next.ID, UserID: f.next.UserID, PaymentMethod: paidBy(tender), PaymentStatus: status,
		PaymentDate: f.ev.EffectiveAt, StripePaymentIntentID: intentID, HandledByUserID: handledBy, Note: note, IsActive: true,
		CreatedAt: f.ev.Meta.At, UpdatedAt: f.ev.Meta.At, Position: f.ev.Position,
	}
}

// create adds a row for each allocation.
func (f *paymentFold) create(like FeePayment, allocations []payment.Allocation) {
	first := len(f.next.Rows)
	f.next.Rows = slices.Grow(f.next.Rows, len(allocations)) // no move below: changes point into it
	f.changes = slices.Grow(f.changes, len(allocations))
	for i, a := range allocations {
		row := like
		row.ID, row.FeeID, row.AmountPaid = a.ID, a.FeeID, a.Amount
		f.next.Rows = append(f.next.Rows, row)
		f.changes = append(f.changes, Change{Object: ObjectFeePayment, Action: ActionCreated, New: &f.next.Rows[first+i]})
	}
}

// change replaces a row by a changed copy.
func (f *paymentFold) change(i int, change func(*FeePayment)) {
	old, next := f.next.Rows[i], f.next.Rows[i]
	next.RecordVersion++
	next.UpdatedAt, next.Position = f.ev.Meta.At, f.ev.Position
	change(&next)
	f.next.Rows[i] = next
	f.changes = append(f.changes, updated(ObjectFeePayment, &old, &next))
}

// find returns the index of an allocation that holds money, -1 for none.
func (f *paymentFold) find(id string) int {
	return slices.IndexFunc(f.next.Rows, func(r FeePayment) bool { return r.ID == id && r.holdsMoney() })
}

// annotate shows the note of an event, if it has one: the last that was said about it.
func (r *FeePayment) annotate(note string) {
	if note != "" {
		r.Note = note
	}
}

// paidBy is the contract's word for a tender: a check is other.
func paidBy(t payment.Tender) PaidBy {
	switch t {
	case payment.TenderCash:
		return PaidByCash
	case payment.TenderPOS:
		return PaidByPOS
	case payment.TenderCheck, payment.TenderOther:
		return PaidByOther
	}
	return PaidByOther
}
