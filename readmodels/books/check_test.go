package books_test

import (
	"math"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	domain "payledger/domain/books"
	"payledger/domain/credit"
	"payledger/domain/fee"
	"payledger/domain/money"
	"payledger/domain/payment"
	"payledger/domain/policy"
	"payledger/eventstore"
	"payledger/eventstore/catalog"
	"payledger/readmodels/books"
)

func usd(t *testing.T, cents int64) money.Amount {
	t.Helper()
	cur, err := money.ParseCurrency("USD")
	require.NoError(t, err)
	return money.New(cents, cur)
}

func recorded(stream string, position int64, data any) catalog.Event {
	return catalog.Event{Stream: eventstore.StreamID{Tenant: "main", Name: stream}, Position: position, CommitID: uuid.UUID{1}, Data: data}
}

// A posting that isn't what its event says is found at the event.
func TestCheckFindsWrongPostings(t *testing.T) {
	t.Parallel()
	assessed, waived := fee.Assessed{FeeID: "f", Amount: usd(t, 5)}, fee.Waived{ReductionID: "r", Amount: usd(t, 5)}
	spent := credit.Spent{CreditID: "c", Amount: usd(t, 5)}
	posting := func(debit, credit domain.Account, cents int64) *domain.Posting {
		return &domain.Posting{Debit: debit, Credit: credit, Amount: usd(t, cents)}
	}
	for _, test := range []struct {
		data any
		p    *domain.Posting
		err  string
	}{
		{assessed, posting(domain.Receivables, domain.Revenue, 5), ""},
		{assessed, posting(domain.Receivables, domain.Revenue, 4), "I5: the fee moves by 5, account 1100 by 4"},
		{assessed, posting(domain.Revenue, domain.Receivables, 5), "I5: the fee moves by 5, account 1100 by -5"},
		{assessed, posting(domain.Receivables, 0, 5), "I1: bad line on account 0"},
		{assessed, posting(domain.Receivables, domain.Revenue, -5), "I1: bad line on account 1100"},
		{assessed, posting(domain.Receivables, domain.Revenue, 0), "I1: bad line on account 1100"},
		{assessed, nil, "I3: the event moves money: true, it posts: false"},
		{waived, posting(domain.Waivers, domain.Receivables, 5), ""},
		{waived, posting(domain.Waivers, domain.PatronCredits, 5), "I5: the fee moves by -5, account 1100 by 0"},
		{spent, posting(domain.PatronCredits, domain.Revenue, 5), ""},
		{spent, posting(domain.Revenue, domain.PatronCredits, 5), "I5: the credit moves by -5, account 2100 by 5"},
		{spent, nil, "I3"},
		{fee.Annotated{}, posting(domain.Receivables, domain.Revenue, 5), "I3: the event moves money: false, it posts: true"},
		{fee.Annotated{}, nil, ""},
		{payment.Captured{}, posting(domain.Cash, domain.Receivables, 5), "I5: the fee moves by 0"},
		{policy.ProfileSet{}, nil, ""},
	} {
		var check books.Check
		ev := recorded("x", 9, test.data)
		err := check.Add(&ev, test.p)
		if test.err == "" {
			require.NoError(t, err)
			continue
		}
		require.ErrorIs(t, err, books.ErrOutOfBalance)
		require.ErrorContains(t, err, "at position 9: "+test.err)
	}
}

// A log that breaks the rules of fees and credits is found where it does so.
func TestReplayFindsUnsoundLogs(t *testing.T) {
	t.Parallel()
	assessed, waived := fee.Assessed{FeeID: "f", UserID: "u", Amount: usd(t, 5)}, fee.Waived{ReductionID: "r", Amount: usd(t, 2)}
	for _, test := range []struct {
		events []any
		err    string
	}{
		{[]any{assessed, waived, fee.Cancelled{Amount: usd(t, 1)}}, "position 3: I8: the fee is cancelled and owes USD 0.02"},
		{[]any{assessed, fee.Waived{ReductionID: "r", Amount: usd(t, 6)}}, "position 2: I6: the fee owes USD -0.01"},
	} {
		replay := new(books.Replay)
		var err error
		for i, data := range test.events {
			require.NoError(t, err)
			ev := recorded("fee-f", int64(i+1), data)
			ev.Version = ev.Position
			err = replay.Apply(ev)
		}
		require.ErrorIs(t, err, books.ErrOutOfBalance)
		require.ErrorContains(t, err, test.err)
	}
	require.ErrorIs(t, new(books.Replay).Apply(recorded("payment-p", 4, payment.Voided{Amount: usd(t, 1)})), domain.ErrUnknownOrigin)
}

func TestBalances(t *testing.T) {
	t.Parallel()
	jpy, err := money.ParseCurrency("JPY")
	require.NoError(t, err)
	movement := func(debit, credit domain.Account, feeType domain.FeeType, amount money.Amount) books.Movement {
		return books.Movement{Posting: domain.Posting{Debit: debit, Credit: credit, FeeType: feeType, Amount: amount}}
	}
	movements := []books.Movement{
		movement(domain.Receivables, domain.Revenue, domain.Lost, usd(t, 30)), movement(domain.Receivables, domain.Revenue, domain.Damage, usd(t, 5)),
		movement(domain.Unallotted, domain.Receivables, domain.Lost, usd(t, 20)), movement(domain.Cash, domain.Unallotted, "", usd(t, 20)),
		movement(domain.Receivables, domain.Revenue, domain.Lost, money.New(7, jpy)),
	}
	balances, err := books.Balances(movements, policy.ProfileCash)
	require.NoError(t, err)
	of := usd(t, 0).Currency()
	require.Equal(t, []books.Balance{
		{domain.Receivables, "", jpy, 7, 0},
		{domain.Uncollected, "", jpy, 0, 7},
		{domain.Receivables, "", of, 35, 20},
		{domain.Cash, "", of, 20, 0},
		{domain.Unallotted, "", of, 20, 20},
		{domain.Uncollected, "", of, 20, 35},
		{domain.Revenue, domain.Lost, of, 0, 20},
	}, balances)
	totals, err := books.Totals(balances)
	require.NoError(t, err)
	require.Equal(t, []books.Total{{jpy, 7, 7}, {of, 35, 35}}, totals)
	balances, err = books.Balances(movements, policy.ProfileAccrual)
	require.NoError(t, err)
	require.Contains(t, balances, books.Balance{domain.Revenue, domain.Damage, of, 0, 5})

	_, err = books.Balances(append(movements, movement(domain.Receivables, domain.Revenue, domain.Lost, usd(t, math.MaxInt64))), policy.ProfileCash)
	require.ErrorIs(t, err, money.ErrTotalTooLarge)
	_, err = books.Totals([]books.Balance{{Currency: of, Debit: math.MaxInt64}, {Currency: of, Debit: 1}})
	require.ErrorIs(t, err, money.ErrTotalTooLarge)
}
