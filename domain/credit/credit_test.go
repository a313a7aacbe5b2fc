package credit_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"payledger/domain"
	"payledger/domain/credit"
	"payledger/domain/decidertest"
	"payledger/domain/money"
)

type (
	testCase = decidertest.Case[credit.Command, credit.Event]
	events   = []credit.Event
)

var opened = time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)

func usd(t *testing.T, minor int64) money.Amount {
	t.Helper()
	cur, err := money.ParseCurrency("USD")
	require.NoError(t, err)
	return money.New(minor, cur)
}

func TestGrant(t *testing.T) {
	t.Parallel()
	grant := func(id string, minor int64, at time.Time) credit.Grant {
		return credit.Grant{
			CreditID: id, UserID: "u1", Amount: usd(t, minor), Source: credit.SourceOverpayment, PaymentID: "p1", At: at,
		}
	}
	granted := func(id string, minor int64, at time.Time) credit.Granted {
		return credit.Granted{
			CreditID: id, UserID: "u1", Amount: usd(t, minor), Source: credit.SourceOverpayment, PaymentID: "p1", GrantedAt: at,
		}
	}
	first, second := granted("c1", 500, opened), granted("c2", 1, opened.Add(time.Hour))
	found := grant("c1", 500, opened)
	found.Source = "found in a book"
	decidertest.Run(
		t, credit.Decider,
		testCase{Name: "first", When: grant("c1", 500, opened.In(time.FixedZone("CET", 3600))), Then: events{first}},
		testCase{Name: "another", Given: events{first}, When: grant("c2", 1, opened.Add(time.Hour)), Then: events{second}},
		testCase{Name: "same credit", Given: events{first, second}, When: grant("c1", 500, opened)},
		testCase{Name: "between", Given: events{first, second}, When: grant("c3", 1, opened), Then: events{granted("c3", 1, opened)}},
		testCase{Name: "too early", Given: events{first, second}, When: grant("c3", 1, opened.Add(-1)), Err: domain.ErrBeforeFirstEvent},
		testCase{Name: "nothing", When: grant("c1", 0, opened), Err: money.ErrNotPositive},
		testCase{Name: "unknown source", When: found, Err: credit.ErrUnknownSource},
		testCase{Name: "no command", When: nil, Err: domain.ErrUnknownCommand},
	)
}

func TestSpendReturnReverse(t *testing.T) {
	t.Parallel()
	later := opened.Add(time.Hour)
	given := events{
		credit.Granted{CreditID: "c1", UserID: "u1", Amount: usd(t, 500), Source: credit.SourceGoodwill, GrantedAt: opened},
		credit.Granted{CreditID: "c2", UserID: "u1", Amount: usd(t, 300), Source: credit.SourceGoodwill, GrantedAt: later},
	}
	spend := func(creditID string, minor int64) credit.Spend {
		return credit.Spend{CreditID: creditID, FeeID: "f1", AllocationID: "a1", Amount: usd(t, minor), At: later}
	}
	spent := func(minor int64) credit.Event {
		return credit.Spent{CreditID: "c1", FeeID: "f1", AllocationID: "a1", Amount: usd(t, minor)}
	}
	giveBack := func(minor int64) credit.Return {
		return credit.Return{AllocationID: "a1", Amount: usd(t, minor), At: later}
	}
	returned := func(minor int64) credit.Event {
		return credit.Returned{CreditID: "c1", AllocationID: "a1", Amount: usd(t, minor)}
	}
	reverse := credit.Reverse{CreditID: "c1", Cause: credit.CauseVoid, At: later}
	reversed := credit.Reversed{CreditID: "c1", Amount: usd(t, 500), Cause: credit.CauseVoid}
	after := func(e ...credit.Event) events { return append(given[:2:2], e...) }
	yen, err := money.ParseCurrency("JPY")
	require.NoError(t, err)
	foreign, returnForeign := spend("c1", 1), giveBack(1)
	foreign.Amount, returnForeign.Amount = money.New(1, yen), money.New(1, yen)
	early := func(c credit.Command) credit.Command {
		switch c := c.(type) {
		case credit.Spend:
			c.At = opened.Add(-1)
			return c
		case credit.Return:
			c.At = opened.Add(-1)
			return c
		case credit.Reverse:
			c.At = opened.Add(-1)
			return c
		case credit.Grant:
		}
		return c
	}
	decidertest.Run(
		t, credit.Decider,
		testCase{Name: "spends part", Given: given, When: spend("c1", 1), Then: events{spent(1)}},
		testCase{Name: "spends all", Given: given, When: spend("c1", 500), Then: events{spent(500)}},
		testCase{Name: "same allocation", Given: after(spent(1)), When: spend("c1", 1)},
		testCase{Name: "spends more than is left", Given: after(credit.Spent{CreditID: "c1", AllocationID: "a0", Amount: usd(t, 1)}), When: spend("c1", 500), Err: credit.ErrExceedsCredit},
		testCase{Name: "spends nothing", Given: given, When: spend("c1", 0), Err: money.ErrNotPositive},
		testCase{Name: "spends what isn't there", Given: given, When: spend("c3", 1), Err: credit.ErrNotFound},
		testCase{Name: "spends what was taken back", Given: after(reversed), When: spend("c1", 1), Err: credit.ErrExceedsCredit},
		testCase{Name: "spends other money", Given: given, When: foreign, Err: money.ErrCurrencyMismatch},
		testCase{Name: "spends too early", Given: given, When: early(spend("c1", 1)), Err: domain.ErrBeforeFirstEvent},
		testCase{Name: "returns part", Given: after(spent(500)), When: giveBack(200), Then: events{returned(200)}},
		testCase{Name: "returns the rest", Given: after(spent(500), returned(200)), When: giveBack(300), Then: events{returned(300)}},
		testCase{Name: "returns more than was spent", Given: after(spent(500), returned(200)), When: giveBack(301), Err: credit.ErrExceedsCredit},
		testCase{Name: "returns nothing", Given: after(spent(500)), When: giveBack(0), Err: money.ErrNotPositive},
		testCase{Name: "returns what wasn't spent", Given: given, When: giveBack(1), Err: credit.ErrNotFound},
		testCase{Name: "returns other money", Given: after(spent(500)), When: returnForeign, Err: money.ErrCurrencyMismatch},
		testCase{Name: "returns too early", Given: after(spent(500)), When: early(giveBack(1)), Err: domain.ErrBeforeFirstEvent},
		testCase{Name: "takes back", Given: given, When: reverse, Then: events{reversed}},
		testCase{Name: "takes back what was returned", Given: after(spent(500), returned(500)), When: reverse, Then: events{reversed}},
		testCase{Name: "is taken back", Given: after(reversed), When: reverse},
		testCase{Name: "takes back what is spent", Given: after(spent(1)), When: reverse, Err: credit.ErrSpent},
		testCase{Name: "takes back what isn't there", When: reverse, Err: credit.ErrNotFound},
		testCase{Name: "takes back too early", Given: given, When: early(reverse), Err: domain.ErrBeforeFirstEvent},
	)
}

func TestPickTakesTheFirstLotFirst(t *testing.T) {
	t.Parallel()
	yen, err := money.ParseCurrency("JPY")
	require.NoError(t, err)
	s := credit.Decider.Fold(
		credit.Decider.Initial(),
		credit.Granted{CreditID: "c1", Amount: usd(t, 500)},
		credit.Granted{CreditID: "yen", Amount: money.New(9, yen)},
		credit.Granted{CreditID: "c2", Amount: usd(t, 300)},
		credit.Spent{CreditID: "c1", AllocationID: "a1", Amount: usd(t, 500)},
		credit.Granted{CreditID: "c3", Amount: usd(t, 100)},
	)
	parts, err := s.Pick(usd(t, 350))
	require.NoError(t, err)
	require.Equal(t, []credit.Part{{CreditID: "c2", Amount: usd(t, 300)}, {CreditID: "c3", Amount: usd(t, 50)}}, parts)
	require.Equal(t, usd(t, 400), s.Left(usd(t, 0).Currency()))
	_, err = s.Pick(usd(t, 0))
	require.ErrorIs(t, err, money.ErrNotPositive)
	_, err = s.Pick(usd(t, 401))
	require.ErrorIs(t, err, credit.ErrExceedsCredit)
}

func TestEvolveLeavesOlderStatesAlone(t *testing.T) {
	t.Parallel()
	grow := func(s credit.State, id string) credit.State {
		return credit.Decider.Evolve(s, credit.Granted{CreditID: id, Amount: usd(t, 1)})
	}
	base := credit.Decider.Initial()
	for _, id := range []string{"c1", "c2", "c3"} { // an append may share memory from the third lot on
		base = grow(base, id)
	}
	left, right := grow(base, "left"), grow(base, "right")
	require.Equal(t, "left", left.Lots[3].CreditID)
	require.Equal(t, "right", right.Lots[3].CreditID)
	require.Len(t, base.Lots, 3)
}
