package httpapi_test

import (
	"context"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"payledger/domain/gateway"
)

// routeEvent is a stored route event.
type routeEvent struct{ topic, key, body string }

// routeEvents returns those with a number greater than that, in order.
func (w *world) routeEvents(after int64) []routeEvent {
	w.t.Helper()
	rows, err := w.pool.Query(context.Background(), `SELECT topic, key, convert_from(body, 'UTF8') FROM ledger.route_events WHERE number > $1 ORDER BY number`, after)
	require.NoError(w.t, err)
	defer rows.Close()
	var list []routeEvent
	for rows.Next() {
		var e routeEvent
		require.NoError(w.t, rows.Scan(&e.topic, &e.key, &e.body))
		e.topic = strings.TrimPrefix(e.topic, service+"-")
		list = append(list, e)
	}
	require.NoError(w.t, rows.Err())
	return list
}

func (w *world) lastRoute() int64 { return w.counts()[3] }

func TestGatewayPaymentsByTheirIDs(t *testing.T) {
	t.Parallel()
	w := setup(t)
	order := w.assess("5")
	first, second := w.gatewayPayment(memberID, order, "pi_1"), w.gatewayPayment(memberID, order, "pi_2")
	for path, want := range map[string]string{
		"/payment/" + first: first, "/paymentbyorderid/" + order: second, "/paymentbyorderid/" + first: first,
		"/paymentbypaymentid/pi_1": first, "/paymentbypaymentid/" + second: second, "/paymentbypaymentid/" + strings.ToUpper(second): second,
	} {
		r := w.do("GET", path, w.member(), "").wants(200)
		require.Equal(t, want, r.str("feePayment", "id"), path)
		require.Equal(t, `"0"`, r.header.Get("ETag"))
		w.do("GET", path, w.staff(), "").wants(200)
		w.do("GET", path, w.token(otherID, "member"), "").refused(404, "RecordNotFound", "errMsg_RecordNotFound")
	}
	for _, path := range []string{"/payment/" + uuid.NewString(), "/paymentbyorderid/" + uuid.NewString(), "/paymentbypaymentid/pi_3"} {
		w.do("GET", path, w.member(), "").refused(404, "RecordNotFound", "errMsg_RecordNotFound")
	}
	w.append(gateway.Stream(second), memberID, gateway.Deleted{ID: second})
	w.do("GET", "/payment/"+second, w.staff(), "").refused(404, "RecordNotFound", "errMsg_RecordNotFound")
	require.Equal(t, first, w.do("GET", "/paymentbyorderid/"+order, w.staff(), "").wants(200).str("feePayment", "id"), "the newest that is there")
}

// A reading route with a topic sends what the client got, once, and nothing for what isn't a fresh success.
func TestReadsSendRouteEvents(t *testing.T) {
	t.Parallel()
	w := setup(t)
	order := w.assess("5")
	id := w.gatewayPayment(memberID, order, "pi_1")
	w.customerOf(memberID)
	before, head := w.lastRoute(), w.head()
	for path, topic := range map[string]string{
		"/payment/" + id: "payment-retrived", "/paymentbyorderid/" + order: "paymentbyorderid-retrived",
		"/paymentbypaymentid/pi_1": "paymentbypaymentid-retrived", "/paymentcustomers/" + memberID: "customerbyuserid-retrived",
	} {
		at := w.lastRoute()
		r := w.do("GET", path, w.member(), "", "X-Request-Id", "r-"+topic).wants(200)
		require.Equal(t, []routeEvent{{topic, "r-" + topic, string(r.body)}}, w.routeEvents(at))
		w.do("GET", path, w.member(), "", "If-None-Match", r.header.Get("ETag")).wants(304)
		w.do("GET", path, w.token(otherID, "member"), "").wants(404)
		w.do("HEAD", path, w.member(), "").wants(200)
	}
	w.do("GET", "/fees/"+order, w.member(), "").wants(200)
	require.Equal(t, before+4, w.lastRoute(), "one for each answer of a route with a topic")
	require.Equal(t, head, w.head(), "reading appends nothing")
}

func TestAccount(t *testing.T) {
	t.Parallel()
	w := setup(t)
	id := w.assess("5.5")
	w.do("POST", "/payments", w.staff(), pay(`"amount":2,"allocations":[{"feeId":"`+id+`","amount":2}]`)).wants(201)
	other := w.do("POST", "/fees", w.staff(), newFee(`"amount":500,"currency":"JPY"`)).wants(201).str("fee", "id")
	last := w.do("POST", "/payments", w.staff(), pay(`"amount":7`)).wants(201) // 3.50 settles the rest
	r := w.do("GET", "/members/"+memberID+"/account", w.member(), "", "Min-Position", last.header.Get("Ledger-Position")).wants(200)
	require.JSONEq(t, `[{"currency":"JPY","owed":500,"reserved":0,"credit":0,"openFees":1},{"currency":"USD","owed":0,"reserved":0,"credit":3.5,"openFees":0}]`,
		string(r.raw("account", "totals")))
	require.Contains(t, string(r.raw("account", "fees")), `"outstanding":500,"paid":0,"reduced":0,"fee":{"id":"`+other+`"`)
	require.Contains(t, string(r.raw("account", "credits")), `"source":"overpayment"`)
	require.Contains(t, string(r.raw("account", "credits")), `"granted":3.5,"remaining":3.5,"currency":"USD"`)
	w.do("GET", "/members/"+memberID+"/account", w.staff(), "").wants(200)
	w.do("GET", "/members/"+memberID+"/account", w.token(otherID, "member"), "").refused(404, "RecordNotFound", "errMsg_RecordNotFound")
	w.do("GET", "/members/"+memberID+"/account", w.token(memberID, "service"), "").wants(403)
	require.JSONEq(t, `[]`, string(w.do("GET", "/members/"+otherID+"/account", w.staff(), "").wants(200).raw("account", "totals")))
}
