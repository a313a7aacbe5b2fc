package money_test

import (
	"encoding/json"
	"math"
	"math/big"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"payledger/domain/money"
)

// Big integers know the right total: Add and Sub give it, or refuse what an int64 doesn't hold.
func TestTotalsNeverOverflowSilently(t *testing.T) {
	t.Parallel()
	usd := currency(t, "USD")
	anyInt := rapid.OneOf(
		rapid.Int64(), rapid.Int64Range(math.MaxInt64-3, math.MaxInt64), rapid.Int64Range(math.MinInt64, math.MinInt64+3),
		rapid.Int64Range(-3, 3), anyMinor(),
	)
	rapid.Check(t, func(t *rapid.T) {
		x, y := anyInt.Draw(t, "x"), anyInt.Draw(t, "y")
		check := func(got money.Total, err error, want *big.Int) {
			if !want.IsInt64() {
				require.ErrorIs(t, err, money.ErrTotalTooLarge)
				require.NotErrorIs(t, err, money.ErrOverflow)
				return
			}
			require.NoError(t, err)
			require.Equal(t, money.Total{Amount: money.New(want.Int64(), usd)}, got)
		}
		total, other := money.Total{Amount: money.New(x, usd)}, money.New(y, usd)
		sum, err := total.Add(other)
		check(sum, err, new(big.Int).Add(big.NewInt(x), big.NewInt(y)))
		difference, err := total.Sub(other)
		check(difference, err, new(big.Int).Sub(big.NewInt(x), big.NewInt(y)))
	})
	_, err := money.Total{Amount: money.Zero(usd)}.Add(money.Zero(currency(t, "EUR")))
	require.ErrorIs(t, err, money.ErrCurrencyMismatch)
}

// A total is stored as an amount is, whatever an int64 holds.
func TestTotalAsJSON(t *testing.T) {
	t.Parallel()
	usd := currency(t, "USD")
	for _, minor := range []int64{0, -1250, money.MaxMinor, money.MaxMinor + 1, math.MaxInt64, math.MinInt64} {
		want := money.Total{Amount: money.New(minor, usd)}
		data, err := json.Marshal(want)
		require.NoError(t, err)
		var got money.Total
		require.NoError(t, json.Unmarshal(data, &got))
		require.Equal(t, want, got)
	}
	data, err := json.Marshal(money.Total{Amount: money.New(1_000_000_000_000_000, usd)})
	require.NoError(t, err)
	require.Equal(t, []byte(`{"minor":1000000000000000,"currency":"USD"}`), data) //nolint:testifylint // byte for byte: events are hashed
	_, err = json.Marshal(money.Total{})
	require.ErrorIs(t, err, money.ErrUnknownCurrency)
	for data, want := range map[string]error{
		`{}`:                                    money.ErrMalformed,
		`{"minor":1,"currency":"usd"}`:          money.ErrUnknownCurrency,
		`{"minor":9223372036854775808,` + inUSD: money.ErrTotalTooLarge,
	} {
		before := money.Total{Amount: money.New(7, usd)}
		got := before
		require.ErrorIs(t, got.UnmarshalJSON([]byte(data)), want, data)
		require.Equal(t, before, got, "left alone by %s", data)
	}
}
