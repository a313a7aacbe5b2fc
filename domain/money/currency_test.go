package money_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"payledger/domain/money"
)

func currency(tb testing.TB, code string) money.Currency {
	tb.Helper()
	cur, err := money.ParseCurrency(code)
	require.NoError(tb, err)
	return cur
}

func TestEveryCurrencyIsFoundByItsCode(t *testing.T) {
	t.Parallel()
	all := money.Currencies()
	require.Less(t, len(all), 255, "the row has to fit a byte")
	var codes []string
	for _, cur := range all {
		require.Equal(t, cur, currency(t, cur.Code()))
		require.Regexp(t, `^[A-Z]{3}$`, cur.Code())
		codes = append(codes, cur.Code())
	}
	require.True(t, slices.IsSorted(codes), "the search needs an order")
	require.Len(t, slices.Compact(codes), len(all))
}

// The lists are those of ISO 4217 and of Stripe's page on currencies.
func TestExponents(t *testing.T) {
	t.Parallel()
	iso := map[string]int{}
	for code := range strings.FieldsSeq("BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF") {
		iso[code] = 0
	}
	for code := range strings.FieldsSeq("BHD IQD JOD KWD LYD OMR TND") {
		iso[code] = 3
	}
	stripe := map[string]int{"ISK": 2, "UGX": 2, "MGA": 0}
	for _, cur := range money.Currencies() {
		want, special := iso[cur.Code()]
		if !special {
			want = 2
		}
		delete(iso, cur.Code())
		require.Equal(t, want, cur.Exponent(), cur)
		if other, differs := stripe[cur.Code()]; differs {
			want = other
		}
		require.Equal(t, want, cur.StripeExponent(), cur)
	}
	require.Empty(t, iso, "missing from the table")
}

func TestUnknownCurrency(t *testing.T) {
	t.Parallel()
	for _, code := range []string{"", "usd", "US", "USDX", "XXX", "XTS", "ZZZ", "AAA", "US\x00"} {
		cur, err := money.ParseCurrency(code)
		require.ErrorIs(t, err, money.ErrUnknownCurrency, code)
		require.Equal(t, money.Currency{}, cur)
	}
	require.Empty(t, money.Currency{}.Code())
	require.Zero(t, money.Currency{}.Exponent())
}
