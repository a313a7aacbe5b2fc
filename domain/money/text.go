package money

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

var (
	// ErrSyntax reports text that isn't a plain decimal number.
	ErrSyntax = errors.New("not a decimal number")
	// ErrTooManyDigits reports more decimals than the currency has.
	ErrTooManyDigits = errors.New("more decimals than the currency has")
)

// Parse reads an amount of major units, exactly, from decimal text or the literal
// of a JSON number: "12.5", "12.50", "-3". Forms with an exponent, a plus sign,
// leading zeros or spaces are ErrSyntax. It also returns ErrTooManyDigits,
// ErrOverflow and, for no currency, ErrUnknownCurrency.
func Parse(text string, cur Currency) (Amount, error) {
	if cur == (Currency{}) {
		return Amount{}, ErrUnknownCurrency
	}
	digits, negative := strings.CutPrefix(text, "-")
	whole, fraction, pointed := strings.Cut(digits, ".")
	switch {
	case !isDigits(whole), pointed && !isDigits(fraction), len(whole) > 1 && whole[0] == '0':
		return Amount{}, ErrSyntax
	case len(fraction) > cur.Exponent():
		return Amount{}, fmt.Errorf("%w: %s has %d", ErrTooManyDigits, cur, cur.Exponent())
	}
	padding := strings.Repeat("0", cur.Exponent()-len(fraction))
	minor, err := strconv.ParseInt(whole+fraction+padding, 10, 64)
	if err != nil || minor > MaxMinor { // of digits alone, only the size can be wrong
		return Amount{}, ErrOverflow
	}
	if negative {
		minor = -minor
	}
	return New(minor, cur), nil
}

// Decimal returns the amount in major units with all decimals of the currency:
// "12.50", "500" (JPY), "1.234" (KWD).
func (a Amount) Decimal() string {
	whole, fraction := a.split()
	if fraction == "" {
		return whole
	}
	return whole + "." + fraction
}

// Number returns the amount in major units as the shortest literal of a JSON
// number: "12.5", "10", "19.99".
func (a Amount) Number() string {
	whole, fraction := a.split()
	fraction = strings.TrimRight(fraction, "0")
	if fraction == "" {
		return whole
	}
	return whole + "." + fraction
}

// split returns the digits before and after the decimal point.
func (a Amount) split() (whole, fraction string) {
	digits, negative := strings.CutPrefix(strconv.FormatInt(a.minor, 10), "-")
	exp := a.cur.Exponent()
	if missing := exp + 1 - len(digits); missing > 0 {
		digits = strings.Repeat("0", missing) + digits
	}
	whole, fraction = digits[:len(digits)-exp], digits[len(digits)-exp:]
	if negative {
		whole = "-" + whole
	}
	return whole, fraction
}

func isDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}
