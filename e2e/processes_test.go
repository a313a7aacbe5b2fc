//go:build servers

package e2e

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
)

// deployment is a ledger spread over processes, on servers that others run.
type deployment struct {
	*system
	serveEnv []string
}

// required returns a variable that scripts/with-servers sets. A missing server is a failure.
func required(t *testing.T, name string) string {
	t.Helper()
	value := os.Getenv(name)
	require.NotEmpty(t, value, "%s is not set: run the tests with scripts/with-servers", name)
	return value
}

// deploy makes a database, migrates it, and prepares the environment of the processes. Nothing runs yet.
func deploy(t *testing.T) *deployment {
	t.Helper()
	unique := "e2e" + strings.ReplaceAll(uuid.NewString(), "-", "")
	owner := newDatabase(t, required(t, "TEST_DATABASE_URL"), unique)
	var key [32]byte
	_, _ = rand.Read(key[:]) // never fails
	s := &system{tokens: map[string]string{}, users: map[string]string{}, service: unique + "-payment-service", prefix: unique}
	s.env = []string{
		"DATABASE_URL=" + owner, "APP_DATABASE_URL=" + as(t, owner, "payledger_app"), "PROJECTOR_DATABASE_URL=" + as(t, owner, "payledger_projector"),
		"VAULT_KEY=" + base64.StdEncoding.EncodeToString(key[:]), "KAFKA_BROKERS=" + required(t, "TEST_KAFKA_BROKERS"),
		"ELASTICSEARCH_URL=" + required(t, "TEST_ELASTICSEARCH_URL"), "LIBRARY_SERVICE=" + s.service, "LIBRARY_INDEX_PREFIX=" + s.prefix,
	}
	issuer := t.TempDir()
	for who, role := range map[string]string{"member": "member", "otherMember": "member", "staff": "staff", "supervisor": "supervisor"} {
		s.users[who] = uuid.NewString()
		out, errs, code := command(t, nil, "token", "--role", role, "--user", s.users[who], "--data-dir", issuer)
		require.Zero(t, code, errs)
		s.tokens[who] = strings.TrimSpace(out)
	}
	_, errs, code := command(t, s.env, "migrate")
	require.Zero(t, code, errs)
	return &deployment{system: s, serveEnv: append(s.env,
		"JWT_KEYS_FILE="+filepath.Join(issuer, "jwks.json"), "LIBRARY_LISTEN=127.0.0.1:0", "TICKET_LISTEN=127.0.0.1:0")}
}

// serve starts an API process and makes it the one that the system calls.
func (d *deployment) serve(t *testing.T) *process {
	t.Helper()
	p := start(t, d.serveEnv, "serve", "--json")
	var at struct {
		Library string `json:"library"`
	}
	require.NoError(t, json.Unmarshal([]byte(p.line(t, startPatience)), &at))
	d.library = at.Library
	return p
}

func newDatabase(t *testing.T, admin, name string) string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), admin)
	require.NoError(t, err)
	_, err = conn.Exec(t.Context(), "CREATE DATABASE "+name)
	require.NoError(t, err)
	t.Cleanup(func() {
		_, err := conn.Exec(context.Background(), "DROP DATABASE "+name+" WITH (FORCE)")
		require.NoError(t, err)
		require.NoError(t, conn.Close(context.Background()))
	})
	u, err := url.Parse(admin)
	require.NoError(t, err)
	u.Path = "/" + name
	return u.String()
}

// as returns the URL for another role of a test server, which trusts local users.
func as(t *testing.T, owner, role string) string {
	t.Helper()
	u, err := url.Parse(owner)
	require.NoError(t, err)
	u.User = url.User(role)
	return u.String()
}

// TestProcesses follows one fee through serve and five project processes on a real Kafka and a real Elasticsearch.
func TestProcesses(t *testing.T) {
	t.Parallel()
	d := deploy(t)
	var processes []*process
	for _, name := range []string{"tables", "documents", "books", "search", "publisher"} {
		processes = append(processes, start(t, d.env, "project", name))
	}
	processes = append(processes, d.serve(t))
	require.Eventually(t, func() bool {
		out, _, code := command(t, d.env, "doctor", "--json")
		return code == 0 && strings.Contains(out, "projection search v") && strings.Contains(out, "projection tables v") &&
			d.call(t, "staff", http.MethodGet, "/fees", "").status == http.StatusOK // not before the tables are made
	}, patience, 10*tick)
	followOneFee(t, d.system)
	for _, p := range processes {
		require.Zero(t, p.stop(t), "%v: %s", p.cmd.Args, &p.stderr)
	}
}
