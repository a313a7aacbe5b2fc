package httpapi_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAssessThenRead(t *testing.T) {
	t.Parallel()
	w := setup(t)
	r := w.do("POST", "/fees", w.staff(), `{"userId":"`+memberID+`","loanId":"`+loanID+`","amount":12.5,"reason":"overdue","note":"zwei Wochen"}`,
		"X-Request-Id", "my-request-1")
	r.wants(http.StatusCreated)
	require.Equal(t, []string{
		"status", "statusCode", "elapsedMs", "ssoTime", "source", "cacheKey", "userId", "sessionId", "requestId", "dataName", "method",
		"action", "appVersion", "rowCount", "fee",
	}, r.keys())
	require.Equal(t, []string{
		"id", "_owner", "userId", "loanId", "amount", "currency", "status", "status_", "status_idx", "statusUpdateDate", "reason", "note",
		"isActive", "recordVersion", "createdAt", "updatedAt",
	}, r.keys("fee"))
	require.Equal(t, "201", r.str("statusCode"))
	require.Equal(t, "my-request-1", r.str("requestId"))
	require.Equal(t, "my-request-1", r.header.Get("X-Request-Id"))
	require.Equal(t, staffID, r.str("userId"))
	require.Equal(t, "session-of-"+staffID, r.str("sessionId"))
	require.Equal(t, "12.5", string(r.raw("fee", "amount")))
	require.Equal(t, `"0"`, r.header.Get("ETag"))
	require.EqualValues(t, 1, r.position())

	got := w.do("GET", "/fees/"+r.str("fee", "id"), w.member(), "")
	got.wants(http.StatusOK)
	require.Equal(t, string(r.raw("fee")), string(got.raw("fee")), "the row that was answered is the row of the table")
	require.EqualValues(t, 1, got.position())
	require.Len(t, got.str("requestId"), 32)

	list := w.do("GET", "/fees?userId="+memberID+"&status=0", w.member(), "")
	list.wants(http.StatusOK)
	require.Equal(t, "["+string(r.raw("fee"))+"]", string(list.raw("fees")))
	require.Equal(t, `{"pageNumber":1,"pageRowCount":25,"totalRowCount":1,"pageCount":1}`, string(list.raw("paging")))
	require.Equal(t, `["userId","status"]`, string(list.raw("filters")))
	require.Equal(t, `["session.read","rows.readOwn","fee.checkout","paymentMethod.manage"]`, string(list.raw("uiPermissions")))
	require.Equal(t, []string{"fees", "paging", "filters", "uiPermissions"}, list.keys()[14:])
	require.Equal(t, list.str("cacheKey"), w.do("GET", "/fees?status=0&requestId=x&userId="+memberID, w.member(), "").str("cacheKey"),
		"the order of parameters and the request's id make no other key")
	require.NotEqual(t, list.str("cacheKey"), w.do("GET", "/fees?status=1&userId="+memberID, w.member(), "").str("cacheKey"))
}

// What the client gets, what is stored for the publisher, and the hash in the log are about the same bytes.
func TestRouteEventIsTheAnswer(t *testing.T) {
	t.Parallel()
	w := setup(t)
	trace := "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	r := w.do("POST", "/fees", w.staff(), newFee(``), "X-Request-Id", "abc", "Traceparent", trace).wants(http.StatusCreated)
	var topic, key string
	var headers map[string]string
	var stored []byte
	row := w.pool.QueryRow(context.Background(), `SELECT topic, key, headers, body FROM ledger.route_events`)
	require.NoError(t, row.Scan(&topic, &key, &headers, &stored))
	require.Equal(t, service+"-fee-created", topic)
	require.Equal(t, "abc", key)
	require.Equal(t, map[string]string{"ledger-tenant": tenant, "traceparent": trace}, headers)
	require.Equal(t, string(r.body), string(stored))

	w.do("PATCH", "/fees/"+r.str("fee", "id"), w.staff(), `{"note":"x"}`).wants(http.StatusOK)
	w.do("POST", "/payments", w.staff(), `{"userId":"`+memberID+`","tender":"cash","amount":1}`).wants(http.StatusCreated)
	rows, err := w.pool.Query(context.Background(), `SELECT topic FROM ledger.route_events ORDER BY number`)
	require.NoError(t, err)
	var topics []string
	for rows.Next() {
		require.NoError(t, rows.Scan(&topic))
		topics = append(topics, topic)
	}
	require.Equal(t, []string{service + "-fee-created", service + "-fee-updated"}, topics, "payments have no route event")
}

func TestPatchFee(t *testing.T) {
	t.Parallel()
	w := setup(t)
	supervisor := w.token(otherID, "supervisor")
	patch := func(id, body string, header ...string) reply {
		return w.do("PATCH", "/fees/"+id, supervisor, body, header...)
	}

	waived := w.assess("5")
	r := patch(waived, `{"status":"waived","note":"first offence"}`).wants(http.StatusOK)
	require.Equal(t, "waived", r.str("fee", "status"))
	require.Equal(t, "3", string(r.raw("fee", "status_idx")))
	require.Equal(t, "first offence", r.str("fee", "note"))
	require.Equal(t, string(r.raw("fee")), string(w.do("GET", "/fees/"+waived, supervisor, "").raw("fee")))
	again := patch(waived, `{"status":3}`).wants(http.StatusOK)
	require.Equal(t, string(r.raw("fee")), string(again.raw("fee")), "a patch that changes nothing answers with the row")
	require.Equal(t, r.position(), again.position())
	patch(waived, `{"status":"unpaid"}`).refused(422, "StatusNotSettable", "errMsg_statusCanNotBeSet")

	canceled := w.assess("5")
	require.Equal(t, "canceled", patch(canceled, `{"status":"4"}`).wants(http.StatusOK).str("fee", "status"))

	paid := w.assess("5")
	r = patch(paid, `{"status":"paid","statusUpdateDate":""}`).wants(http.StatusOK)
	require.Equal(t, "paid", r.str("fee", "status"))
	patch(paid, `{"status":"canceled"}`).refused(422, "MoneyApplied", "errMsg_moneyIsPaidOnTheFee")

	noted := w.assess("5")
	r = patch(noted, `{"note":"a"}`, "If-Match", `"0"`).wants(http.StatusOK)
	require.Equal(t, `"1"`, r.header.Get("ETag"))
	stale := patch(noted, `{"note":"b"}`, "If-Match", `"0"`).refused(412, "VersionMismatch", "errMsg_recordVersionDoesNotMatch")
	require.Equal(t, `"1"`, stale.header.Get("ETag"))
	require.Equal(t, "1", string(stale.raw("detail", "recordVersion")))
	for _, tag := range []string{`"x"`, `W/"1"`, `"0","2"`, `-1`, `,`, `"0", *`} {
		patch(noted, `{"note":"b"}`, "If-Match", tag).wants(412)
	}
	patch(noted, `{"note":"b"}`, "If-Match", `*`).wants(http.StatusOK)
	patch(noted, `{}`, "If-Match", `2`).wants(http.StatusOK)
	patch(noted, `{}`, "If-Match", `"x", "1", "2"`).wants(http.StatusOK)
	patch(otherID, `{"note":"b"}`).refused(404, "RecordNotFound", "errMsg_RecordNotFound")
	patch(noted, `{"status":"waived","statusUpdateDate":"1999-01-01"}`).refused(422, "DateTooEarly", "errMsg_dateIsBeforeTheFirstEvent")
	patch(noted, `{"status":"waived","statusUpdateDate":"2199-01-01"}`).refused(422, "DateInFuture", "errMsg_dateIsInTheFuture")
}

func TestIfNoneMatch(t *testing.T) {
	t.Parallel()
	w := setup(t)
	id := w.assess("5")
	for _, tag := range []string{`"0"`, `W/"0"`, `"7", "0"`, `*`} {
		r := w.do("GET", "/fees/"+id, w.member(), "", "If-None-Match", tag).wants(http.StatusNotModified)
		require.Equal(t, `"0"`, r.header.Get("ETag"))
	}
	w.do("GET", "/fees/"+id, w.member(), "", "If-None-Match", `"1"`).wants(http.StatusOK)
	w.do("HEAD", "/fees/"+id, w.member(), "").wants(http.StatusOK)
}

func TestListFees(t *testing.T) {
	t.Parallel()
	w := setup(t)
	var ids []string
	for i := range 7 {
		ids = append(ids, w.assess(fmt.Sprint(7-i)))
	}
	w.do("POST", "/fees", w.staff(), newFee(`"userId":"`+otherID+`","currency":"JPY","amount":500`)).wants(http.StatusCreated)
	w.do("PATCH", "/fees/"+ids[3], w.staff(), `{"status":"waived"}`).wants(http.StatusOK)

	list := func(query string) []string {
		r := w.do("GET", "/fees?"+query, w.staff(), "").wants(http.StatusOK)
		return idsOf(t, r)
	}
	require.Equal(t, ids, list("userId="+memberID+"&sort=createdAt"))
	require.Equal(t, ids[:3], list("pageRowCount=3&sort=createdAt"))
	require.Equal(t, ids[3:6], list("pageRowCount=3&pageNumber=2&sort=createdAt"))
	require.Empty(t, list("pageNumber=9"))
	reversed := slices.Clone(ids)
	slices.Reverse(reversed)
	require.Equal(t, reversed, list("sort=amount&userId="+memberID))
	require.Equal(t, ids[3:4], list("status=waived"))
	require.Equal(t, ids[3:4], list("status=3"))
	require.Equal(t, ids[:1], list("amount=7.00"))
	require.Len(t, list("amount=500&currency=JPY"), 1)
	require.Empty(t, list("amount=500"))
	require.Empty(t, list("reason=lost"))
	require.Len(t, list("loanId="+loanID+"&status=&userId="), 8, "empty filters are none")

	require.NotContains(t, w.do("GET", "/fees", w.staff(), "").keys("paging"), "cursor")
	member := w.do("GET", "/fees", w.token(otherID, "member"), "").wants(http.StatusOK)
	require.Len(t, idsOf(t, member), 1, "a member sees only his own")
	require.Empty(t, idsOf(t, w.do("GET", "/fees?userId="+memberID, w.token(otherID, "member"), "")))
}

// By cursor every row comes once, and the answers stay bounded.
func TestListFeesByCursor(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.do("GET", "/fees/"+w.assess("5"), w.staff(), "").wants(http.StatusOK)
	w.pause()
	_, err := w.db.ProjectorPool(t).Exec(context.Background(), `INSERT INTO tables_v2.fees SELECT (jsonb_populate_record(f,
		jsonb_build_object('id', gen_random_uuid(), 'amount', n / 2 + 1))).* FROM tables_v2.fees AS f, generate_series(1, 10100) AS n`)
	require.NoError(t, err)

	seen := map[string]bool{}
	r := w.do("GET", "/fees?pageNumber=0&sort=-amount&pageRowCount=3", w.staff(), "").wants(http.StatusOK)
	for pages := 1; ; pages++ {
		for _, id := range idsOf(t, r) {
			require.False(t, seen[id])
			seen[id] = true
		}
		require.Equal(t, "10000", string(r.raw("paging", "totalRowCount")))
		require.Equal(t, "at-least", r.header.Get("Total-Count"))
		if string(r.raw("paging", "cursor")) == "null" {
			require.Equal(t, 21, pages)
			break
		}
		require.Len(t, idsOf(t, r), 500)
		r = w.do("GET", "/fees?pageRowCount=500&sort=-amount&cursor="+r.str("paging", "cursor"), w.staff(), "").wants(http.StatusOK)
	}
	require.Len(t, seen, 10101)
	r = w.do("GET", "/fees?count=exact", w.staff(), "").wants(http.StatusOK)
	require.Equal(t, "10101", string(r.raw("paging", "totalRowCount")))
	require.Equal(t, "405", string(r.raw("paging", "pageCount")))
	require.Empty(t, r.header.Get("Total-Count"))
}

func idsOf(t testing.TB, r reply) []string {
	t.Helper()
	var rows []struct {
		ID string `json:"id"`
	}
	require.NoError(t, json.Unmarshal(r.raw("fees"), &rows))
	require.Equal(t, fmt.Sprint(len(rows)), string(r.raw("rowCount")))
	ids := make([]string, len(rows))
	for i := range rows {
		ids[i] = rows[i].ID
	}
	return ids
}

func TestRecordPayment(t *testing.T) {
	t.Parallel()
	w := setup(t)
	first, second := w.assess("5"), w.assess("10")
	r := w.do("POST", "/payments", w.staff(), `{"userId":"`+memberID+`","tender":"cash","amount":"7.50"}`).wants(http.StatusCreated)
	require.Equal(t, "payment", r.str("dataName"))
	require.Equal(t, []string{"id", "userId", "tender", "amount", "currency", "allocations", "credit"}, r.keys("payment"))
	require.Contains(t, string(r.raw("payment", "allocations")), `"feeId":"`+first+`","amount":5}`)
	require.Contains(t, string(r.raw("payment", "allocations")), `"feeId":"`+second+`","amount":2.5}`)
	require.Empty(t, r.header.Get("ETag"))
	require.Equal(t, "paid", w.do("GET", "/fees/"+first, w.staff(), "").str("fee", "status"))
	require.Equal(t, "unpaid", w.do("GET", "/fees/"+second, w.staff(), "").str("fee", "status"))

	r = w.do("POST", "/payments", w.staff(), `{"userId":"`+memberID+`","tender":"check","amount":10,"id":"`+otherID+
		`","allocations":[{"feeId":"`+second+`","amount":7.5}]}`).wants(http.StatusCreated)
	require.Equal(t, otherID, r.str("payment", "id"))
	require.Equal(t, "2.5", string(r.raw("payment", "credit")))
	w.do("POST", "/payments", w.staff(), `{"userId":"`+memberID+`","tender":"cash","amount":1,"id":"`+otherID+`"}`).
		refused(409, "IdInUse", "errMsg_idInUse")

	pay := func(allocations string) reply {
		return w.do("POST", "/payments", w.staff(), `{"userId":"`+memberID+`","tender":"cash","amount":4,"allocations":[`+allocations+`]}`)
	}
	third := w.assess("3")
	share := func(id, amount string) string { return `{"feeId":"` + id + `","amount":` + amount + `}` }
	pay(share(third, "4")).refused(422, "ExceedsOutstanding", "errMsg_amountExceedsOutstanding")
	pay(share(third, "1")+","+share(third, "1")).refused(422, "DuplicateFee", "errMsg_feeIsNamedTwice")
	pay(share(first, "1")).refused(422, "FeeAlreadySettled", "errMsg_feeIsAlreadySettled")
	pay(share(staffID, "1")).refused(404, "RecordNotFound", "errMsg_RecordNotFound")
	pay(share(third, "2")+","+share(w.assess("9"), "3")).refused(422, "OverAllocated", "errMsg_allocationsExceedThePayment")
	w.do("POST", "/payments", w.staff(), `{"userId":"`+staffID+`","tender":"cash","amount":4,"allocations":[`+share(third, "1")+`]}`).
		refused(422, "OtherUsersFee", "errMsg_feeBelongsToAnotherUser")
	w.do("POST", "/payments", w.staff(), `{"userId":"`+memberID+`","tender":"cash","amount":4,"currency":"EUR","allocations":[`+share(third, "1")+`]}`).
		refused(422, "CurrencyMismatch", "errMsg_currenciesDiffer")
}

// newFee returns the body of a good fee with some fields set otherwise.
func newFee(fields string) string {
	return with(map[string]json.RawMessage{
		"userId": json.RawMessage(`"` + memberID + `"`), "loanId": json.RawMessage(`"` + loanID + `"`), "amount": json.RawMessage(`12.5`),
	}, fields)
}

// with sets members of an object and returns it as JSON.
func with(values map[string]json.RawMessage, fields string) string {
	if err := json.Unmarshal([]byte("{"+fields+"}"), &values); err != nil {
		panic(err)
	}
	body, err := json.Marshal(values)
	if err != nil {
		panic(err)
	}
	return string(body)
}
