package fee

import (
	"fmt"
	"slices"

	"payledger/domain/money"
)

func adjust(s State, c Adjust) ([]Event, error) {
	if err := s.admits(c.At); err != nil {
		return nil, err
	}
	switch {
	case slices.Contains(s.adjustments, c.AdjustmentID):
		return nil, nil
	case s.Cancelled:
		return nil, ErrCancelled
	case c.Amount.Currency() != s.Currency:
		return nil, fmt.Errorf("%w: fee in %s", money.ErrCurrencyMismatch, s.Currency)
	case !c.Amount.IsPositive():
		return nil, money.ErrNotPositive
	}
	adjusted := Adjusted{AdjustmentID: c.AdjustmentID, Direction: c.Direction, Amount: c.Amount, Reason: c.Reason, Note: c.Note}
	switch c.Direction {
	case DirectionIncrease:
		if _, err := s.Gross.Add(c.Amount); err != nil {
			return nil, err
		}
		return []Event{adjusted}, nil
	case DirectionDecrease:
		if c.Amount.Cmp(s.Gross) > 0 {
			return nil, fmt.Errorf("%w: %s", ErrExceedsGross, s.Gross)
		}
		return append(s.makeRoom(minus(s.Gross, c.Amount)), adjusted), nil
	}
	return nil, fmt.Errorf("%w: %q", ErrUnknownDirection, c.Direction)
}

// makeRoom takes back what has no room under a lower gross. What was forgiven goes
// first and is never paid out; only then money, the newest first.
func (s State) makeRoom(gross money.Amount) []Event {
	var events []Event
	tooMuch := minus(plus(s.Reduced(), s.Allocated), gross)
	for _, r := range slices.Backward(s.reductions) {
		if part := money.Min(r.live, tooMuch); part.IsPositive() {
			events = append(events, ReductionReleased{ReductionID: r.id, Amount: part})
			tooMuch = minus(tooMuch, part)
		}
	}
	for _, a := range slices.Backward(s.allocations) {
		part := money.Min(a.live, tooMuch)
		if !part.IsPositive() {
			continue
		}
		tooMuch = minus(tooMuch, part)
		if a.paymentID == "" {
			events = append(events, CreditUnapplied{CreditID: a.creditID, AllocationID: a.id, Amount: part, Cause: UnapplyAdjustment})
			continue
		}
		for _, e := range s.takenOff(a, part, UnapplyAdjustment) {
			events = append(events, e)
			if again, ok := e.(RecoveryReversed); ok { // there is no room for the write-off either
				events = append(events, ReductionReleased{ReductionID: again.ReductionID, Amount: again.Amount})
			}
		}
	}
	return events
}
