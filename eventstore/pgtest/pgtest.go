// Package pgtest gives every test a Postgres database of its own on a real server.
//
// The server is that of TEST_DATABASE_URL (the URL of a superuser, on a server for tests only: roles and databases are made
// there), else a temporary one, started from the installed binaries once per test process and gone with it. Without a
// server a test fails; it is never skipped.
package pgtest

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"payledger/internal/pgserver"
)

// EnvURL names the environment variable with the superuser's URL of a running server.
const EnvURL = "TEST_DATABASE_URL"

// The roles that tests connect as. The owner is made here, an ordinary role that may make databases and roles, as on a managed
// server; migrations make the other two.
const (
	OwnerRole     = "payledger_owner"
	AppRole       = "payledger_app"
	ProjectorRole = "payledger_projector"
)

// rolePassword is for servers that ask for one; the temporary server trusts local connections.
const rolePassword = "payledger"

// adminTimeout bounds what we do on the server around a test; making a template migrates, on a busy machine.
const adminTimeout = 2 * time.Minute

// DB is one test's database. Its URLs differ in the role only.
type DB struct {
	Name         string
	OwnerURL     string
	AppURL       string
	ProjectorURL string
	// SuperURL is for what no role of the product may do, as terminating backends of others.
	SuperURL string
}

// New makes an empty database, dropped when the test ends.
func New(tb testing.TB) *DB {
	tb.Helper()
	return newDB(tb, "template0")
}

// NewFrom makes a database as tpl describes, dropped when the test ends. The template is migrated once per server,
// also when many test processes ask for it at the same time; each test gets a copy.
func NewFrom(tb testing.TB, tpl Template) *DB {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), adminTimeout)
	defer cancel()
	name, err := ensureTemplate(ctx, serverURL(tb), tpl)
	if err != nil {
		tb.Fatalf("pgtest: make template %s: %v", tpl.Name, err)
	}
	return newDB(tb, name)
}

// Pool returns a pool of connections as the owner, closed when the test ends.
func (d *DB) Pool(tb testing.TB) *pgxpool.Pool { tb.Helper(); return pool(tb, d.OwnerURL) }

// AppPool returns a pool of connections as the app's role, closed when the test ends.
func (d *DB) AppPool(tb testing.TB) *pgxpool.Pool { tb.Helper(); return pool(tb, d.AppURL) }

// ProjectorPool returns a pool of connections as the projector's role, closed when the test ends.
func (d *DB) ProjectorPool(tb testing.TB) *pgxpool.Pool { tb.Helper(); return pool(tb, d.ProjectorURL) }

func pool(tb testing.TB, rawURL string) *pgxpool.Pool {
	tb.Helper()
	p, err := pgxpool.New(tb.Context(), rawURL)
	if err != nil {
		tb.Fatalf("pgtest: open pool: %v", err)
	}
	tb.Cleanup(p.Close)
	return p
}

func newDB(tb testing.TB, template string) *DB {
	tb.Helper()
	server := serverURL(tb)
	// The hour in the name lets a later run find what killed tests left behind.
	name := testPrefix + time.Now().UTC().Format(hourLayout) + "_" + strings.ToLower(rand.Text()[:12])
	ctx, cancel := context.WithTimeout(context.Background(), adminTimeout)
	defer cancel()
	err := withAdmin(ctx, server, func(conn *pgx.Conn) error {
		return createDatabase(ctx, conn, name, template)
	})
	if err != nil {
		tb.Fatalf("pgtest: %v", err)
	}
	tb.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), adminTimeout)
		defer cancel()
		if err := withAdmin(ctx, server, func(conn *pgx.Conn) error { return dropDatabase(ctx, conn, name) }); err != nil {
			tb.Errorf("pgtest: %v", err)
		}
	})
	return &DB{
		Name:         name,
		OwnerURL:     urlFor(server, name, OwnerRole),
		AppURL:       urlFor(server, name, AppRole),
		ProjectorURL: urlFor(server, name, ProjectorRole),
		SuperURL:     urlFor(server, name, ""),
	}
}

// serverURL returns the superuser's URL of the server that this process tests on.
func serverURL(tb testing.TB) *url.URL {
	tb.Helper()
	s := shared()
	if s.err != nil {
		tb.Fatalf("pgtest: %v", s.err)
	}
	return s.url
}

type sharedServer struct {
	url *url.URL
	err error
	// server is nil for a server of the environment. The reference keeps it running until the process ends.
	server *pgserver.Server
}

// shared starts or finds the server of this process, once.
var shared = sync.OnceValue(func() sharedServer {
	ctx, cancel := context.WithTimeout(context.Background(), adminTimeout)
	defer cancel()
	var s sharedServer
	raw := os.Getenv(EnvURL)
	if raw == "" {
		if s.server, s.err = pgserver.Start(ctx, pgserver.Config{Settings: pgserver.ThrowawaySettings()}); s.err != nil {
			return s
		}
		raw = s.server.URL("postgres")
	}
	if s.url, s.err = url.Parse(raw); s.err == nil {
		s.err = prepareServer(ctx, s.url)
	}
	if s.err != nil {
		s.err = fmt.Errorf("prepare the test server: %w", s.err)
	}
	return s
})

// urlFor addresses database as role; the empty role stands for the superuser of the server's own URL.
func urlFor(server *url.URL, database, role string) string {
	u := *server
	u.Path = "/" + database
	if role != "" {
		u.User = url.UserPassword(role, rolePassword)
	}
	return u.String()
}
