package httpapi_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"payledger/cmd/payledger/internal/httpapi"
	"payledger/domain/evidence"
	"payledger/domain/money"
	"payledger/domain/payment"
	"payledger/eventstore"
	"payledger/eventstore/catalog"
)

func (w *world) auditor() string { return w.token(auditorID, "auditor") }

const auditorID = "77777777-7777-4777-8777-777777777777"

// lastRead returns the last event of the log, which must be a read.
func (w *world) lastRead() (evidence.Read, string) {
	w.t.Helper()
	head := w.head()
	recorded, err := w.reader.ReadAll(context.Background(), head-1, 1)
	require.NoError(w.t, err)
	ev, err := w.catalog.Decode(context.Background(), w.vault, &recorded[0])
	require.NoError(w.t, err)
	require.IsType(w.t, evidence.Read{}, ev.Data)
	return ev.Data.(evidence.Read), ev.Meta.Actor.ID
}

// Each answered question is an event that says who asked what; one that wasn't answered is none.
func TestReadsAreLogged(t *testing.T) {
	t.Parallel()
	vienna, err := time.LoadLocation("Europe/Vienna")
	require.NoError(t, err)
	w := setup(t, func(c *httpapi.Config) { c.Zone = vienna }) // what a date means there is told as an instant
	fee := w.assess("5")
	for _, test := range []struct{ path, want string }{
		{
			"/audit/actions?from=2026-03-01&asOf=2026-03-01T12:00:00%2B01:00&knownAt=1",
			`{"question":"actions","object":"","id":"","parameters":[{"name":"from","value":"2026-02-28T23:00:00Z"},{"name":"asOf","value":"2026-03-01T11:00:00Z"},{"name":"knownAt","value":"1"}],"knownAt":1}`,
		},
		{"/audit/history/fee/" + fee + "?asOf=2026-03-01&knownAt=1", `{"question":"history","object":"fee","id":"` + fee + `","parameters":[{"name":"asOf","value":"2026-03-01T22:59:59.999999Z"},{"name":"knownAt","value":"1"}],"knownAt":1}`},
		{"/audit/history/member/" + memberID + "?knownAt=1", `{"question":"history","object":"member","id":"` + memberID + `","parameters":[{"name":"knownAt","value":"1"}],"knownAt":1}`},
		{"/audit/actions?type=waiver&knownAt=1", `{"question":"actions","object":"","id":"","parameters":[{"name":"type","value":"waiver"},{"name":"knownAt","value":"1"}],"knownAt":1}`},
		{"/audit/state/fee/" + fee + "?knownAt=1", `{"question":"state","object":"fee","id":"` + fee + `","parameters":[{"name":"knownAt","value":"1"}],"knownAt":1}`},
		{"/audit/explain/member/" + memberID + "?knownAt=1", `{"question":"explain","object":"member","id":"` + memberID + `","parameters":[{"name":"knownAt","value":"1"}],"knownAt":1}`},
		{"/audit/reports/aging?knownAt=1", `{"question":"report","object":"aging","id":"","parameters":[{"name":"knownAt","value":"1"}],"knownAt":1}`},
		{"/audit/trial-balance?knownAt=1&currency=USD", `{"question":"trial-balance","object":"","id":"","parameters":[{"name":"knownAt","value":"1"},{"name":"currency","value":"USD"}],"knownAt":1}`},
		{"/audit/files/aging?knownAt=1&format=jsonl", `{"question":"report","object":"aging","id":"","parameters":[{"name":"format","value":"jsonl"},{"name":"knownAt","value":"1"}],"knownAt":1}`},
	} {
		w.do("GET", test.path, w.auditor(), "").wants(http.StatusOK)
		read, by := w.lastRead()
		got, err := json.Marshal(read)
		require.NoError(t, err)
		require.JSONEq(t, test.want, string(got), test.path)
		require.Equal(t, auditorID, by)
	}
	before := w.head()
	w.do("GET", "/audit/history/fee/"+otherID, w.auditor(), "").wants(http.StatusNotFound)
	w.do("GET", "/audit/history/fee/"+fee, w.staff(), "").wants(http.StatusForbidden)
	w.do("GET", "/audit/reports/aging?by="+staffID, w.auditor(), "").refused(400, "BadRequest", "errMsg_parametersDoNotFitTheReport")
	w.do("GET", "/audit/reports/activity?from=2026-03-02&asOf=2026-03-01", w.auditor(), "").refused(400, "BadRequest", "errMsg_parametersDoNotFitTheReport")
	w.do("GET", "/audit/actions?from=2026-03-02&asOf=2026-03-01", w.auditor(), "").refused(400, "BadRequest", "errMsg_parametersDoNotFitTheReport")
	w.do("GET", "/audit/history/weather/"+fee, w.auditor(), "").wants(http.StatusNotFound)
	require.Equal(t, before, w.head())
}

// Without its log entry no answer goes out.
func TestNoReadWithoutItsLog(t *testing.T) {
	t.Parallel()
	w := setup(t)
	fee := w.assess("5")
	w.store.Close()
	for _, path := range []string{"/audit/history/fee/" + fee, "/audit/actions", "/audit/files/aging"} {
		w.do("GET", path, w.auditor(), "").wants(http.StatusServiceUnavailable)
	}
}

// A tenant's auditor sees nothing of another's.
func TestAuditStaysInItsTenant(t *testing.T) {
	t.Parallel()
	w := setup(t)
	fee := w.assess("5")
	report := w.do("GET", "/audit/reports/aging", w.auditor(), "").wants(200).str("report", "report", "id")
	other := w.sign(jwt.MapClaims{"sub": auditorID, "tenant": "elsewhere", "roles": []string{"auditor"}})
	for _, path := range []string{
		"/audit/history/fee/" + fee, "/audit/history/member/" + memberID, "/audit/state/fee/" + fee, "/audit/explain/fee/" + fee, "/audit/explain/member/" + memberID,
		"/audit/reproduce/" + report,
		"/audit/stored/" + report,
	} {
		w.do("GET", path, other, "").wants(http.StatusNotFound)
	}
	require.JSONEq(t, `[]`, string(w.do("GET", "/audit/actions", other, "").wants(200).raw("actions")))
	require.JSONEq(t, `[]`, string(w.do("GET", "/audit/reports/activity", other, "").wants(200).raw("report", "firstRows")))
}

// The books are asked of in either profile, in one currency, as of a day and as known at a position; a position that they haven't come to
// is one for later.
func TestTrialBalance(t *testing.T) {
	t.Parallel()
	w := setup(t)
	fee := w.do("POST", "/fees", w.staff(), newFee(`"statusUpdateDate":"2026-03-01","reason":"lost"`)).wants(201).str("fee", "id") // 12.50
	w.do("POST", "/fees", w.staff(), `{"userId":"`+memberID+`","amount":300,"currency":"JPY","reason":"damage","statusUpdateDate":"2026-03-02"}`).wants(201)
	w.do("POST", "/payments", w.staff(), pay(`"amount":5,"paymentDate":"2026-03-03","allocations":[{"feeId":"`+fee+`","amount":5}]`)).wants(201)
	all := w.head()
	w.do("PATCH", "/fees/"+fee, w.staff(), `{"status":"waived","statusUpdateDate":"2026-03-04"}`).wants(200)
	ask := func(query string) map[string]string {
		r := w.do("GET", "/audit/trial-balance"+query, w.auditor(), "", "Min-Position", fmt.Sprint(w.head())).wants(200)
		var found struct {
			Balances []struct {
				Account  int         `json:"account"`
				Currency string      `json:"currency"`
				Debit    json.Number `json:"debit"`
				Credit   json.Number `json:"credit"`
			} `json:"balances"`
			Totals []struct {
				Debit  json.Number `json:"debit"`
				Credit json.Number `json:"credit"`
			} `json:"totals"`
		}
		require.NoError(t, json.Unmarshal(r.raw("trialBalance"), &found))
		balances := map[string]string{}
		for _, b := range found.Balances {
			if b.Debit != b.Credit { // zeros
				balances[fmt.Sprint(b.Account, b.Currency)] = fmt.Sprintf("%s %s", b.Debit, b.Credit)
			}
		}
		for _, total := range found.Totals {
			require.Equal(t, total.Debit, total.Credit)
		}
		return balances
	}
	require.Equal(t, map[string]string{"1200USD": "5 0", "4000USD": "0 12.5", "4090USD": "7.5 0", "1100JPY": "300 0", "4000JPY": "0 300"}, ask(""))
	require.Equal(t, map[string]string{"1200USD": "5 0", "4000USD": "0 5"}, ask("?currency=USD&profile=cash"))
	require.Equal(t, map[string]string{"1100USD": "12.5 0", "4000USD": "0 12.5"}, ask("?asOf=2026-03-01"))
	require.Equal(t, map[string]string{"1100USD": "7.5 0", "1200USD": "5 0", "4000USD": "0 12.5"}, ask(fmt.Sprintf("?currency=USD&knownAt=%d", all)))
	require.Empty(t, ask("?currency=EUR"))
	w.do("GET", "/audit/trial-balance?currency=XXQ", w.auditor(), "").wants(400)

	w.pause()
	w.assess("5")
	w.do("GET", fmt.Sprintf("/audit/trial-balance?knownAt=%d", w.head()), w.auditor(), "").refused(503, "NotYetVisible", "errMsg_notYetVisible")
}

// A report is made, corrected later, and made again to the cent; what was learnt is told.
func TestReportIsReproduced(t *testing.T) {
	t.Parallel()
	w := setup(t)
	fee := w.do("POST", "/fees", w.staff(), newFee(`"statusUpdateDate":"2026-03-01","reason":"lost"`)).wants(201).str("fee", "id") // 12.50
	asOf := "?asOf=2026-03-31"
	made := w.do("GET", "/audit/reports/aging"+asOf, w.auditor(), "").wants(200)
	w.do("PATCH", "/fees/"+fee, w.staff(), `{"status":"waived","statusUpdateDate":"2026-03-20"}`).wants(200)
	again := w.do("GET", "/audit/reproduce/"+made.str("report", "report", "id"), w.auditor(), "").wants(200)
	require.Equal(t, "true", string(again.raw("reproduction", "identical")))
	require.JSONEq(t, string(made.raw("report", "report")), string(again.raw("reproduction", "report")))
	stored := w.do("GET", "/audit/stored/"+made.str("report", "report", "id"), w.auditor(), "").wants(200)
	require.JSONEq(t, string(made.raw("report", "report")), string(stored.raw("stored", "report")))
	require.Equal(t, again.str("reproduction", "madeAt"), stored.str("stored", "madeAt"))
	w.do("GET", "/audit/stored/"+fee, w.auditor(), "").wants(404)
	require.Equal(t, "1", string(again.raw("reproduction", "learntCount")))
	require.Equal(t, "0", string(again.raw("reproduction", "today", "rows")))
	require.Equal(t, "1", string(again.raw("reproduction", "again", "rows")))
}

// The three files hold the same rows, and the digest is that of the JSON Lines without their notes.
func TestReportFiles(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.do("POST", "/fees", w.staff(), newFee(`"reason":"=cmd|' /C calc'!A0","note":"+1, as she told us"`)).wants(201)
	bounds := fmt.Sprintf("?knownAt=%d&asOf=%s", w.head(), time.Now().UTC().Add(time.Minute).Format(time.RFC3339))
	lines := w.do("GET", "/audit/files/activity"+bounds+"&format=jsonl", w.auditor(), "").wants(200)
	require.Equal(t, "application/jsonl", lines.header.Get("Content-Type"))
	require.Equal(t, fmt.Sprint(len(lines.body)), lines.header.Get("Content-Length"))
	require.Equal(t, `attachment; filename="activity-`+lines.header.Get("Report-Id")+`.jsonl"`, lines.header.Get("Content-Disposition"))
	rows := bytes.SplitAfter(lines.body, []byte("\n"))
	require.Len(t, rows, 3) // a row, the report, nothing
	var last struct {
		Report struct {
			ID     string `json:"id"`
			Digest string `json:"digest"`
		} `json:"report"`
	}
	require.NoError(t, json.Unmarshal(rows[1], &last))
	require.Equal(t, lines.header.Get("Report-Id"), last.Report.ID)
	plain, note, _ := bytes.Cut(rows[0], []byte(`,"note":`))
	require.Equal(t, "\"+1, as she told us\"}\n", string(note))
	sum := sha256.Sum256(append(plain, "}\n"...))
	require.Equal(t, hex.EncodeToString(sum[:]), last.Report.Digest)
	stored := w.do("GET", "/audit/reproduce/"+last.Report.ID, w.auditor(), "").wants(200)
	require.Equal(t, last.Report.Digest, stored.str("reproduction", "report", "digest"))

	table := w.do("GET", "/audit/files/activity"+bounds, w.auditor(), "").wants(200)
	require.Equal(t, "text/csv; charset=utf-8; header=present", table.header.Get("Content-Type"))
	records, err := csv.NewReader(bytes.NewReader(table.body)).ReadAll()
	require.NoError(t, err)
	require.Len(t, records, 2)
	require.Contains(t, records[1], `'=cmd|' /C calc'!A0`)
	require.Equal(t, "'+1, as she told us", records[1][len(records[1])-1])
	book := w.do("GET", "/audit/files/activity"+bounds+"&format=xlsx", w.auditor(), "").wants(200)
	require.True(t, bytes.HasPrefix(book.body, []byte("PK")))
	w.do("GET", "/audit/files/activity?format=pdf", w.auditor(), "").refused(400, "BadRequest", "errMsg_formatisNotAValidEnum")
}

// appendAt stores an event that no command of today makes.
func (w *world) appendAt(stream string, data any, effectiveAt time.Time) {
	w.t.Helper()
	id := eventstore.StreamID{Tenant: tenant, Name: stream}
	event, err := w.catalog.Encode(catalog.EncodeArgs{
		Stream: id, ID: uuid.Must(uuid.NewV7()), Data: data, EffectiveAt: effectiveAt, Meta: catalog.Meta{Actor: catalog.Actor{Kind: "staff", ID: staffID}, At: effectiveAt},
	})
	require.NoError(w.t, err)
	_, err = w.store.Commit(context.Background(), eventstore.Commit{
		ID: uuid.Must(uuid.NewV7()), Streams: []eventstore.StreamID{id},
		Decide: func(eventstore.View) (eventstore.Decision, error) {
			return eventstore.Decision{Appends: []eventstore.Append{{Stream: id, Events: []eventstore.NewEvent{event}}}}, nil
		},
	})
	require.NoError(w.t, err)
}

// Where events as of a date build on a later one there is no row; a report of other rules is not made again.
func TestWhatCanNotBeAnswered(t *testing.T) {
	t.Parallel()
	w := setup(t)
	fee := w.do("POST", "/fees", w.staff(), newFee(`"statusUpdateDate":"2026-03-01"`)).wants(201).str("fee", "id")
	paid := w.do("POST", "/payments", w.staff(), pay(`"amount":5,"paymentDate":"2026-03-02","allocations":[{"feeId":"`+fee+`","amount":5}]`)).wants(201)
	five := func() money.Amount {
		usd, err := money.ParseCurrency("USD")
		require.NoError(t, err)
		return money.New(500, usd)
	}()
	at := func(day int) time.Time { return time.Date(2026, 3, day, 0, 0, 0, 0, time.UTC) }
	stream, from := payment.Stream(paid.str("payment", "id")), paid.allocation()
	for _, day := range []int{5, 4} {
		to := uuid.NewString()
		w.appendAt(stream, payment.Reallocated{
			Taken: []payment.Taken{{AllocationID: from, FeeID: fee, Amount: five}}, Given: []payment.Allocation{{ID: to, FeeID: fee, Amount: five}},
			Credit: money.Zero(five.Currency()), Cause: payment.CauseReallocation,
		}, at(day))
		from = to
	}
	w.do("GET", "/audit/state/feePayment/"+paid.allocation()+"?asOf=2026-03-04", w.auditor(), "").refused(422, "NoStateThen", "errMsg_eventsBuildOnALaterOne")
	w.do("GET", "/audit/state/feePayment/"+paid.allocation(), w.auditor(), "").wants(200)

	old := uuid.NewString()
	w.appendAt(evidence.ReportStream(old), evidence.ReportMade{
		ReportID: old, Kind: "aging", AsOf: at(3), HeadHash: strings.Repeat("00", 32), Filters: []evidence.Parameter{}, Digest: strings.Repeat("00", 32), Totals: []evidence.Total{},
	}, at(3))
	w.do("GET", "/audit/reproduce/"+old, w.auditor(), "").refused(422, "OtherForm", "errMsg_reportWasMadeByOtherRules")
}

// Questions that read the whole log are few at a time; the others go on.
func TestSlowQuestionsAreFew(t *testing.T) {
	t.Parallel()
	w := setup(t)
	fee := w.assess("5")
	w.api.FillSlow()
	for _, path := range []string{"/audit/reports/aging", "/audit/files/aging", "/audit/actions"} {
		w.do("GET", path, w.auditor(), "").refused(503, "Busy", "errMsg_serviceIsBusy")
	}
	w.do("GET", "/audit/history/fee/"+fee, w.auditor(), "").wants(200)
}

// Pages of actions join without a gap, and the last has no cursor.
func TestActionPages(t *testing.T) {
	t.Parallel()
	w := setup(t)
	for range 5 {
		w.assess("1")
	}
	var seen []string
	cursor := ""
	for page := 0; ; page++ {
		require.Less(t, page, 4)
		r := w.do("GET", "/audit/actions?type=assessment&by="+strings.ToUpper(staffID)+"&pageRowCount=2"+cursor, w.auditor(), "").wants(200)
		var found []struct {
			EventID string `json:"eventId"`
		}
		require.NoError(t, json.Unmarshal(r.raw("actions"), &found))
		for _, f := range found {
			seen = append(seen, f.EventID)
		}
		next := string(r.raw("paging", "cursor"))
		if next == "null" {
			break
		}
		cursor = "&cursor=" + strings.Trim(next, `"`)
	}
	require.Len(t, seen, 5)
	unique := map[string]bool{}
	for _, id := range seen {
		unique[id] = true
	}
	require.Len(t, unique, 5)
	require.JSONEq(t, `[]`, string(w.do("GET", "/audit/actions?by="+uuid.NewString(), w.auditor(), "").wants(200).raw("actions")))
}

// Two fees of the maximum are more than one amount may be, and no fault of who asks for a report.
func TestReportOfLargeTotals(t *testing.T) {
	t.Parallel()
	w := setup(t)
	for range 2 {
		w.do("POST", "/fees", w.staff(), newFee(`"amount":9999999999999.99`)).wants(201)
	}
	made := w.do("GET", "/audit/reports/aging", w.auditor(), "").wants(200)
	require.Contains(t, string(made.body), `"total":19999999999999.98,"totalMinor":1999999999999998`)
	again := w.do("GET", "/audit/reproduce/"+made.str("report", "report", "id"), w.auditor(), "").wants(200)
	require.Equal(t, "true", string(again.raw("reproduction", "identical")))
}

// A bare date is a day of the ledger's zone, as it is on the command line.
func TestDaysAreThoseOfTheZone(t *testing.T) {
	t.Parallel()
	vienna, err := time.LoadLocation("Europe/Vienna")
	require.NoError(t, err)
	w := setup(t, func(c *httpapi.Config) { c.Zone = vienna })
	fee := w.do("POST", "/fees", w.staff(), newFee(`"statusUpdateDate":"2026-01-31T23:30:00Z"`)).wants(201).str("fee", "id") // the first of February in Vienna
	lines := func(path string) int {
		var list []json.RawMessage
		r := w.do("GET", path, w.auditor(), "").wants(200)
		require.NoError(t, json.Unmarshal(r.raw(r.str("dataName")), &list))
		return len(list)
	}
	require.Zero(t, lines("/fees/"+fee+"/history?asOf=2026-01-31"))
	require.Equal(t, 1, lines("/fees/"+fee+"/history?asOf=2026-02-01"))
	require.Equal(t, 1, lines("/audit/actions?type=assessment&from=2026-02-01&asOf=2026-02-01"))
	require.Zero(t, lines("/audit/actions?type=assessment&from=2026-02-02&asOf=2026-02-02"))
	require.Zero(t, lines("/audit/actions?type=assessment&asOf=2026-01-31"))

	// Also in bodies: else it would be in another day's reports than the one that was sent.
	w.do("PATCH", "/fees/"+fee, w.staff(), `{"note":"asked","statusUpdateDate":"2026-02-02"}`).wants(200)
	w.do("POST", "/payments", w.staff(), pay(`"amount":1,"paymentDate":"2026-02-03","allocations":[{"feeId":"`+fee+`","amount":1}]`)).wants(201)
	w.do("POST", "/feeevents", w.staff(), `{"feeId":"`+fee+`","eventType":"note","eventDate":"2026-02-04","note":"paid"}`).wants(201)
	var entries []struct {
		EffectiveAt string `json:"effectiveAt"`
	}
	require.NoError(t, json.Unmarshal(w.do("GET", "/fees/"+fee+"/history", w.auditor(), "").wants(200).raw("history"), &entries))
	days := []string{"2026-01-31T23:30:00.000Z", "2026-02-01T23:00:00.000Z", "2026-02-02T23:00:00.000Z", "2026-02-02T23:00:00.000Z", "2026-02-03T23:00:00.000Z"}
	require.Len(t, entries, len(days)) // the payment is two of them
	for i, day := range days {
		require.Equal(t, day, entries[i].EffectiveAt)
	}
	assessed := w.do("POST", "/fees", w.staff(), newFee(`"statusUpdateDate":"2026-02-05"`)).wants(201)
	require.Equal(t, "2026-02-04T23:00:00.000Z", assessed.str("fee", "statusUpdateDate"))
}
