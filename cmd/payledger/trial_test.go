package main

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	domain "payledger/domain/books"
	"payledger/domain/money"
	"payledger/domain/policy"
	"payledger/readmodels/books"
)

func currency(t *testing.T, code string) money.Currency {
	t.Helper()
	cur, err := money.ParseCurrency(code)
	require.NoError(t, err)
	return cur
}

// stateOf are books of two currencies: fees of 30.00 and 5 yen, of the first 12.50 paid.
func stateOf(t *testing.T) books.State {
	t.Helper()
	usd, jpy := currency(t, "USD"), currency(t, "JPY")
	movement := func(debit, credit domain.Account, feeType domain.FeeType, amount money.Amount) books.Movement {
		return books.Movement{Posting: domain.Posting{Debit: debit, Credit: credit, FeeType: feeType, Amount: amount}, Postings: 1}
	}
	at := time.Date(2026, 10, 31, 22, 59, 59, 999999000, time.UTC)
	return books.State{
		Tenant: "main", AsOf: &at, KnownAt: 7, Hash: [32]byte{0xab}, Profile: policy.ProfileCash,
		Movements: []books.Movement{
			movement(domain.Receivables, domain.Revenue, domain.Lost, money.New(3000, usd)), movement(domain.Cash, domain.Unallotted, "", money.New(1250, usd)),
			movement(domain.Unallotted, domain.Receivables, domain.Lost, money.New(1250, usd)), movement(domain.Receivables, domain.Revenue, domain.Damage, money.New(5, jpy)),
		},
	}
}

func TestTrialBalanceIsPrinted(t *testing.T) {
	t.Parallel()
	balance, err := books.TrialBalanceOf(stateOf(t), "", money.Currency{})
	require.NoError(t, err)
	var out bytes.Buffer
	require.NoError(t, newApp(nil, &out, nil).printTrialBalance(balance))
	require.Equal(t, `Trial balance of main, profile cash
as of 2026-10-31T22:59:59.999999Z, known at position 7
head ab00000000000000000000000000000000000000000000000000000000000000

ACCOUNT  NAME              CURRENCY  DEBIT  CREDIT
1100     Owed by patrons   JPY       5      
2190     Uncollected fees  JPY              5
1100     Owed by patrons   USD       17.50  
1200     Cash drawer       USD       12.50  
2120     Money to allot    USD              
2190     Uncollected fees  USD              17.50
4000     Revenue (lost)    USD              12.50
         Total             JPY       5      5
         Total             USD       30.00  30.00
`, out.String())

	out.Reset()
	balance, err = books.TrialBalanceOf(stateOf(t), policy.ProfileAccrual, money.Currency{})
	require.NoError(t, err)
	balance.Balances = balance.Balances[1:2]
	a := newApp(nil, &out, nil)
	a.json = true
	require.NoError(t, a.printTrialBalance(balance))
	require.JSONEq(t, `{"tenant":"main","profile":"accrual","asOf":"2026-10-31T22:59:59.999999Z","knownAt":7,
		"headHash":"ab00000000000000000000000000000000000000000000000000000000000000",
		"balances":[{"account":4000,"name":"Revenue","feeType":"damage","currency":"JPY","debit":0,"credit":5,"debitMinor":0,"creditMinor":5}],
		"totals":[{"currency":"JPY","debit":5,"credit":5,"debitMinor":5,"creditMinor":5},
			{"currency":"USD","debit":30,"credit":30,"debitMinor":3000,"creditMinor":3000}]}`, out.String())

	out.Reset()
	balance, err = books.TrialBalanceOf(stateOf(t), "", currency(t, "JPY"))
	require.NoError(t, err)
	a.json = false
	require.NoError(t, a.printTrialBalance(balance))
	require.Contains(t, out.String(), "\n         Total             JPY       5      5\n")
	require.NotContains(t, out.String(), "USD")

	balance.Totals[0].Credit++
	require.Equal(t, exitDamaged, exitCode(a.printTrialBalance(balance)))
}
