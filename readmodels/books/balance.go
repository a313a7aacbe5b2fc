package books

import (
	"cmp"
	"slices"

	"payledger/domain/books"
	"payledger/domain/money"
	"payledger/domain/policy"
)

// Balance is what an account has been debited and credited with, in minor units of a currency.
type Balance struct {
	Account  books.Account
	FeeType  books.FeeType // of Revenue
	Currency money.Currency
	Debit    int64
	Credit   int64
}

// Net returns debits less credits.
func (b Balance) Net() money.Amount { return money.New(b.Debit-b.Credit, b.Currency) }

// Balances returns what movements come to in a profile, by currency, account and type of fee, without accounts that nothing was posted
// on. Its error is money.ErrTotalTooLarge.
func Balances(movements []Movement, profile policy.Profile) ([]Balance, error) {
	type key struct {
		account  books.Account
		feeType  books.FeeType
		currency money.Currency
	}
	sums := make(map[key]*Balance)
	for _, m := range movements {
		for _, line := range m.Lines(profile) {
			k := key{line.Account, line.FeeType, m.Amount.Currency()}
			if sums[k] == nil {
				sums[k] = &Balance{Account: line.Account, FeeType: line.FeeType, Currency: k.currency}
			}
			b := sums[k]
			b.Debit += line.Debit
			b.Credit += line.Credit
			if b.Debit < 0 || b.Credit < 0 { // no line is: it wrapped
				return nil, money.ErrTotalTooLarge
			}
		}
	}
	list := make([]Balance, 0, len(sums))
	for _, b := range sums {
		list = append(list, *b)
	}
	slices.SortFunc(list, func(a, b Balance) int {
		return cmp.Or(cmp.Compare(a.Currency.Code(), b.Currency.Code()), cmp.Compare(a.Account, b.Account), cmp.Compare(a.FeeType, b.FeeType))
	})
	return list, nil
}

// Total is the sum of all accounts in one currency: debit balances and credit balances, which are equal.
type Total struct {
	Currency      money.Currency
	Debit, Credit int64
}

// Totals adds balances up, by currency. Its error is money.ErrTotalTooLarge.
func Totals(balances []Balance) ([]Total, error) {
	var totals []Total
	for _, b := range balances {
		if n := len(totals); n == 0 || totals[n-1].Currency != b.Currency {
			totals = append(totals, Total{Currency: b.Currency})
		}
		t := &totals[len(totals)-1]
		net := b.Net().Minor()
		t.Debit += max(net, 0)
		t.Credit += max(-net, 0)
		if t.Debit < 0 || t.Credit < 0 {
			return nil, money.ErrTotalTooLarge
		}
	}
	return totals, nil
}
