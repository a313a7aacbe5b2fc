package money_test

import (
	"math"
	"math/big"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"payledger/domain/money"
)

// anyMinor draws from all of int64, more often from around the bound.
func anyMinor() *rapid.Generator[int64] {
	return rapid.OneOf(
		rapid.Int64(),
		rapid.Int64Range(-1000, 1000),
		rapid.Int64Range(money.MaxMinor-3, money.MaxMinor+3),
		rapid.Int64Range(-money.MaxMinor-3, -money.MaxMinor+3),
		rapid.SampledFrom([]int64{math.MinInt64, math.MaxInt64}),
	)
}

func anyCurrency() *rapid.Generator[money.Currency] {
	return rapid.SampledFrom(money.Currencies())
}

// anyAmount draws an amount within the bound.
func anyAmount() *rapid.Generator[money.Amount] {
	return rapid.Custom(func(t *rapid.T) money.Amount {
		minor := rapid.OneOf(
			rapid.Int64Range(-money.MaxMinor, money.MaxMinor),
			rapid.Int64Range(-2000, 2000),
		).Draw(t, "minor")
		return money.New(minor, anyCurrency().Draw(t, "currency"))
	})
}

// Big integers know the right sum: Add and Sub give it, or refuse.
func TestSumsNeverOverflowSilently(t *testing.T) {
	t.Parallel()
	usd := currency(t, "USD")
	bound := big.NewInt(money.MaxMinor)
	rapid.Check(t, func(t *rapid.T) {
		x, y := anyMinor().Draw(t, "x"), anyMinor().Draw(t, "y")
		check := func(got money.Amount, err error, want *big.Int) {
			big1, big2 := new(big.Int).Abs(big.NewInt(x)), new(big.Int).Abs(big.NewInt(y))
			if big1.Cmp(bound) > 0 || big2.Cmp(bound) > 0 || new(big.Int).Abs(want).Cmp(bound) > 0 {
				require.ErrorIs(t, err, money.ErrOverflow)
				return
			}
			require.NoError(t, err)
			require.Equal(t, money.New(want.Int64(), usd), got)
		}
		sum, err := money.New(x, usd).Add(money.New(y, usd))
		check(sum, err, new(big.Int).Add(big.NewInt(x), big.NewInt(y)))
		difference, err := money.New(x, usd).Sub(money.New(y, usd))
		check(difference, err, new(big.Int).Sub(big.NewInt(x), big.NewInt(y)))
	})
}

func TestSumsNeedOneCurrency(t *testing.T) {
	t.Parallel()
	usd, eur := money.New(1, currency(t, "USD")), money.New(1, currency(t, "EUR"))
	_, err := usd.Add(eur)
	require.ErrorIs(t, err, money.ErrCurrencyMismatch)
	_, err = usd.Sub(eur)
	require.ErrorIs(t, err, money.ErrCurrencyMismatch)
	require.NotEqual(t, usd, eur)
	require.False(t, usd.Equal(eur))
}

func TestComparisons(t *testing.T) {
	t.Parallel()
	cur := currency(t, "USD")
	less, none, more := money.New(-1, cur), money.Zero(cur), money.New(1, cur)
	require.True(t, less.IsNegative() && none.IsZero() && more.IsPositive())
	require.False(t, none.IsNegative() || none.IsPositive() || less.IsZero() || more.IsZero())
	require.Equal(t, -1, less.Cmp(none))
	require.Zero(t, none.Cmp(money.Zero(cur)))
	require.Equal(t, 1, more.Cmp(none))
	require.Equal(t, less, money.Min(less, more))
	require.Equal(t, less, money.Min(more, less))
	require.Equal(t, int64(1), more.Minor())
	require.Equal(t, cur, more.Currency())
}
