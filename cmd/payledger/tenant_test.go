package main

import (
	"bytes"
	"encoding/base64"
	"testing"

	"github.com/stretchr/testify/require"

	"payledger/eventstore"
	"payledger/eventstore/pgtest"
	"payledger/internal/ledgertest"
)

// asking runs commands with the settings of a ledgertest's log.
func asking(t *testing.T, db *pgtest.DB) func(args ...string) (out, errs string, code int) {
	t.Helper()
	key := [32]byte{1} // of ledgertest
	return askingWithout(t, db, "VAULT_KEY="+base64.StdEncoding.EncodeToString(key[:]))
}

// askingWithout is asking without the vault's key, and with other settings.
func askingWithout(t *testing.T, db *pgtest.DB, settings ...string) func(args ...string) (out, errs string, code int) {
	t.Helper()
	environ := append([]string{"APP_DATABASE_URL=" + db.AppURL, "PROJECTOR_DATABASE_URL=" + db.ProjectorURL}, settings...)
	return func(args ...string) (string, string, int) {
		var out, errs bytes.Buffer
		code := newApp(environ, &out, &errs).execute(t.Context(), args)
		return out.String(), errs.String(), code
	}
}

// A tenant that the log doesn't know is refused and nothing is stored under it: the log would be one of several tenants for ever.
func TestUnknownTenantIsRefused(t *testing.T) {
	t.Parallel()
	l := ledgertest.Open(t, 61)
	run := asking(t, l.DB)
	unknown := [][]string{
		{"audit", "report", "aging"},
		{"audit", "report", "aging", "--dry-run"},
		{"audit", "actions"},
		{"audit", "history", "member", l.Users[0]},
		{"audit", "reproduce", l.Users[0]},
		{"audit", "trial-balance"},
		{"audit", "state", "fee", l.Users[0]},
		{"audit", "explain", "member", l.Users[0]},
		{"rebuild", "tables"},
		{"rebuild", "tables", "--drop-old"},
		{"erase", l.Users[0]},
	}
	refuses := func(want string, args ...string) {
		t.Helper()
		out, errs, code := run(args...)
		require.Equal(t, exitUsage, code, "%v: %s%s", args, out, errs)
		require.Contains(t, errs, want, args)
		require.Empty(t, out, args)
	}
	for _, args := range unknown {
		refuses(`the log knows no tenant ma\nin`, append(args, "--tenant", "ma\nin")...)
	}
	// An empty log has nobody to store something under; a question that stores nothing is answered.
	refuses("the log is empty", "audit", "report", "aging")
	refuses("the log is empty", "rebuild", "tables")
	_, errs, code := run("audit", "actions")
	require.Equal(t, exitDone, code, errs)
	requireHead(t, l.Reader, 0)

	l.Assess(t, l.Users[0], 500)
	head := l.Flush(t)
	for _, args := range unknown {
		refuses("the log knows no tenant typo", append(args, "--tenant", "typo")...)
	}
	requireHead(t, l.Reader, head)
	out, errs, code := run("audit", "report", "aging", "--json")
	require.Equal(t, exitDone, code, errs)
	require.Contains(t, out, `"totals"`)
	requireHead(t, l.Reader, head+1)
	_, errs, code = run("audit", "report", "aging", "--tenant", l.Recorded(t, 1).Stream.Tenant)
	require.Equal(t, exitDone, code, errs)
	requireHead(t, l.Reader, head+2)
}

func requireHead(t *testing.T, reader *eventstore.Reader, want int64) {
	t.Helper()
	head, err := reader.Head(t.Context())
	require.NoError(t, err)
	require.Equal(t, want, head.Position)
}
