package httpapi_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"payledger/cmd/payledger/internal/httpapi"
	"payledger/cmd/payledger/internal/httpapi/auth"
	"payledger/domain/customer"
)

// placesOf returns what stands in the braces of a route's path: a row of that person. A route with a place that nobody knows to
// fill is red.
func (w *world) placesOf(rt httpapi.RouteInfo, person string) map[string]string {
	w.t.Helper()
	values := map[string]string{}
	for _, name := range rt.Placeholders {
		switch name {
		case "name":
			values[name] = map[string]string{"/permissions/{name}": "fee.assess", "/index/{object}/{id}/extends/{name}": "reminders"}[rt.Path]
		case "kind":
			values[name] = map[string]string{
				"/reasoncodes/{kind}": "waive", "/audit/history/{kind}/{id}": "fee", "/audit/explain/{kind}/{id}": "fee", "/audit/reports/{kind}": "waivers", "/audit/files/{kind}": "waivers",
			}[rt.Path]
		case "object":
			values[name] = "fee"
		case "feeEventId":
			values[name] = w.note(person)
		case "paymentId":
			values[name] = w.payment(person)
		case "creditId":
			values[name] = w.credit(person)
		case "paymentMethodId":
			values[name] = "pm_1"
		case "userId":
			w.customerOf(person)
			values[name] = person
		case "feePaymentId", "id":
			switch rt.Path {
			case "/feepayments/{feePaymentId}":
				values[name] = w.feePayment(person)
			case "/audit/reproduce/{id}", "/audit/stored/{id}":
				r := w.do("GET", "/audit/reports/credits?asOf=2026-01-01", w.token(staffID, "auditor"), "").wants(200)
				values[name] = r.str("report", "report", "id")
			case "/index/{object}/{id}/extends/{name}", "/audit/history/{kind}/{id}", "/audit/explain/{kind}/{id}", "/audit/state/{object}/{id}":
				values[name] = w.assessFor(person, "5")
			case "/payment/{feePaymentId}":
				values[name] = w.gatewayPayment(person, memberID, "pi_1")
			case "/paymentbyorderid/{id}":
				values[name] = uuid.NewString()
				w.gatewayPayment(person, values[name], "pi_1")
			case "/paymentbypaymentid/{id}":
				values[name] = "pi_" + uuid.NewString()
				w.gatewayPayment(person, uuid.NewString(), values[name])
			default:
				require.FailNow(w.t, "no row for {"+name+"}", rt.Pattern)
			}
		case "feeId":
			values[name] = w.assessFor(person, "5")
		default:
			require.FailNow(w.t, "no row for {"+name+"}", rt.Pattern)
		}
	}
	return values
}

// at returns the path of a route with its places filled.
func at(rt httpapi.RouteInfo, values map[string]string) string {
	path := rt.Path
	for name, value := range values {
		path = strings.ReplaceAll(path, "{"+name+"}", value)
	}
	return path
}

// memberMay tells whether members have a permission that the route asks for.
func memberMay(rt httpapi.RouteInfo) bool {
	return slices.ContainsFunc(rt.Needs, func(p auth.Permission) bool { return slices.Contains(auth.Granted(auth.Member), p) })
}

// Another's row looks to a member as if there were none; what members may not do at all is 403, whosever the row is.
func TestOthersRows(t *testing.T) {
	t.Parallel()
	w := setup(t)
	for _, rt := range httpapi.Routes() {
		if len(rt.Placeholders) == 0 || isWord(rt) {
			continue
		}
		path := at(rt, w.placesOf(rt, otherID))
		before := w.counts()
		r := w.do(rt.Method, path, w.member(), bodyOf(rt))
		if memberMay(rt) {
			require.Equal(t, http.StatusNotFound, r.status, "%s: %s", rt.Pattern, r.body)
			r.refused(http.StatusNotFound, "RecordNotFound", "errMsg_RecordNotFound")
		} else {
			require.Equal(t, http.StatusForbidden, r.status, "%s: %s", rt.Pattern, r.body)
		}
		require.Equal(t, before, w.counts(), rt.Pattern)
	}
}

// isWord tells whether no place of the path is that of a row that we keep.
func isWord(rt httpapi.RouteInfo) bool {
	switch rt.Path {
	case "/permissions/{name}", "/delete-payment-method/{paymentMethodId}", "/reasoncodes/{kind}":
		return true
	}
	return false
}

// An id that names nothing is 404 to those who may see everything.
func TestUnknownRows(t *testing.T) {
	t.Parallel()
	w := setup(t)
	for _, rt := range httpapi.Routes() {
		if len(rt.Placeholders) == 0 || isWord(rt) || rt.Path == "/members/{userId}/account" { // whom the library knows is not known here
			continue
		}
		values := w.placesOf(rt, memberID)
		body := ""
		if rt.Write {
			body = w.goodBody(rt, values)
		}
		for name := range values {
			if name != "object" && name != "name" {
				values[name] = uuid.NewString()
			}
		}
		before := w.counts()
		r := w.do(rt.Method, at(rt, values), w.token(staffID, "admin"), body)
		require.Equal(t, http.StatusNotFound, r.status, "%s: %s", rt.Pattern, r.body)
		r.refused(http.StatusNotFound, "RecordNotFound", "errMsg_RecordNotFound")
		require.Equal(t, before, w.counts(), rt.Pattern)
	}
}

// Methods that a path doesn't have are 405 and name those that it has.
func TestWrongMethods(t *testing.T) {
	t.Parallel()
	w := setup(t)
	allowed := map[string][]string{}
	for _, rt := range httpapi.Routes() {
		allowed[rt.Path] = append(allowed[rt.Path], rt.Method)
		if rt.Method == http.MethodGet {
			allowed[rt.Path] = append(allowed[rt.Path], http.MethodHead)
		}
	}
	before := w.counts()
	for path, methods := range allowed {
		slices.Sort(methods)
		for _, method := range []string{"GET", "POST", "PUT", "PATCH", "DELETE"} {
			if slices.Contains(methods, method) {
				continue
			}
			r := w.do(method, strings.NewReplacer("{", "", "}", "").Replace(path), w.staff(), "").refused(405, "MethodNotAllowed", "errMsg_MethodNotAllowed")
			require.Equal(t, strings.Join(methods, ", "), r.header.Get("Allow"), "%s %s", method, path)
		}
	}
	require.Equal(t, before, w.counts())
}

// bodyOf is a good body of a route, nothing for a reading one.
func bodyOf(rt httpapi.RouteInfo) string {
	switch {
	case !rt.Write:
		return ""
	case rt.Raw:
		return `[{"id":"r1"}]`
	}
	return bodyWith(rt, "", "")
}

// pay returns the body of a good payment with some fields set otherwise.
func pay(fields string) string {
	values := map[string]json.RawMessage{
		"userId": json.RawMessage(`"` + memberID + `"`), "tender": json.RawMessage(`"cash"`), "amount": json.RawMessage(`1`),
	}
	return with(values, fields)
}

// goodBody is a body with which the command succeeds as an admin on what stands in its path.
func (w *world) goodBody(rt httpapi.RouteInfo, values map[string]string) string {
	w.t.Helper()
	fields := map[string]string{
		"POST /fees": `"amount":5`, "PATCH /fees/{feeId}": `"note":"n"`,
		"POST /fees/{feeId}/waivers": `"reason":"goodwill"`, "POST /fees/{feeId}/write-offs": `"reason":"other"`,
		"POST /fees/{feeId}/adjustments":           `"direction":"increase","reason":"other"`,
		"PATCH /feepayments/{feePaymentId}":        `"note":"n"`,
		"POST /payments/{paymentId}/void":          `"reason":"duplicate"`,
		"POST /credits":                            `"reason":"other"`,
		"POST /credits/{creditId}/applications":    `"feeId":"` + memberID + `"`,
		"PATCH /payment/{feePaymentId}":            `"statusLiteral":"failed"`,
		"PUT /reasoncodes/{kind}":                  `"codes":["amnesty2026"]`,
		"POST /payments/{paymentId}/reallocations": ``,
		"POST /fees/{feeId}/reversals":             ``,
		"POST /feepayments":                        `"paymentMethod":"cash","paymentStatus":"complete"`,
		"POST /feeevents":                          `"eventType":"note"`,
	}
	object := map[string]json.RawMessage{}
	for name, value := range sample(rt.Body) {
		text, err := json.Marshal(value)
		require.NoError(w.t, err)
		object[name] = text
	}
	switch rt.Pattern {
	case "POST /fees/{feeId}/reversals":
		w.do("POST", "/fees/"+values["feeId"]+"/waivers", w.staff(), `{"amount":1,"reason":"goodwill"}`).wants(200)
		return with(object, `"reductionId":"`+w.reduction(values["feeId"])+`","reason":"other"`)
	case "POST /credits/{creditId}/applications":
		return with(object, `"feeId":"`+w.assess("5")+`"`)
	case "POST /payments":
		return with(object, `"amount":5,"allocations":[{"feeId":"`+w.assess("5")+`","amount":4}]`)
	case "POST /feepayments", "POST /feeevents":
		return with(object, fields[rt.Pattern]+`,"feeId":"`+w.assess("5")+`"`)
	case "POST /payments/{paymentId}/reallocations":
		id := w.assess("5")
		r := w.do("POST", "/payments", w.staff(), pay(`"amount":2,"allocations":[{"feeId":"`+id+`","amount":2}]`)).wants(201)
		values["paymentId"] = r.str("payment", "id")
		return with(object, `"taken":[{"allocationId":"`+r.allocation()+`"}],"reason":"other"`)
	}
	if rt.Raw || rt.Body == nil || fields[rt.Pattern] == "" {
		return bodyOf(rt)
	}
	return with(object, fields[rt.Pattern])
}

// A deleted row is gone: for every route that names it, and for everybody. Only the history of a fee tells of it, to those who may read all.
func TestDeletedRows(t *testing.T) {
	t.Parallel()
	w := setup(t)
	admin := w.token(staffID, "admin")
	tried := 0
	for _, rt := range httpapi.Routes() {
		values := w.placesOf(rt, memberID)
		path := map[string]string{
			"feeId": "/fees/", "feeEventId": "/feeevents/", "feePaymentId": rt.Path[:strings.Index(rt.Path+"{", "{")], "id": "/fees/",
		}
		row := ""
		for name, value := range values {
			if path[name] != "" && (name != "id" || rt.Name == "extendDocument") {
				row = path[name] + value
			}
		}
		if row == "" {
			continue
		}
		body := ""
		if rt.Write {
			body = w.goodBody(rt, values)
		}
		w.do("DELETE", row, admin, "").wants(200)
		before := w.counts()
		r := w.do(rt.Method, at(rt, values), admin, body)
		if rt.Name == "getFeeHistory" {
			r.wants(200)
			r = w.do(rt.Method, at(rt, values), w.member(), "")
		}
		require.Equal(t, http.StatusNotFound, r.status, "%s: %s", rt.Pattern, r.body)
		r.refused(http.StatusNotFound, "RecordNotFound", "errMsg_RecordNotFound")
		require.Equal(t, before, w.counts(), rt.Pattern)
		tried++
	}
	require.Greater(t, tried, 15)
}

// A deleted row's document takes no extensions, whichever object it is of.
func TestDeletedDocuments(t *testing.T) {
	t.Parallel()
	w := setup(t)
	admin, card := w.token(staffID, "admin"), uuid.NewString()
	w.append(customer.Stream(memberID), memberID, customer.MethodAttached{ID: card, UserID: memberID, PaymentMethodID: "pm_1", CustomerID: "cus_1", Platform: "stripe"})
	gatewayPayment := w.gatewayPayment(memberID, loanID, "pi_1")
	for path, remove := range map[string]func(id string){
		"/index/fee/" + w.assess("5"):                 func(id string) { w.do("DELETE", "/fees/"+id, admin, "").wants(200) },
		"/index/feePayment/" + w.feePayment(memberID): func(id string) { w.do("DELETE", "/feepayments/"+id, admin, "").wants(200) },
		"/index/feeEvent/" + w.note(memberID):         func(id string) { w.do("DELETE", "/feeevents/"+id, admin, "").wants(200) },
		"/index/feePayment.gateway/" + gatewayPayment: func(id string) { w.do("DELETE", "/payment/"+id, admin, "").wants(200) },
		"/index/paymentMethod/" + card: func(id string) {
			w.append(customer.Stream(memberID), memberID, customer.MethodDetached{ID: id})
		},
	} {
		w.do("PUT", path+"/extends/reminders", admin, `[{"id":"before"}]`).wants(200)
		remove(path[strings.LastIndex(path, "/")+1:])
		before := w.counts()
		w.do("PUT", path+"/extends/reminders", admin, `[{"id":"after"}]`).refused(404, "RecordNotFound", "errMsg_RecordNotFound")
		require.Equal(t, before, w.counts(), path)
	}
}
