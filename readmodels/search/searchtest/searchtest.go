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
		"Paging": testPaging, "Limits": testLimits, "HostileText": testHostileText, "HostileFilters": testHostileFilters,
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
	return search.Document{
		Tenant: w.tenant, Object: readmodels.ObjectFee, ID: id, Owner: "user-1", UserID: "user-1", LoanID: "loan-1", Status: "unpaid",
		Reason: "overdue", Currency: "USD", CreatedAt: epoch.Add(time.Duration(n) * time.Minute), Words: search.Words(texts...),
		Position: int64(n), Epoch: 1, Body: json.RawMessage(fmt.Sprintf(`{"id":%q,"n":%d}`, id, n)),
	}
}

func (w *world) put(t testing.TB, documents ...search.Document) {
	t.Helper()
	w.Put(t, documents)
	w.all = append(w.all, documents...)
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
		return cmp.Or(b.CreatedAt.Compare(a.CreatedAt), strings.Compare(b.ID, a.ID))
	})
	return found
}

func matches(d search.Document, q search.Query) bool {
	for _, f := range [][2]string{
		{q.Owner, d.Owner}, {q.UserID, d.UserID}, {q.LoanID, d.LoanID}, {q.Status, d.Status}, {q.Reason, d.Reason}, {q.Currency, d.Currency},
	} {
		if f[0] != "" && f[0] != f[1] {
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
		w.document(1, "Überfällig seit März", "lost at the beach"),
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
	for n := 1; n <= 7; n++ {
		d := w.document(n, "note")
		switch n {
		case 2:
			d.UserID = "user-2"
		case 3:
			d.LoanID = ""
		case 4:
			d.Status = "paid"
		case 5:
			d.Reason = "Lost & found"
		case 6:
			d.Currency = "JPY"
		case 7:
			d.Owner = "user-2"
		}
		documents = append(documents, d)
	}
	w.put(t, documents...)
	w.requireFound(t, search.Query{UserID: "user-2"}, 2)
	w.requireFound(t, search.Query{LoanID: "loan-1"}, 7, 6, 5, 4, 2, 1)
	w.requireFound(t, search.Query{Status: "paid"}, 4)
	w.requireFound(t, search.Query{Reason: "Lost & found"}, 5)
	w.requireFound(t, search.Query{Currency: "JPY"}, 6)
	w.requireFound(t, search.Query{Owner: "user-2"}, 7)
	w.requireFound(t, search.Query{Text: "note", Status: "unpaid", Currency: "USD", UserID: "user-1"}, 7, 5, 3, 1)
	// Filters are exact: neither parts nor other cases match.
	for _, q := range []search.Query{{UserID: "user"}, {Status: "Paid"}, {Reason: "lost & found"}, {Reason: "Lost"}, {Currency: "jpy"}, {Owner: "user-"}} {
		w.requireFound(t, q)
	}
}

func testOwner(t *testing.T, w *world) {
	t.Helper()
	other := w.document(1, "shared word")
	other.Owner = "user-2" // of user-1, but not hers to see
	w.put(t, other, w.document(2, "shared word"))
	w.requireFound(t, search.Query{Text: "shared"}, 2, 1)
	w.requireFound(t, search.Query{Text: "shared", Owner: "user-1"}, 2)
	w.requireFound(t, search.Query{Owner: "user-1", UserID: "user-1"}, 2)
	w.requireFound(t, search.Query{Owner: "user-1", UserID: "user-2"})
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
		for _, q := range []search.Query{{Tenant: name}, {Tenant: name, Text: "every"}, {Tenant: name, UserID: "user-1"}} {
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
	never.Deleted, never.Body, never.CreatedAt, never.Owner, never.UserID = true, json.RawMessage("null"), time.Unix(0, 0).UTC(), "", ""
	w.put(t, gone, never)
	for _, q := range []search.Query{{}, {Text: "word"}, {UserID: "user-1"}, {Owner: "user-1", Status: "unpaid"}} {
		w.requireFound(t, q, 3)
	}
}

func testReplaced(t *testing.T, w *world) {
	t.Helper()
	d := w.document(1, "old")
	w.put(t, d)
	d.Words, d.Status, d.Position = search.Words("new"), "paid", 9
	w.put(t, d)
	w.requireFound(t, search.Query{Text: "old"})
	w.requireFound(t, search.Query{Status: "unpaid"})
	w.requireFound(t, search.Query{Text: "new", Status: "paid"}, 1)
}

func testPaging(t *testing.T, w *world) {
	t.Helper()
	var documents []search.Document
	for n := range 50 {
		d := w.document(n, "page")
		d.CreatedAt = epoch.Add(time.Duration(n/4) * time.Millisecond) // four of each time: the id decides
		documents = append(documents, d)
	}
	rand.New(rand.NewPCG(1, 2)).Shuffle(len(documents), func(i, j int) { //nolint:gosec // not a secret
		documents[i], documents[j] = documents[j], documents[i]
	})
	w.put(t, documents...)
	for number := range 10 {
		w.requireExpected(t, search.Query{Text: "pag", PageNumber: number, PageRowCount: 7})
	}
	whole := bodies(w.ask(t, search.Query{}))
	require.Len(t, whole, 50)
	for _, rows := range []int{1, 7, 50, 51} {
		var got []string
		q := search.Query{PageRowCount: rows}
		for {
			res := w.ask(t, q)
			require.EqualValues(t, 50, res.Total, "the total is of all pages")
			got = append(got, bodies(res)...)
			if q.Cursor = res.Next; q.Cursor == "" {
				break
			}
			require.Len(t, res.Documents, rows)
		}
		require.Equal(t, whole, got)
	}
}

func testLimits(t *testing.T, w *world) {
	t.Helper()
	w.put(t, w.document(1), w.document(2))
	for _, rows := range []int{-5, 1} {
		require.Len(t, w.ask(t, search.Query{PageRowCount: rows}).Documents, 1)
	}
	require.Len(t, w.ask(t, search.Query{PageRowCount: 1 << 40}).Documents, 2)
	require.Len(t, w.ask(t, search.Query{PageNumber: -1}).Documents, 2)
	require.Empty(t, w.ask(t, search.Query{PageNumber: 20, PageRowCount: 500}).Documents)
	require.Empty(t, w.ask(t, search.Query{PageNumber: 10_000, PageRowCount: 1}).Documents)
	for _, q := range []search.Query{{PageNumber: 21, PageRowCount: 500}, {PageNumber: 10_001, PageRowCount: 1}, {PageNumber: 1 << 62, PageRowCount: 500}} {
		_, err := w.try(q)
		require.ErrorIs(t, err, search.ErrTooFar)
	}
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
		d.Owner, d.UserID, d.LoanID = one("u1", "u2"), one("u1", "u2", "u3"), one("", "l1", "l2")
		d.Status, d.Reason, d.Currency = one("unpaid", "paid", "waived"), one("", "overdue", "lost"), one("USD", "EUR")
		d.Deleted = random.IntN(8) == 0
		documents = append(documents, d)
	}
	w.put(t, documents...)
	for range 150 {
		q := search.Query{
			Text:  one("", "", "lo", "LOST be", "ubergr", "cafe naive", "ελ", "漢", "quoted and", "a", "b c", "42 x", "👍", "longlong", one(texts...)),
			Owner: one("", "", "u1", "u3"), UserID: one("", "", "u1", "u2"), LoanID: one("", "", "l1"), Status: one("", "", "unpaid", "paid"),
			Reason: one("", "", "overdue"), Currency: one("", "", "USD"), PageNumber: random.IntN(4), PageRowCount: 1 + random.IntN(30),
		}
		w.requireExpected(t, q)
	}
}
