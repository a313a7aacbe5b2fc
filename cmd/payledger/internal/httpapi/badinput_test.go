package httpapi_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

type badInput struct {
	name, body, message string
}

// Faults that every body may have.
func badBodies() []badInput {
	return []badInput{
		{"no JSON", `{`, "errMsg_bodyisNotValidJSON"},
		{"no object", `[]`, "errMsg_bodyisNotValidJSON"},
		{"not UTF-8", "{\"note\":\"\xff\"}", "errMsg_bodyisNotValidJSON"},
		{"U+0000", `{"note":"\u0000"}`, "errMsg_bodyisNotValidJSON"},
		{"half a pair", `{"note":"\ud83d"}`, "errMsg_bodyisNotValidJSON"},
		{"too deep", `{"note":` + strings.Repeat("[", 16) + strings.Repeat("]", 16) + `}`, "errMsg_bodyisNotValidJSON"},
		{"key twice", `{"note":"a","note":"b"}`, "errMsg_noteisGivenTwice"},
	}
}

// Bad input is 400 with the field and the rule, and stores nothing: no event, no answer, no key.
func TestBadInput(t *testing.T) {
	t.Parallel()
	w := setup(t)
	id := w.assess("5")
	cases := map[string][]badInput{
		"POST /fees": {
			{"nothing", `{}`, "errMsg_userIdisRequired"},
			{"empty amount", newFee(`"amount":""`), "errMsg_amountisRequired"},
			{"null user", newFee(`"userId":null`), "errMsg_userIdisRequired"},
			{"user", newFee(`"userId":"joe"`), "errMsg_userIdisNotAValidID"},
			{"user with quote", newFee(`"userId":"11111111-1111-4111-8111-11111111111'"`), "errMsg_userIdisNotAValidID"},
			{"id", newFee(`"id":"1"`), "errMsg_idisNotAValidID"},
			{"loan", newFee(`"loanId":17`), "errMsg_loanIdisNotAValidID"},
			{"amount zero", newFee(`"amount":0`), "errMsg_amountisNotAValidAmount"},
			{"amount negative", newFee(`"amount":-1`), "errMsg_amountisNotAValidAmount"},
			{"amount with too many digits", newFee(`"amount":1.005`), "errMsg_amountisNotAValidAmount"},
			{"amount of yen", newFee(`"amount":1.5,"currency":"JPY"`), "errMsg_amountisNotAValidAmount"},
			{"amount too large", newFee(`"amount":1e30`), "errMsg_amountisNotAValidAmount"},
			{"amount as word", newFee(`"amount":"five"`), "errMsg_amountisNotAValidAmount"},
			{"amount in an array", newFee(`"amount":[5]`), "errMsg_amountisNotAValidAmount"},
			{"currency", newFee(`"currency":"US$"`), "errMsg_currencyisNotAValidCurrency"},
			{"status", newFee(`"status":"open"`), "errMsg_statusisNotAValidEnum"},
			{"status number", newFee(`"status":5`), "errMsg_statusisNotAValidEnum"},
			{"date of 300,000 years", newFee(`"statusUpdateDate":"300000-01-01T00:00:00Z"`), "errMsg_statusUpdateDateisNotAValidDate"},
			{"date before 1900", newFee(`"statusUpdateDate":"1899-12-31"`), "errMsg_statusUpdateDateisNotAValidDate"},
			{"reason too long", newFee(`"reason":"` + strings.Repeat("r", 256) + `"`), "errMsg_reasonisNotAValidString"},
			{"note too long", newFee(`"note":"` + strings.Repeat("ü", 4001) + `"`), "errMsg_noteisNotAValidText"},
			{"note as number", newFee(`"note":1`), "errMsg_noteisNotAValidText"},
			{"unknown field", newFee(`"isActive":false`), "errMsg_isActiveisNotAKnownField"},
			{"field in other case", newFee(`"Amount":5`), "errMsg_AmountisNotAKnownField"},
		},
		"PATCH /fees/" + id: {
			{"status", `{"status":"gone"}`, "errMsg_statusisNotAValidEnum"},
			{"note", `{"note":false}`, "errMsg_noteisNotAValidText"},
			{"constant field", `{"amount":1}`, "errMsg_amountisNotAKnownField"},
			{"date", `{"status":"waived","statusUpdateDate":"soon"}`, "errMsg_statusUpdateDateisNotAValidDate"},
		},
		"POST /payments": {
			{"nothing", `{}`, "errMsg_userIdisRequired"},
			{"no tender", `{"userId":"` + memberID + `","amount":1}`, "errMsg_tenderisRequired"},
			{"tender stripe", pay(`"tender":"stripe"`), "errMsg_tenderisNotAValidEnum"},
			{"tender number", pay(`"tender":1`), "errMsg_tenderisNotAValidEnum"},
			{"amount", pay(`"amount":"1,50"`), "errMsg_amountisNotAValidAmount"},
			{"id", pay(`"id":"x"`), "errMsg_idisNotAValidID"},
			{"allocations", pay(`"allocations":{}`), "errMsg_allocationsisNotAValidArray"},
			{"too many allocations", pay(`"allocations":[{}` + strings.Repeat(",{}", 500) + `]`), "errMsg_allocations[0].feeIdisRequired"},
			{"allocation", pay(`"allocations":[5]`), "errMsg_allocations[0]isNotAValidObject"},
			{"allocation without fee", pay(`"allocations":[{"amount":1}]`), "errMsg_allocations[0].feeIdisRequired"},
			{"allocation with nothing", pay(`"allocations":[{"feeId":"` + id + `","amount":0}]`), "errMsg_allocations[0].amountisNotAValidAmount"},
			{"unknown field inside", pay(`"allocations":[{"feeId":"` + id + `","amount":1,"x":1}]`), "errMsg_allocations[0].xisNotAKnownField"},
			{"date", pay(`"paymentDate":"2026-13-01"`), "errMsg_paymentDateisNotAValidDate"},
			{"handledByUserId", pay(`"handledByUserId":"me"`), "errMsg_handledByUserIdisNotAValidID"},
		},
	}
	before := w.counts()
	for route, list := range cases {
		method, path, _ := strings.Cut(route, " ")
		for _, c := range append(list, badBodies()...) {
			r := w.do(method, path, w.token(staffID, "admin"), c.body, "Idempotency-Key", "k")
			r.refused(400, "BadRequest", c.message)
			require.NotEmpty(t, r.str("detail", "field"), c.name)
			require.NotEmpty(t, r.str("detail", "rule"), c.name)
		}
		w.do(method, path+"?x=1", w.staff(), `{}`).refused(400, "BadRequest", "errMsg_xisNotAKnownField")
		w.do(method, path, w.staff(), `{"actorUserId":"`+otherID+`"}`).refused(422, "OtherActor", "errMsg_actorIsNotTheCaller")
		w.do(method, path, w.staff(), `{"handledByUserId":"`+otherID+`"}`).refused(422, "OtherActor", "errMsg_actorIsNotTheCaller")
		w.do(method, path, w.staff(), `{"note":"a","`+strings.Repeat("k", 1000)+`":1,"`+strings.Repeat("k", 1000)+`":1}`).
			refused(400, "BadRequest", "errMsg_"+strings.Repeat("k", 64)+"isGivenTwice")
		w.do(method, path, w.staff(), `{}`, "Content-Type", "text/plain").refused(415, "UnsupportedMediaType", "errMsg_bodyMustBeJSON")
		w.do(method, path, w.staff(), `{}`, "Content-Type", "application/json; charset=latin1").wants(415)
		w.do(method, path, w.staff(), `{}`, "Content-Encoding", "gzip").wants(415)
		w.do(method, path, w.staff(), ``).wants(415)
		w.do(method, path, w.staff(), `{"note":"`+strings.Repeat("x", 1<<20)+`"}`).refused(413, "BodyTooLarge", "errMsg_bodyIsTooLarge")
	}
	for _, key := range []string{strings.Repeat("k", 256), `""`, "ü"} {
		w.do("POST", "/fees", w.staff(), newFee(``), "Idempotency-Key", key).
			refused(400, "BadRequest", "errMsg_Idempotency-KeyisNotAValidString")
	}
	w.do("PATCH", "/fees/1", w.staff(), `{}`).refused(400, "BadRequest", "errMsg_feeIdisNotAValidID")
	require.Equal(t, before, w.counts())
}

func TestBadQueries(t *testing.T) {
	t.Parallel()
	w := setup(t)
	for query, message := range map[string]string{
		"/fees?userID=x":                                  "errMsg_userIDisNotAKnownField",
		"/fees?userId=x":                                  "errMsg_userIdisNotAValidID",
		"/fees?status=open":                               "errMsg_statusisNotAValidEnum",
		"/fees?status=unpaid&status=paid":                 "errMsg_statusisGivenTwice",
		"/fees?amount=1.005":                              "errMsg_amountisNotAValidAmount",
		"/fees?currency=USD":                              "errMsg_currencyisNotAKnownField",
		"/fees?amount=1&currency=XXX":                     "errMsg_currencyisNotAValidCurrency",
		"/fees?reason=" + strings.Repeat("r", 256):        "errMsg_reasonisNotAValidString",
		"/fees?reason=%00":                                "errMsg_reasonisNotAValidString",
		"/fees?pageNumber=-1":                             "errMsg_pageNumberisNotAValidInteger",
		"/fees?pageNumber=1000001":                        "errMsg_pageNumberisNotAValidInteger",
		"/fees?pageRowCount=501":                          "errMsg_pageRowCountisNotAValidInteger",
		"/fees?pageRowCount=0":                            "errMsg_pageRowCountisNotAValidInteger",
		"/fees?pageRowCount=x":                            "errMsg_pageRowCountisNotAValidInteger",
		"/fees?sort=note":                                 "errMsg_sortisNotAValidEnum",
		"/fees?sort=id;drop":                              "errMsg_sortisNotAValidEnum",
		"/fees?count=all":                                 "errMsg_countisNotAValidEnum",
		"/fees?cursor=x":                                  "errMsg_cursorisNotAValidCursor",
		"/fees?requestId=a%20b":                           "errMsg_requestIdisNotAValidString",
		"/fees/" + memberID + "?x=1":                      "errMsg_xisNotAKnownField",
		"/fees/x":                                         "errMsg_feeIdisNotAValidID",
		"/fees/%00":                                       "errMsg_feeIdisNotAValidID",
		"/search/fees?q=" + strings.Repeat("%C3%BC", 128): "errMsg_qisNotAValidString",
		"/fees/x/history":                                 "errMsg_feeIdisNotAValidID",
		"/fees/" + memberID + "/history?asOf=soon":        "errMsg_asOfisNotAValidDate",
		"/fees/" + memberID + "/history?knownAt=-1":       "errMsg_knownAtisNotAValidInteger",
		"/fees/" + memberID + "/history?x=1":              "errMsg_xisNotAKnownField",
		"/search/fees?sort=amount":                        "errMsg_sortisNotAKnownField",
		"/search/fees?currency=euro":                      "errMsg_currencyisNotAValidCurrency",
	} {
		w.do("GET", query, w.staff(), "").refused(400, "BadRequest", message)
	}
	w.do("GET", "/fees?getJoins=true&excludeCQRS=1&excludeCqrs=1&caching=true&cacheTTL=60&requestId=r-1", w.staff(), "").wants(200)
	for _, value := range []string{"x", "-1", "1.5", "99999999999999999999"} {
		w.do("GET", "/fees", w.staff(), "", "Min-Position", value).refused(400, "BadRequest", "errMsg_Min-PositionisNotAValidInteger")
	}
	w.do("POST", "/fees", w.staff(), newFee(`"status":"paid"`)).refused(422, "StatusNotSettable", "errMsg_newFeeMustBeUnpaid")
	w.do("POST", "/fees", w.staff(), newFee(`"statusUpdateDate":"2199-01-01"`)).refused(422, "DateInFuture", "errMsg_dateIsInTheFuture")
}

func TestWhatNoRouteServes(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.do("GET", "/nothing", "", "").refused(404, "RouteNotFound", "errMsg_RouteNotFound")
	w.do("GET", "/fees/"+memberID+"/", w.staff(), "").wants(404)
	r := w.do("DELETE", "/fees", "", "").refused(405, "MethodNotAllowed", "errMsg_MethodNotAllowed")
	require.Equal(t, "GET, HEAD, POST", r.header.Get("Allow"))
	require.Equal(t, "GET, HEAD, PATCH", w.do("PUT", "/fees/"+memberID, "", "").wants(405).header.Get("Allow"))

	r = w.do("GET", "/nothing", "", "", "Accept", "application/problem+json", "X-Request-Id", "r1").wants(404)
	require.Equal(t, "application/problem+json", r.header.Get("Content-Type"))
	require.Equal(t, "errMsg_RouteNotFound", r.str("detail"))
	require.Equal(t, "r1", r.str("requestId"))
	r = w.do("POST", "/fees", w.staff(), `{}`, "Accept", "application/problem+json")
	require.JSONEq(t, `[{"field":"userId","rule":"isRequired"}]`, string(r.raw("errors")))

	require.JSONEq(t, `{"status":"OK"}`, string(w.do("GET", "/health", "", "").wants(200).body))
	yaml := w.do("GET", "/openapi.yaml", "", "").wants(200)
	require.Contains(t, string(yaml.body), "openapi: 3.1.0")
	for name, value := range map[string]string{
		"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer",
		"Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
	} {
		for _, r := range []reply{r, yaml, w.do("GET", "/fees", w.staff(), "")} {
			require.Equal(t, value, r.header.Get(name))
		}
	}
}

// pay returns the body of a good payment with some fields set otherwise.
func pay(fields string) string {
	values := map[string]json.RawMessage{
		"userId": json.RawMessage(`"` + memberID + `"`), "tender": json.RawMessage(`"cash"`), "amount": json.RawMessage(`1`),
	}
	return with(values, fields)
}

// counts tells how much is stored.
func (w *world) counts() [4]int64 {
	w.t.Helper()
	var n [4]int64
	err := w.pool.QueryRow(context.Background(), `SELECT (SELECT count(*) FROM ledger.events), (SELECT count(*) FROM ledger.commits),
		(SELECT count(*) FROM ledger.idempotency), (SELECT count(*) FROM ledger.route_events)`).Scan(&n[0], &n[1], &n[2], &n[3])
	require.NoError(w.t, err)
	return n
}
