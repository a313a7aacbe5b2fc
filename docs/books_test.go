package docs_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"payledger/domain/books"
	"payledger/domain/credit"
	"payledger/domain/fee"
	"payledger/domain/money"
	"payledger/domain/payment"
	"payledger/domain/policy"
	"payledger/eventstore/catalog"
)

func TestTheChartIsDocumented(t *testing.T) {
	t.Parallel()
	var want [][]string
	for _, row := range books.Chart() {
		want = append(want, []string{strconv.Itoa(int(row.Account)), row.Name, string(row.Kind)})
	}
	page := read(t, "books.md")
	require.Equal(t, want, rows(section(t, page, "## Chart")))
	var types []string
	for _, feeType := range books.FeeTypes() {
		types = append(types, string(feeType))
	}
	require.Contains(t, page, "type of fee: "+strings.Join(types, ", ")+".")
}

// sample is an event that posts, and what the page says of when it does so.
type sample struct {
	stream string
	event  any
	when   string
}

// samples are all events that post, in all the ways in which they do.
func samples(one money.Amount) []sample {
	list := []sample{
		{"fee-f", fee.Assessed{FeeID: "f", UserID: "u", Amount: one}, ""},
		{"fee-f", fee.Adjusted{Direction: fee.DirectionIncrease, Amount: one}, "increase"},
		{"fee-f", fee.Adjusted{Direction: fee.DirectionDecrease, Amount: one}, "decrease"},
		{"fee-f", fee.Cancelled{Amount: one}, "something was charged"},
		{"fee-f", fee.Waived{ReductionID: "waived", Amount: one}, ""},
		{"fee-f", fee.WrittenOff{ReductionID: "writtenOff", Amount: one}, ""},
		{"fee-f", fee.ReductionReleased{ReductionID: "waived", Amount: one}, "of a waiver"},
		{"fee-f", fee.ReductionReleased{ReductionID: "writtenOff", Amount: one}, "of a write-off"},
		{"fee-f", fee.ReductionReversed{ReductionID: "waived", Amount: one}, "of a waiver"},
		{"fee-f", fee.ReductionReversed{ReductionID: "writtenOff", Amount: one}, "of a write-off"},
		{"fee-f", fee.WriteOffRecovered{ReductionID: "writtenOff", PaymentID: "p", Amount: one}, ""},
		{"fee-f", fee.RecoveryReversed{ReductionID: "writtenOff", PaymentID: "p", Amount: one}, ""},
		{"fee-f", fee.PaymentApplied{PaymentID: "p", Amount: one}, ""},
		{"fee-f", fee.PaymentUnapplied{PaymentID: "p", Amount: one}, ""},
		{"fee-f", fee.CreditApplied{CreditID: "c", Amount: one}, ""},
		{"fee-f", fee.CreditUnapplied{CreditID: "c", Amount: one}, ""},
	}
	tenders := []payment.Tender{payment.TenderCash, payment.TenderCheck, payment.TenderPOS, payment.TenderOther}
	for _, tender := range tenders {
		id := string(tender)
		list = append(list, sample{payment.Stream(id), payment.Captured{PaymentID: id, UserID: "u", Tender: tender, Amount: one, Credit: money.Zero(one.Currency())}, id})
	}
	for _, tender := range tenders {
		list = append(list, sample{payment.Stream(string(tender)), payment.Voided{Amount: one}, string(tender)})
	}
	return append(
		list,
		sample{"credit-u", credit.Granted{CreditID: "c", UserID: "u", PaymentID: "p", Amount: one}, "of a payment"},
		sample{"credit-u", credit.Granted{CreditID: "g", UserID: "u", Amount: one}, "goodwill"},
		sample{"credit-u", credit.Spent{CreditID: "c", Amount: one}, ""},
		sample{"credit-u", credit.Returned{CreditID: "c", Amount: one}, ""},
		sample{"credit-u", credit.Reversed{CreditID: "c", Amount: one}, ""},
	)
}

// The table of postings is what the code posts, and every event of the catalog is in it, or among those that post nothing.
func TestPostingsAreDocumented(t *testing.T) {
	t.Parallel()
	usd, err := money.ParseCurrency("USD")
	require.NoError(t, err)
	origins := make(map[string]books.Origin)
	posting := make(map[string]bool)
	var want [][]string
	for _, s := range samples(money.New(1, usd)) {
		if key, o, begins := books.Begins(s.stream, s.event); begins {
			origins[key] = o
		}
		p, ok, err := books.Post(s.stream, s.event, func(key string) (books.Origin, bool) { o, found := origins[key]; return o, found })
		require.NoError(t, err)
		require.True(t, ok)
		name, _, err := catalog.New().Plain(s.event)
		require.NoError(t, err)
		posting[name] = true
		row := []string{name, s.when}
		for _, profile := range policy.Profiles() {
			var debits, credits []string
			for _, line := range p.Lines(profile) {
				if line.Debit > 0 {
					debits = append(debits, fmt.Sprint(line.Account))
				} else {
					credits = append(credits, fmt.Sprint(line.Account))
				}
			}
			row = append(row, strings.Join(debits, ", "), strings.Join(credits, ", "))
		}
		want = append(want, row)
	}
	postings := section(t, read(t, "books.md"), "## Postings")
	require.Equal(t, want, rows(postings))
	_, none, found := strings.Cut(postings, "All other events post nothing:")
	require.True(t, found)
	words := strings.FieldsFunc(none, func(r rune) bool { return strings.ContainsRune(" \n,()", r) })
	for _, name := range catalog.New().Types() {
		require.NotEqual(t, posting[name], slices.Contains(words, name) || slices.Contains(words, name+"."), name)
	}
}
