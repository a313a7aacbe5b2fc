package httpapi_test

import (
	"context"
	"encoding/json"
	"strconv"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"payledger/cmd/payledger/internal/httpapi"
	"payledger/domain/gateway"
	"payledger/projections/publisher"
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

// Somebody else's newer record of the same fee, or with the same id at the gateway, doesn't hide a member's own.
func TestNewestGatewayPaymentIsTheCallersOwn(t *testing.T) {
	t.Parallel()
	w := setup(t)
	order := w.assess("5")
	mine := w.gatewayPayment(memberID, order, "pi_1")
	theirs := w.gatewayPayment(otherID, order, "pi_1")
	for _, path := range []string{"/paymentbyorderid/" + order, "/paymentbypaymentid/pi_1"} {
		require.Equal(t, mine, w.do("GET", path, w.member(), "").wants(200).str("feePayment", "id"), path)
		require.Equal(t, theirs, w.do("GET", path, w.token(otherID, "member"), "").wants(200).str("feePayment", "id"), path)
		require.Equal(t, theirs, w.do("GET", path, w.staff(), "").wants(200).str("feePayment", "id"), path)
		w.do("GET", path, w.token(loanID, "member"), "").refused(404, "RecordNotFound", "errMsg_RecordNotFound")
	}
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
	for path, topic := range map[string]string{
		"/payments?orderId=" + order: "payments-listed", "/customers": "customers-listed", "/listethods?pageRowCount=1": "listethods-done",
	} {
		at := w.lastRoute()
		r := w.do("GET", path, w.member(), "", "X-Request-Id", "r-"+topic).wants(200)
		require.Equal(t, []routeEvent{{topic, "r-" + topic, string(r.body)}}, w.routeEvents(at))
		w.do("GET", path+"&surplus=1", w.member(), "").wants(map[bool]int{true: 400, false: 404}[strings.Contains(path, "?")])
	}
	w.do("GET", "/fees/"+order, w.member(), "").wants(200)
	require.Equal(t, before+7, w.lastRoute(), "one for each answer of a route with a topic")
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

// The lists of people's payments, customers and cards: members see their own, /listethods shows everybody their own.
func TestListsOfPaymentObjects(t *testing.T) {
	t.Parallel()
	w := setup(t)
	order := w.assess("5")
	mine, theirs := w.gatewayPayment(memberID, order, "pi_1"), w.gatewayPayment(otherID, w.assessFor(otherID, "5"), "pi_2")
	w.customerOf(memberID)
	w.customerOf(otherID)
	now := []string{"Min-Position", strconv.FormatInt(w.head(), 10)}
	ids := func(path, token, name string) []string {
		r := w.do("GET", path, token, "", now...).wants(200)
		var rows []map[string]any
		require.NoError(t, json.Unmarshal(r.raw(name), &rows))
		list := []string{}
		for _, row := range rows {
			id, _ := row["id"].(string)
			owner, _ := row["_owner"].(string)
			list = append(list, map[bool]string{true: owner, false: id}[name != "feePayments"])
		}
		return list
	}
	require.Equal(t, []string{mine}, ids("/payments", w.member(), "feePayments"))
	require.ElementsMatch(t, []string{mine, theirs}, ids("/payments", w.staff(), "feePayments"))
	require.Equal(t, []string{theirs}, ids("/payments?paymentId=pi_2&statusLiteral=started&ownerId="+otherID, w.staff(), "feePayments"))
	require.Equal(t, []string{memberID}, ids("/customers", w.member(), "paymentCustomers"))
	require.ElementsMatch(t, []string{memberID, otherID}, ids("/customers", w.staff(), "paymentCustomers"))
	require.Equal(t, []string{memberID}, ids("/listethods", w.member(), "paymentMethods"))
	require.Empty(t, ids("/listethods", w.staff(), "paymentMethods"))

	bare := w.do("GET", "/user-payment-methods", w.member(), "", now...).wants(200)
	var cards []struct {
		Owner string         `json:"_owner"`
		Card  map[string]any `json:"cardInfo"`
	}
	require.NoError(t, json.Unmarshal(bare.body, &cards))
	require.Len(t, cards, 1)
	require.Equal(t, memberID, cards[0].Owner)
	require.Equal(t, map[string]any{"brand": "visa", "last4": "4242", "exp_month": 12.0, "exp_year": 2030.0}, cards[0].Card)

	w.feePayment(memberID)
	w.feePayment(otherID)
	now[1] = strconv.FormatInt(w.head(), 10)
	require.Len(t, ids("/feepayments", w.member(), "feePayments"), 1)
	require.Len(t, ids("/feepayments?paymentMethod=cash&paymentStatus=1", w.staff(), "feePayments"), 2)
	fee := w.assess("5")
	w.do("POST", "/fees/"+fee+"/notes", w.staff(), `{"note":"secret"}`).wants(200)
	now[1] = strconv.FormatInt(w.head(), 10)
	require.Len(t, ids("/feeevents?feeId="+fee, w.member(), "feeEvents"), 1, "assessed; notes of staff are not the member's to see")
	require.Len(t, ids("/feeevents?feeId="+fee, w.staff(), "feeEvents"), 2)
	require.Len(t, ids("/feeevents?eventType=note&actorUserId="+staffID, w.staff(), "feeEvents"), 1)
}

// The topics that routes name are those of the catalogue, both ways.
func TestRouteTopicsAreInTheCatalogue(t *testing.T) {
	t.Parallel()
	var want, told []string
	for _, topic := range publisher.Topics(publisher.TopicConfig{}) {
		if topic.Kind == publisher.KindRoute {
			want = append(want, topic.Topic)
		}
	}
	for _, rt := range httpapi.Routes() {
		if rt.Topic != "" {
			told = append(told, service+"-"+rt.Topic)
		}
	}
	require.Len(t, want, 19)
	require.ElementsMatch(t, want, told)
}
