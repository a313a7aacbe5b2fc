package books

import (
	"encoding/hex"
	"strconv"
	"time"

	"payledger/domain/money"
	"payledger/domain/policy"
	"payledger/internal/jsontext"
)

// TrialBalance is the balance of every account that something was posted on, in a profile, and their totals.
type TrialBalance struct {
	State
	Balances []Balance
	Totals   []Total
}

// TrialBalanceOf reads the books in a profile, the tenant's own if it is empty, in one currency or, for the zero value, in all. Its error
// is money.ErrTotalTooLarge.
func TrialBalanceOf(s State, profile policy.Profile, only money.Currency) (TrialBalance, error) {
	t := TrialBalance{State: s}
	if profile != "" {
		t.Profile = profile
	}
	t.Movements = nil
	for _, m := range s.Movements {
		if only == (money.Currency{}) || m.Amount.Currency() == only {
			t.Movements = append(t.Movements, m)
		}
	}
	var err error
	if t.Balances, err = Balances(t.Movements, t.Profile); err != nil {
		return t, err
	}
	t.Totals, err = Totals(t.Balances)
	return t, err
}

// Sides returns the balance as a debit or a credit, the other side zero.
func (b Balance) Sides() (debit, credit money.Amount) {
	net := b.Net().Minor()
	return money.New(max(net, 0), b.Currency), money.New(max(-net, 0), b.Currency)
}

// Sides returns both sums as amounts.
func (t Total) Sides() (debit, credit money.Amount) {
	return money.New(t.Debit, t.Currency), money.New(t.Credit, t.Currency)
}

// AppendJSON appends the trial balance as one JSON object: all keys always. Amounts are exact numbers of the major unit, with the minor
// units beside them.
func (t *TrialBalance) AppendJSON(dst []byte) []byte {
	dst = jsontext.AppendString(append(dst, `{"tenant":`...), t.Tenant)
	dst = jsontext.AppendString(append(dst, `,"profile":`...), string(t.Profile))
	dst = append(dst, `,"asOf":`...)
	if t.AsOf == nil {
		dst = append(dst, "null"...)
	} else {
		dst = append(t.AsOf.UTC().AppendFormat(append(dst, '"'), time.RFC3339Nano), '"')
	}
	dst = strconv.AppendInt(append(dst, `,"knownAt":`...), t.KnownAt, 10)
	dst = jsontext.AppendString(append(dst, `,"headHash":`...), hex.EncodeToString(t.Hash[:]))
	dst = append(dst, `,"balances":[`...)
	for i, b := range t.Balances {
		dst = appendAccount(appendComma(dst, i), b)
		debit, credit := b.Sides()
		dst = append(appendSides(dst, debit, credit), '}')
	}
	dst = append(dst, `],"totals":[`...)
	for i, total := range t.Totals {
		debit, credit := total.Sides()
		dst = append(appendSides(append(appendComma(dst, i), '{'), debit, credit), '}')
	}
	return append(dst, "]}"...)
}

func appendComma(dst []byte, i int) []byte {
	if i > 0 {
		return append(dst, ',')
	}
	return dst
}

func appendAccount(dst []byte, b Balance) []byte {
	dst = strconv.AppendInt(append(dst, `{"account":`...), int64(b.Account), 10)
	dst = jsontext.AppendString(append(dst, `,"name":`...), b.Account.Name())
	dst = jsontext.AppendStringOrNull(append(dst, `,"feeType":`...), string(b.FeeType))
	return append(dst, ',')
}

func appendSides(dst []byte, debit, credit money.Amount) []byte {
	dst = jsontext.AppendString(append(dst, `"currency":`...), debit.Currency().Code())
	dst = append(append(dst, `,"debit":`...), debit.Number()...)
	dst = append(append(dst, `,"credit":`...), credit.Number()...)
	dst = strconv.AppendInt(append(dst, `,"debitMinor":`...), debit.Minor(), 10)
	return strconv.AppendInt(append(dst, `,"creditMinor":`...), credit.Minor(), 10)
}

// Balanced tells whether the debits of each currency are its credits.
func (t *TrialBalance) Balanced() bool {
	for _, total := range t.Totals {
		if total.Debit != total.Credit {
			return false
		}
	}
	return true
}
