package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"payledger/internal/schematest"
)

// killPoints are passed by the writer, by the projections into Postgres and by the publisher.
var killPoints = []string{
	"writer.taken", "writer.decided", "writer.events", "writer.head", "writer.commit_sent", "writer.committed",
	"decoded", "applied", "committed", "read", "acknowledged", "saved",
}

// request is a command that its caller sends until it is answered.
type request struct{ path, body, key string }

// TestKills kills `payledger dev` at one point after the other, in the midst of commands. Afterwards every command has happened
// exactly once, whatever its caller heard: in the log, in the rows, in the documents, on Kafka.
func TestKills(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p, s := dev(t, dir)
	require.Zero(t, p.stop(t))
	users := s.users
	fees, payments := 0, 0
	for round, point := range killPoints {
		// The failpoint is passed some times first, so that the kill comes in the midst of the load.
		doomed, alive := devUntilKilled(t, dir, point+":4")
		var unanswered *request
		for n := 0; n < 1000 && alive && unanswered == nil; n++ {
			r := nthCommand(round, n, users["member"])
			if r.path == "/fees" {
				fees++
			} else {
				payments++
			}
			if !doomed.system.answered(t, r) {
				unanswered = &r
			}
		}
		doomed.process.wait(t)
		status, ok := doomed.process.cmd.ProcessState.Sys().(syscall.WaitStatus)
		require.True(t, ok && status.Signaled() && status.Signal() == syscall.SIGKILL, "%s: %s", point, &doomed.process.stderr)

		p, s = dev(t, dir)
		if unanswered != nil {
			a := s.call(t, "staff", http.MethodPost, unanswered.path, unanswered.body, "Idempotency-Key", unanswered.key)
			require.Equal(t, http.StatusCreated, a.status, "%s: %s", point, a.body)
		}
		require.Zero(t, p.stop(t))
	}
	p, s = dev(t, dir)
	s.demandOnce(t, fees, payments)
	require.Zero(t, p.stop(t))
}

// answered sends a command until it is stored, or reports that its process is gone.
func (s *system) answered(t *testing.T, r request) bool {
	t.Helper()
	for {
		a, err := s.try(t, "staff", http.MethodPost, r.path, r.body, "Idempotency-Key", r.key)
		if err != nil {
			return false
		}
		if a.status == http.StatusServiceUnavailable { // busy: again, with the same key
			continue
		}
		require.Equal(t, http.StatusCreated, a.status, "%s: %s", r.key, a.body)
		return true
	}
}

// nthCommand makes the nth command of a round: two fees, then a payment that settles what it can.
func nthCommand(round, n int, user string) request {
	key := fmt.Sprintf("kill-%d-%d", round, n)
	if n%3 == 2 {
		return request{"/payments", fmt.Sprintf(`{"userId":%q,"tender":"cash","amount":"2.50"}`, user), key}
	}
	id := uuid.NewSHA1(uuid.NameSpaceOID, []byte(key))
	return request{"/fees", fmt.Sprintf(`{"id":%q,"userId":%q,"amount":"1.00","reason":"overdue"}`, id, user), key}
}

type doomed struct {
	process *process
	system  *system
}

// devUntilKilled starts dev with a failpoint. It may die before it is ready.
func devUntilKilled(t *testing.T, dir, point string) (doomed, bool) {
	t.Helper()
	p := start(t, []string{"PAYLEDGER_KILL_AT=" + point}, "dev", "--json", "--data-dir", dir,
		"--library-listen", "127.0.0.1:0", "--ticket-listen", "127.0.0.1:0", "--kafka-listen", "127.0.0.1:0")
	line, ok := <-p.lines
	if !ok {
		return doomed{process: p}, false
	}
	var ready struct {
		Library string            `json:"library"`
		Tokens  map[string]string `json:"tokens"`
	}
	require.NoError(t, json.Unmarshal([]byte(line), &ready))
	return doomed{p, &system{library: ready.Library, tokens: ready.Tokens}}, true
}

// demandOnce checks that everything is there exactly once.
func (s *system) demandOnce(t *testing.T, fees, payments int) {
	t.Helper()
	require.Eventually(t, func() bool { return s.projectionsAt(t) }, patience, 10*tick)
	a := s.call(t, "staff", http.MethodGet, "/fees?count=exact&pageRowCount=1", "")
	paging := data[struct {
		TotalRowCount int `json:"totalRowCount"`
	}](t, a, "paging")
	require.Equal(t, fees, paging.TotalRowCount)
	out, errs, code := command(t, s.env, "audit", "verify", "--json")
	require.Zero(t, code, errs)
	verdict := jsonLines[struct {
		Events      int64 `json:"events"`
		Projections []struct {
			Equal bool `json:"equal"`
		} `json:"projections"`
	}](t, out)[0]
	require.Len(t, verdict.Projections, 3)
	for _, p := range verdict.Projections {
		require.True(t, p.Equal)
	}

	// Kafka is at least once: equal messages count once, and then nothing is missing and nothing is there twice.
	seen := map[string]int{}
	ids := map[string]bool{}
	positions := map[int64]bool{}
	tail := start(t, s.env, "tail", "--from", "1", "--json")
	want := map[string]int{
		s.service + "-dbevent-fee-created": fees, s.service + "-fee-created": fees, s.service + "-journal": int(verdict.Events),
		"payment.captured": payments,
	}
	for !reached(seen, want) {
		var m message
		require.NoError(t, json.Unmarshal([]byte(tail.line(t, patience)), &m), "%v of %v", seen, want)
		schematest.Message(t, m.Topic, m.Headers, m.Value)
		if m.Headers["ledger-action"] == "signed" { // a checkpoint, of which there may be any number
			continue
		}
		if id := m.Topic + " " + m.Headers["ce_id"]; !ids[id] {
			ids[id] = true
			seen[m.Topic]++
			if strings.HasSuffix(m.Topic, "-journal") {
				position, err := strconv.ParseInt(m.Headers["ledger-position"], 10, 64)
				require.NoError(t, err)
				positions[position] = true
				seen[m.Headers["ce_type"]]++
			}
		}
	}
	require.Zero(t, tail.stop(t))
	for topic, n := range want {
		require.Equal(t, n, seen[topic], topic)
	}
	for position := int64(1); position <= verdict.Events; position++ {
		require.True(t, positions[position], "position %d is missing in the journal", position)
	}
}

func reached(seen, want map[string]int) bool {
	for topic, n := range want {
		if seen[topic] < n {
			return false
		}
	}
	return true
}
