package searchtest

import (
	"cmp"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"payledger/domain/money"
	"payledger/readmodels"
	"payledger/readmodels/search"
)

// requireFacets compares the facets of an answer with a plain loop over the documents found.
func (w *world) requireFacets(t testing.TB, q search.Query, found []search.Document, res search.Result) {
	t.Helper()
	if !q.Facets {
		require.Nil(t, res.Facets)
		return
	}
	fields := search.FieldsOf(cmp.Or(q.Object, readmodels.ObjectFee))
	var want []search.Facet
	for _, f := range []struct {
		field string
		value func(search.Document) string
	}{
		{fields.Status, func(d search.Document) string { return d.Status }}, {fields.Reason, func(d search.Document) string { return d.Reason }},
	} {
		if f.field != "" {
			want = append(want, count(t, f.field, f.value, found, fields.Amount != ""))
		}
	}
	require.Equal(t, readable(want), readable(res.Facets), "%+v", q)
}

func count(t testing.TB, field string, value func(search.Document) string, found []search.Document, money bool) search.Facet {
	t.Helper()
	byValue := make(map[string]*search.Bucket)
	for _, d := range found {
		b := byValue[value(d)]
		if b == nil {
			b = &search.Bucket{Value: value(d)}
			byValue[b.Value] = b
		}
		b.Count++
		if money {
			addTo(t, b, d)
		}
	}
	facet := search.Facet{Field: field}
	for _, b := range byValue {
		slices.SortFunc(b.Sums, func(a, b search.Sum) int { return strings.Compare(a.Currency.Code(), b.Currency.Code()) })
		facet.Buckets = append(facet.Buckets, *b)
	}
	slices.SortFunc(facet.Buckets, func(a, b search.Bucket) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), strings.Compare(a.Value, b.Value))
	})
	for len(facet.Buckets) > search.MaxBuckets {
		last := len(facet.Buckets) - 1
		facet.Others += facet.Buckets[last].Count
		facet.Buckets = facet.Buckets[:last]
	}
	return facet
}

func addTo(t testing.TB, b *search.Bucket, d search.Document) {
	t.Helper()
	currency, err := money.ParseCurrency(d.Currency)
	require.NoError(t, err)
	i := slices.IndexFunc(b.Sums, func(s search.Sum) bool { return s.Currency == currency })
	if i < 0 {
		i = len(b.Sums)
		b.Sums = append(b.Sums, search.Sum{Currency: currency, Minor: new(big.Int)})
	}
	b.Sums[i].Count++
	b.Sums[i].Minor.Add(b.Sums[i].Minor, big.NewInt(d.Amount))
}

// readable makes big integers comparable.
func readable(facets []search.Facet) []string {
	var lines []string
	for _, f := range facets {
		lines = append(lines, fmt.Sprintf("%s, others %d", f.Field, f.Others))
		for _, b := range f.Buckets {
			lines = append(lines, fmt.Sprintf("%q %d", b.Value, b.Count))
			for _, s := range b.Sums {
				lines = append(lines, fmt.Sprintf("  %s %d %s", s.Currency, s.Count, s.Minor))
			}
		}
	}
	return lines
}

// testFacets counts and adds up, to the last unit, what no floating point holds.
func testFacets(t *testing.T, w *world) {
	t.Helper()
	var documents []search.Document
	for n := range 200 {
		d := w.document(n, "odd")
		d.Amount = money.MaxMinor - int64(n)
		if n%2 == 0 {
			d = w.document(n)
			d.Amount = int64(n) * 19_99
		}
		d.Status = []string{"unpaid", "paid", "waived"}[n%3]
		d.Reason = []string{"overdue", "lost", "", "Überfällig, Straße", `"`}[n%5]
		d.Currency = []string{"USD", "EUR", "JPY", "USD"}[n%4]
		d.Owner = []string{"user-1", "user-2"}[n/100]
		if n == 7 {
			d.Deleted = true
		}
		documents = append(documents, filed(d, d.Owner, ""))
	}
	w.put(t, documents...)
	for _, q := range []search.Query{
		{},
		{PageRowCount: 1},
		{PageNumber: 3, PageRowCount: 10},
		{Text: "odd"},
		{Text: "nowhere"},
		{Owner: "user-2"},
		where("status", "paid"), where("currency", "JPY", "reason", "lost"),
		{Object: readmodels.ObjectFeePayment},
		{Object: "feeEvent"},
		{Object: "paymentMethod"},
		{Amount: amount(t, money.MaxMinor-9, "EUR")},
	} {
		q.Facets = true
		w.requireExpected(t, q)
	}
	// They are of all pages, also of the last.
	q := search.Query{PageRowCount: 150, Facets: true}
	res := w.ask(t, q)
	q.Cursor = res.Next
	require.Equal(t, readable(res.Facets), readable(w.ask(t, q).Facets))
	// An answer without words to look for has facets too: empty ones.
	require.Equal(t, []string{"status, others 0", "reason, others 0"}, readable(w.ask(t, search.Query{Text: "?!", Facets: true}).Facets))
	// Objects without amounts, or with one field only.
	for i, object := range []readmodels.Object{"feeEvent", "paymentMethod"} {
		d := w.document(300 + i)
		d.Object, d.Currency, d.Amount = object, "", 0
		w.put(t, d)
		w.requireExpected(t, search.Query{Object: object, Facets: true})
	}
}

// testManyValues has more values than a facet counts, so that the last place goes to the first of equals.
func testManyValues(t *testing.T, w *world) {
	t.Helper()
	var documents []search.Document
	for n := range 3 * search.MaxBuckets {
		d := w.document(n)
		d.Reason = fmt.Sprintf("reason %02d", (n*7)%(2*search.MaxBuckets))
		d.Currency = []string{"USD", "EUR"}[n%2]
		documents = append(documents, d)
	}
	w.put(t, documents...)
	w.requireExpected(t, search.Query{Facets: true})
}
