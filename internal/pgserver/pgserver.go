// Package pgserver runs a Postgres server from the binaries installed on this machine: for tests, benches and development.
//
// The server never outlives the process that started it, not even one that is killed: a small shell holds the other end of
// a pipe, and stops the server when the pipe closes. It listens on 127.0.0.1 only and trusts every local connection.
package pgserver

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Superuser is the name of the role that initdb makes.
const Superuser = "postgres"

// Mode says how a server stops; the words are those of pg_ctl.
type Mode string

const (
	// Fast rolls open transactions back, writes a checkpoint and ends.
	Fast Mode = "fast"
	// Immediate ends at once, as in a crash: the next start recovers from the log.
	Immediate Mode = "immediate"
)

// initialising ends the name of the file that says that a data folder is being made.
const initialising = ".initialising"

// ErrNotRunning answers a Stop of a server that is stopped already.
var ErrNotRunning = errors.New("postgres is not running")

// Config describes a server.
type Config struct {
	// BinDir holds initdb, pg_ctl and postgres; empty: FindBinaries looks for them.
	BinDir string
	// Dir is the data folder, initialised if it is empty. Without one the server gets a temporary folder, removed when it stops for good.
	Dir string
	// Port on 127.0.0.1; 0 takes any free one.
	Port int
	// Settings go into postgresql.conf.
	Settings map[string]string
}

// Server is one Postgres server. Its methods are not safe for concurrent use.
type Server struct {
	cfg       Config
	temporary bool
	user      identity
	cmd       *exec.Cmd
	control   io.WriteCloser
}

// keeper starts the server, says so, and stops it in the mode it is told; when its parent is gone, at once. The server of a
// parent that was killed a moment ago may still be stopping: that is waited for.
const keeper = `
bin=$1 dir=$2 temporary=$3
tries=0
while [ $tries -lt 300 ] && "$bin/pg_ctl" status -s -D "$dir" >/dev/null 2>&1; do
	sleep 0.1
	tries=$((tries + 1))
done
"$bin/pg_ctl" start -s -w -t 60 -D "$dir" -l "$dir/server.log" || exit 1
echo ready
read -r mode || mode=gone
case $mode in
gone) stop=immediate; [ -n "$temporary" ] || stop=fast ;;
*) stop=$mode ;;
esac
"$bin/pg_ctl" stop -s -w -t 60 -D "$dir" -m "$stop"
code=$?
[ "$mode" != gone ] || [ -z "$temporary" ] || rm -rf "$dir"
exit $code
`

// Start initialises the data folder if need be and starts the server; it returns when the server answers.
// ErrNoBinaries says that Postgres isn't installed.
func Start(ctx context.Context, cfg Config) (*Server, error) {
	if cfg.BinDir == "" {
		dir, err := FindBinaries(ctx)
		if err != nil {
			return nil, err
		}
		cfg.BinDir = dir
	}
	user, err := chooseIdentity()
	if err != nil {
		return nil, err
	}
	s := &Server{cfg: cfg, user: user, temporary: cfg.Dir == ""}
	if err := s.prepare(ctx); err != nil {
		s.removeTemporary()
		return nil, err
	}
	if err := s.startOnPort(ctx); err != nil {
		s.removeTemporary()
		return nil, err
	}
	return s, nil
}

// startOnPort starts on the configured port, or on a free one: again on another if somebody was quicker to take that.
func (s *Server) startOnPort(ctx context.Context) error {
	attempts := 1
	if s.cfg.Port == 0 {
		attempts = 3
	}
	var err error
	for range attempts {
		if attempts > 1 {
			if s.cfg.Port, err = freePort(ctx); err != nil {
				return err
			}
		}
		if err = s.writeSettings(); err != nil {
			return err
		}
		if err = s.Start(ctx); err == nil {
			return nil
		}
	}
	return err
}

// URL addresses database as the superuser.
func (s *Server) URL(database string) string {
	u := url.URL{
		Scheme: "postgres", User: url.User(Superuser), Path: "/" + database, RawQuery: "sslmode=disable",
		Host: net.JoinHostPort("127.0.0.1", strconv.Itoa(s.cfg.Port)),
	}
	return u.String()
}

// Start starts a server that was stopped, on the same port with the same data.
func (s *Server) Start(ctx context.Context) error {
	//nolint:gosec // runs the binaries and the folder that the caller of this development helper chose
	cmd := exec.CommandContext(context.WithoutCancel(ctx), "/bin/sh", "-c", keeper, "keeper", s.cfg.BinDir, s.cfg.Dir, s.temporaryFlag())
	// A group of its own: Ctrl-C in a terminal must reach us, not the server.
	cmd.SysProcAttr = s.user.attributes()
	cmd.SysProcAttr.Setpgid = true
	cmd.Dir = s.cfg.Dir
	stderr, err := os.Create(filepath.Join(s.cfg.Dir, "keeper.log"))
	if err != nil {
		return fmt.Errorf("start postgres: %w", err)
	}
	defer stderr.Close()
	cmd.Stderr = stderr
	control, err := cmd.StdinPipe()
	if err != nil {
		return fmt.Errorf("start postgres: %w", err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return fmt.Errorf("start postgres: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start postgres: %w", err)
	}
	if line, _ := bufio.NewReader(stdout).ReadString('\n'); strings.TrimSpace(line) != "ready" {
		return fmt.Errorf("start postgres in %s: %w\n%s", s.cfg.Dir, cmd.Wait(), s.logTail())
	}
	s.cmd, s.control = cmd, control
	return nil
}

// Stop ends the server and waits until it is gone; its data stay for another Start.
func (s *Server) Stop(mode Mode) error {
	if s.cmd == nil {
		return ErrNotRunning
	}
	_, err := fmt.Fprintln(s.control, mode)
	err = errors.Join(err, s.control.Close(), s.cmd.Wait())
	s.cmd, s.control = nil, nil
	if err != nil {
		return fmt.Errorf("stop postgres: %w", err)
	}
	return nil
}

// Close stops the server if it runs, and removes a temporary data folder.
func (s *Server) Close() error {
	mode := Fast
	if s.temporary {
		mode = Immediate
	}
	err := s.Stop(mode)
	if errors.Is(err, ErrNotRunning) {
		err = nil
	}
	s.removeTemporary()
	return err
}

func (s *Server) prepare(ctx context.Context) error {
	if s.temporary {
		dir, err := os.MkdirTemp("", "payledger-pg-")
		if err != nil {
			return fmt.Errorf("make data folder: %w", err)
		}
		s.cfg.Dir = dir
	}
	if err := os.MkdirAll(s.cfg.Dir, 0o700); err != nil {
		return fmt.Errorf("make data folder: %w", err)
	}
	if s.user.other {
		if err := os.Chown(s.cfg.Dir, s.user.uid, s.user.gid); err != nil {
			return fmt.Errorf("hand over data folder: %w", err)
		}
	}
	return s.initialise(ctx)
}

// initialise makes the cluster, unless there is one. A file beside the folder says that this is going on: what a killed
// process left half done looks like a cluster, but nobody has ever stored anything in it, so it is made again.
func (s *Server) initialise(ctx context.Context) error {
	busy := s.cfg.Dir + initialising
	_, err := os.Stat(busy)
	if halfDone := err == nil; halfDone {
		if err := empty(s.cfg.Dir); err != nil {
			return err
		}
	} else if _, err := os.Stat(filepath.Join(s.cfg.Dir, "PG_VERSION")); err == nil {
		return nil
	}
	if err := os.WriteFile(busy, nil, 0o600); err != nil {
		return fmt.Errorf("initialise %s: %w", s.cfg.Dir, err)
	}
	if err := s.initdb(ctx); err != nil {
		return err
	}
	if err := os.Remove(busy); err != nil {
		return fmt.Errorf("initialise %s: %w", s.cfg.Dir, err)
	}
	return nil
}

// empty removes what is in a folder; the folder itself stays, with its owner.
func empty(dir string) error {
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		err = errors.Join(err, os.RemoveAll(filepath.Join(dir, e.Name())))
	}
	if err != nil {
		return fmt.Errorf("empty the half initialised %s: %w", dir, err)
	}
	return nil
}

// initdb uses the C locale, the same on every machine: nothing may depend on a server's collation.
func (s *Server) initdb(ctx context.Context) error {
	//nolint:gosec // see Start
	cmd := exec.CommandContext(ctx, filepath.Join(s.cfg.BinDir, "initdb"), "-D", s.cfg.Dir, "-U", Superuser, "-A", "trust",
		"-E", "UTF8", "--locale=C", "--no-sync", "--no-instructions")
	cmd.SysProcAttr = s.user.attributes()
	cmd.Dir = s.cfg.Dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("initialise %s: %w\n%s", s.cfg.Dir, cmp.Or(ctx.Err(), err), out)
	}
	return nil
}

func (s *Server) writeSettings() error {
	var b strings.Builder
	fmt.Fprintf(&b, "listen_addresses = '127.0.0.1'\nport = %d\nunix_socket_directories = ''\n", s.cfg.Port)
	for _, name := range slices.Sorted(maps.Keys(s.cfg.Settings)) {
		fmt.Fprintf(&b, "%s = '%s'\n", name, strings.ReplaceAll(s.cfg.Settings[name], "'", "''"))
	}
	//nolint:gosec // the server's user, not ours, reads it; the folder itself is private
	if err := os.WriteFile(filepath.Join(s.cfg.Dir, "postgresql.conf"), []byte(b.String()), 0o644); err != nil {
		return fmt.Errorf("write settings: %w", err)
	}
	return nil
}

func (s *Server) temporaryFlag() string {
	if s.temporary {
		return "temporary"
	}
	return ""
}

func (s *Server) removeTemporary() {
	if s.temporary && s.cfg.Dir != "" {
		_ = os.RemoveAll(s.cfg.Dir)
		_ = os.Remove(s.cfg.Dir + initialising)
	}
}

// logTail returns what the server and its keeper said last.
func (s *Server) logTail() string {
	var out []byte
	for _, name := range []string{"keeper.log", "server.log"} {
		text, _ := os.ReadFile(filepath.Join(s.cfg.Dir, name)) //nolint:gosec // inside our own data folder
		out = append(out, text[max(0, len(text)-4096):]...)
	}
	return string(out)
}

func freePort(ctx context.Context) (int, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("find a free port: %w", err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	if err := l.Close(); err != nil {
		return 0, fmt.Errorf("find a free port: %w", err)
	}
	return port, nil
}
