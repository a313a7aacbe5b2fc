package readmodels

import (
	"slices"

	"payledger/domain/fee"
	"payledger/domain/money"
	"payledger/eventstore/catalog"
)

// FoldFee returns what a fee's stream comes to after an event of it; s is nil before the first. Every event but those of
// notes is one change of the fee's row; those that matter to a reader are a feeEvent as well.
func FoldFee(s *FeeState, ev catalog.Event) (*FeeState, []Change, error) {
	return foldFee(s, &ev)
}

func foldFee(s *FeeState, ev *catalog.Event) (*FeeState, []Change, error) {
	next := s
	if s != nil && s.Fee != nil {
		row := *s.Fee
		next = &FeeState{Fee: &row, Notes: s.Notes}
	}
	next, notes, err := advanceFee(next, ev)
	if err != nil || notes != nil {
		return next, notes, err
	}
	changes := make([]Change, 0, 2)
	if s == nil {
		changes = append(changes, Change{Object: ObjectFee, Action: ActionCreated, New: next.Fee})
	} else {
		changes = append(changes, updated(ObjectFee, s.Fee, next.Fee))
	}
	if row := new(FeeEvent); happened(row, next.Fee, ev) {
		changes = append(changes, Change{Object: ObjectFeeEvent, Action: ActionCreated, New: row})
	}
	return next, changes, nil
}

// advanceFee changes the state of a fee's stream by an event, and returns what it did to notes.
func advanceFee(s *FeeState, ev *catalog.Event) (next *FeeState, notes []Change, err error) {
	e, ok := ev.Data.(fee.Event)
	if !ok {
		return nil, nil, unexpected(ev)
	}
	if assessed, ok := e.(fee.Assessed); ok {
		next, err = assessFee(s, &assessed, ev)
		return next, nil, err
	}
	if s == nil || s.Fee == nil {
		return nil, nil, unexpected(ev)
	}
	row := s.Fee
	row.StreamVersion, row.Position = ev.Version, ev.Position
	if isNote, notes := s.note(e, ev); isNote {
		if notes == nil {
			return nil, nil, unexpected(ev)
		}
		return s, notes, nil
	}
	row.RecordVersion++
	row.UpdatedAt = ev.Meta.At
	if !row.apply(e) {
		return nil, nil, unexpected(ev)
	}
	if before := row.Status; row.status() != before {
		row.Status, row.StatusUpdateDate = row.status(), ev.EffectiveAt
	}
	return s, nil, nil
}

func assessFee(s *FeeState, e *fee.Assessed, ev *catalog.Event) (*FeeState, error) {
	if s != nil || !e.Amount.IsPositive() {
		return nil, unexpected(ev)
	}
	none := money.Zero(e.Amount.Currency())
	both := &struct { // one piece of memory: most streams have little more
		state FeeState
		row   Fee
	}{row: Fee{
		Tenant: ev.Stream.Tenant, ID: e.FeeID, UserID: e.UserID, LoanID: e.LoanID, Amount: e.Amount, Status: FeeUnpaid,
		StatusUpdateDate: ev.EffectiveAt, Reason: e.Reason, Note: e.Note, IsActive: true,
		CreatedAt: ev.Meta.At, UpdatedAt: ev.Meta.At, Paid: none, Reduced: none, Reserved: none, StreamVersion: ev.Version, Position: ev.Position,
	}}
	both.state.Fee = &both.row
	return &both.state, nil
}

// apply changes the sums and texts of the row, which is a copy, by one event. It reports false for amounts in another
// currency, or beyond any that was decided: the log is damaged then.
func (r *Fee) apply(e fee.Event) bool {
	var err error
	switch e := e.(type) {
	case fee.Assessed, fee.NoteAdded, fee.NoteChanged, fee.NoteHidden:
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
	case fee.WriteOffRecovered:
		r.Reduced, err = r.Reduced.Sub(e.Amount)
	case fee.RecoveryReversed:
		r.Reduced, err = r.Reduced.Add(e.Amount)
	case fee.Cancelled:
		r.Amount, err = r.Amount.Sub(e.Amount)
		r.Cancelled, r.IsActive = true, !e.Hidden
		r.annotate(e.Note)
	case fee.PaymentReserved:
		r.Reserved, err = r.Reserved.Add(e.Amount)
	case fee.ReservationReleased:
		r.Reserved, err = r.Reserved.Sub(e.Amount)
	case fee.PaymentApplied:
		r.Paid, err = r.Paid.Add(e.Amount)
	case fee.PaymentUnapplied:
		r.Paid, err = r.Paid.Sub(e.Amount)
	case fee.CreditApplied:
		r.Paid, err = r.Paid.Add(e.Amount)
	case fee.CreditUnapplied:
		r.Paid, err = r.Paid.Sub(e.Amount)
	case fee.Annotated:
		r.Note = e.Note
	}
	return err == nil
}

// annotate shows the note of a command, if it has one, as the fee's: the last that was said about it.
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
	case r.Outstanding().IsPositive() && r.Reserved.IsPositive():
		return FeePaymentInProgress
	case r.Outstanding().IsPositive():
		return FeeUnpaid
	case r.Paid.IsPositive():
		return FeePaid
	default:
		return FeeWaived
	}
}

// happened makes the feeEvent that an event of a fee is to a reader, and reports whether it is one, not only bookkeeping.
func happened(made *FeeEvent, row *Fee, ev *catalog.Event) bool {
	kind, note := EventAssessed, ""
	event, _ := ev.Data.(fee.Event)
	switch e := event.(type) {
	case fee.Assessed:
		note = e.Note
	case fee.PaymentReserved:
		kind = EventPaymentAttempt
	case fee.PaymentApplied, fee.CreditApplied:
		kind = EventPaymentSuccess
	case fee.ReservationReleased:
		if kind = EventPaymentFail; e.Cause != fee.ReleaseFailed {
			return false
		}
	case fee.Waived:
		kind, note = EventWaived, e.Note
	case fee.WrittenOff:
		kind, note = EventWaived, e.Note
	case fee.Cancelled:
		kind, note = EventCanceled, e.Note
	case fee.Adjusted, fee.ReductionReleased, fee.ReductionReversed, fee.WriteOffRecovered, fee.RecoveryReversed, fee.PaymentUnapplied,
		fee.CreditUnapplied, fee.Annotated, fee.NoteAdded, fee.NoteChanged, fee.NoteHidden:
		return false
	}
	*made = newFeeEvent(row, ev)
	made.EventType, made.Note = kind, note
	return true
}

func newFeeEvent(row *Fee, ev *catalog.Event) FeeEvent {
	return FeeEvent{
		Tenant: row.Tenant, ID: ev.ID.String(), FeeID: row.ID, UserID: row.UserID, EventDate: ev.EffectiveAt, ActorUserID: someone(&ev.Meta.Actor),
		IsActive: true, CreatedAt: ev.Meta.At, UpdatedAt: ev.Meta.At, Position: ev.Position,
	}
}

// someone returns the id of who did it, empty for the system itself: its name is no id.
func someone(a *catalog.Actor) string {
	if a.Kind == "system" {
		return ""
	}
	return a.ID
}

// note applies an event of a note, and reports whether it is one; without changes it doesn't fit.
func (s *FeeState) note(e fee.Event, ev *catalog.Event) (bool, []Change) {
	switch e := e.(type) {
	case fee.NoteAdded:
		if s.Note(e.NoteID) != nil {
			return true, nil
		}
		added := newFeeEvent(s.Fee, ev)
		added.ID, added.EventType, added.Note, added.StaffOnly = e.NoteID, EventNote, e.Note, e.Visibility == fee.VisibilityStaff
		s.Notes = append(slices.Clip(s.Notes), &added)
		return true, []Change{{Object: ObjectFeeEvent, Action: ActionCreated, New: &added}}
	case fee.NoteChanged:
		return true, s.changeNote(e.NoteID, ev, func(n *FeeEvent) { n.Note = e.Note })
	case fee.NoteHidden:
		return true, s.changeNote(e.NoteID, ev, func(n *FeeEvent) { n.IsActive = false })
	case fee.Assessed, fee.Adjusted, fee.Waived, fee.WrittenOff, fee.ReductionReleased, fee.ReductionReversed, fee.WriteOffRecovered,
		fee.RecoveryReversed, fee.Cancelled, fee.PaymentReserved, fee.ReservationReleased, fee.PaymentApplied, fee.PaymentUnapplied, fee.CreditApplied, fee.CreditUnapplied,
		fee.Annotated:
	}
	return false, nil
}

// changeNote puts a changed copy of a note in its place; nil if there is no such note, or it is hidden.
func (s *FeeState) changeNote(id string, ev *catalog.Event, change func(*FeeEvent)) []Change {
	i := slices.IndexFunc(s.Notes, func(n *FeeEvent) bool { return n.ID == id && n.IsActive })
	if i < 0 {
		return nil
	}
	old, next := s.Notes[i], *s.Notes[i]
	next.RecordVersion++
	next.UpdatedAt, next.Position = ev.Meta.At, ev.Position
	change(&next)
	s.Notes = slices.Clone(s.Notes)
	s.Notes[i] = &next
	return []Change{updated(ObjectFeeEvent, old, &next)}
}
