package pgserver

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
)

// MinVersion is the oldest major version of Postgres that Payledger runs on.
const MinVersion = 15

// ErrNoBinaries says that no Postgres server of MinVersion or later is installed, and how to get one.
var ErrNoBinaries = errors.New("no Postgres server 15 or later found (initdb, pg_ctl, postgres): run scripts/setup, " +
	"or install it (Debian, Ubuntu: apt-get install postgresql; macOS: brew install postgresql@17)")

// FindBinaries returns the folder with initdb, pg_ctl and postgres: that on PATH if it is recent enough,
// else the newest of the places where packages put them. It fails with ErrNoBinaries.
func FindBinaries(ctx context.Context) (string, error) {
	best, bestVersion := "", MinVersion-1
	if onPath, err := exec.LookPath("pg_ctl"); err == nil {
		if target, err := filepath.EvalSymlinks(onPath); err == nil {
			if dir := filepath.Dir(target); version(ctx, dir) >= MinVersion {
				return dir, nil
			}
		}
	}
	for _, pattern := range []string{
		"/usr/lib/postgresql/*/bin",
		"/usr/pgsql-*/bin",
		"/opt/homebrew/opt/postgresql@*/bin",
		"/usr/local/opt/postgresql@*/bin",
		"/usr/local/pgsql/bin",
	} {
		dirs, _ := filepath.Glob(pattern) // only a malformed pattern fails
		for _, dir := range dirs {
			if v := version(ctx, dir); v > bestVersion {
				best, bestVersion = dir, v
			}
		}
	}
	if err := ctx.Err(); err != nil { // then nothing answered
		return "", fmt.Errorf("look for Postgres: %w", err)
	}
	if best == "" {
		return "", ErrNoBinaries
	}
	return best, nil
}

var majorVersion = regexp.MustCompile(`\(PostgreSQL\) (\d+)`)

// version returns the major version of the server in dir, 0 if it isn't complete.
func version(ctx context.Context, dir string) int {
	for _, name := range []string{"initdb", "pg_ctl"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			return 0
		}
	}
	out, err := exec.CommandContext(ctx, filepath.Join(dir, "postgres"), "--version").Output() //nolint:gosec // a fixed list of folders
	if err != nil {
		return 0
	}
	match := majorVersion.FindSubmatch(out)
	if match == nil {
		return 0
	}
	v, _ := strconv.Atoi(string(match[1]))
	return v
}
