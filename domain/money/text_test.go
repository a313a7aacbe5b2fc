package money_test

import (
	"encoding/json"
	"math"
	"math/big"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"payledger/domain/money"
)

func TestParse(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text, currency string
		minor          int64
		err            error
	}{
		{text: "12.50", currency: "USD", minor: 1250},
		{text: "12.5", currency: "USD", minor: 1250},
		{text: "12", currency: "USD", minor: 1200},
		{text: "0.05", currency: "USD", minor: 5},
		{text: "19.99", currency: "USD", minor: 1999},
		{text: "-0.05", currency: "USD", minor: -5},
		{text: "-0", currency: "USD", minor: 0},
		{text: "500", currency: "JPY", minor: 500},
		{text: "1.234", currency: "KWD", minor: 1234},
		{text: "9999999999999.99", currency: "USD", minor: money.MaxMinor},
		{text: "-9999999999999.99", currency: "USD", minor: -money.MaxMinor},
		{text: "10000000000000.00", currency: "USD", err: money.ErrOverflow},
		{text: "-10000000000000.00", currency: "USD", err: money.ErrOverflow},
		{text: "9223372036854775808", currency: "JPY", err: money.ErrOverflow},
		{text: "18446744073709551616.01", currency: "USD", err: money.ErrOverflow},
		{text: "1" + strings.Repeat("0", 5000), currency: "USD", err: money.ErrOverflow},
		{text: "12.505", currency: "USD", err: money.ErrTooManyDigits},
		{text: "12.500", currency: "USD", err: money.ErrTooManyDigits},
		{text: "500.0", currency: "JPY", err: money.ErrTooManyDigits},
		{text: "1.2345", currency: "KWD", err: money.ErrTooManyDigits},
	} {
		got, err := money.Parse(c.text, currency(t, c.currency))
		require.ErrorIs(t, err, c.err, c.text)
		require.Equal(t, c.minor, got.Minor(), c.text)
	}
	_, err := money.Parse("1", money.Currency{})
	require.ErrorIs(t, err, money.ErrUnknownCurrency)
}

func TestParseRefusesRubbish(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"", "-", ".", "-.", "1.", ".5", "1e2", "1E2", "1.5e1", "+1", "--1", "1-", " 1", "1 ", "1\n", "01", "-01", "00",
		"0x10", "1_000", "1,000", "1,5", "1.2.3", "1..2", "1.-2", "1.+2", "NaN", "Infinity", "-Infinity", "null", `"1"`, "١", "1\x00",
	} {
		got, err := money.Parse(text, currency(t, "USD"))
		require.ErrorIs(t, err, money.ErrSyntax, "%q", text)
		require.Equal(t, money.Amount{}, got)
	}
}

func TestPrint(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		minor                              int64
		currency, decimal, number, message string
	}{
		{1250, "USD", "12.50", "12.5", "USD 12.50"},
		{1000, "USD", "10.00", "10", "USD 10.00"},
		{1999, "USD", "19.99", "19.99", "USD 19.99"},
		{5, "USD", "0.05", "0.05", "USD 0.05"},
		{0, "USD", "0.00", "0", "USD 0.00"},
		{-5, "USD", "-0.05", "-0.05", "USD -0.05"},
		{-1250, "USD", "-12.50", "-12.5", "USD -12.50"},
		{500, "JPY", "500", "500", "JPY 500"},
		{0, "JPY", "0", "0", "JPY 0"},
		{1234, "KWD", "1.234", "1.234", "KWD 1.234"},
		{1230, "KWD", "1.230", "1.23", "KWD 1.230"},
		{1000, "KWD", "1.000", "1", "KWD 1.000"},
		{math.MinInt64, "USD", "-92233720368547758.08", "-92233720368547758.08", "USD -92233720368547758.08"},
	} {
		a := money.New(c.minor, currency(t, c.currency))
		require.Equal(t, c.decimal, a.Decimal())
		require.Equal(t, c.number, a.Number())
		require.Equal(t, c.message, a.String())
	}
	require.Equal(t, "0", money.Amount{}.String())
}

func TestParseReadsWhatIsPrinted(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a := anyAmount().Draw(t, "amount")
		for _, text := range []string{a.Decimal(), a.Number()} {
			got, err := money.Parse(text, a.Currency())
			require.NoError(t, err)
			require.Equal(t, a, got)
			require.True(t, json.Valid([]byte(text)))
		}
		require.LessOrEqual(t, len(a.Number()), len(a.Decimal()))
	})
}

// FuzzParse compares with rational numbers: what is accepted has exactly the value
// of the text and prints to it again.
func FuzzParse(f *testing.F) {
	for _, text := range []string{"12.50", "-0.05", "0", "10000000000000.00", "1e2", "12.505", "01", ".5", "5."} {
		f.Add(text, "USD")
		f.Add(text, "JPY")
		f.Add(text, "KWD")
	}
	f.Fuzz(func(t *testing.T, text, code string) {
		cur, err := money.ParseCurrency(code)
		if err != nil {
			return
		}
		a, err := money.Parse(text, cur)
		if err != nil {
			require.Equal(t, money.Amount{}, a)
			return
		}
		value, ok := new(big.Rat).SetString(text)
		require.True(t, ok)
		unit := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(cur.Exponent())), nil)
		require.Zero(t, value.Cmp(new(big.Rat).SetFrac(big.NewInt(a.Minor()), unit)), "%s", text)
		again, err := money.Parse(a.Number(), cur)
		require.NoError(t, err)
		require.Equal(t, a, again)
	})
}
