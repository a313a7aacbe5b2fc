// Package searchtest has the tests that every search passes: documents in, questions, answers.
package searchtest

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"payledger/domain/money"
	"payledger/readmodels"
	"payledger/readmodels/search"
)

// Subject is what is tested.
type Subject struct {
	Searcher search.Searcher
	// Put stores documents as the projection does, replacing older ones. When it returns they can be found, and the
	// checkpoint stands at their highest position at least.
	Put func(t testing.TB, documents []search.Document)
}

// Run tests a search that may hold other documents already.
func Run(t *testing.T, s Subject) {
	t.Helper()
	for name, test := range map[string]func(*testing.T, *world){
		"Text": testText, "Filters": testFilters, "Owner": testOwner, "Tenants": testTenants, "Tombstones": testTombstones, "Replaced": testReplaced,
		"Paging": testPaging, "Changing": testPagingWhileDocumentsChange, "Facets": testFacets, "ManyValues": testManyValues, "Limits": testLimits, "HostileText": testHostileText, "HostileFilters": testHostileFilters,
		"HostileCursor": testHostileCursor, "Bodies": testBodies, "Totals": testTotals, "Checkpoint": testCheckpoint, "Random": testRandom,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, &world{Subject: s, tenant: "t-" + strings.ToLower(name)})
		})
	}
}

// world is one test's tenant, and what was put there.
type world struct {
	Subject
	tenant string
	all    []search.Document
}

var epoch = time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)

// document is the n-th of the tenant, a minute younger than the one before.
func (w *world) document(n int, texts ...string) search.Document {
	id := fmt.Sprintf("0197f2a0-0000-7000-8000-%012d", n)
	at := epoch.Add(time.Duration(n) * time.Minute)
	d := search.Document{
		Tenant: w.tenant, Object: readmodels.ObjectFee, ID: id, Owner: "user-1", Status: "unpaid", Reason: "overdue", Amount: 1250, Currency: "USD",
		CreatedAt: at, UpdatedAt: at, Words: search.Words(texts...),
		Position: int64(n), Epoch: 1, Body: json.RawMessage(fmt.Sprintf(`{"id":%q,"n":%d}`, id, n)),
	}
	return filed(d, "user-1", "loan-1")
}

// filed gives a document the terms of its filters.
func filed(d search.Document, userID, loanID string) search.Document {
	words := slices.DeleteFunc(slices.Clone(d.Words), func(word string) bool { return strings.HasPrefix(word, "=") })
	d.Words = search.Index(words, by("userId", userID), by("loanId", loanID), by("status", d.Status), by("reason", d.Reason), by("currency", d.Currency))
	return d
}

func by(field, value string) search.Filter { return search.Filter{Field: field, Value: value} }

// where returns a query with filters by field and value, in turns.
func where(fieldsAndValues ...string) search.Query {
	var q search.Query
	for pair := range slices.Chunk(fieldsAndValues, 2) {
		q.Filters = append(q.Filters, by(pair[0], pair[1]))
	}
	return q
}

func (w *world) put(t testing.TB, documents ...search.Document) {
	t.Helper()
	w.Put(t, documents)
	for _, d := range documents {
		w.all = append(slices.DeleteFunc(w.all, func(old search.Document) bool { return old.ID == d.ID && old.Object == d.Object }), d)
	}
}

// ask searches in the tenant, on a page that is large unless the query says otherwise.
func (w *world) ask(t testing.TB, q search.Query) search.Result {
	t.Helper()
	res, err := w.try(q)
	require.NoError(t, err, "%+v", q)
	return res
}

func (w *world) try(q search.Query) (search.Result, error) {
	if q.Tenant == "" {
		q.Tenant = w.tenant
	}
	if q.Object == "" {
		q.Object = readmodels.ObjectFee
	}
	if q.PageRowCount == 0 {
		q.PageRowCount = search.MaxPageRowCount
	}
	return w.Searcher.Search(context.Background(), q)
}

// requireFound asks for documents by their number, the newest first.
func (w *world) requireFound(t testing.TB, q search.Query, numbers ...int) {
	t.Helper()
	want := make([]string, len(numbers))
	for i, n := range numbers {
		want[i] = string(w.document(n).Body)
	}
	res := w.ask(t, q)
	require.Equal(t, want, bodies(res), "%+v", q)
	require.EqualValues(t, len(want), res.Total)
	require.False(t, res.AtLeast)
}

func bodies(res search.Result) []string {
	texts := make([]string, len(res.Documents))
	for i, d := range res.Documents {
		texts[i] = string(d)
	}
	return texts
}

// requireExpected compares an answer with what a plain loop over all documents finds.
func (w *world) requireExpected(t testing.TB, q search.Query) {
	t.Helper()
	want := w.expected(q)
	res := w.ask(t, q)
	require.EqualValues(t, len(want), res.Total, "%+v", q)
	w.requireFacets(t, q, want, res)
	first := min((max(q.PageNumber, 1)-1)*q.PageRowCount, len(want))
	if q.PageRowCount > 0 {
		want = want[first:min(first+q.PageRowCount, len(want))]
	}
	texts := make([]string, len(want))
	for i := range want {
		texts[i] = string(want[i].Body)
	}
	require.Equal(t, texts, bodies(res), "%+v", q)
}

func (w *world) expected(q search.Query) []search.Document {
	var found []search.Document
	for _, d := range w.all {
		if !d.Deleted && matches(d, q) {
			found = append(found, d)
		}
	}
	slices.SortFunc(found, func(a, b search.Document) int {
		c := cmp.Or(cmp.Compare(key(a, q.Sort), key(b, q.Sort)), strings.Compare(a.ID, b.ID))
		if q.Sort.Ascending {
			return c
		}
		return -c
	})
	return found
}

func key(d search.Document, s search.Sort) int64 {
	return map[search.SortKey]int64{search.ByCreatedAt: d.CreatedAt.UnixMilli(), search.ByUpdatedAt: d.UpdatedAt.UnixMilli(), search.ByAmount: d.Amount}[s.Key]
}

func matches(d search.Document, q search.Query) bool {
	if q.Owner != "" && q.Owner != d.Owner || q.Object != "" && q.Object != d.Object ||
		q.Amount != nil && (q.Amount.Minor() != d.Amount || q.Amount.Currency().Code() != d.Currency) {
		return false
	}
	for _, f := range q.Filters {
		if f.Value != "" && !slices.Contains(d.Words, "="+f.Field+"="+f.Value) {
			return false
		}
	}
	words := search.Words(q.Text)
	if len(words) == 0 && strings.TrimSpace(q.Text) != "" {
		return false
	}
	for _, word := range words {
		if !slices.ContainsFunc(d.Words, func(of string) bool { return strings.HasPrefix(of, word) }) {
			return false
		}
	}
	return true
}

func testText(t *testing.T, w *world) {
	t.Helper()
	w.put(t,
		w.document(1, "Überfällig seit März", "lost at the beach", "Łódź, SØREN"),
		w.document(2, "naïve CAFÉ in der Straße", "12.50 USD"),
		w.document(3, "図書館の本", "Ελληνικά ΟΔΟΣ", "0197f2a0-00aa-7000"),
		w.document(4, "Beachcomber's guide; lost, found & lost again"),
	)
	for text, want := range map[string][]int{
		"":                       {4, 3, 2, 1},
		"   \t":                  {4, 3, 2, 1},
		"überfällig":             {1},
		"UBERFALLIG":             {1},
		"u\u0308berfa\u0308llig": {1},
		"uber":                   {1},
		"lodz soren":             {1},
		"łódź":                   {1},
		"fällig":                 nil, // a prefix, not any part
		"beach":                  {4, 1},
		"beach lost":             {4, 1},
		"LOST, beach!":           {4, 1},
		"beach at":               {1},
		"beach found":            {4},
		"beach nowhere":          nil,
		"cafe":                   {2},
		"Cafe\u0301":             {2},
		"STRASSE":                {2},
		"straße":                 {2},
		"οδος":                   {3},
		"ελλ":                    {3},
		"図書":                     {3},
		"12.50":                  {2},
		"0197F2A0-00AA":          {3},
		"ｌｏｓｔ":                   {4, 1}, // full width
	} {
		w.requireFound(t, search.Query{Text: text}, want...)
	}
}

func testFilters(t *testing.T, w *world) {
	t.Helper()
	var documents []search.Document
	for n := 1; n <= 9; n++ {
		d := w.document(n, "note")
		user, loan := "user-1", "loan-1"
		switch n {
		case 2:
			user = "user-2"
		case 3:
			loan = ""
		case 4:
			d.Status = "paid"
		case 5:
			d.Reason = "Lost & found"
		case 6:
			d.Currency = "JPY"
		case 7:
			d.Owner = "user-2"
		case 8:
			d.Amount = 1251
		case 9:
			d.Object = readmodels.ObjectFeePayment
		}
		documents = append(documents, filed(d, user, loan))
	}
	w.put(t, documents...)
	w.requireFound(t, where("userId", "user-2"), 2)
	w.requireFound(t, where("loanId", "loan-1"), 8, 7, 6, 5, 4, 2, 1)
	w.requireFound(t, where("status", "paid"), 4)
	w.requireFound(t, where("reason", "Lost & found"), 5)
	w.requireFound(t, where("currency", "JPY"), 6)
	w.requireFound(t, search.Query{Owner: "user-2"}, 7)
	w.requireFound(t, search.Query{Object: readmodels.ObjectFeePayment}, 9)
	w.requireFound(t, search.Query{Amount: amount(t, 1251, "USD")}, 8)
	w.requireFound(t, search.Query{Amount: amount(t, 1250, "JPY")}, 6)
	w.requireFound(t, search.Query{Amount: amount(t, 1251, "JPY")})
	q := where("status", "unpaid", "currency", "USD", "userId", "user-1", "loanId", "")
	q.Text = "note"
	w.requireFound(t, q, 8, 7, 5, 3, 1)
	// Filters are exact: neither parts nor other cases match, nor the value of another field.
	for _, f := range []search.Filter{
		by("userId", "user"), by("status", "Paid"), by("reason", "lost & found"), by("reason", "Lost"), by("currency", "jpy"), by("loanId", "user-1"),
		by("nothing", "x"), by("user", "Id=user-1"),
	} {
		w.requireFound(t, search.Query{Filters: []search.Filter{f}})
	}
	// A term is no word.
	for _, text := range []string{"userId", "=userId=user-1", "userid user"} {
		w.requireFound(t, search.Query{Text: text})
	}
	w.requireFound(t, search.Query{Owner: "user-"})
}

func amount(t testing.TB, minor int64, currency string) *money.Amount {
	t.Helper()
	cur, err := money.ParseCurrency(currency)
	require.NoError(t, err)
	a := money.New(minor, cur)
	return &a
}

func testOwner(t *testing.T, w *world) {
	t.Helper()
	other := w.document(1, "shared word")
	other.Owner = "user-2" // of user-1, but not hers to see
	w.put(t, other, w.document(2, "shared word"))
	w.requireFound(t, search.Query{Text: "shared"}, 2, 1)
	w.requireFound(t, search.Query{Text: "shared", Owner: "user-1"}, 2)
	for _, owner := range []string{"user-1", "user-3"} {
		q := where("userId", "user-1")
		q.Owner, q.Facets = owner, true
		w.requireExpected(t, q)
	}
	w.requireFound(t, search.Query{Owner: "user-1", Text: "word", Sort: search.Sort{Key: search.ByAmount}}, 2)
	w.requireFound(t, search.Query{Owner: "user-3"})
}

func testTenants(t *testing.T, w *world) {
	t.Helper()
	// The same ids for all, and names that would meet if they were put together without care.
	names := []string{w.tenant, w.tenant + "/fee", strings.ToUpper(w.tenant), w.tenant + " ", w.tenant + "-2"}
	for i, name := range names {
		d := w.document(1, "everywhere")
		d.Tenant, d.Body = name, json.RawMessage(fmt.Sprintf(`{"tenant":%d}`, i))
		w.Put(t, []search.Document{d})
	}
	for i, name := range names {
		for _, q := range []search.Query{{Tenant: name}, {Tenant: name, Text: "every"}, {Tenant: name, Filters: where("userId", "user-1").Filters, Facets: true}} {
			require.Equal(t, []string{fmt.Sprintf(`{"tenant":%d}`, i)}, bodies(w.ask(t, q)), name)
		}
	}
	w.requireFound(t, search.Query{Tenant: "nobody"})
}

func testTombstones(t *testing.T, w *world) {
	t.Helper()
	gone, never := w.document(1, "word"), w.document(2)
	w.put(t, gone, w.document(3, "word"))
	w.requireFound(t, search.Query{Text: "word"}, 3, 1)
	gone.Deleted, gone.Position = true, 10
	// As the documents projection stores a payment that comes before its fee.
	never.Deleted, never.Body, never.CreatedAt, never.Owner, never.Words = true, json.RawMessage("null"), time.Unix(0, 0).UTC(), "", nil
	w.put(t, gone, never)
	for _, q := range []search.Query{{}, {Text: "word"}, where("userId", "user-1"), {Owner: "user-1", Filters: where("status", "unpaid").Filters}} {
		q.Facets = true
		w.requireFound(t, q, 3)
		w.requireExpected(t, q)
	}
}

func testReplaced(t *testing.T, w *world) {
	t.Helper()
	d := w.document(1, "old")
	w.put(t, d)
	d.Words, d.Status, d.Position = search.Words("new"), "paid", 9
	d = filed(d, "user-1", "loan-1")
	w.put(t, d)
	w.requireFound(t, search.Query{Text: "old"})
	w.requireFound(t, where("status", "unpaid"))
	q := where("status", "paid")
	q.Text = "new"
	w.requireFound(t, q, 1)
}

// testRandom compares many random questions over random documents with a plain loop.
func testRandom(t *testing.T, w *world) {
	t.Helper()
	random := rand.New(rand.NewPCG(3, 4)) //nolint:gosec // not a secret
	texts := []string{
		"", "lost at the beach", "Übergröße", "naïve café", "Ελληνικά", "漢字", `"quoted" \ and 👍`, "a b c", "overdue & unpaid", "x-ray 42",
		strings.Repeat("long", 40),
	}
	one := func(values ...string) string { return values[random.IntN(len(values))] }
	var documents []search.Document
	for n := range 200 {
		d := w.document(n, one(texts...), one(texts...))
		d.CreatedAt = epoch.Add(time.Duration(random.IntN(50)) * time.Second)
		d.UpdatedAt = epoch.Add(time.Duration(random.IntN(50)) * time.Minute)
		d.Owner, d.Amount = one("u1", "u2"), []int64{0, 1, 1250, 99_999, money.MaxMinor}[random.IntN(5)]
		d.Status, d.Reason, d.Currency = one("unpaid", "paid", "waived"), one("", "overdue", "lost"), one("USD", "EUR")
		d.Deleted = random.IntN(8) == 0
		documents = append(documents, filed(d, one("u1", "u2", "u3"), one("", "l1", "l2")))
	}
	w.put(t, documents...)
	for range 200 {
		q := where("userId", one("", "", "u1", "u2"), "loanId", one("", "", "l1"), "status", one("", "", "unpaid", "paid"), "reason", one("", "", "overdue"),
			"currency", one("", "", "USD"))
		q.Text = one("", "", "lo", "LOST be", "ubergr", "cafe naive", "ελ", "漢", "quoted and", "a", "b c", "42 x", "👍", "longlong", one(texts...))
		q.Owner, q.PageNumber, q.PageRowCount, q.Facets = one("", "", "u1", "u3"), random.IntN(4), 1+random.IntN(30), random.IntN(2) == 0
		q.Sort = search.Sort{Key: search.SortKey(random.IntN(3)), Ascending: random.IntN(2) == 0}
		if random.IntN(10) == 0 {
			q.Amount = amount(t, 1250, one("USD", "EUR"))
		}
		w.requireExpected(t, q)
	}
}
