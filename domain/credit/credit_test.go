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
