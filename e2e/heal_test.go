package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
)

// TestDriftIsToldAndHealed changes a row behind the ledger's back: doctor and verify end with 5 and name it, a heal that is killed
// changes nothing, and after a whole one all is well.
func TestDriftIsToldAndHealed(t *testing.T) {
	t.Parallel()
	p, s := devWith(t, []string{"SELFAUDIT_RATE=1000"}, t.TempDir())
	id := uuid.NewString()
	a := s.call(t, "staff", http.MethodPost, "/fees", fmt.Sprintf(`{"id":%q,"userId":%q,"amount":"1.00","reason":"overdue"}`, id, s.users["member"]))
	require.Equal(t, http.StatusCreated, a.status, "%s", a.body)
	require.Eventually(t, func() bool { return s.projectionsAt(t) }, patience, 10*tick)
	s.damage(t, `UPDATE tables_v2.fees SET record_version = record_version + 1 WHERE id = $1`, id)

	var out string
	require.Eventually(t, func() bool {
		var code int
		out, _, code = command(t, s.env, "doctor")
		return code == 5
	}, patience, 10*tick)
	require.Contains(t, out, "fee/"+id+" of tenant demo: changed: record_version")
	require.Contains(t, out, "payledger heal fee-"+id+" --projection tables --tenant demo")
	out, _, code := command(t, s.env, "audit", "verify", "--json")
	require.Equal(t, 5, code)
	require.Contains(t, out, `"drift":[{"projection":"tables","tenant":"demo","key":"fee/`+id)

	_, _, code = command(t, append([]string{"PAYLEDGER_KILL_AT=healed"}, s.env...), "heal", "fee-"+id)
	require.Equal(t, -1, code, "killed")
	out, errs, code := command(t, s.env, "heal", "fee/"+id, "--projection", "tables", "--dry-run", "--json")
	require.Zero(t, code, errs)
	require.Contains(t, out, `"what":"changed: record_version","columns":[{"column":"record_version","before":"1","after":"0"}],"healed":false}`)
	out, errs, code = command(t, s.env, "heal", "fee-"+id)
	require.Zero(t, code, errs)
	require.Contains(t, out, "healed fee/"+id+" of tables")
	require.Contains(t, out, "record_version: 1 -> 0")
	_, errs, code = command(t, s.env, "heal", "fee-"+id)
	require.Zero(t, code)
	require.Contains(t, errs, "nothing differs")

	_, errs, code = command(t, s.env, "heal", "fee-"+uuid.NewString())
	require.Equal(t, 1, code)
	require.Contains(t, errs, "--tenant")
	_, errs, code = command(t, s.env, "heal", "fee-"+id, "--projection", "publisher")
	require.Equal(t, 2, code)
	require.Contains(t, errs, "choose from tables, documents, books, search")

	require.Eventually(t, func() bool { return s.projectionsAt(t) }, patience, 10*tick)
	_, errs, code = command(t, s.env, "audit", "verify")
	require.Zero(t, code, errs)
	require.Zero(t, p.stop(t))
}

// damage runs a statement that changes one row, with the rights of the projector.
func (s *system) damage(t *testing.T, sql string, args ...any) {
	t.Helper()
	for _, line := range s.env {
		url, ok := strings.CutPrefix(line, "PROJECTOR_DATABASE_URL=")
		if !ok {
			continue
		}
		conn, err := pgx.Connect(t.Context(), url)
		require.NoError(t, err)
		defer conn.Close(t.Context())
		tag, err := conn.Exec(t.Context(), sql, args...)
		require.NoError(t, err)
		require.EqualValues(t, 1, tag.RowsAffected())
		return
	}
	require.FailNow(t, "no URL of the projector")
}
