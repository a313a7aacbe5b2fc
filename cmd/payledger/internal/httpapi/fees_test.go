package httpapi_test

import (
	"net/http"
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
	require.Equal(t, "201", r.str("statusCode"))
	require.Equal(t, "my-request-1", r.str("requestId"))
	require.Equal(t, staffID, r.str("userId"))
	require.Equal(t, "12.5", string(r.raw("fee", "amount")))
	require.Equal(t, `"0"`, r.header.Get("ETag"))
	require.EqualValues(t, 1, r.position())

	got := w.do("GET", "/fees/"+r.str("fee", "id"), w.member(), "")
	got.wants(http.StatusOK)
	require.Equal(t, string(r.raw("fee")), string(got.raw("fee")), "the row that was answered is the row of the table")
	require.EqualValues(t, 1, got.position())

	list := w.do("GET", "/fees?userId="+memberID+"&status=0", w.member(), "")
	list.wants(http.StatusOK)
	require.Equal(t, "["+string(r.raw("fee"))+"]", string(list.raw("fees")))
	require.Equal(t, `{"pageNumber":1,"pageRowCount":25,"totalRowCount":1,"pageCount":1}`, string(list.raw("paging")))
	require.Equal(t, `["userId","status"]`, string(list.raw("filters")))
	require.Equal(t, `["rows.readOwn"]`, string(list.raw("uiPermissions")))
}
