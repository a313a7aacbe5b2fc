// Package money counts money exactly: an Amount is a whole number of minor units
// of a currency. Nothing here rounds, and no sum overflows unseen.
package money

import (
	"cmp"
	"errors"
	"fmt"
	"strconv"
)

// MaxMinor bounds an amount, though not a Total, in minor units: 15 digits, which every JSON reader holds
// exactly, also with the point of a currency's major unit among them.
const MaxMinor = 999_999_999_999_999

var (
	// ErrOverflow reports an amount beyond MaxMinor, in either direction.
	ErrOverflow = errors.New("amount too large")
	// ErrCurrencyMismatch reports amounts of two currencies where one is needed.
	ErrCurrencyMismatch = errors.New("currencies differ")
	// ErrNotPositive reports an amount of zero or less where money has to move.
	ErrNotPositive = errors.New("amount must be more than zero")
)

// Amount is a number of minor units (cents) of a currency. It is a comparable
// value; the zero value has no currency.
type Amount struct {
	minor int64
	cur   Currency
}

// New returns an amount of minor units, which the caller holds within MaxMinor.
func New(minor int64, cur Currency) Amount { return Amount{minor: minor, cur: cur} }

// Zero returns nothing, of the given currency.
func Zero(cur Currency) Amount { return Amount{cur: cur} }

// Minor returns the number of minor units.
func (a Amount) Minor() int64 { return a.minor }

// Currency returns the currency.
func (a Amount) Currency() Currency { return a.cur }

// Add returns a + b, ErrCurrencyMismatch or ErrOverflow.
func (a Amount) Add(b Amount) (Amount, error) {
	if a.cur != b.cur {
		return Amount{}, fmt.Errorf("%w: %s and %s", ErrCurrencyMismatch, a.cur, b.cur)
	}
	// Inside the bound the sum of two fits an int64, so it can be looked at afterwards.
	sum := a.minor + b.minor
	if !inBounds(a.minor) || !inBounds(b.minor) || !inBounds(sum) {
		return Amount{}, fmt.Errorf("%w: %s and %s", ErrOverflow, a, b)
	}
	return Amount{minor: sum, cur: a.cur}, nil
}

// Sub returns a - b, ErrCurrencyMismatch or ErrOverflow.
func (a Amount) Sub(b Amount) (Amount, error) {
	return a.Add(Amount{minor: -b.minor, cur: b.cur})
}

// Cmp orders two amounts of one currency: -1, 0 or 1. Amounts of two currencies
// have no order; it compares their minor units.
func (a Amount) Cmp(b Amount) int { return cmp.Compare(a.minor, b.minor) }

// Equal reports whether both are the same amount of the same currency.
func (a Amount) Equal(b Amount) bool { return a == b }

// IsZero reports whether the amount is nothing.
func (a Amount) IsZero() bool { return a.minor == 0 }

// IsPositive reports whether the amount is more than nothing.
func (a Amount) IsPositive() bool { return a.minor > 0 }

// IsNegative reports whether the amount is less than nothing.
func (a Amount) IsNegative() bool { return a.minor < 0 }

// Min returns the lesser of two amounts of one currency.
func Min(a, b Amount) Amount {
	if b.Cmp(a) < 0 {
		return b
	}
	return a
}

// String returns code and decimal text: "USD 12.50".
func (a Amount) String() string {
	if a.cur == (Currency{}) {
		return strconv.FormatInt(a.minor, 10)
	}
	return a.cur.Code() + " " + a.Decimal()
}

func inBounds(minor int64) bool { return -MaxMinor <= minor && minor <= MaxMinor }
