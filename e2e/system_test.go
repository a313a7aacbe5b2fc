package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"payledger/internal/schematest"
)

// system is a running ledger, however its parts are spread over processes.
type system struct {
	library string
	tokens  map[string]string
	users   map[string]string
	service string // first part of topic names
	prefix  string // of index names
	// env reaches the ledger's servers from the command line.
	env []string
}

// answer is an HTTP answer.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// call sends a request as one of the demo people.
func (s *system) call(t *testing.T, who, method, path, body string, headers ...string) answer {
	t.Helper()
	a, err := s.try(t, who, method, path, body, headers...)
	require.NoError(t, err)
	return a
}

func (s *system) try(t *testing.T, who, method, path, body string, headers ...string) (answer, error) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, s.library+path, strings.NewReader(body))
	require.NoError(t, err)
	request.Header.Set("Authorization", "Bearer "+s.tokens[who])
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err == nil {
		schematest.Answer(t, method, path, response.StatusCode, response.Header, text)
	}
	return answer{response.StatusCode, response.Header, text}, err
}

// data decodes the named part of an envelope.
func data[T any](t *testing.T, a answer, name string) T {
	t.Helper()
	var envelope map[string]json.RawMessage
	require.NoError(t, json.Unmarshal(a.body, &envelope), "%s", a.body)
	require.Contains(t, envelope, name, "%s", a.body)
	var value T
	require.NoError(t, json.Unmarshal(envelope[name], &value))
	return value
}

// fee is what these tests look at in a row or document of a fee.
type fee struct {
	ID            string      `json:"id"`
	UserID        string      `json:"userId"`
	Amount        json.Number `json:"amount"`
	Currency      string      `json:"currency"`
	Status        string      `json:"status"`
	Note          string      `json:"note"`
	RecordVersion int64       `json:"recordVersion"`
}

// message is a line of `payledger tail --json`.
type message struct {
	Topic   string            `json:"topic"`
	Key     string            `json:"key"`
	Headers map[string]string `json:"headers"`
	Value   json.RawMessage   `json:"value"`
}

// followOneFee takes one fee from its assessment to every place where it must show, as the newcomer does.
func followOneFee(t *testing.T, s *system) {
	t.Helper()
	member := s.users["member"]

	// Assessed at the desk; a repeat with the same key is the same fee, to the byte.
	body := fmt.Sprintf(`{"userId":%q,"amount":4.50,"currency":"USD","reason":"overdue","note":"Brontë, Villette"}`, member)
	assessed := s.call(t, "staff", http.MethodPost, "/fees", body, "Idempotency-Key", "e2e-1")
	require.Equal(t, http.StatusCreated, assessed.status, "%s", assessed.body)
	row := data[fee](t, assessed, "fee")
	require.Equal(t, fee{ID: row.ID, UserID: member, Amount: "4.5", Currency: "USD", Status: "unpaid", Note: "Brontë, Villette"}, row)
	again := s.call(t, "staff", http.MethodPost, "/fees", body, "Idempotency-Key", "e2e-1")
	require.Equal(t, "true", again.header.Get("Idempotency-Replayed"))
	require.Equal(t, string(assessed.body), string(again.body))
	require.Equal(t, assessed.header.Get("Ledger-Position"), again.header.Get("Ledger-Position"))

	// Read back at once by its owner, and by nobody else.
	own := s.call(t, "member", http.MethodGet, "/fees/"+row.ID, "")
	require.Equal(t, http.StatusOK, own.status, "%s", own.body)
	require.Equal(t, row, data[fee](t, own, "fee"))
	require.Equal(t, `"0"`, own.header.Get("ETag"))
	require.Equal(t, http.StatusNotFound, s.call(t, "otherMember", http.MethodGet, "/fees/"+row.ID, "").status)

	// Paid in two parts; what is too much becomes a credit.
	first := fmt.Sprintf(`{"userId":%q,"tender":"cash","amount":2,"currency":"USD","allocations":[{"feeId":%q,"amount":2}]}`, member, row.ID)
	require.Equal(t, http.StatusCreated, s.call(t, "staff", http.MethodPost, "/payments", first).status)
	require.Equal(t, "unpaid", data[fee](t, s.call(t, "member", http.MethodGet, "/fees/"+row.ID, ""), "fee").Status)
	rest := fmt.Sprintf(`{"userId":%q,"tender":"pos","amount":"5.00","currency":"USD"}`, member)
	paid := s.call(t, "staff", http.MethodPost, "/payments", rest)
	require.Equal(t, http.StatusCreated, paid.status, "%s", paid.body)
	payment := data[struct {
		ID          string      `json:"id"`
		Credit      json.Number `json:"credit"`
		Allocations []struct {
			FeeID  string      `json:"feeId"`
			Amount json.Number `json:"amount"`
		} `json:"allocations"`
	}](t, paid, "payment")
	require.Equal(t, json.Number("2.5"), payment.Credit)
	require.Len(t, payment.Allocations, 1)
	require.Equal(t, json.Number("2.5"), payment.Allocations[0].Amount)
	position := paid.header.Get("Ledger-Position")

	// In the table, in a list, and found by its title without the accent.
	settled := s.call(t, "member", http.MethodGet, "/fees/"+row.ID, "", "Min-Position", position)
	require.Equal(t, "paid", data[fee](t, settled, "fee").Status)
	listed := data[[]fee](t, s.call(t, "staff", http.MethodGet, "/fees?status=paid&userId="+member, "", "Min-Position", position), "fees")
	require.Equal(t, []fee{data[fee](t, settled, "fee")}, listed)
	found := s.search(t, "member", "bronte vill", position)
	require.Equal(t, []fee{data[fee](t, settled, "fee")}, found)
	require.Empty(t, s.search(t, "otherMember", "bronte vill", position), "members find their own only")

	// Another fee is waived, a third cancelled: three different ends.
	waived, cancelled := s.end(t, "waived"), s.end(t, "canceled")

	s.readTopics(t, row.ID, assessed)
	s.askAuditor(t, row.ID, waived, cancelled)
}

func (s *system) search(t *testing.T, who, text, position string) []fee {
	t.Helper()
	path := "/search/fees?q=" + strings.ReplaceAll(text, " ", "+")
	var found answer
	require.Eventually(t, func() bool {
		found = s.call(t, who, http.MethodGet, path, "", "Min-Position", position)
		return found.status != http.StatusServiceUnavailable // not indexed within the two seconds that the server waits
	}, patience, tick)
	require.Equal(t, http.StatusOK, found.status, "%s", found.body)
	return data[[]fee](t, found, "fees")
}

// end assesses a fee and ends it with a status.
func (s *system) end(t *testing.T, status string) string {
	t.Helper()
	body := fmt.Sprintf(`{"id":%q,"userId":%q,"amount":"12.00","currency":"EUR","reason":"manual"}`, uuid.NewString(), s.users["otherMember"])
	assessed := s.call(t, "staff", http.MethodPost, "/fees", body)
	require.Equal(t, http.StatusCreated, assessed.status, "%s", assessed.body)
	id := data[fee](t, assessed, "fee").ID
	patched := s.call(t, "supervisor", http.MethodPatch, "/fees/"+id, fmt.Sprintf(`{"status":%q}`, status), "If-Match", assessed.header.Get("ETag"))
	require.Equal(t, http.StatusOK, patched.status, "%s", patched.body)
	require.Equal(t, status, data[fee](t, patched, "fee").Status)
	stale := s.call(t, "supervisor", http.MethodPatch, "/fees/"+id, `{"note":"late"}`, "If-Match", assessed.header.Get("ETag"))
	require.Equal(t, http.StatusPreconditionFailed, stale.status)
	return id
}

// readTopics reads all topics from the beginning until they hold what this fee must have caused, and nothing more.
func (s *system) readTopics(t *testing.T, feeID string, assessed answer) {
	t.Helper()
	want := map[string]int{
		s.service + "-dbevent-fee-created":                  1,
		s.service + "-dbevent-fee-updated":                  2, // two payments were applied
		s.service + "-dbevent-feepayment-created":           2,
		s.service + "-dbevent-feeevent-created":             3, // assessed, paymentSuccess twice
		"elastic-index-" + s.prefix + "_fee-created":        3, // and the copies of the two updates
		"elastic-index-" + s.prefix + "_fee-updated":        2,
		"elastic-index-" + s.prefix + "_fee-extended":       2,
		"elastic-index-" + s.prefix + "_feepayment-created": 2,
		"elastic-index-" + s.prefix + "_feeevent-created":   3,
		s.service + "-fee-created":                          1,
		s.service + "-journal":                              5,
	}
	tail := start(t, s.env, "tail", "--from", "1", "--json")
	got := map[string]int{}
	seen := map[string]bool{}
	for deadline := time.Now().Add(patience); ; {
		require.True(t, time.Now().Before(deadline), "topics so far: %v", got)
		var m message
		require.NoError(t, json.Unmarshal([]byte(tail.line(t, patience)), &m))
		if !strings.Contains(string(m.Value), feeID) && !strings.HasSuffix(m.Headers["ledger-stream"], feeID) {
			continue
		}
		id := m.Topic + " " + m.Headers["ce_id"]
		require.NotEmpty(t, m.Headers["ce_id"])
		schematest.Message(t, m.Topic, m.Headers, m.Value)
		if seen[id] && !strings.HasSuffix(m.Topic, "_fee-created") { // the copy of an update carries the id of the update
			continue
		}
		seen[id] = true
		got[m.Topic]++
		if m.Topic == s.service+"-fee-created" {
			require.Equal(t, string(assessed.body), string(m.Value), "the route event is the answer, byte for byte")
		}
		if fmt.Sprint(got) == fmt.Sprint(want) {
			break
		}
	}
	require.Zero(t, tail.stop(t), "tail ends cleanly")
}

// askAuditor asks the command line what happened and whether the log is intact.
func (s *system) askAuditor(t *testing.T, paid, waived, cancelled string) {
	t.Helper()
	type entry struct {
		Position    int64       `json:"position"`
		Type        string      `json:"type"`
		Outstanding json.Number `json:"outstanding"`
		Note        string      `json:"note"`
		Actor       struct {
			ID string `json:"id"`
		} `json:"actor"`
	}
	ask := func(id string, args ...string) []entry {
		out, errs, code := command(t, s.env, append([]string{"audit", "history", "fee", id, "--json"}, args...)...)
		require.Zero(t, code, errs)
		return jsonLines[entry](t, out)
	}
	types := func(entries []entry) (names []string) {
		for _, e := range entries {
			names = append(names, e.Type)
		}
		return names
	}
	told := ask(paid)
	require.Equal(t, []string{"fee.assessed", "payment.captured", "fee.payment_applied", "payment.captured", "fee.payment_applied"}, types(told))
	require.Equal(t, "Brontë, Villette", told[0].Note)
	require.Equal(t, s.users["staff"], told[0].Actor.ID)
	require.Equal(t, json.Number("0"), told[4].Outstanding)
	require.Equal(t, told[:3], ask(paid, "--known-at", fmt.Sprint(told[2].Position)), "what was known then is known for ever")
	require.Equal(t, []string{"fee.assessed", "fee.waived"}, types(ask(waived)))
	require.Equal(t, []string{"fee.assessed", "fee.cancelled"}, types(ask(cancelled)))

	require.Eventually(t, func() bool { return s.projectionsAt(t) }, patience, 10*tick)
	out, errs, code := command(t, s.env, "audit", "verify", "--json")
	require.Zero(t, code, errs)
	verdict := jsonLines[struct {
		OK          bool   `json:"ok"`
		Events      int64  `json:"events"`
		Head        string `json:"head"`
		Problem     string `json:"problem"`
		Projections []struct {
			Projection string `json:"projection"`
			Equal      bool   `json:"equal"`
			Position   int64  `json:"position"`
		} `json:"projections"`
	}](t, out)[0]
	require.True(t, verdict.OK, verdict.Problem)
	require.Len(t, verdict.Projections, 3)
	for _, p := range verdict.Projections {
		require.True(t, p.Equal, p.Projection)
		require.Equal(t, verdict.Events, p.Position, p.Projection)
	}

	type total struct {
		Debit  int64 `json:"debitMinor"`
		Credit int64 `json:"creditMinor"`
	}
	type books struct {
		KnownAt  int64   `json:"knownAt"`
		HeadHash string  `json:"headHash"`
		Totals   []total `json:"totals"`
	}
	trialBalance := func(args ...string) books {
		out, errs, code := command(t, s.env, append([]string{"audit", "trial-balance", "--json"}, args...)...)
		require.Zero(t, code, errs)
		return jsonLines[books](t, out)[0]
	}
	now := trialBalance()
	require.Equal(t, verdict.Events, now.KnownAt)
	require.Equal(t, verdict.Head, now.HeadHash)
	require.Equal(t, now.Totals, trialBalance("--as-of", time.Now().Add(48*time.Hour).Format(time.DateOnly)).Totals)
	for position := int64(1); position <= now.KnownAt; position += 3 {
		then := trialBalance("--known-at", strconv.FormatInt(position, 10), "--profile", "cash")
		require.Equal(t, position, then.KnownAt)
		for _, total := range then.Totals {
			require.Equal(t, total.Debit, total.Credit, position)
		}
	}
}

// projectionsAt asks doctor whether all is well and nothing is behind.
func (s *system) projectionsAt(t *testing.T) bool {
	t.Helper()
	out, errs, code := command(t, s.env, "doctor", "--json")
	require.Zero(t, code, "%s%s", out, errs)
	type check struct {
		Name   string `json:"name"`
		OK     bool   `json:"ok"`
		Detail string `json:"detail"`
	}
	checks := jsonLines[struct {
		Checks []check `json:"checks"`
	}](t, out)[0].Checks
	return !slices.ContainsFunc(checks, func(c check) bool {
		return strings.HasPrefix(c.Name, "projection") && !strings.Contains(c.Detail, ", 0 behind")
	})
}
