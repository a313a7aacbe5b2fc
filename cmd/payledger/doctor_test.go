package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"payledger/internal/ledgertest"
	"payledger/readmodels/books"
	"payledger/readmodels/tables"
)

// Settings that nothing could work with are faults, each of its check, and with its exit code.
func TestDoctorTellsWrongSettings(t *testing.T) {
	t.Parallel()
	l := ledgertest.Open(t, 71)
	l.Assess(t, l.Users[0], 500)
	l.Flush(t)
	key := [32]byte{1} // of ledgertest
	_, err := l.Keys.Ensure(t.Context(), "main", l.Users[0])
	require.NoError(t, err)
	fine := []string{
		"APP_DATABASE_URL=" + l.DB.AppURL, "PROJECTOR_DATABASE_URL=" + l.DB.ProjectorURL, "VAULT_KEY=" + base64.StdEncoding.EncodeToString(key[:]),
	}
	for _, test := range []struct {
		setting, faulty string
		code            int
	}{
		{"", "", exitDone},
		{"DATABASE_URL=" + l.DB.AppURL, "database (owner)", exitUsage},
		{"APP_DATABASE_URL=" + l.DB.ProjectorURL, "database (app)", exitUsage},
		{"PROJECTOR_DATABASE_URL=" + l.DB.AppURL, "database (projector)", exitUsage},
		{"VAULT_KEY=" + base64.StdEncoding.EncodeToString(make([]byte, 32)), "vault", exitUsage},
		{"JWT_KEYS_FILE=" + filepath.Join(t.TempDir(), "absent"), "issuer", exitUsage},
		{"OIDC_ISSUER=http://127.0.0.1:1", "issuer", exitUnreachable},
		{"OIDC_ISSUER=http://127.0.0.1:1 JWT_KEYS_FILE=absent", "configuration|issuer", exitUsage},
		{"VAULT_KEY=short", "configuration", exitUsage},
	} {
		name, _, _ := strings.Cut(test.setting, "=")
		environ := append(slices.DeleteFunc(slices.Clone(fine), func(s string) bool { return strings.HasPrefix(s, name+"=") }), strings.Fields(test.setting)...)
		var out, errs bytes.Buffer
		code := newApp(environ, &out, &errs).execute(t.Context(), []string{"doctor"})
		require.Equal(t, test.code, code, "%s: %s%s", test.setting, &out, &errs)
		var faults []string
		for line := range strings.SplitSeq(out.String(), "\n") {
			if check, _, fault := strings.Cut(line, "FAULT"); fault {
				faults = append(faults, strings.TrimSpace(check))
			}
		}
		require.Equal(t, strings.Fields(strings.ReplaceAll(test.faulty, " ", "_")), strings.Fields(strings.ReplaceAll(strings.Join(faults, "|"), " ", "_")), test.setting)
		require.NotContains(t, out.String(), "VAULT_KEY is not set", test.setting)
	}
}

// Damage is what differs from the log, or a log without its head. What can't be found out is no damage, and costs no other check its time.
func TestDoctorTellsDamageFromTrouble(t *testing.T) {
	t.Parallel()
	l := ledgertest.Open(t, 72)
	l.Assess(t, l.Users[0], 500)
	head := l.Flush(t)
	owner, projector := l.DB.Pool(t), l.DB.ProjectorPool(t)
	require.NoError(t, pgx.BeginFunc(t.Context(), projector, func(tx pgx.Tx) error {
		_, err := tables.EnsureSchema(t.Context(), tx)
		if err == nil {
			_, err = books.EnsureSchema(t.Context(), tx)
		}
		if err == nil {
			_, err = tx.Exec(t.Context(), `INSERT INTO ledger.checkpoints (projection, version, position, hash) VALUES ('books', 1, $1, '\x00'), ('tables', 2, $1, '\x00')`, head)
		}
		return err
	}))
	run := func() (faults map[string]string, code int) {
		t.Helper()
		out, errs, code := asking(t, l.DB)("doctor", "--json")
		var answer struct {
			Checks []check `json:"checks"`
		}
		require.NoError(t, json.Unmarshal([]byte(out), &answer), errs)
		faults = map[string]string{}
		for _, c := range answer.Checks {
			if !c.OK {
				faults[c.Name] = c.Detail
			}
		}
		return faults, code
	}
	faults, code := run()
	require.Empty(t, faults)
	require.Equal(t, exitDone, code)

	busy, err := projector.Begin(t.Context())
	require.NoError(t, err)
	_, err = busy.Exec(t.Context(), "LOCK TABLE books_v1.journal")
	require.NoError(t, err)
	faults, code = run()
	require.NoError(t, busy.Rollback(t.Context()))
	require.Equal(t, map[string]string{"books": "no answer within 5s"}, faults)
	require.Equal(t, exitFailed, code)

	_, err = projector.Exec(t.Context(), `INSERT INTO books_v1.turnovers SELECT * FROM jsonb_populate_record(NULL::books_v1.turnovers,
		'{"tenant":"main","day":"2026-01-01","currency":"USD","debit":1100,"credit":4000,"fee_type":"","amount":100,"postings":1}')`)
	require.NoError(t, err)
	faults, code = run()
	require.Equal(t, exitDamaged, code)
	require.Contains(t, faults["books"], "account 1100 stands at 100")

	_, err = owner.Exec(t.Context(), "REVOKE USAGE ON SCHEMA ledger FROM payledger_app")
	require.NoError(t, err)
	faults, _ = run()
	require.Contains(t, faults["database (app)"], "permission denied")
	_, err = projector.Exec(t.Context(), "TRUNCATE books_v1.turnovers")
	require.NoError(t, err)
	_, code = run()
	require.Equal(t, exitUsage, code, "the role is another one, the server answers")

	_, err = owner.Exec(t.Context(), "GRANT USAGE ON SCHEMA ledger TO payledger_app; REVOKE SELECT ON ledger.head FROM payledger_projector")
	require.NoError(t, err)
	faults, code = run()
	require.Contains(t, faults["log"], "permission denied")
	require.Equal(t, exitFailed, code)

	_, err = owner.Exec(t.Context(), "GRANT SELECT ON ledger.head TO payledger_projector; ALTER TABLE ledger.head DISABLE TRIGGER ALL; DELETE FROM ledger.head")
	require.NoError(t, err)
	faults, code = run()
	require.Equal(t, map[string]string{"log": "read head: the log has no head"}, faults)
	require.Equal(t, exitDamaged, code)

	_, err = owner.Exec(t.Context(), "ALTER SCHEMA ledger RENAME TO another")
	require.NoError(t, err)
	faults, code = run()
	require.Equal(t, map[string]string{"log": "no log: run payledger migrate"}, faults)
	require.Equal(t, exitFailed, code)
}
