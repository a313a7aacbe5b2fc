package payment_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"payledger/domain/fee"
	"payledger/domain/money"
	"payledger/domain/payment"
)

func TestAllocate(t *testing.T) {
	t.Parallel()
	usd, jpy := amounts(t, "USD"), amounts(t, "JPY")
	open := []payment.OpenFee{
		{FeeID: "new", Outstanding: usd(500), AssessedAt: at.AddDate(0, 0, 1)},
		{FeeID: "old-b", Outstanding: usd(200), AssessedAt: at},
		{FeeID: "yen", Outstanding: jpy(900), AssessedAt: at.AddDate(0, 0, -1)},
		{FeeID: "settled", Outstanding: usd(0), AssessedAt: at.AddDate(0, 0, -1)},
		{FeeID: "old-a", Outstanding: usd(300), AssessedAt: at},
	}
	type shares = []payment.Share
	for name, c := range map[string]struct {
		amount money.Amount
		given  shares
		want   shares
		rest   int64
		err    error
	}{
		"oldest first":       {amount: usd(501), want: shares{{"old-a", usd(300)}, {"old-b", usd(200)}, {"new", usd(1)}}},
		"ties by fee":        {amount: usd(1), want: shares{{"old-a", usd(1)}}},
		"more than is owed":  {amount: usd(1001), want: shares{{"old-a", usd(300)}, {"old-b", usd(200)}, {"new", usd(500)}}, rest: 1},
		"own currency only":  {amount: jpy(1000), want: shares{{"yen", jpy(900)}}, rest: 100},
		"given":              {amount: usd(600), given: shares{{"new", usd(500)}, {"old-b", usd(1)}}, want: shares{{"new", usd(500)}, {"old-b", usd(1)}}, rest: 99},
		"nothing":            {amount: usd(0), err: money.ErrNotPositive},
		"gives nothing":      {amount: usd(1), given: shares{{"new", usd(0)}}, err: money.ErrNotPositive},
		"gives too much":     {amount: usd(300), given: shares{{"new", usd(200)}, {"old-a", usd(101)}}, err: payment.ErrOverAllocated},
		"more than it owes":  {amount: usd(900), given: shares{{"new", usd(501)}}, err: fee.ErrExceedsOutstanding},
		"settled":            {amount: usd(900), given: shares{{"settled", usd(1)}}, err: fee.ErrExceedsOutstanding},
		"no such fee":        {amount: usd(900), given: shares{{"gone", usd(1)}}, err: fee.ErrNotFound},
		"one fee twice":      {amount: usd(900), given: shares{{"new", usd(1)}, {"new", usd(1)}}, err: payment.ErrDuplicateFee},
		"fee in yen":         {amount: usd(900), given: shares{{"yen", usd(1)}}, err: money.ErrCurrencyMismatch},
		"share in yen":       {amount: usd(900), given: shares{{"yen", jpy(1)}}, err: money.ErrCurrencyMismatch},
		"beyond any payment": {amount: usd(1), given: shares{{"new", usd(money.MaxMinor)}, {"old-a", usd(money.MaxMinor)}}, err: payment.ErrOverAllocated},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, rest, err := payment.Allocate(c.amount, open, c.given)
			require.ErrorIs(t, err, c.err)
			if c.err == nil {
				require.Equal(t, c.want, got)
				require.Equal(t, money.New(c.rest, c.amount.Currency()), rest)
			}
		})
	}
}

// A fee gets something only after every older one got all, and no money is lost.
func TestAllocateOldestFirstLeavesNoGap(t *testing.T) {
	t.Parallel()
	usd := amounts(t, "USD")
	rapid.Check(t, func(t *rapid.T) {
		open := rapid.SliceOfNDistinct(rapid.Custom(func(t *rapid.T) payment.OpenFee {
			return payment.OpenFee{
				FeeID:       rapid.StringMatching(`[a-z]{1,3}`).Draw(t, "fee"),
				Outstanding: usd(rapid.Int64Range(0, 500).Draw(t, "outstanding")),
				AssessedAt:  at.AddDate(0, 0, rapid.IntRange(0, 3).Draw(t, "day")),
			}
		}), 0, 8, func(f payment.OpenFee) string { return f.FeeID }).Draw(t, "open")
		before := slices.Clone(open)
		amount := usd(rapid.Int64Range(1, 2000).Draw(t, "amount"))

		shares, rest, err := payment.Allocate(amount, open, nil)
		require.NoError(t, err)
		require.Equal(t, before, open, "the caller's slice is left alone")
		got := make(map[string]int64)
		spent := rest.Minor()
		for _, s := range shares {
			got[s.FeeID] += s.Amount.Minor()
			spent += s.Amount.Minor()
		}
		require.Equal(t, amount.Minor(), spent)
		for _, f := range open {
			require.LessOrEqual(t, got[f.FeeID], f.Outstanding.Minor())
			if got[f.FeeID] == f.Outstanding.Minor() {
				continue
			}
			require.Zero(t, rest.Minor(), "a rest although %s is owed", f.FeeID)
			for _, younger := range open {
				if younger.AssessedAt.After(f.AssessedAt) {
					require.Zero(t, got[younger.FeeID], "%s before %s", younger.FeeID, f.FeeID)
				}
			}
		}
	})
}
