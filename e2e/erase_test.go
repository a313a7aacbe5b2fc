package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"syscall"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"payledger/internal/sqltest"
)

// erasePoints are what an erasure passes: the writer's while it destroys the key, its own steps, and the writer's once more while it keeps the
// certificate.
var erasePoints = []string{
	"writer.decided", "writer.events", "writer.erase", "writer.head", "writer.commit_sent", "writer.committed",
	"erase.erased", "erase.projected", "erase.answers", "erase.counted", "writer.events:2", "writer.commit_sent:2", "writer.committed:2", "erase.certified",
}

// certificate is what the tests read of one.
type certificate struct {
	UserID      string `json:"userId"`
	ErasedAt    int64  `json:"erasedAt"`
	Keys        int    `json:"keys"`
	Texts       int    `json:"texts"`
	Answers     int    `json:"answers"`
	RouteEvents int    `json:"routeEvents"`
	Topics      []struct {
		Topic       string `json:"topic"`
		RetentionMS int64  `json:"retentionMs"`
	} `json:"topics"`
	Projections []struct {
		Name     string `json:"name"`
		Position int64  `json:"position"`
	} `json:"projections"`
}

// TestKilledErasures kills `payledger erase` between all its steps, each time that of another person. Run again it ends in one certificate, which
// says what an undisturbed one does, and no text of the person is left: not in the database, and in no answer.
//
//nolint:tparallel // the last checks are those of all erasures
func TestKilledErasures(t *testing.T) {
	t.Parallel()
	p, s := dev(t, t.TempDir())
	t.Run("points", func(t *testing.T) {
		for _, point := range erasePoints {
			t.Run(point, func(t *testing.T) {
				t.Parallel()
				s.eraseKilled(t, point)
			})
		}
	})
	require.Eventually(t, func() bool { return s.projectionsAt(t) }, patience, 10*tick)
	_, errs, code := command(t, s.env, "audit", "verify")
	require.Zero(t, code, errs)
	require.Zero(t, p.stop(t))
}

func (s *system) eraseKilled(t *testing.T, point string) {
	t.Helper()
	member, id, secret := uuid.NewString(), uuid.NewString(), "secret"+strings.ReplaceAll(uuid.NewString(), "-", "")
	post := func(path, body, key string) answer {
		t.Helper()
		a := s.call(t, "staff", http.MethodPost, path, body, "Idempotency-Key", key)
		require.Equal(t, http.StatusCreated, a.status, "%s", a.body)
		return a
	}
	body := fmt.Sprintf(`{"id":%q,"userId":%q,"amount":"2.00","note":%q}`, id, member, secret)
	post("/fees", body, id)
	last := post("/payments", fmt.Sprintf(`{"userId":%q,"tender":"cash","amount":"2.00","note":%q}`, member, secret), member)
	read := s.call(t, "staff", http.MethodGet, "/fees/"+id, "", "Min-Position", last.header.Get("Ledger-Position"))
	require.Contains(t, string(read.body), secret)
	require.NotEmpty(t, s.search(t, "staff", secret, last.header.Get("Ledger-Position")))
	require.NotEmpty(t, sqltest.Grep(t, s.setting(t, "DATABASE_URL"), secret))

	killed := start(t, append([]string{"PAYLEDGER_KILL_AT=" + point}, s.env...), "erase", member)
	killed.wait(t)
	status, ok := killed.cmd.ProcessState.Sys().(syscall.WaitStatus)
	require.True(t, ok && status.Signaled() && status.Signal() == syscall.SIGKILL, "%s", &killed.stderr)

	out, errs, code := command(t, s.env, "erase", member)
	require.Zero(t, code, errs)
	c := jsonLines[certificate](t, out)[0]
	require.Equal(t, []any{member, 1, 2, 1, 1}, []any{c.UserID, c.Keys, c.Texts, c.Answers, c.RouteEvents})
	require.NotEmpty(t, c.Topics)
	for _, topic := range c.Topics {
		require.NotZero(t, topic.RetentionMS, topic.Topic)
	}
	require.Len(t, c.Projections, 4)
	for _, of := range c.Projections {
		require.GreaterOrEqual(t, of.Position, c.ErasedAt, of.Name)
	}
	again, errs, code := command(t, s.env, "erase", member, "--backup-days", "3")
	require.Zero(t, code, errs)
	require.Equal(t, out, again, "the certificate that the log keeps")

	told, errs, code := command(t, s.env, "audit", "history", "member", member, "--json")
	require.Zero(t, code, errs)
	require.Equal(t, 1, strings.Count(told, `"person.erased"`))
	require.Equal(t, 1, strings.Count(told, `"person.erasure_certified"`))

	require.Empty(t, sqltest.Grep(t, s.setting(t, "DATABASE_URL"), secret))
	replayed := post("/fees", body, id)
	require.Equal(t, "true", replayed.header.Get("Idempotency-Replayed"))
	for _, shown := range []string{
		told, string(replayed.body), string(s.call(t, "staff", http.MethodGet, "/fees/"+id, "").body),
		string(s.call(t, "staff", http.MethodGet, "/fees?userId="+member, "").body),
		string(s.call(t, "auditor", http.MethodGet, "/audit/explain/fee/"+id, "").body),
	} {
		require.Contains(t, shown, id)
		require.NotContains(t, shown, secret)
	}
	require.Empty(t, s.search(t, "staff", secret, last.header.Get("Ledger-Position")))
}

// setting returns what a variable of the ledger's environment is set to.
func (s *system) setting(t *testing.T, name string) string {
	t.Helper()
	for _, line := range s.env {
		if value, ok := strings.CutPrefix(line, name+"="); ok {
			return value
		}
	}
	require.FailNow(t, "not in the environment", name)
	return ""
}
