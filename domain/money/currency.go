package money

import (
	"errors"
	"fmt"
)

// ErrUnknownCurrency reports a code that isn't in the table of currencies.
var ErrUnknownCurrency = errors.New("unknown currency")

// Currency is one of the currencies of ISO 4217 that people pay with. The zero
// value is no currency.
type Currency struct {
	row uint8 // of the table, counted from 1
}

// ParseCurrency returns the currency of a three-letter code in capitals, or
// ErrUnknownCurrency.
func ParseCurrency(code string) (Currency, error) {
	if at, ok := place(code); ok && places[at] != 0 {
		return Currency{row: places[at]}, nil
	}
	return Currency{}, fmt.Errorf("%w: %q", ErrUnknownCurrency, code)
}

// places has the row of each currency at the place of its code: every event that is read has a code or two.
var places = func() (rows [26 * 26 * 26]uint8) {
	for i, r := range table {
		at, _ := place(r.code)
		rows[at] = uint8(i + 1) // a test holds the table under 255 rows
	}
	return rows
}()

// place returns the place of a code among all of three capital letters.
func place(code string) (at int, ok bool) {
	for i := range len(code) {
		if i == 3 || code[i] < 'A' || code[i] > 'Z' {
			return 0, false
		}
		at = at*26 + int(code[i]-'A')
	}
	return at, len(code) == 3
}

// Currencies returns every known currency, by code.
func Currencies() []Currency {
	all := make([]Currency, len(table))
	for i := range all {
		all[i] = Currency{row: uint8(i + 1)}
	}
	return all
}

// Code returns the ISO 4217 code, empty for no currency.
func (c Currency) Code() string { return c.get().code }

// Exponent returns how many decimals an amount has: 2 for USD, 0 for JPY, 3 for KWD.
func (c Currency) Exponent() int { return int(c.get().exponent) }

// StripeExponent returns how many decimals Stripe counts an amount in, which
// differs from Exponent for a few currencies.
func (c Currency) StripeExponent() int { return int(c.get().stripe) }

// String returns the code.
func (c Currency) String() string { return c.Code() }

// Equal reports whether both are the same currency.
func (c Currency) Equal(d Currency) bool { return c == d }

func (c Currency) get() row {
	if c.row == 0 {
		return row{}
	}
	return table[c.row-1]
}

// row says how many decimals a currency has, and how many of them Stripe takes.
type row struct {
	code             string
	exponent, stripe uint8
}

// table is sorted by code and never changes. Funds, metals and test codes are left
// out. Stripe takes ISK and UGX as if they had two decimals, MGA as if it had none.
var table = [...]row{
	{"AED", 2, 2},
	{"AFN", 2, 2},
	{"ALL", 2, 2},
	{"AMD", 2, 2},
	{"AOA", 2, 2},
	{"ARS", 2, 2},
	{"AUD", 2, 2},
	{"AWG", 2, 2},
	{"AZN", 2, 2},
	{"BAM", 2, 2},
	{"BBD", 2, 2},
	{"BDT", 2, 2},
	{"BHD", 3, 3},
	{"BIF", 0, 0},
	{"BMD", 2, 2},
	{"BND", 2, 2},
	{"BOB", 2, 2},
	{"BRL", 2, 2},
	{"BSD", 2, 2},
	{"BTN", 2, 2},
	{"BWP", 2, 2},
	{"BYN", 2, 2},
	{"BZD", 2, 2},
	{"CAD", 2, 2},
	{"CDF", 2, 2},
	{"CHF", 2, 2},
	{"CLP", 0, 0},
	{"CNY", 2, 2},
	{"COP", 2, 2},
	{"CRC", 2, 2},
	{"CUP", 2, 2},
	{"CVE", 2, 2},
	{"CZK", 2, 2},
	{"DJF", 0, 0},
	{"DKK", 2, 2},
	{"DOP", 2, 2},
	{"DZD", 2, 2},
	{"EGP", 2, 2},
	{"ERN", 2, 2},
	{"ETB", 2, 2},
	{"EUR", 2, 2},
	{"FJD", 2, 2},
	{"FKP", 2, 2},
	{"GBP", 2, 2},
	{"GEL", 2, 2},
	{"GHS", 2, 2},
	{"GIP", 2, 2},
	{"GMD", 2, 2},
	{"GNF", 0, 0},
	{"GTQ", 2, 2},
	{"GYD", 2, 2},
	{"HKD", 2, 2},
	{"HNL", 2, 2},
	{"HTG", 2, 2},
	{"HUF", 2, 2},
	{"IDR", 2, 2},
	{"ILS", 2, 2},
	{"INR", 2, 2},
	{"IQD", 3, 3},
	{"IRR", 2, 2},
	{"ISK", 0, 2},
	{"JMD", 2, 2},
	{"JOD", 3, 3},
	{"JPY", 0, 0},
	{"KES", 2, 2},
	{"KGS", 2, 2},
	{"KHR", 2, 2},
	{"KMF", 0, 0},
	{"KPW", 2, 2},
	{"KRW", 0, 0},
	{"KWD", 3, 3},
	{"KYD", 2, 2},
	{"KZT", 2, 2},
	{"LAK", 2, 2},
	{"LBP", 2, 2},
	{"LKR", 2, 2},
	{"LRD", 2, 2},
	{"LSL", 2, 2},
	{"LYD", 3, 3},
	{"MAD", 2, 2},
	{"MDL", 2, 2},
	{"MGA", 2, 0},
	{"MKD", 2, 2},
	{"MMK", 2, 2},
	{"MNT", 2, 2},
	{"MOP", 2, 2},
	{"MRU", 2, 2},
	{"MUR", 2, 2},
	{"MVR", 2, 2},
	{"MWK", 2, 2},
	{"MXN", 2, 2},
	{"MYR", 2, 2},
	{"MZN", 2, 2},
	{"NAD", 2, 2},
	{"NGN", 2, 2},
	{"NIO", 2, 2},
	{"NOK", 2, 2},
	{"NPR", 2, 2},
	{"NZD", 2, 2},
	{"OMR", 3, 3},
	{"PAB", 2, 2},
	{"PEN", 2, 2},
	{"PGK", 2, 2},
	{"PHP", 2, 2},
	{"PKR", 2, 2},
	{"PLN", 2, 2},
	{"PYG", 0, 0},
	{"QAR", 2, 2},
	{"RON", 2, 2},
	{"RSD", 2, 2},
	{"RUB", 2, 2},
	{"RWF", 0, 0},
	{"SAR", 2, 2},
	{"SBD", 2, 2},
	{"SCR", 2, 2},
	{"SDG", 2, 2},
	{"SEK", 2, 2},
	{"SGD", 2, 2},
	{"SHP", 2, 2},
	{"SLE", 2, 2},
	{"SOS", 2, 2},
	{"SRD", 2, 2},
	{"SSP", 2, 2},
	{"STN", 2, 2},
	{"SVC", 2, 2},
	{"SYP", 2, 2},
	{"SZL", 2, 2},
	{"THB", 2, 2},
	{"TJS", 2, 2},
	{"TMT", 2, 2},
	{"TND", 3, 3},
	{"TOP", 2, 2},
	{"TRY", 2, 2},
	{"TTD", 2, 2},
	{"TWD", 2, 2},
	{"TZS", 2, 2},
	{"UAH", 2, 2},
	{"UGX", 0, 2},
	{"USD", 2, 2},
	{"UYU", 2, 2},
	{"UZS", 2, 2},
	{"VED", 2, 2},
	{"VES", 2, 2},
	{"VND", 0, 0},
	{"VUV", 0, 0},
	{"WST", 2, 2},
	{"XAF", 0, 0},
	{"XCD", 2, 2},
	{"XCG", 2, 2},
	{"XOF", 0, 0},
	{"XPF", 0, 0},
	{"YER", 2, 2},
	{"ZAR", 2, 2},
	{"ZMW", 2, 2},
	{"ZWG", 2, 2},
}
