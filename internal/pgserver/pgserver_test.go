package pgserver_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"payledger/internal/pgserver"
)

// holdEnv makes the test binary a process that only holds a server, and names the file to write its URL and folder to.
const holdEnv = "PGSERVER_TEST_HOLD"

// holdDirEnv names the folder of the held server's data; empty for a temporary one.
const holdDirEnv = "PGSERVER_TEST_HOLD_DIR"

func TestMain(m *testing.M) {
	if path := os.Getenv(holdEnv); path != "" {
		fmt.Fprintln(os.Stderr, hold(path))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func hold(path string) error {
	ctx := context.Background()
	server, err := pgserver.Start(ctx, pgserver.Config{Dir: os.Getenv(holdDirEnv), Settings: pgserver.ThrowawaySettings()})
	if err != nil {
		return err
	}
	dir, err := ask(ctx, server.URL("postgres"), "SHOW data_directory")
	if err != nil {
		return err
	}
	if err := os.WriteFile(path, []byte(server.URL("postgres")+"\n"+dir+"\n"), 0o600); err != nil {
		return err
	}
	select {} // until we are killed
}

func TestServerDiesWithTheProcessThatHoldsIt(t *testing.T) {
	t.Parallel()
	holder, url, dir := holdServer(t, "")
	_, err := ask(t.Context(), url, "SELECT 'up'")
	require.NoError(t, err)

	require.NoError(t, holder.Process.Kill())
	require.Error(t, holder.Wait())
	require.Eventually(t, func() bool {
		_, statErr := os.Stat(dir)
		_, err := ask(t.Context(), url, "SELECT 'up'")
		return os.IsNotExist(statErr) && err != nil
	}, time.Minute, 20*time.Millisecond)
}

// The server of a killed process may still be stopping when the next one starts on its folder.
func TestStartAfterAKill(t *testing.T) {
	t.Parallel()
	cfg := pgserver.Config{Dir: filepath.Join(reachableDir(t), "data"), Settings: pgserver.ThrowawaySettings()}
	holder, url, _ := holdServer(t, cfg.Dir)
	_, err := ask(t.Context(), url, "CREATE TABLE kept AS SELECT 'kept' AS x")
	require.ErrorIs(t, err, pgx.ErrNoRows)
	require.NoError(t, holder.Process.Kill())
	require.Error(t, holder.Wait())

	server, err := pgserver.Start(t.Context(), cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Close()) })
	kept, err := ask(t.Context(), server.URL("postgres"), "SELECT x FROM kept")
	require.NoError(t, err)
	require.Equal(t, "kept", kept)
}

// holdServer starts a process that holds a server, and returns the server's URL and folder.
func holdServer(t *testing.T, dataDir string) (holder *exec.Cmd, url, dir string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "server")
	holder = exec.CommandContext(t.Context(), os.Args[0])
	holder.Env = append(os.Environ(), holdEnv+"="+path, holdDirEnv+"="+dataDir)
	require.NoError(t, holder.Start())
	require.Eventually(t, func() bool {
		text, _ := os.ReadFile(path)
		lines := strings.Split(string(text), "\n")
		if len(lines) != 3 {
			return false
		}
		url, dir = lines[0], lines[1]
		return true
	}, time.Minute, 20*time.Millisecond)
	return holder, url, dir
}

func TestStopAndStart(t *testing.T) {
	t.Parallel()
	for _, mode := range []pgserver.Mode{pgserver.Fast, pgserver.Immediate} {
		t.Run(string(mode), func(t *testing.T) {
			t.Parallel()
			server, err := pgserver.Start(t.Context(), pgserver.Config{Settings: pgserver.DurableSettings()})
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, server.Close()) })
			url := server.URL("postgres")
			fsync, err := ask(t.Context(), url, "SHOW fsync")
			require.NoError(t, err)
			require.Equal(t, "on", fsync)
			_, err = ask(t.Context(), url, "CREATE TABLE kept AS SELECT 'kept' AS x")
			require.ErrorIs(t, err, pgx.ErrNoRows)

			require.NoError(t, server.Stop(mode))
			require.ErrorIs(t, server.Stop(mode), pgserver.ErrNotRunning)
			_, err = ask(t.Context(), url, "SELECT 'up'")
			require.Error(t, err)

			require.NoError(t, server.Start(t.Context()))
			kept, err := ask(t.Context(), url, "SELECT x FROM kept")
			require.NoError(t, err)
			require.Equal(t, "kept", kept)
		})
	}
}

// sqlIdentifier asks for what initdb drew.
const sqlIdentifier = "SELECT system_identifier::text FROM pg_control_system()"

func TestGivenFolderIsKept(t *testing.T) {
	t.Parallel()
	cfg := pgserver.Config{Dir: filepath.Join(reachableDir(t), "data"), Settings: pgserver.ThrowawaySettings()}
	server, err := pgserver.Start(t.Context(), cfg)
	require.NoError(t, err)
	id, err := ask(t.Context(), server.URL("postgres"), sqlIdentifier)
	require.NoError(t, err)
	require.NoError(t, server.Close())

	server, err = pgserver.Start(t.Context(), cfg)
	require.NoError(t, err)
	again, err := ask(t.Context(), server.URL("postgres"), sqlIdentifier)
	require.NoError(t, err)
	require.NoError(t, server.Close())
	require.Equal(t, id, again)
	require.DirExists(t, cfg.Dir)
}

// What a killed process left of a cluster in the making is made again.
func TestHalfInitialisedFolderIsMadeAgain(t *testing.T) {
	t.Parallel()
	cfg := pgserver.Config{Dir: filepath.Join(reachableDir(t), "data"), Settings: pgserver.ThrowawaySettings()}
	require.NoError(t, os.MkdirAll(filepath.Join(cfg.Dir, "base"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(cfg.Dir, "PG_VERSION"), []byte("15\n"), 0o600))
	require.NoError(t, os.WriteFile(cfg.Dir+".initialising", nil, 0o600))

	server, err := pgserver.Start(t.Context(), cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Close()) })
	_, err = ask(t.Context(), server.URL("postgres"), sqlIdentifier)
	require.NoError(t, err)
	require.NoFileExists(t, cfg.Dir+".initialising")
}

// reachableDir is like t.TempDir, whose private parents a server that runs as another user can't reach.
func reachableDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "pgserver-test-") //nolint:usetesting // see above
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	require.NoError(t, os.Chmod(dir, 0o711))
	return dir
}

func TestFailedStartSaysWhyAndLeavesNothing(t *testing.T) {
	t.Parallel()
	_, err := pgserver.Start(t.Context(), pgserver.Config{Settings: map[string]string{"shared_buffers": "much"}})
	require.ErrorContains(t, err, `invalid value for parameter "shared_buffers"`)
}

// ask returns the one text that sql selects.
func ask(ctx context.Context, url, sql string) (string, error) {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return "", err
	}
	defer conn.Close(ctx)
	var answer string
	err = conn.QueryRow(ctx, sql).Scan(&answer)
	return answer, err
}
