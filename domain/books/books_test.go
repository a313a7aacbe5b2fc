package books_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"payledger/domain/books"
	"payledger/domain/credit"
	"payledger/domain/fee"
	"payledger/domain/money"
	"payledger/domain/payment"
	"payledger/domain/policy"
)

// happened is an event on its stream.
type happened struct {
	stream string
	event  any
}

func usd(t *testing.T, cents int64) money.Amount {
	t.Helper()
	cur, err := money.ParseCurrency("USD")
	require.NoError(t, err)
	return money.New(cents, cur)
}

// sums are amounts by the number of their account.
type sums = map[int]int64

// net is what events post, debits less credits by account, without accounts that come to nothing.
func net(t *testing.T, profile policy.Profile, events []happened) sums {
	t.Helper()
	origins := make(map[string]books.Origin)
	net := make(sums)
	for _, h := range events {
		for _, key := range books.Needs(h.stream, h.event) {
			require.Contains(t, origins, key)
		}
		p, ok, err := books.Post(h.stream, h.event, func(key string) (books.Origin, bool) { o, found := origins[key]; return o, found })
		require.NoError(t, err)
		if key, origin, begins := books.Begins(h.stream, h.event); begins {
			origins[key] = origin
		}
		if !ok {
			continue
		}
		for _, line := range p.Lines(profile) {
			if net[int(line.Account)] += line.Debit - line.Credit; net[int(line.Account)] == 0 {
				delete(net, int(line.Account))
			}
		}
	}
	return net
}

// What each action comes to, all its events together, is the entry of the accountants' table for it.
func TestActionsComeToTheirEntries(t *testing.T) {
	t.Parallel()
	const f, p, c = "fee-f", "payment-p", "credit-u"
	ten, four, fourteen := usd(t, 10), usd(t, 4), usd(t, 14)
	assessed := []happened{{f, fee.Assessed{FeeID: "f", UserID: "u", Amount: ten, Reason: "lost"}}}
	paid := func(tender payment.Tender, amount, applied money.Amount) []happened {
		list := []happened{
			{p, payment.Captured{PaymentID: "p", UserID: "u", Tender: tender, Amount: amount}},
			{f, fee.PaymentApplied{PaymentID: "p", Amount: applied}},
		}
		if rest := amount.Minor() - applied.Minor(); rest > 0 {
			list = append(list, happened{c, credit.Granted{CreditID: "c", UserID: "u", PaymentID: "p", Amount: usd(t, rest), Source: credit.SourceOverpayment}})
		}
		return list
	}
	waived := []happened{{f, fee.Waived{ReductionID: "r", Amount: four}}}
	writtenOff := []happened{{f, fee.WrittenOff{ReductionID: "r", Amount: four}}}
	given10Recovered4 := slices.Concat(assessed, []happened{
		{f, fee.WrittenOff{ReductionID: "r", Amount: ten}},
		{p, payment.Captured{PaymentID: "p", UserID: "u", Tender: payment.TenderCash, Amount: four}},
		{f, fee.WriteOffRecovered{ReductionID: "r", PaymentID: "p", Amount: four}},
		{f, fee.PaymentApplied{PaymentID: "p", Amount: four}},
	})
	void4 := []happened{
		{p, payment.Voided{Amount: four}},
		{f, fee.PaymentUnapplied{PaymentID: "p", Amount: four}},
		{f, fee.RecoveryReversed{ReductionID: "r", PaymentID: "p", Amount: four}},
	}
	granted := []happened{{c, credit.Granted{CreditID: "c", UserID: "u", Amount: four, Source: credit.SourceGoodwill}}}
	spent := []happened{{c, credit.Spent{CreditID: "c", Amount: four}}, {f, fee.CreditApplied{CreditID: "c", Amount: four}}}
	for _, test := range []struct {
		name          string
		given, when   []happened
		accrual, cash sums
	}{
		{"1 assess", nil, assessed, sums{1100: 10, 4000: -10}, sums{1100: 10, 2190: -10}},
		{
			"5 adjust up", assessed,
			[]happened{{f, fee.Adjusted{Direction: fee.DirectionIncrease, Amount: four}}},
			sums{1100: 4, 4000: -4},
			sums{1100: 4, 2190: -4},
		},
		{
			"6 adjust down", assessed,
			[]happened{{f, fee.Adjusted{Direction: fee.DirectionDecrease, Amount: four}}},
			sums{1100: -4, 4000: 4},
			sums{1100: -4, 2190: 4},
		},
		{
			"6 adjust down what was paid", slices.Concat(assessed, paid(payment.TenderCash, ten, ten)),
			[]happened{
				{f, fee.PaymentUnapplied{PaymentID: "p", Amount: four}},
				{f, fee.Adjusted{Direction: fee.DirectionDecrease, Amount: four}},
				{p, payment.Reallocated{CreditID: "c", Credit: four}},
				{c, credit.Granted{CreditID: "c", UserID: "u", PaymentID: "p", Amount: four, Source: credit.SourceAdjustment}},
			},
			sums{4000: 4, 2100: -4},
			sums{4000: 4, 2100: -4},
		},
		{
			"6 adjust down what was forgiven", slices.Concat(assessed, waived),
			[]happened{{f, fee.ReductionReleased{ReductionID: "r", Amount: four}}, {f, fee.Adjusted{Direction: fee.DirectionDecrease, Amount: ten}}},
			sums{1100: -6, 4090: -4, 4000: 10},
			sums{1100: -6, 2190: 6},
		},
		{"9 pay in cash", assessed, paid(payment.TenderCash, four, four), sums{1200: 4, 1100: -4}, sums{1200: 4, 1100: -4, 2190: 4, 4000: -4}},
		{"9 pay by card", assessed, paid(payment.TenderPOS, four, four), sums{1310: 4, 1100: -4}, sums{1310: 4, 1100: -4, 2190: 4, 4000: -4}},
		{"9 pay by check", assessed, paid(payment.TenderCheck, four, four), sums{1220: 4, 1100: -4}, sums{1220: 4, 1100: -4, 2190: 4, 4000: -4}},
		{"9 pay otherwise", assessed, paid(payment.TenderOther, four, four), sums{1290: 4, 1100: -4}, sums{1290: 4, 1100: -4, 2190: 4, 4000: -4}},
		{
			"10 overpay", assessed, paid(payment.TenderCash, fourteen, ten),
			sums{1200: 14, 1100: -10, 2100: -4},
			sums{1200: 14, 1100: -10, 2100: -4, 2190: 10, 4000: -10},
		},
		{"goodwill", nil, granted, sums{4096: 4, 2100: -4}, sums{4096: 4, 2100: -4}},
		{"11 apply credit", slices.Concat(assessed, granted), spent, sums{2100: 4, 1100: -4}, sums{2100: 4, 1100: -4, 2190: 4, 4000: -4}},
		{
			"take credit off", slices.Concat(assessed, granted, spent),
			[]happened{{f, fee.CreditUnapplied{CreditID: "c", Amount: four}}, {c, credit.Returned{CreditID: "c", Amount: four}}},
			sums{2100: -4, 1100: 4},
			sums{2100: -4, 1100: 4, 2190: -4, 4000: 4},
		},
		{"12 waive", assessed, waived, sums{4090: 4, 1100: -4}, sums{2190: 4, 1100: -4}},
		{"14 cancel", assessed, []happened{{f, fee.Cancelled{Amount: ten}}}, sums{4000: 10, 1100: -10}, sums{2190: 10, 1100: -10}},
		{"14 cancel what isn't charged", nil, []happened{assessed[0], {f, fee.Cancelled{Amount: ten}}, {f, fee.Cancelled{Amount: usd(t, 0), Hidden: true}}}, sums{}, sums{}},
		{
			"15 reverse a waiver", slices.Concat(assessed, waived),
			[]happened{{f, fee.ReductionReversed{ReductionID: "r", Amount: four}}},
			sums{4090: -4, 1100: 4},
			sums{2190: -4, 1100: 4},
		},
		{
			"18 void", slices.Concat(assessed, paid(payment.TenderCheck, fourteen, ten)),
			[]happened{
				{p, payment.Voided{Amount: fourteen}},
				{f, fee.PaymentUnapplied{PaymentID: "p", Amount: ten}},
				{c, credit.Reversed{CreditID: "c", Amount: four}},
			},
			sums{1220: -14, 1100: 10, 2100: 4},
			sums{1220: -14, 1100: 10, 2100: 4, 2190: -10, 4000: 10},
		},
		{"22 write off", assessed, writtenOff, sums{6100: 4, 1100: -4}, sums{2190: 4, 1100: -4}},
		{
			"23 pay after a write-off", slices.Concat(assessed, writtenOff),
			slices.Concat(
				[]happened{{p, payment.Captured{PaymentID: "p", UserID: "u", Tender: payment.TenderCash, Amount: four}}},
				[]happened{{f, fee.WriteOffRecovered{ReductionID: "r", PaymentID: "p", Amount: four}}, {f, fee.PaymentApplied{PaymentID: "p", Amount: four}}},
			),
			sums{1200: 4, 4900: -4},
			sums{1200: 4, 4000: -4},
		},
		{
			"18 void what was paid after a write-off",
			slices.Concat(assessed, writtenOff, []happened{
				{p, payment.Captured{PaymentID: "p", UserID: "u", Tender: payment.TenderCash, Amount: four}},
				{f, fee.WriteOffRecovered{ReductionID: "r", PaymentID: "p", Amount: four}},
				{f, fee.PaymentApplied{PaymentID: "p", Amount: four}},
			}),
			[]happened{
				{p, payment.Voided{Amount: four}},
				{f, fee.PaymentUnapplied{PaymentID: "p", Amount: four}},
				{f, fee.RecoveryReversed{ReductionID: "r", PaymentID: "p", Amount: four}},
			},
			sums{1200: -4, 4900: 4},
			sums{1200: -4, 4000: 4},
		},
		{
			"reverse what of a write-off hasn't come", given10Recovered4,
			[]happened{{f, fee.ReductionReversed{ReductionID: "r", Amount: usd(t, 6)}}},
			sums{6100: -6, 1100: 6},
			sums{2190: -6, 1100: 6},
		},
		{
			// Bad debt and recoveries of what came stand against each other: the library has earned what it charged.
			"all of a write-off that came in part and was reversed", nil,
			slices.Concat(given10Recovered4, []happened{{f, fee.ReductionReversed{ReductionID: "r", Amount: usd(t, 6)}}}),
			sums{4000: -10, 6100: 4, 4900: -4, 1200: 4, 1100: 6},
			sums{4000: -4, 2190: -6, 1200: 4, 1100: 6},
		},
		{
			"void what came, behind that", slices.Concat(given10Recovered4, []happened{{f, fee.ReductionReversed{ReductionID: "r", Amount: usd(t, 6)}}}),
			void4,
			sums{1200: -4, 4900: 4},
			sums{1200: -4, 4000: 4},
		},
		{
			// It was written off again by the void, so this takes that back as well: nothing of the write-off is left.
			"all of a write-off that was reversed twice", nil,
			slices.Concat(given10Recovered4, []happened{{f, fee.ReductionReversed{ReductionID: "r", Amount: usd(t, 6)}}}, void4, []happened{
				{f, fee.ReductionReversed{ReductionID: "r", Amount: four}},
			}),
			sums{4000: -10, 1100: 10},
			sums{2190: -10, 1100: 10},
		},
		{
			"reverse a write-off", slices.Concat(assessed, writtenOff),
			[]happened{{f, fee.ReductionReversed{ReductionID: "r", Amount: four}}},
			sums{6100: -4, 1100: 4},
			sums{2190: -4, 1100: 4},
		},
		{
			"36 notes and what is only on its way", assessed,
			[]happened{
				{f, fee.NoteAdded{NoteID: "n"}},
				{p, payment.Started{PaymentID: "p", UserID: "u", Amount: four}},
				{f, fee.PaymentReserved{PaymentID: "p", Amount: four}},
				{p, payment.Failed{PaymentID: "p"}},
				{f, fee.ReservationReleased{PaymentID: "p", Amount: four}},
				{policy.BooksStream, policy.ProfileSet{Profile: policy.ProfileCash}},
			},
			sums{},
			sums{},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			for profile, want := range map[policy.Profile]sums{policy.ProfileAccrual: test.accrual, policy.ProfileCash: test.cash} {
				after := net(t, profile, slices.Concat(test.given, test.when))
				for account, minor := range net(t, profile, test.given) {
					if after[account] -= minor; after[account] == 0 {
						delete(after, account)
					}
				}
				require.Equal(t, want, after, profile)
			}
		})
	}
}

// Every line has an account of the chart and an amount on one side; revenue alone is told apart by the type of the fee.
func TestLines(t *testing.T) {
	t.Parallel()
	p := books.Posting{Debit: books.Unallotted, Credit: books.Receivables, Amount: usd(t, 7), FeeType: books.Damage, FeeID: "f"}
	require.Equal(t, []books.Line{{Account: 2120, Debit: 7}, {Account: 1100, Credit: 7}}, p.Lines(policy.ProfileAccrual))
	require.Equal(t, []books.Line{
		{Account: 2120, Debit: 7}, {Account: 1100, Credit: 7}, {Account: 2190, Debit: 7}, {Account: 4000, FeeType: books.Damage, Credit: 7},
	}, p.Lines(policy.ProfileCash))
}

func TestWhatNothingIsKnownOf(t *testing.T) {
	t.Parallel()
	for _, h := range []happened{
		{"fee-f", fee.Waived{ReductionID: "r", Amount: usd(t, 1)}},
		{"fee-f", fee.PaymentApplied{PaymentID: "p", Amount: usd(t, 1)}},
		{"payment-p", payment.Voided{Amount: usd(t, 1)}},
		{"credit-u", credit.Reversed{CreditID: "c", Amount: usd(t, 1)}},
	} {
		_, _, err := books.Post(h.stream, h.event, func(string) (books.Origin, bool) { return books.Origin{}, false })
		require.ErrorIs(t, err, books.ErrUnknownOrigin, "%T", h.event)
	}
	onlyTheFee := func(key string) (books.Origin, bool) { return books.Origin{}, key == "fee-f" }
	_, _, err := books.Post("fee-f", fee.ReductionReleased{ReductionID: "r", Amount: usd(t, 1)}, onlyTheFee)
	require.ErrorIs(t, err, books.ErrUnknownOrigin)
}

func TestChart(t *testing.T) {
	t.Parallel()
	chart := books.Chart()
	require.True(t, slices.IsSortedFunc(chart, func(a, b books.ChartRow) int { return int(a.Account) - int(b.Account) }))
	for _, row := range chart {
		require.Equal(t, row.Name, row.Account.Name())
		require.NotEmpty(t, row.Name)
	}
	require.Empty(t, books.Account(1).Name())
	require.Equal(t, books.Lost, books.TypeOf("lost"))
	require.Equal(t, books.OtherType, books.TypeOf("lost at the beach"))
	require.Equal(t, books.OtherType, books.TypeOf(""))
}
