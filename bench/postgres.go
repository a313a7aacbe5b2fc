package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"payledger/eventstore"
	"payledger/internal/pgserver"
)

// The roles of the ledger, as eventstore.Migrate makes them.
const (
	roleApp       = "payledger_app"
	roleProjector = "payledger_projector"
)

// errInMemory: figures of a server that needn't wait for a disk say nothing.
var errInMemory = errors.New("the data folder is in memory: set TMPDIR to a folder on a disk")

// postgres is the server that everything is measured on.
type postgres struct {
	server *pgserver.Server
	pid    int // of the server's main process; 0 if it is not known
}

func startPostgres(ctx context.Context) (*postgres, error) {
	server, err := pgserver.Start(ctx, pgserver.Config{Settings: pgserver.MeasuredSettings()})
	if err != nil {
		return nil, err
	}
	p := &postgres{server: server}
	if err := p.inspect(ctx); err != nil {
		return nil, errors.Join(err, p.close())
	}
	return p, nil
}

// inspect makes sure that commits wait for a disk, and finds out the server's main process.
func (p *postgres) inspect(ctx context.Context) error {
	conn, err := p.connect(ctx, "postgres")
	if err != nil {
		return err
	}
	defer closeConn(ctx, conn)
	var folder, fsync, commit string
	var backend int
	err = conn.QueryRow(ctx, `SELECT current_setting('data_directory'), current_setting('fsync'), current_setting('synchronous_commit'),
		pg_backend_pid()`).Scan(&folder, &fsync, &commit, &backend)
	switch {
	case err != nil:
		return fmt.Errorf("inspect postgres: %w", err)
	case fsync != "on" || commit != "on":
		return fmt.Errorf("inspect postgres: fsync is %s, synchronous_commit %s", fsync, commit)
	case inMemory(folder):
		return errInMemory
	}
	p.pid = parentOf(backend)
	return nil
}

// inMemory reports whether a folder is on a tmpfs, as far as /proc/mounts tells.
func inMemory(folder string) bool {
	file, err := os.Open("/proc/mounts")
	if err != nil {
		return false
	}
	defer file.Close()
	longest, kind := "", ""
	for lines := bufio.NewScanner(file); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) < 3 || !strings.HasPrefix(folder, fields[1]) || len(fields[1]) < len(longest) {
			continue
		}
		longest, kind = fields[1], fields[2]
	}
	return kind == "tmpfs" || kind == "ramfs"
}

// processTime returns the processor time of all the server's processes.
func (p *postgres) processTime() (time.Duration, bool) {
	if p.pid == 0 {
		return 0, false
	}
	return treeTime(p.pid)
}

func (p *postgres) connect(ctx context.Context, database string) (*pgx.Conn, error) {
	conn, err := pgx.Connect(ctx, p.server.URL(database))
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", database, err)
	}
	return conn, nil
}

// create makes a database with the schema of the ledger.
func (p *postgres) create(ctx context.Context, database string) error {
	conn, err := p.connect(ctx, "postgres")
	if err != nil {
		return err
	}
	defer closeConn(ctx, conn)
	if _, err := conn.Exec(ctx, "CREATE DATABASE "+pgx.Identifier{database}.Sanitize()); err != nil {
		return fmt.Errorf("create database %s: %w", database, err)
	}
	return eventstore.Migrate(ctx, p.server.URL(database))
}

// url returns the URL of a database for a role; the server trusts its own machine.
func (p *postgres) url(database, role string) string {
	u, err := url.Parse(p.server.URL(database))
	if err != nil {
		panic(err) // our own server's URL always parses
	}
	u.User = url.User(role)
	return u.String()
}

func (p *postgres) close() error { return p.server.Close() }

// closeConn closes a connection whose end interests nobody.
func closeConn(ctx context.Context, conn *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	_ = conn.Close(ctx)
}
