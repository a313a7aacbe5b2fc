package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"payledger/internal/schematest"
)

// quiet are the topics that nothing in this test causes: cards and customers come with a gateway, and so do checkouts.
func quiet(topic string) bool {
	for _, part := range []string{"paymentcustomer", "paymentmethod", "checkout", "customerbyuserid"} {
		if strings.Contains(topic, part) {
			return true
		}
	}
	return false
}

// TestWholeLibrary does whatever staff and services can do over HTTP. Every answer is what the contract says; every topic that any of it
// causes gets messages, and each message is what its schema says.
func TestWholeLibrary(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p, s := devWith(t, []string{"EXTENDS_NAMES=reminders"}, dir)
	s.aDayAtTheLibrary(t)
	out, errs, code := command(t, s.env, "topics", "--json")
	require.Zero(t, code, errs)
	wanted := map[string]bool{}
	for _, topic := range jsonLines[struct{ Topic, Kind, Object, Action, Schema string }](t, out) {
		require.NotEmpty(t, topic.Kind+topic.Object+topic.Action+topic.Schema)
		if !quiet(topic.Topic) {
			wanted[topic.Topic] = true
		}
	}
	for _, name := range []string{"feepayment", "feeevent"} { // only another service's extends.put extends them
		delete(wanted, "elastic-index-"+s.prefix+"_"+name+"-extended")
	}
	tail := start(t, s.env, "tail", "--from", "1", "--json")
	seen := map[string]int{}
	for deadline := time.Now().Add(patience); len(wanted) > 0; {
		require.True(t, time.Now().Before(deadline), "no message on %v", wanted)
		var m message
		require.NoError(t, json.Unmarshal([]byte(tail.line(t, patience)), &m))
		schematest.Message(t, m.Topic, m.Headers, m.Value)
		seen[m.Topic]++
		delete(wanted, m.Topic)
	}
	require.Zero(t, tail.stop(t))
	topics := 0
	for topic := range seen {
		require.False(t, quiet(topic) && !strings.HasSuffix(topic, "-listed") && !strings.HasSuffix(topic, "-retrived"), topic)
		topics++
	}
	t.Logf("messages on %d topics", topics)
	out, errs, code = command(t, s.env, "audit", "verify", "--json")
	require.Zero(t, code, "%s%s", out, errs)
	require.Zero(t, p.stop(t))
}

// must sends a request and returns a text of the answer's row.
func (s *system) must(t *testing.T, who, method, path, body, row, field string) string {
	t.Helper()
	a := s.call(t, who, method, path, body)
	require.True(t, slices.Contains([]int{http.StatusOK, http.StatusCreated}, a.status), "%s %s as %s: %s", method, path, who, a.body)
	if row == "" {
		return ""
	}
	var text string
	require.NoError(t, json.Unmarshal(data[map[string]json.RawMessage](t, a, row)[field], &text))
	return text
}

func (s *system) aDayAtTheLibrary(t *testing.T) {
	t.Helper()
	member := s.users["member"]
	assess := func() string {
		return s.must(t, "staff", "POST", "/fees", fmt.Sprintf(`{"userId":%q,"amount":10,"reason":"lost"}`, member), "fee", "id")
	}
	do := func(who, method, path, body string) { s.must(t, who, method, path, body, "", "") }
	fee, other := assess(), assess()

	do("staff", "POST", "/fees/"+fee+"/waivers", `{"amount":1,"reason":"goodwill"}`)
	do("finance", "POST", "/fees/"+fee+"/write-offs", `{"amount":1,"reason":"smallBalance","note":"too little"}`)
	do("supervisor", "POST", "/fees/"+fee+"/adjustments", `{"direction":"increase","amount":"2.50","reason":"priceCorrection"}`)
	do("staff", "POST", "/fees/"+fee+"/notes", `{"note":"difficult","visibility":"staff"}`)
	note := s.must(t, "staff", "POST", "/feeevents", fmt.Sprintf(`{"feeId":%q,"eventType":"note","note":"asked by phone"}`, fee), "feeEvent", "id")
	do("staff", "PATCH", "/feeevents/"+note, `{"note":"asked twice"}`)
	do("staff", "DELETE", "/feeevents/"+note, "")

	paid := s.must(t, "staff", "POST", "/feepayments", fmt.Sprintf(
		`{"feeId":%q,"userId":%q,"amountPaid":3,"paymentMethod":"cash","paymentStatus":"complete"}`, fee, member), "feePayment", "id")
	pending := s.must(t, "staff", "POST", "/feepayments", fmt.Sprintf(
		`{"feeId":%q,"userId":%q,"amountPaid":1,"paymentMethod":"other","paymentStatus":"pending"}`, fee, member), "feePayment", "id")
	do("supervisor", "PATCH", "/feepayments/"+pending, `{"paymentStatus":"failed"}`)
	do("staff", "PATCH", "/feepayments/"+paid, `{"note":"exact change"}`)
	do("supervisor", "DELETE", "/feepayments/"+paid, "")
	taken := s.must(t, "staff", "POST", "/payments", fmt.Sprintf(
		`{"userId":%q,"tender":"check","amount":4,"allocations":[{"feeId":%q,"amount":4}]}`, member, fee), "payment", "id")
	do("supervisor", "POST", "/payments/"+taken+"/void", `{"reason":"bouncedCheck"}`)
	credit := s.must(t, "finance", "POST", "/credits", fmt.Sprintf(`{"userId":%q,"amount":2,"reason":"compensation"}`, member), "credit", "id")
	do("staff", "POST", "/credits/"+credit+"/applications", fmt.Sprintf(`{"feeId":%q,"amount":1}`, fee))

	record := s.must(t, "staff", "POST", "/payment", fmt.Sprintf(
		`{"orderId":%q,"paymentId":"pi_1","paymentStatus":"processing","statusLiteral":"started"}`, fee), "feePayment", "id")
	do("staff", "PATCH", "/payment/"+record, `{"statusLiteral":"failed"}`)
	do("staff", "GET", "/payment/"+record, "")
	do("staff", "GET", "/paymentbyorderid/"+fee, "")
	do("staff", "GET", "/paymentbypaymentid/pi_1", "")
	do("staff", "GET", "/payments", "")
	do("staff", "GET", "/customers", "")
	do("member", "GET", "/listethods", "")
	do("supervisor", "DELETE", "/payment/"+record, "")
	do("service", "PUT", "/index/fee/"+fee+"/extends/reminders", `[{"id":"r1","sent":"2026-01-02"}]`)
	do("service", "PUT", "/index/fee/"+fee+"/extends/reminders", `[{"id":"r1","sent":"2026-01-03"}]`)
	do("staff", "PATCH", "/fees/"+fee, `{"status":"waived"}`)
	do("supervisor", "DELETE", "/fees/"+other, "")
	for _, path := range []string{
		"/fees", "/feepayments", "/feeevents?feeId=" + fee, "/members/" + member + "/account", "/reasoncodes", "/user-payment-methods", "/fees/" + fee + "/history",
		"/currentuser", "/permissions", "/search/fees?q=lost", "/swagger",
	} {
		require.Equal(t, http.StatusOK, s.call(t, "member", http.MethodGet, strings.Replace(path, "/reasoncodes", "/permissions/fee.waive", 1), "").status, path)
	}
	do("auditor", "GET", "/reasoncodes", "")
	require.Equal(t, http.StatusServiceUnavailable, s.call(t, "member", http.MethodPatch, "/startcheckout/fee/"+fee, `{}`).status)
}
