package money

import (
	"errors"
	"fmt"
)

// ErrTotalTooLarge reports a total that int64 minor units don't hold, in either direction.
var ErrTotalTooLarge = errors.New("total too large")

// Total is a sum of amounts of a currency, which may be beyond MaxMinor: 18 digits of minor units and most of 19. It prints as an
// amount does. It is a comparable value; the zero value has no currency.
type Total struct{ Amount }

// Add returns t + a. Errors: ErrCurrencyMismatch, ErrTotalTooLarge.
func (t Total) Add(a Amount) (Total, error) {
	sum := t.minor + a.minor
	return t.moved(sum, a, (sum < t.minor) != (a.minor < 0))
}

// Sub returns t - a. Errors: ErrCurrencyMismatch, ErrTotalTooLarge.
func (t Total) Sub(a Amount) (Total, error) {
	difference := t.minor - a.minor
	return t.moved(difference, a, (difference > t.minor) != (a.minor < 0))
}

// moved is what t became by a, unless it wrapped.
func (t Total) moved(minor int64, a Amount, wrapped bool) (Total, error) {
	switch {
	case t.cur != a.cur:
		return Total{}, fmt.Errorf("%w: %s and %s", ErrCurrencyMismatch, t.cur, a.cur)
	case wrapped:
		return Total{}, fmt.Errorf("%w: %s and %s", ErrTotalTooLarge, t, a)
	}
	return Total{New(minor, t.cur)}, nil
}

// MarshalJSON writes the form of an amount. It refuses a total without a currency.
func (t Total) MarshalJSON() ([]byte, error) {
	if t.cur == (Currency{}) {
		return nil, ErrUnknownCurrency
	}
	return t.appendJSON(), nil
}

// UnmarshalJSON reads what MarshalJSON wrote, as UnmarshalJSON of an amount does. It returns ErrMalformed, ErrUnknownCurrency or
// ErrTotalTooLarge.
func (t *Total) UnmarshalJSON(data []byte) error {
	a, err := parseJSON(data)
	if errors.Is(err, ErrOverflow) {
		return fmt.Errorf("%w: %.60q", ErrTotalTooLarge, data)
	}
	if err == nil {
		t.Amount = a
	}
	return err
}
