package httpapi_test

import (
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"strconv"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"payledger/domain/money"
	"payledger/readmodels"
	"payledger/readmodels/checkpoints"
	"payledger/readmodels/search"
	"payledger/readmodels/tables"
)

// A front end that knows nothing of positions sees what it wrote, at once and each time.
func TestReadingOnesOwnWrites(t *testing.T) {
	t.Parallel()
	w := setup(t)
	for i := range 30 {
		id := w.assess(strconv.Itoa(i + 1))
		w.do("GET", "/fees/"+id, w.member(), "").wants(http.StatusOK)
		w.do("PATCH", "/fees/"+id, w.staff(), fmt.Sprintf(`{"note":"n%d"}`, i)).wants(http.StatusOK)
		require.Equal(t, fmt.Sprintf("n%d", i), w.do("GET", "/fees/"+id, w.staff(), "").str("fee", "note"))
		list := w.do("GET", "/fees?pageRowCount=1", w.staff(), "")
		require.Equal(t, []string{id}, idsOf(t, list), "a list waits for the caller's own last write")
	}
}

// While the projection stands still, answers say so instead of lying.
func TestStandingProjection(t *testing.T) {
	t.Parallel()
	w := setup(t, impatient)
	old := w.assess("5")
	w.projected()
	w.pause()
	r := w.do("POST", "/fees", w.staff(), newFee(``)).wants(201)
	notYet := func(r reply) {
		t.Helper()
		r.refused(503, "NotYetVisible", "errMsg_notYetVisible")
		require.Equal(t, "1", r.header.Get("Retry-After"))
	}
	notYet(w.do("GET", "/fees/"+r.str("fee", "id"), w.staff(), ""))
	notYet(w.do("GET", "/fees/"+otherID, w.staff(), "")) // nobody can say yet that it isn't there
	notYet(w.do("PATCH", "/fees/"+otherID, w.staff(), `{"note":"x"}`))
	notYet(w.do("GET", "/fees/"+old, w.staff(), "", "Min-Position", "2"))
	notYet(w.do("GET", "/fees", w.staff(), "", "Min-Position", "2"))

	w.do("GET", "/fees/"+old, w.staff(), "", "Min-Position", "1").wants(200)
	require.Len(t, idsOf(t, w.do("GET", "/fees", w.staff(), "")), 1, "an old list is better than none")
	require.EqualValues(t, 1, w.do("GET", "/fees", w.staff(), "").position())
	w.do("PATCH", "/fees/"+old, w.staff(), `{"note":"x"}`).wants(200)
	require.Equal(t, "0", string(w.do("GET", "/fees/"+old, w.staff(), "").wants(200).raw("fee", "recordVersion")), "the old row, after a while")

	// Commands need no projection, not even to find the open fees.
	paid := w.do("POST", "/payments", w.staff(), pay(`"amount":17.5`)).wants(201)
	require.Equal(t, "0", string(paid.raw("payment", "credit")))

	w.project()
	w.projected()
	got := w.do("GET", "/fees/"+r.str("fee", "id"), w.staff(), "", "Min-Position", paid.header.Get("Ledger-Position")).wants(200)
	require.Equal(t, "paid", got.str("fee", "status"))
	require.Equal(t, paid.position(), got.position())
	w.do("GET", "/fees/"+otherID, w.staff(), "").refused(404, "RecordNotFound", "errMsg_RecordNotFound")
	w.do("PATCH", "/fees/"+otherID, w.staff(), `{"note":"x"}`).refused(404, "RecordNotFound", "errMsg_RecordNotFound")

	beyond := strconv.FormatInt(w.head()+1, 10)
	for _, path := range []string{"/fees", "/fees/" + old, "/fees/" + old + "/history", "/search/fees"} {
		w.do("GET", path, w.staff(), "", "Min-Position", beyond).refused(400, "BadRequest", "errMsg_Min-PositionisBeyondTheLog")
		w.do("GET", path, w.staff(), "", "Min-Position", "-1").refused(400, "BadRequest", "errMsg_Min-PositionisNotAValidInteger")
	}
}

// In a new deployment the first fee may be read before the projector has made its tables.
func TestReadsWaitForTheFirstTables(t *testing.T) {
	t.Parallel()
	w := setup(t)
	id := w.assess("5")
	w.projected()
	w.pause()
	for _, sql := range []string{
		"DROP SCHEMA tables_v2 CASCADE", "UPDATE ledger.checkpoints SET position = 0", "NOTIFY " + checkpoints.Channel + ", '" + checkpoints.Notification(tables.Projection(), 0) + "'",
	} {
		_, err := w.db.ProjectorPool(t).Exec(t.Context(), sql)
		require.NoError(t, err)
	}
	require.Eventually(t, func() bool {
		at, err := w.watcher.Wait(t.Context(), tables.Projection(), 1, 0)
		return err == nil && at == 0
	}, wait, tick)
	var (
		got   reply
		asked sync.WaitGroup
	)
	asked.Go(func() { got = w.do("GET", "/fees/"+id, w.member(), "") })
	w.project()
	asked.Wait()
	got.wants(http.StatusOK)
}

// A refusal says at which position it was decided.
func TestRefusalsNameTheirPosition(t *testing.T) {
	t.Parallel()
	w := setup(t)
	id := w.assess("5")
	w.do("PATCH", "/fees/"+id, w.staff(), `{"status":"paid"}`).wants(200)
	require.Equal(t, w.head(), w.do("PATCH", "/fees/"+id, w.staff(), `{"status":"waived"}`).wants(422).position())
	require.Equal(t, w.head(), w.do("PATCH", "/fees/"+otherID, w.staff(), `{"status":"waived"}`).wants(404).position())
	require.Equal(t, w.head(), w.do("GET", "/fees/"+id, w.token(otherID, "member"), "").wants(404).position())
}

func TestSearchPassesOnWhatWasAsked(t *testing.T) {
	t.Parallel()
	w := setup(t)
	row := w.do("POST", "/fees", w.staff(), newFee(``)).raw("fee")
	var document map[string]json.RawMessage
	require.NoError(t, json.Unmarshal(row, &document))
	delete(document, "status_idx")
	body, err := json.Marshal(document)
	require.NoError(t, err)
	w.search.result = search.Result{Documents: []json.RawMessage{body}, Total: 10_000, AtLeast: true, Checkpoint: 1}

	r := w.do("GET", "/search/fees?q=%C3%9Cber&status=2&reason=lost&currency=EUR&loanId="+loanID+"&userId="+memberID+"&pageNumber=3&pageRowCount=10",
		w.staff(), "").wants(200)
	require.Equal(t, search.Query{
		Tenant: tenant, Object: "fee", Text: "Über", Filters: []search.Filter{
			{Field: "userId", Value: memberID},
			{Field: "loanId", Value: loanID},
			{Field: "status", Value: "paid"},
			{Field: "reason", Value: "lost"},
			{Field: "currency", Value: "EUR"},
		},
		PageNumber: 3, PageRowCount: 10,
	}, w.search.asked)
	require.JSONEq(t, "["+string(row)+"]", string(r.raw("fees")))
	require.Equal(t, `{"pageNumber":3,"pageRowCount":10,"totalRowCount":10000,"pageCount":1000}`, string(r.raw("paging")))
	require.Equal(t, "at-least", r.header.Get("Total-Count"))
	require.EqualValues(t, 1, r.position())
	require.Equal(t, `["q","userId","loanId","status","reason","currency"]`, string(r.raw("filters")))

	w.do("GET", "/search/fees", w.member(), "").wants(200)
	require.Equal(t, memberID, w.search.asked.Owner, "members find their own")
	w.search.err = fmt.Errorf("ask: %w", search.ErrCursor)
	w.do("GET", "/search/fees?cursor=x", w.staff(), "").refused(400, "BadRequest", "errMsg_cursorisNotAValidCursor")
	w.search.err = fmt.Errorf("ask: %w", search.ErrTooFar)
	w.do("GET", "/search/fees?pageNumber=1000", w.staff(), "").refused(400, "BadRequest", "errMsg_pageNumberisNotAValidInteger")
	w.search.err = fmt.Errorf("ask: %w", search.ErrUnavailable)
	r = w.do("GET", "/search/fees?q=x", w.staff(), "").refused(503, "SearchUnavailable", "errMsg_searchIsNotAvailable")
	require.Equal(t, "1", r.header.Get("Retry-After"))
}

// Each object is searched by its own filters, each in the form in which documents hold it.
func TestSearchOfEachObject(t *testing.T) {
	t.Parallel()
	w := setup(t)
	for _, c := range []struct {
		path   string
		object readmodels.Object
		want   []search.Filter
	}{
		{"fees?userId=" + memberID, readmodels.ObjectFee, []search.Filter{{Field: "userId", Value: memberID}}},
		{"feepayments?feeId=" + loanID + "&paymentMethod=1&paymentStatus=complete&currency=EUR", readmodels.ObjectFeePayment, []search.Filter{
			{Field: "feeId", Value: loanID}, {Field: "paymentMethod", Value: "cash"}, {Field: "paymentStatus", Value: "complete"}, {Field: "currency", Value: "EUR"},
		}},
		{"payments?ownerId=" + memberID + "&paymentId=pi_1&statusLiteral=started", readmodels.ObjectGatewayPayment, []search.Filter{
			{Field: "ownerId", Value: memberID}, {Field: "paymentId", Value: "pi_1"}, {Field: "statusLiteral", Value: "started"},
		}},
		{"feeevents?eventType=6&actorUserId=" + staffID, readmodels.ObjectFeeEvent, []search.Filter{{Field: "eventType", Value: "note"}, {Field: "actorUserId", Value: staffID}}},
		{"paymentcustomers?customerId=cus_1", readmodels.ObjectPaymentCustomer, []search.Filter{{Field: "customerId", Value: "cus_1"}}},
		{"paymentmethods?paymentMethodId=pm_1&platform=stripe", readmodels.ObjectPaymentMethod, []search.Filter{
			{Field: "paymentMethodId", Value: "pm_1"}, {Field: "platform", Value: "stripe"},
		}},
	} {
		w.do("GET", "/search/"+c.path+"&sort=updatedAt", w.member(), "").wants(200)
		require.Equal(t, search.Query{
			Tenant: tenant, Object: c.object, Owner: memberID, Filters: c.want, Sort: search.Sort{Key: search.ByUpdatedAt, Ascending: true}, PageNumber: 1, PageRowCount: 25,
		}, w.search.asked)
	}
	usd, err := money.ParseCurrency("USD")
	require.NoError(t, err)
	for path, want := range map[string]search.SortKey{"fees?amount=12.5&sort=-amount": search.ByAmount, "feepayments?amountPaid=12.50&sort=-amountPaid": search.ByAmount} {
		w.do("GET", "/search/"+path, w.staff(), "").wants(200)
		amount := money.New(1250, usd)
		require.Equal(t, &amount, w.search.asked.Amount)
		require.Equal(t, search.Sort{Key: want}, w.search.asked.Sort)
	}
	w.do("GET", "/search/feeevents?sort=amount", w.staff(), "").refused(400, "BadRequest", "errMsg_sortisNotAValidEnum")
}

func TestFacetsArePrintedExactly(t *testing.T) {
	t.Parallel()
	w := setup(t)
	sum := func(currency string, minor string) search.Sum {
		cur, err := money.ParseCurrency(currency)
		require.NoError(t, err)
		exact, ok := new(big.Int).SetString(minor, 10)
		require.True(t, ok)
		return search.Sum{Currency: cur, Count: 2, Minor: exact}
	}
	w.search.result = search.Result{Facets: []search.Facet{
		{Field: "status", Buckets: []search.Bucket{{Value: "un\"paid", Count: 4, Sums: []search.Sum{sum("JPY", "500"), sum("USD", "1999")}}}, Others: 7},
		{Field: "reason", Buckets: []search.Bucket{{Count: 2, Sums: []search.Sum{sum("BHD", "123456789012345678901")}}, {Value: "x", Count: 2, Sums: []search.Sum{sum("USD", "5"), sum("EUR", "0"), sum("CHF", "1250")}}}},
	}}
	r := w.do("GET", "/search/fees?facets=true", w.staff(), "").wants(200)
	require.True(t, w.search.asked.Facets)
	want := `{"status":{"values":[{"value":"un\"paid","count":4,"sums":[{"currency":"JPY","count":2,"amount":500},` +
		`{"currency":"USD","count":2,"amount":19.99}]}],"others":7},"reason":{"values":[{"value":null,"count":2,"sums":[{"currency":"BHD","count":2,` +
		`"amount":123456789012345678.901}]},{"value":"x","count":2,"sums":[{"currency":"USD","count":2,"amount":0.05},{"currency":"EUR","count":2,"amount":0},` +
		`{"currency":"CHF","count":2,"amount":12.5}]}],"others":0}}`
	require.Equal(t, want, string(r.raw("facets")))
	w.search.result = search.Result{}
	require.NotContains(t, string(w.do("GET", "/search/fees", w.staff(), "").wants(200).body), "facets")
}
