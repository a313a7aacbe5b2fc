package pgtest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	templatePrefix = "payledger_tpl_"
	testPrefix     = "payledger_test_"
	hourLayout     = "2006010215"
	// leftoverAge is the age, beyond any test run, at which a test database counts as left behind.
	leftoverAge = 24 * time.Hour
	// serverLock is the advisory lock, taken in the database postgres, under which roles and templates are made.
	serverLock = 0x7061796c
)

// Template describes a migrated database that tests get copies of.
type Template struct {
	// Name tells templates apart: lower-case letters, digits and underscores.
	Name string
	// Files are what Migrate applies, if it reads files: a server that lives on makes the template anew when they change.
	Files fs.FS
	// Migrate brings the empty database at ownerURL to the wanted state and closes its connections.
	Migrate func(ctx context.Context, ownerURL string) error
}

// ready remembers the templates that this process has seen to: database name -> func() error. It only saves the look-up.
var ready sync.Map

// ensureTemplate returns the name of the database to copy, and makes it if no process has done so yet.
func ensureTemplate(ctx context.Context, server *url.URL, tpl Template) (string, error) {
	name, err := templateName(tpl)
	if err != nil {
		return "", err
	}
	once, _ := ready.LoadOrStore(name, sync.OnceValue(func() error {
		return withServerLock(ctx, server, func(conn *pgx.Conn) error { return makeTemplate(ctx, conn, server, name, tpl) })
	}))
	return name, once.(func() error)()
}

func templateName(tpl Template) (string, error) {
	if tpl.Name == "" || strings.Trim(tpl.Name, "abcdefghijklmnopqrstuvwxyz0123456789_") != "" {
		return "", fmt.Errorf("template name %q: want lower-case letters, digits and underscores", tpl.Name)
	}
	h := sha256.New()
	if tpl.Files != nil {
		err := fs.WalkDir(tpl.Files, ".", func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			text, err := fs.ReadFile(tpl.Files, path)
			fmt.Fprintf(h, "%d %s %d ", len(path), path, len(text))
			h.Write(text)
			return err
		})
		if err != nil {
			return "", fmt.Errorf("read the files of template %s: %w", tpl.Name, err)
		}
	}
	return templatePrefix + tpl.Name + "_" + hex.EncodeToString(h.Sum(nil)[:6]), nil
}

// makeTemplate migrates under another name first: a database that has the final name is complete.
func makeTemplate(ctx context.Context, conn *pgx.Conn, server *url.URL, name string, tpl Template) error {
	var exists bool
	if err := conn.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)", name).Scan(&exists); err != nil || exists {
		return err
	}
	draft := name + "_draft"
	if err := dropDatabase(ctx, conn, draft); err != nil {
		return err
	}
	if err := createDatabase(ctx, conn, draft, "template0"); err != nil {
		return err
	}
	if err := tpl.Migrate(ctx, urlFor(server, draft, OwnerRole)); err != nil {
		return errors.Join(err, dropDatabase(ctx, conn, draft))
	}
	if err := allowLogin(ctx, conn, AppRole, ProjectorRole); err != nil {
		return err
	}
	// Nobody may connect to it any more: a database with connections can't be copied.
	return exec(ctx, conn, "ALTER DATABASE "+draft+" ALLOW_CONNECTIONS false", "ALTER DATABASE "+draft+" RENAME TO "+name)
}

// prepareServer makes the owner's role and drops what tests that were killed left on a server that lives on.
func prepareServer(ctx context.Context, server *url.URL) error {
	return withServerLock(ctx, server, func(conn *pgx.Conn) error {
		var exists bool
		if err := conn.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1)", OwnerRole).Scan(&exists); err != nil {
			return err
		}
		if !exists {
			if err := exec(ctx, conn, "CREATE ROLE "+OwnerRole+" LOGIN CREATEDB CREATEROLE PASSWORD '"+rolePassword+"'"); err != nil {
				return err
			}
		}
		return dropLeftovers(ctx, conn)
	})
}

func dropLeftovers(ctx context.Context, conn *pgx.Conn) error {
	oldest := testPrefix + time.Now().UTC().Add(-leftoverAge).Format(hourLayout)
	rows, err := conn.Query(ctx, "SELECT datname FROM pg_database WHERE starts_with(datname, $1) AND datname < $2", testPrefix, oldest)
	if err != nil {
		return err
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := dropDatabase(ctx, conn, name); err != nil {
			return err
		}
	}
	return nil
}

// allowLogin gives those of the roles that exist a password, for servers that ask for one.
func allowLogin(ctx context.Context, conn *pgx.Conn, roles ...string) error {
	rows, err := conn.Query(ctx, "SELECT rolname FROM pg_roles WHERE rolname = ANY ($1)", roles)
	if err != nil {
		return err
	}
	found, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return err
	}
	for _, role := range found {
		if err := exec(ctx, conn, "ALTER ROLE "+role+" LOGIN PASSWORD '"+rolePassword+"'"); err != nil {
			return err
		}
	}
	return nil
}

// sqlGrants makes the statements that repeat a template's grants on the database itself, which CREATE DATABASE doesn't copy.
const sqlGrants = `
SELECT format('GRANT %s ON DATABASE %I TO %I', g.privilege_type, $2::text, r.rolname)
FROM pg_database d, aclexplode(d.datacl) g JOIN pg_roles r ON r.oid = g.grantee
WHERE d.datname = $1 AND g.grantee <> d.datdba`

// createDatabase copies files instead of logging every page: 15 ms for a small template.
func createDatabase(ctx context.Context, conn *pgx.Conn, name, template string) error {
	if err := exec(ctx, conn, "CREATE DATABASE "+name+" OWNER "+OwnerRole+" TEMPLATE "+template+" STRATEGY file_copy"); err != nil {
		return err
	}
	rows, err := conn.Query(ctx, sqlGrants, template, name)
	if err != nil {
		return err
	}
	grants, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return err
	}
	return exec(ctx, conn, grants...)
}

func dropDatabase(ctx context.Context, conn *pgx.Conn, name string) error {
	return exec(ctx, conn, "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)")
}

// exec runs statements one by one. The names in them are made in this package: they need no quotes.
func exec(ctx context.Context, conn *pgx.Conn, statements ...string) error {
	for _, sql := range statements {
		if _, err := conn.Exec(ctx, sql); err != nil {
			return fmt.Errorf("%s: %w", sql, err)
		}
	}
	return nil
}

// withServerLock runs fn alone among all test processes of the server; the lock ends with the connection.
func withServerLock(ctx context.Context, server *url.URL, fn func(*pgx.Conn) error) error {
	return withAdmin(ctx, server, func(conn *pgx.Conn) error {
		if _, err := conn.Exec(ctx, "SELECT pg_advisory_lock($1)", serverLock); err != nil {
			return fmt.Errorf("lock the test server: %w", err)
		}
		return fn(conn)
	})
}

func withAdmin(ctx context.Context, server *url.URL, fn func(*pgx.Conn) error) error {
	conn, err := pgx.Connect(ctx, urlFor(server, "postgres", ""))
	if err != nil {
		return fmt.Errorf("connect to the test server: %w", err)
	}
	return errors.Join(fn(conn), conn.Close(ctx))
}
