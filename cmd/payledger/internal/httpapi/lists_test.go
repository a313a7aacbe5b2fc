package httpapi_test

import (
	"encoding/json"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

// listed returns how many rows a list shows once all that was written is in it.
func (w *world) listed(path, dataName, token string) int {
	w.t.Helper()
	r := w.do("GET", path, token, "", "Min-Position", strconv.FormatInt(w.head(), 10)).wants(200)
	var rows []json.RawMessage
	require.NoError(w.t, json.Unmarshal(r.raw(dataName), &rows), "%s", r.body)
	return len(rows)
}

func TestListsOfEachObject(t *testing.T) {
	t.Parallel()
	w := setup(t)
	for _, person := range []string{memberID, otherID} {
		fee := w.assessFor(person, "5")
		w.do("POST", "/payments", w.staff(), `{"userId":"`+person+`","tender":"cash","amount":2}`).wants(201)
		w.do("POST", "/fees/"+fee+"/notes", w.staff(), `{"note":"between us"}`).wants(200)
		w.gatewayPayment(person, fee, "pi_"+person)
		w.customerOf(person)
	}
	other := w.token(otherID, "member")
	for _, c := range []struct {
		path, dataName string
		staff, member  int // rows that each sees
	}{
		{"/fees", "fees", 2, 1},
		{"/fees?userId=" + otherID, "fees", 1, 0},
		{"/fees?amount=5&status=unpaid&sort=-amount", "fees", 2, 1},
		{"/feepayments", "feePayments", 2, 1},
		{"/feepayments?paymentMethod=cash&paymentStatus=1&sort=feeId", "feePayments", 2, 1},
		{"/feepayments?paymentMethod=pos", "feePayments", 0, 0},
		{"/feeevents?sort=createdAt", "feeEvents", 6, 2}, // notes are among the staff unless they say otherwise
		{"/feeevents?eventType=note&actorUserId=" + staffID, "feeEvents", 2, 0},
		{"/payments", "feePayments", 2, 1},
		{"/payments?statusLiteral=started&paymentId=pi_" + memberID, "feePayments", 1, 1},
		{"/payments?ownerId=" + otherID, "feePayments", 1, 0},
		{"/customers", "paymentCustomers", 2, 1},
		{"/listethods", "paymentMethods", 0, 1}, // the caller's own
	} {
		require.Equal(t, c.staff, w.listed(c.path, c.dataName, w.staff()), "%s for staff", c.path)
		require.Equal(t, c.member, w.listed(c.path, c.dataName, w.member()), "%s for the member", c.path)
	}
	require.Equal(t, 1, w.listed("/listethods", "paymentMethods", other))
	for path, refused := range map[string]string{
		"/feeevents?sort=note": "errMsg_sortisNotAValidEnum", "/feepayments?cursor=x": "errMsg_cursorisNotAValidCursor",
		"/payments?pageRowCount=501": "errMsg_pageRowCountisNotAValidInteger", "/customers?platform=stripe": "errMsg_platformisNotAKnownField",
	} {
		w.do("GET", path, w.staff(), "").refused(400, "BadRequest", refused)
	}
}

// Callers who page by cursor are told one, others are not.
func TestPageZeroGivesACursor(t *testing.T) {
	t.Parallel()
	w := setup(t)
	for range 3 {
		w.assess("5")
	}
	require.Equal(t, 3, w.listed("/fees?pageNumber=0", "fees", w.staff()))
	r := w.do("GET", "/fees?pageNumber=0", w.staff(), "").wants(200)
	require.Equal(t, "null", string(r.raw("paging", "cursor")), "all of it is on the first page")
	require.NotContains(t, string(w.do("GET", "/fees?pageNumber=1&pageRowCount=1", w.staff(), "").wants(200).body), `"cursor"`)
}
