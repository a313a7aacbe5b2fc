package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"payledger/internal/ledgertest"
)

// A URL of another role is told at the start: serve would answer each write with 503, project would try for ever.
func TestAnotherRoleIsRefusedAtTheStart(t *testing.T) {
	t.Parallel()
	l := ledgertest.Open(t, 62)
	l.Assess(t, l.Users[0], 500)
	l.Flush(t)
	key := [32]byte{1} // of ledgertest
	run := func(app, projector string, args ...string) (errs string, code int) {
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		var out, told bytes.Buffer
		code = newApp([]string{
			"APP_DATABASE_URL=" + app, "PROJECTOR_DATABASE_URL=" + projector, "VAULT_KEY=" + base64.StdEncoding.EncodeToString(key[:]),
			"OIDC_ISSUER=http://127.0.0.1:1", "KAFKA_BROKERS=127.0.0.1:1", "LIBRARY_LISTEN=127.0.0.1:0", "TICKET_LISTEN=127.0.0.1:0",
		}, &out, &told).execute(ctx, args)
		return told.String(), code
	}
	refused := func(want, app, projector string, args ...string) {
		t.Helper()
		errs, code := run(app, projector, args...)
		require.Equal(t, exitUsage, code, "%v: %s", args, errs)
		require.Contains(t, errs, want, args)
	}
	for _, args := range [][]string{{"serve"}, {"erase", l.Users[0]}, {"audit", "report", "aging"}, {"rebuild", "tables"}} {
		refused("payledger_projector has not the rights of payledger_app", l.DB.ProjectorURL, l.DB.ProjectorURL, args...)
	}
	for _, args := range [][]string{{"project", "tables"}, {"rebuild", "tables"}, {"heal", "fee/" + l.Users[0]}, {"republish", "--to", "t", "--from", "1"}} {
		refused("payledger_app has not the rights of payledger_projector", l.DB.AppURL, l.DB.AppURL, args...)
	}
	for _, args := range [][]string{{"audit", "actions"}, {"audit", "report", "aging", "--dry-run"}} { // store nothing: who may read may ask
		errs, code := run(l.DB.ProjectorURL, l.DB.ProjectorURL, args...)
		require.Equal(t, exitDone, code, "%v: %s", args, errs)
	}
	_, err := l.DB.Pool(t).Exec(t.Context(), "REVOKE USAGE ON SCHEMA ledger FROM payledger_app")
	require.NoError(t, err)
	refused("rights of payledger_app: ", l.DB.AppURL, l.DB.ProjectorURL, "serve")
	requireHead(t, l.Reader, 1)
}
