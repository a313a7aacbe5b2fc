package httpapi_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"payledger/cmd/payledger/internal/httpapi"
)

func (w *world) supervisor() string { return w.token(staffID, "supervisor") }
func (w *world) finance() string    { return w.token(staffID, "finance") }

// What staff do with a fee, one after the other; each answers with the fee.
func TestCommandsOnAFee(t *testing.T) {
	t.Parallel()
	w := setup(t)
	id := w.assess("10")
	do := func(path, token, body string) reply {
		r := w.do("POST", "/fees/"+id+"/"+path, token, body).wants(200)
		require.Equal(t, id, r.str("fee", "id"))
		return r
	}
	r := do("waivers", w.staff(), `{"amount":2,"reason":"goodwill"}`)
	require.Equal(t, `"1"`, r.header.Get("ETag"))
	require.Equal(t, "update", r.str("action"))
	events := w.do("GET", "/search/fees", w.staff(), "").wants(200) // the documents have no projection here
	require.NotEmpty(t, events.body)
	reduction := w.reduction(id)
	do("write-offs", w.finance(), `{"amount":"3.00","reason":"smallBalance","note":"n"}`)
	do("adjustments", w.supervisor(), `{"direction":"increase","amount":5,"reason":"priceCorrection"}`)
	r = do("reversals", w.supervisor(), `{"reductionId":"`+reduction+`","reason":"staffError"}`)
	require.Equal(t, "15", string(r.raw("fee", "amount")))
	require.Equal(t, "unpaid", r.str("fee", "status"))
	do("notes", w.staff(), `{"note":"rang twice"}`)
	r = do("waivers", w.staff(), `{"reason":"hardship"}`)
	require.Equal(t, "waived", r.str("fee", "status"), "without an amount all of it")
	do("adjustments", w.supervisor(), `{"direction":"decrease","amount":15,"reason":"staffError"}`)
	require.Equal(t, "canceled", w.do("GET", "/fees/"+id, w.member(), "").wants(200).str("fee", "status"))

	recovered := w.assess("10")
	w.do("POST", "/fees/"+recovered+"/write-offs", w.finance(), `{"reason":"smallBalance"}`).wants(200)
	w.do("POST", "/payments", w.staff(), pay(`"amount":10,"allocations":[{"feeId":"`+recovered+`","amount":10}]`)).wants(201)
	w.do("POST", "/fees/"+recovered+"/reversals", w.supervisor(), `{"reductionId":"`+w.reduction(recovered)+`","reason":"staffError"}`).
		refused(422, "WriteOffRecovered", "errMsg_writeOffIsRecovered")

	w.do("POST", "/fees/"+id+"/waivers", w.staff(), `{"reason":"because"}`).refused(422, "UnknownReason", "errMsg_reasonIsUnknown")
	w.do("POST", "/fees/"+id+"/waivers", w.staff(), `{"reason":"goodwill"}`).wants(422)
}

// reduction returns the id of the waiver or write-off of a fee: its feeEvent's.
func (w *world) reduction(feeID string) string {
	w.t.Helper()
	r := w.do("GET", "/fees/"+feeID+"/history", w.staff(), "").wants(200)
	var entries []struct {
		Type    string `json:"type"`
		EventID string `json:"eventId"`
	}
	require.NoError(w.t, json.Unmarshal(r.raw("history"), &entries))
	for _, e := range entries {
		if e.Type == "fee.waived" || e.Type == "fee.written_off" {
			return e.EventID
		}
	}
	require.FailNow(w.t, "no waiver", "%s", r.body)
	return ""
}

// Amounts of a fee are in its currency without saying so; another is refused.
func TestAmountsAreInTheFeesCurrency(t *testing.T) {
	t.Parallel()
	w := setup(t)
	yen := w.do("POST", "/fees", w.staff(), newFee(`"amount":500,"currency":"JPY"`)).wants(201).str("fee", "id")
	waive := func(fields string) reply {
		return w.do("POST", "/fees/"+yen+"/waivers", w.staff(), `{"reason":"goodwill",`+fields+`}`)
	}
	before := w.counts()
	waive(`"amount":1.5`).refused(400, "BadRequest", "errMsg_amountisNotAValidAmount")
	waive(`"amount":1.5,"currency":"USD"`).refused(422, "CurrencyMismatch", "errMsg_currenciesDiffer")
	require.Equal(t, before, w.counts())
	require.Equal(t, "unpaid", waive(`"amount":499`).wants(200).str("fee", "status"))
	require.Equal(t, "waived", waive(`"amount":1`).wants(200).str("fee", "status"))
}

func TestDeletedFeesAreGone(t *testing.T) {
	t.Parallel()
	w := setup(t)
	id, paid := w.assess("5"), w.assess("5")
	w.do("POST", "/payments", w.staff(), pay(`"amount":1,"allocations":[{"feeId":"`+paid+`","amount":1}]`)).wants(201)
	at := w.lastRoute()
	r := w.do("DELETE", "/fees/"+id, w.supervisor(), "").wants(200)
	require.Equal(t, "delete", r.str("action"))
	require.Equal(t, "false", string(r.raw("fee", "isActive")))
	require.Equal(t, "canceled", r.str("fee", "status"))
	require.Equal(t, at, w.lastRoute(), "no route event")
	w.do("DELETE", "/fees/"+paid, w.supervisor(), `{}`).refused(422, "MoneyApplied", "errMsg_moneyIsPaidOnTheFee")
	w.do("GET", "/fees/"+id, w.supervisor(), "").refused(404, "RecordNotFound", "errMsg_RecordNotFound")
}

func TestFeePayments(t *testing.T) {
	t.Parallel()
	w := setup(t)
	fee := w.assess("5")
	body := func(fields string) string {
		return with(map[string]json.RawMessage{
			"feeId": json.RawMessage(`"` + fee + `"`), "userId": json.RawMessage(`"` + memberID + `"`), "amountPaid": json.RawMessage(`2`),
			"paymentMethod": json.RawMessage(`"cash"`), "paymentStatus": json.RawMessage(`"complete"`),
		}, fields)
	}
	at := w.lastRoute()
	r := w.do("POST", "/feepayments", w.staff(), body(`"note":"exact change"`)).wants(201)
	id := r.str("feePayment", "id")
	require.Equal(t, []routeEvent{{"feepayment-created", r.str("requestId"), string(r.body)}}, w.routeEvents(at))
	require.Equal(t, "1", string(r.raw("feePayment", "paymentMethod_idx")))
	own := w.do("GET", "/feepayments/"+id, w.member(), "").wants(200)
	require.JSONEq(t, string(r.raw("feePayment")), string(own.raw("feePayment")))
	w.do("POST", "/feepayments", w.staff(), body(`"id":"`+id+`"`)).refused(409, "IdInUse", "errMsg_idInUse")
	w.do("POST", "/feepayments", w.staff(), body(`"paymentMethod":0`)).refused(422, "StripeAtDesk", "errMsg_cardsArePaidThroughCheckout")
	w.do("POST", "/feepayments", w.staff(), body(`"paymentStatus":"failed"`)).refused(422, "StatusNotSettable", "errMsg_statusCanNotBeSet")
	w.do("POST", "/feepayments", w.staff(), body(`"userId":"`+otherID+`"`)).refused(422, "OtherUsersFee", "errMsg_feeBelongsToAnotherUser")

	pending := w.do("POST", "/feepayments", w.staff(), body(`"paymentStatus":"pending","paymentMethod":"pos"`)).wants(201).str("feePayment", "id")
	require.Equal(t, "paymentInProgress", w.do("GET", "/fees/"+fee, w.staff(), "").wants(200).str("fee", "status"))
	at = w.lastRoute()
	w.do("PATCH", "/feepayments/"+pending, w.staff(), `{"paymentStatus":"canceled"}`).refused(403, "Forbidden", "errMsg_userHasNoPermission")
	r = w.do("PATCH", "/feepayments/"+pending, w.staff(), `{"paymentStatus":1}`).wants(200)
	require.Equal(t, "complete", r.str("feePayment", "paymentStatus"))
	require.Equal(t, []routeEvent{{"feepayment-updated", r.str("requestId"), string(r.body)}}, w.routeEvents(at))
	require.Equal(t, `"1"`, r.header.Get("ETag"))
	w.do("PATCH", "/feepayments/"+pending, w.staff(), `{}`).wants(200)
	r = w.do("PATCH", "/feepayments/"+pending, w.supervisor(), `{"paymentStatus":"failed"}`).wants(200)
	require.Equal(t, "failed", r.str("feePayment", "paymentStatus"))

	r = w.do("DELETE", "/feepayments/"+id, w.supervisor(), "").wants(200)
	require.Equal(t, "false", string(r.raw("feePayment", "isActive")))
	w.do("GET", "/feepayments/"+id, w.staff(), "").refused(404, "RecordNotFound", "errMsg_RecordNotFound")
	w.do("PATCH", "/feepayments/"+id, w.staff(), `{"note":"n"}`).refused(404, "RecordNotFound", "errMsg_RecordNotFound")
	require.Equal(t, "unpaid", w.do("GET", "/fees/"+fee, w.staff(), "").wants(200).str("fee", "status"))
}

func TestFeeEvents(t *testing.T) {
	t.Parallel()
	w := setup(t)
	fee := w.assess("5")
	add := func(fields string) reply {
		return w.do("POST", "/feeevents", w.staff(), with(map[string]json.RawMessage{
			"feeId": json.RawMessage(`"` + fee + `"`), "eventType": json.RawMessage(`6`), "note": json.RawMessage(`"called"`),
		}, fields))
	}
	r := add(`"id":"` + loanID + `"`).wants(201)
	require.Equal(t, loanID, r.str("feeEvent", "id"))
	require.Equal(t, "note", r.str("feeEvent", "eventType"))
	require.Equal(t, staffID, r.str("feeEvent", "actorUserId"))
	w.do("GET", "/feeevents/"+loanID, w.member(), "").wants(200)
	add(`"id":"`+loanID+`"`).refused(409, "IdInUse", "errMsg_idInUse")
	add(`"eventType":"waived"`).refused(422, "NotANote", "errMsg_feeEventIsNotANote")

	secret := add(`"visibility":"staff","note":"difficult"`).wants(201).str("feeEvent", "id")
	w.do("GET", "/feeevents/"+secret, w.staff(), "").wants(200)
	w.do("GET", "/feeevents/"+secret, w.member(), "").refused(404, "RecordNotFound", "errMsg_RecordNotFound")

	at := w.lastRoute()
	r = w.do("PATCH", "/feeevents/"+loanID, w.staff(), `{"note":"called again"}`, "If-Match", `"0"`).wants(200)
	require.Equal(t, []routeEvent{{"feeevent-updated", r.str("requestId"), string(r.body)}}, w.routeEvents(at))
	require.Equal(t, "called again", r.str("feeEvent", "note"))
	w.do("PATCH", "/feeevents/"+loanID, w.staff(), `{"note":"late"}`, "If-Match", `"0"`).refused(412, "VersionMismatch", "errMsg_recordVersionDoesNotMatch")
	r = w.do("DELETE", "/feeevents/"+loanID, w.staff(), "").wants(200)
	require.Equal(t, "false", string(r.raw("feeEvent", "isActive")))
	w.do("GET", "/feeevents/"+loanID, w.staff(), "").wants(404)

	w.do("POST", "/fees/"+fee+"/waivers", w.staff(), `{"amount":1,"reason":"goodwill"}`).wants(200)
	waived := w.reduction(fee)
	require.Equal(t, "waived", w.do("GET", "/feeevents/"+waived, w.member(), "").wants(200).str("feeEvent", "eventType"))
	w.do("PATCH", "/feeevents/"+waived, w.staff(), `{"note":"x"}`).refused(422, "NotANote", "errMsg_feeEventIsNotANote")
	w.do("DELETE", "/feeevents/"+waived, w.staff(), "").refused(422, "NotANote", "errMsg_feeEventIsNotANote")
}

func TestVoidsReallocationsCredits(t *testing.T) {
	t.Parallel()
	w := setup(t)
	wrong, right := w.assess("5"), w.assess("5")
	r := w.do("POST", "/payments", w.staff(), pay(`"amount":6,"allocations":[{"feeId":"`+wrong+`","amount":4}]`)).wants(201)
	id := r.str("payment", "id")
	r = w.do("POST", "/payments/"+id+"/reallocations", w.supervisor(),
		`{"taken":[{"allocationId":"`+r.allocation()+`"}],"given":[{"feeId":"`+right+`","amount":3}],"reason":"wrongFee"}`).wants(200)
	require.Contains(t, string(r.raw("payment", "allocations")), `"feeId":"`+right+`","amount":3`)
	require.Equal(t, "3", string(r.raw("payment", "credit")), "2 that no fee took, and 1 that was not given on")
	require.Equal(t, "unpaid", w.do("GET", "/fees/"+wrong, w.staff(), "").wants(200).str("fee", "status"))

	r = w.do("POST", "/payments/"+id+"/void", w.supervisor(), `{"reason":"wrongPatron"}`).wants(200)
	require.JSONEq(t, `[]`, string(r.raw("payment", "allocations")))
	w.do("POST", "/payments/"+id+"/void", w.supervisor(), `{"reason":"no reason"}`).refused(422, "UnknownReason", "errMsg_reasonIsUnknown")

	r = w.do("POST", "/credits", w.finance(), `{"userId":"`+memberID+`","amount":"4.00","reason":"compensation","note":"n"}`).wants(201)
	credit := r.str("credit", "id")
	require.Equal(t, "goodwill", r.str("credit", "source"))
	r = w.do("POST", "/credits/"+credit+"/applications", w.staff(), `{"feeId":"`+right+`","amount":1}`).wants(200)
	require.Equal(t, "3", string(r.raw("credit", "remaining")))
	r = w.do("POST", "/credits/"+credit+"/applications", w.staff(), `{"feeId":"`+right+`"}`).wants(200)
	require.Equal(t, "0", string(r.raw("credit", "remaining")))
	require.Equal(t, "unpaid", w.do("GET", "/fees/"+right, w.staff(), "").wants(200).str("fee", "status"), "1 of 5 is left")
	w.do("POST", "/credits/"+credit+"/applications", w.staff(), `{"feeId":"`+right+`"}`).refused(422, "NoCredit", "errMsg_noCreditIsLeft")
}

func TestGatewayPaymentRecords(t *testing.T) {
	t.Parallel()
	w := setup(t)
	fee := w.assess("5")
	at := w.lastRoute()
	r := w.do("POST", "/payment", w.staff(), `{"orderId":"`+fee+`","paymentId":"pi_1","paymentStatus":"processing","statusLiteral":"started"}`).wants(201)
	id := r.str("feePayment", "id")
	require.Equal(t, staffID, r.str("feePayment", "ownerId"))
	changed := w.do("PATCH", "/payment/"+id, w.staff(), `{"statusLiteral":"success","paymentStatus":"succeeded"}`, "If-Match", `"0"`).wants(200)
	require.Equal(t, "pi_1", changed.str("feePayment", "paymentId"))
	require.Equal(t, "success", changed.str("feePayment", "statusLiteral"))
	w.do("PATCH", "/payment/"+id, w.staff(), `{}`, "If-Match", `"0"`).refused(412, "VersionMismatch", "errMsg_recordVersionDoesNotMatch")
	gone := w.do("DELETE", "/payment/"+id, w.supervisor(), "").wants(200)
	require.Equal(t, "false", string(gone.raw("feePayment", "isActive")))
	w.do("PATCH", "/payment/"+id, w.staff(), `{}`).refused(404, "RecordNotFound", "errMsg_RecordNotFound")
	var topics []string
	for _, e := range w.routeEvents(at) {
		topics = append(topics, e.topic)
	}
	require.Equal(t, []string{"payment-created", "payment-updated", "payment-deleted"}, topics)
	require.Equal(t, "unpaid", w.do("GET", "/fees/"+fee, w.staff(), "").wants(200).str("fee", "status"), "it moves no money")
}

func TestReasonCodes(t *testing.T) {
	t.Parallel()
	w := setup(t)
	r := w.do("GET", "/reasoncodes", w.token(staffID, "auditor"), "").wants(200)
	require.Contains(t, string(r.raw("reasonCodes")), `{"kind":"waive","codes":["goodwill",`)
	admin := w.token(staffID, "admin")
	r = w.do("PUT", "/reasoncodes/waive", admin, `{"codes":["amnesty2026","goodwill"]}`).wants(200)
	require.JSONEq(t, `{"kind":"waive","codes":["amnesty2026","goodwill"]}`, string(r.raw("reasonCodes")))
	require.Contains(t, string(w.do("GET", "/reasoncodes", w.staff(), "").wants(200).raw("reasonCodes")), `{"kind":"waive","codes":["amnesty2026","goodwill"]}`)
	id := w.assess("5")
	w.do("POST", "/fees/"+id+"/waivers", w.staff(), `{"amount":1,"reason":"hardship"}`).refused(422, "UnknownReason", "errMsg_reasonIsUnknown")
	w.do("POST", "/fees/"+id+"/waivers", w.staff(), `{"amount":1,"reason":"amnesty2026"}`).wants(200)
	w.do("PUT", "/reasoncodes/whim", admin, `{"codes":["a"]}`).refused(404, "RecordNotFound", "errMsg_RecordNotFound")
	w.do("PUT", "/reasoncodes/waive", admin, `{"codes":["a","a"]}`).refused(400, "BadRequest", "errMsg_codesisNotAValidArray")
	w.do("PUT", "/reasoncodes/waive", admin, `{"codes":[]}`).refused(400, "BadRequest", "errMsg_codesisNotAValidArray")
	w.do("PUT", "/reasoncodes/waive", w.supervisor(), `{"codes":["a"]}`).wants(403)
}

func TestBooksProfile(t *testing.T) {
	t.Parallel()
	w := setup(t)
	finance := w.token(staffID, "finance")
	require.JSONEq(t, `{"profile":"accrual"}`, string(w.do("GET", "/books/profile", w.token(staffID, "auditor"), "").wants(200).raw("booksProfile")))
	r := w.do("PUT", "/books/profile", finance, `{"profile":"cash"}`).wants(200)
	require.JSONEq(t, `{"profile":"cash"}`, string(r.raw("booksProfile")))
	require.JSONEq(t, `{"profile":"cash"}`, string(w.do("GET", "/books/profile", w.staff(), "").wants(200).raw("booksProfile")))
	before := w.head()
	w.do("PUT", "/books/profile", finance, `{"profile":"cash"}`).wants(200)
	require.Equal(t, before, w.head(), "so it was")
	w.do("PUT", "/books/profile", finance, `{"profile":"modified"}`).refused(400, "BadRequest", "errMsg_profileisNotAValidEnum")
	w.do("PUT", "/books/profile", finance, `{}`).wants(400)
	w.do("PUT", "/books/profile", w.supervisor(), `{"profile":"cash"}`).wants(403)
	w.do("GET", "/books/profile", w.member(), "").wants(403)
}

func TestExtendDocuments(t *testing.T) {
	t.Parallel()
	w := setup(t)
	id := w.assess("5")
	service := w.token(staffID, "service")
	put := func(path, body string) reply { return w.do("PUT", path, service, body) }
	r := put("/index/fee/"+id+"/extends/reminders", `[{"id":"r1","sent":"2026-01-02"},{"id":"r2"}]`).wants(200)
	require.Equal(t, `{"object":"fee","id":"`+id+`","name":"reminders","elements":[{"id":"r1","sent":"2026-01-02"},{"id":"r2"}],"count":2}`, string(r.raw("extension")))
	r = put("/index/FEE/"+id+"/extends/reminders", `[{"id":"r2","sent":true}]`).wants(200)
	require.Contains(t, string(r.raw("extension")), `{"id":"r1","sent":"2026-01-02"},{"id":"r2","sent":true}`)
	before := w.counts()
	for body, message := range map[string]string{
		`{}`: "errMsg_bodyisNotValidJSON", `[`: "errMsg_bodyisNotValidJSON", `[] []`: "errMsg_bodyisNotValidJSON", `[5]`: "errMsg_body[0]isNotAValidObject",
		`[{}]`: "errMsg_body[0].idisRequired", `[{"id":5}]`: "errMsg_body[0].idisNotAValidString", `[{"id":"a","id":"b"}]`: "errMsg_body[0].idisGivenTwice",
		`[{"id":"a","x":"\u0000"}]`: "errMsg_body[0].xisNotAValidString", `[{"id":"a"}` + strings.Repeat(`,{"id":"a"}`, 500) + `]`: "errMsg_bodyisNotAValidArray",
		`[{"id":"` + strings.Repeat("a", 256) + `"}]`: "errMsg_body[0].idisNotAValidString",
	} {
		put("/index/fee/"+id+"/extends/reminders", body).refused(400, "BadRequest", message)
	}
	put("/index/fee/"+id+"/extends/reminders", `[{"id":"a"},{"id":"a"}]`).refused(422, "DuplicateElement", "errMsg_elementIsNamedTwice")
	put("/index/fee/"+id+"/extends/reminders", `[{"id":"a","x":"`+strings.Repeat("x", 32_000)+`"}]`).refused(422, "ListTooLarge", "errMsg_listIsTooLarge")
	put("/index/fee/"+id+"/extends/feePayments", `[{"id":"a"}]`).refused(422, "ExtensionNotAllowed", "errMsg_extensionNameIsNotAllowed")
	put("/index/loan/"+id+"/extends/reminders", `[{"id":"a"}]`).refused(404, "RecordNotFound", "errMsg_RecordNotFound")
	w.do("PUT", "/index/fee/"+id+"/extends/reminders", w.supervisor(), `[{"id":"a"}]`).wants(403)
	require.Equal(t, before, w.counts())
}

// A dry run of every command tells what would be done, and does nothing: no event, no answer, no key, no route event.
func TestDryRuns(t *testing.T) {
	t.Parallel()
	w := setup(t)
	admin := w.token(staffID, "admin")
	tried := 0
	for _, rt := range httpapi.Routes() {
		if !rt.Write || rt.Answers == "" {
			continue
		}
		values := w.placesOf(rt, memberID)
		body := w.goodBody(rt, values)
		before := w.counts()
		r := w.do(rt.Method, at(rt, values)+"?dryRun=true", admin, body, "Idempotency-Key", "dry-"+rt.Name)
		require.Equal(t, http.StatusOK, r.status, "%s %s: %s", rt.Pattern, body, r.body)
		require.Equal(t, "dryRun", r.str("dataName"), rt.Pattern)
		require.Equal(t, before, w.counts(), rt.Pattern)
		var events []json.RawMessage
		require.NoError(t, json.Unmarshal(r.raw("dryRun", "events"), &events))
		done := w.do(rt.Method, at(rt, values), admin, body, "Idempotency-Key", "dry-"+rt.Name)
		require.Less(t, done.status, 300, "%s: %s", rt.Pattern, done.body)
		after := w.counts()
		require.Equal(t, before[0]+int64(len(events)), after[0], "%s: as many events as were told: %s", rt.Pattern, events)
		tried++
	}
	require.Greater(t, tried, 20)
}
