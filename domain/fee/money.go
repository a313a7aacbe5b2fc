package fee

import (
	"errors"
	"fmt"
	"slices"

	"payledger/domain/money"
)

func reserve(s State, c Reserve) ([]Event, error) {
	if err := s.admits(c.At); err != nil {
		return nil, err
	}
	if s.reservation(c.AllocationID) >= 0 {
		return nil, nil
	}
	if err := s.settles(c.Amount); err != nil {
		return nil, err
	}
	return []Event{PaymentReserved{PaymentID: c.PaymentID, AllocationID: c.AllocationID, Amount: c.Amount}}, nil
}

func release(s State, c Release) ([]Event, error) {
	i := s.reservation(c.AllocationID)
	if i < 0 || s.reservations[i].live.IsZero() {
		return nil, nil
	}
	if err := s.admits(c.At); err != nil {
		return nil, err
	}
	return []Event{s.reservations[i].released(c.Cause)}, nil
}

func (r reservation) released(cause ReleaseCause) Event {
	return ReservationReleased{PaymentID: r.paymentID, AllocationID: r.allocationID, Amount: r.live, Cause: cause}
}

// reservation returns where the reservation for an allocation stands, -1 for none.
func (s State) reservation(allocationID string) int {
	return slices.IndexFunc(s.reservations, func(r reservation) bool { return r.allocationID == allocationID })
}

func applyPayment(s State, c ApplyPayment) ([]Event, error) {
	if err := s.admits(c.At); err != nil {
		return nil, err
	}
	if s.allocation(c.AllocationID) >= 0 {
		return nil, nil
	}
	events := s.recovers(c)
	for _, e := range events {
		s = evolve(s, e)
	}
	if err := s.settles(c.Amount); err != nil && (!c.Captured || !errors.Is(err, ErrReserved)) {
		return nil, err
	}
	return append(events, PaymentApplied{PaymentID: c.PaymentID, AllocationID: c.AllocationID, Amount: c.Amount}), nil
}

func applyCredit(s State, c ApplyCredit) ([]Event, error) {
	if err := s.admits(c.At); err != nil {
		return nil, err
	}
	if s.allocation(c.AllocationID) >= 0 {
		return nil, nil
	}
	if err := s.settles(c.Amount); err != nil {
		return nil, err
	}
	return []Event{CreditApplied{CreditID: c.CreditID, AllocationID: c.AllocationID, Amount: c.Amount}}, nil
}

func unapplyPayment(s State, c UnapplyPayment) ([]Event, error) {
	if err := s.admits(c.At); err != nil {
		return nil, err
	}
	i := s.allocation(c.AllocationID)
	switch {
	case i < 0 || s.allocations[i].paymentID == "":
		return nil, fmt.Errorf("%w: %q", ErrAllocationNotFound, c.AllocationID)
	case c.Amount.Currency() != s.Currency:
		return nil, fmt.Errorf("%w: fee in %s", money.ErrCurrencyMismatch, s.Currency)
	case !c.Amount.IsPositive():
		return nil, money.ErrNotPositive
	case c.Amount.Cmp(s.allocations[i].live) > 0:
		return nil, fmt.Errorf("%w: %s of %q", ErrAllocationNotFound, s.allocations[i].live, c.AllocationID)
	}
	return s.takenOff(s.allocations[i], c.Amount, c.Cause), nil
}

// allocation returns where an allocation stands, -1 for none.
func (s State) allocation(id string) int {
	return slices.IndexFunc(s.allocations, func(a allocation) bool { return a.id == id })
}
