package main

import (
	"bytes"
	"encoding/base64"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"payledger/internal/ledgertest"
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
	} {
		name, _, _ := strings.Cut(test.setting, "=")
		environ := append(slices.DeleteFunc(slices.Clone(fine), func(s string) bool { return strings.HasPrefix(s, name+"=") }), test.setting)
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
	}
}
