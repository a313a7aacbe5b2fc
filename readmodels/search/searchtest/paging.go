package searchtest

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"payledger/readmodels/search"
)

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
	for _, sort := range sorts() {
		whole := bodies(w.ask(t, search.Query{Sort: sort}))
		require.Len(t, whole, 50)
		for _, rows := range []int{1, 7, 50, 51} {
			var got []string
			q := search.Query{PageRowCount: rows, Sort: sort}
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
}

// sorts are all orders.
func sorts() []search.Sort {
	var all []search.Sort
	for _, key := range []search.SortKey{search.ByCreatedAt, search.ByUpdatedAt, search.ByAmount} {
		all = append(all, search.Sort{Key: key}, search.Sort{Key: key, Ascending: true})
	}
	return all
}

// testPagingWhileDocumentsChange pages by cursor while documents change, come and go. Those that were there all the time, under
// the same sort key, are seen exactly once each.
func testPagingWhileDocumentsChange(t *testing.T, w *world) {
	t.Helper()
	for s, sort := range sorts() {
		of := &world{Subject: w.Subject, tenant: fmt.Sprintf("%s-%d", w.tenant, s)}
		random := rand.New(rand.NewPCG(5, uint64(s))) //nolint:gosec // not a secret
		position := int64(0)
		current := make(map[int]search.Document)
		stored := func(n int, change func(*search.Document)) search.Document {
			d, ok := current[n]
			if !ok {
				d = of.document(n, "page")
				d.Amount = int64(random.IntN(5)) // many have the same
				d.UpdatedAt = epoch.Add(time.Duration(random.IntN(5)) * time.Second)
			}
			change(&d)
			position++
			d.Position = position
			current[n] = d
			return d
		}
		var first []search.Document
		for n := range 60 {
			first = append(first, stored(n, func(*search.Document) {}))
		}
		of.Put(t, first)
		moved := make(map[int]bool) // whose sort key changed, who went or came
		seen := make(map[string]int)
		q := search.Query{PageRowCount: 7, Sort: sort}
		for page := 0; ; page++ {
			res := of.ask(t, q)
			for _, body := range bodies(res) {
				seen[body]++
			}
			if q.Cursor = res.Next; q.Cursor == "" {
				break
			}
			var changed []search.Document
			for n := range 20 { // their texts and statuses change
				changed = append(changed, stored(n*3, func(d *search.Document) {
					d.Status, d.Words = "paid", search.Index([]string{"page"}, by("status", "paid"))
				}))
			}
			gone, jumping, fresh := 1+3*random.IntN(20), 2+3*random.IntN(20), 100+page
			changed = append(changed, stored(gone, func(d *search.Document) { d.Deleted = true }), stored(fresh, func(*search.Document) {}),
				stored(jumping, func(d *search.Document) {
					d.CreatedAt, d.UpdatedAt, d.Amount = epoch.Add(time.Duration(random.IntN(3600))*time.Second), d.UpdatedAt.Add(time.Hour), d.Amount+3
				}))
			moved[gone], moved[jumping], moved[fresh] = true, true, true
			of.Put(t, changed)
		}
		for n := range 60 {
			if !moved[n] {
				require.Equal(t, 1, seen[string(of.document(n).Body)], "document %d by %+v", n, sort)
			}
		}
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
