package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"payledger/internal/schematest"
)

// desk is one clerk's load: fees are assessed, read back, paid, listed, without a pause.
type desk struct {
	requests, fees int
	slowest        time.Duration
	wrong          []string // answers that aren't as before
}

// ask sends a request and notes how it was answered.
func (d *desk) ask(t *testing.T, s *system, want int, who, method, path, body string, headers ...string) answer {
	t.Helper()
	began := time.Now()
	a, err := s.try(t, who, method, path, body, headers...)
	d.slowest = max(d.slowest, time.Since(began))
	d.requests++
	if err != nil || a.status != want {
		d.wrong = append(d.wrong, fmt.Sprintf("%s %s: %d %s %v", method, path, a.status, a.body, err))
	}
	return a
}

func (d *desk) round(t *testing.T, s *system) {
	t.Helper()
	id, user := uuid.NewString(), s.users["member"]
	d.ask(t, s, http.StatusCreated, "staff", http.MethodPost, "/fees",
		fmt.Sprintf(`{"id":%q,"userId":%q,"amount":"2.00","reason":"overdue"}`, id, user), "Idempotency-Key", "fee-"+id)
	d.fees++
	paid := d.ask(t, s, http.StatusCreated, "staff", http.MethodPost, "/payments",
		fmt.Sprintf(`{"userId":%q,"tender":"cash","amount":"2.00","allocations":[{"feeId":%q,"amount":"2.00"}]}`, user, id), "Idempotency-Key", "pay-"+id)
	settled := d.ask(t, s, http.StatusOK, "member", http.MethodGet, "/fees/"+id, "", "Min-Position", paid.header.Get("Ledger-Position"))
	var row struct {
		Fee fee `json:"fee"`
	}
	if err := json.Unmarshal(settled.body, &row); err != nil || row.Fee.Status != "paid" {
		d.wrong = append(d.wrong, fmt.Sprintf("fee %s isn't paid: %s %v", id, settled.body, err))
	}
	d.ask(t, s, http.StatusOK, "staff", http.MethodGet, "/fees?userId="+user, "")
	d.ask(t, s, http.StatusOK, "staff", http.MethodGet, "/search/fees?q=overdue", "")
}

// TestRebuildsUnderLoad rebuilds one read model after the other while clerks work: each request is answered as before, both digests of each
// rebuild are equal and certified, and nothing is published twice.
func TestRebuildsUnderLoad(t *testing.T) {
	t.Parallel()
	p, s := dev(t, t.TempDir())
	desks := make([]desk, 2)
	desks[0].round(t, s)
	require.Eventually(t, func() bool { return s.projectionsAt(t) }, patience, 10*tick)
	stop := make(chan struct{})
	var working sync.WaitGroup
	for i := range desks {
		working.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					desks[i].round(t, s)
				}
			}
		})
	}
	type rebuilt struct {
		Projection, Digest, LiveDigest, RebuildID string
		Position, CertifiedAt                     int64
		Equal, Swapped                            bool
		Seconds                                   json.Number
	}
	var all []rebuilt
	projections := []string{"tables", "documents", "books"}
	for began := time.Now(); time.Since(began) < 8*time.Second || len(all)%len(projections) > 0; {
		projection := projections[len(all)%len(projections)]
		out, errs, code := command(t, s.env, "rebuild", projection, "--json")
		require.Zero(t, code, "%s%s", out, errs)
		lines := strings.Split(strings.TrimSpace(out), "\n")
		last := jsonLines[rebuilt](t, lines[len(lines)-1])[0]
		require.True(t, last.Equal && last.Swapped, out)
		require.Equal(t, last.Digest, last.LiveDigest)
		require.Greater(t, last.CertifiedAt, last.Position)
		all = append(all, last)
	}
	close(stop)
	working.Wait()

	fees := 0
	for i, d := range desks {
		require.Empty(t, d.wrong)
		fees += d.fees
		t.Logf("clerk %d: %d requests, 0 errors, slowest answer %s", i, d.requests, d.slowest.Round(time.Millisecond))
	}
	for _, r := range all {
		t.Logf("rebuild %s: %s s, swapped at position %d, certified at %d\n  live before: %s\n  rebuilt:     %s", r.Projection, r.Seconds, r.Position, r.CertifiedAt, r.LiveDigest, r.Digest)
	}
	require.Eventually(t, func() bool { return s.projectionsAt(t) }, patience, 10*tick)
	out, errs, code := command(t, s.env, "audit", "verify", "--json")
	require.Zero(t, code, "%s%s", out, errs)
	events := jsonLines[struct{ Events int64 }](t, out)[0].Events
	t.Logf("audit verify: whole, %d events", events)
	s.publishedOnce(t, fees, int(events))
	require.Zero(t, p.stop(t))
}

// publishedOnce reads all topics to their end: each event is in the journal once, each fee was created once, and no message is there twice.
func (s *system) publishedOnce(t *testing.T, fees, events int) {
	t.Helper()
	seen, ids := map[string]int{}, map[string]bool{}
	want := map[string]int{s.service + "-journal": events, s.service + "-dbevent-fee-created": fees, s.service + "-fee-created": fees}
	tail := start(t, s.env, "tail", "--from", "1", "--json")
	for ended := false; !ended; {
		var text string
		select {
		case text = <-tail.lines:
		case <-time.After(3 * time.Second): // nothing more comes, if all has come
			ended = reached(seen, want)
			continue
		}
		var m message
		require.NoError(t, json.Unmarshal([]byte(text), &m), "%v of %v", seen, want)
		schematest.Message(t, m.Topic, m.Headers, m.Value)
		if m.Headers["ledger-action"] == "signed" { // a checkpoint
			continue
		}
		id := m.Topic + " " + m.Headers["ce_id"]
		if !strings.HasPrefix(m.Topic, "elastic-index-") { // there the copy of an update carries the id of the update
			require.False(t, ids[id], "published twice: %s", id)
		}
		ids[id] = true
		seen[m.Topic]++
	}
	require.Zero(t, tail.stop(t))
	messages := 0
	for topic, n := range want {
		require.Equal(t, n, seen[topic], topic)
	}
	for _, n := range seen {
		messages += n
	}
	t.Logf("published: %d messages on %d topics, none twice; %d in the journal for %d events", messages, len(seen), seen[s.service+"-journal"], events)
}
