package kafkabus_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"payledger/cmd/payledger/internal/kafkabus"
	"payledger/eventstore"
	"payledger/eventstore/pgtest"
	"payledger/projections/publisher"
)

// The environment of the process that is killed.
const (
	envBrokers  = "PUBLISHER_BROKERS"
	envDatabase = "PUBLISHER_DATABASE"
	envApp      = "PUBLISHER_APP_DATABASE"
	envService  = "PUBLISHER_SERVICE"
	envPrefix   = "PUBLISHER_PREFIX"
	envPoint    = "PUBLISHER_FAILPOINT" // where it kills itself
	envAfter    = "PUBLISHER_AFTER"     // the how manieth time it comes there
	envReplay   = "PUBLISHER_REPLAY"    // where to it sends again, instead of publishing
)

// TestMain runs the tests, or in a process made by them a publisher that kills itself.
func TestMain(m *testing.M) {
	if os.Getenv(envPoint) != "" {
		runVictim()
	}
	os.Exit(m.Run())
}

func runVictim() {
	ctx := context.Background()
	pool, err := pgxpool.New(ctx, os.Getenv(envDatabase))
	exitOn(err)
	app, err := pgxpool.New(ctx, os.Getenv(envApp))
	exitOn(err)
	after, err := strconv.ParseInt(os.Getenv(envAfter), 10, 64)
	exitOn(err)
	w := &world{
		cfg:   kafkabus.Config{Brokers: strings.Split(os.Getenv(envBrokers), ","), Partitions: 4},
		names: publisher.TopicConfig{LibraryService: os.Getenv(envService), LibraryIndexPrefix: os.Getenv(envPrefix)},
		db:    &pgtest.DB{}, projector: pool, vault: eventstore.OpenVault(app, masterKey()), reader: eventstore.NewReader(pool),
	}
	var passed atomic.Int64
	fail := func(point string) {
		if point == os.Getenv(envPoint) && passed.Add(1) == after {
			exitOn(syscall.Kill(os.Getpid(), syscall.SIGKILL))
			select {} // the signal is on its way
		}
	}
	if to := os.Getenv(envReplay); to != "" {
		exitOn(w.victimReplay(ctx, to, fail))
	}
	cfg := w.settings(ctx)
	cfg.LeaseTTL, cfg.Failpoint = shortLease, fail
	exitOn(publisher.Run(ctx, cfg))
	exitOn(errors.New("publisher ended"))
}

func exitOn(err error) {
	if err != nil {
		os.Stderr.WriteString(err.Error() + "\n")
		os.Exit(1)
	}
}

// shortLease lets the next publisher in soon after a kill.
const shortLease = 600 * time.Millisecond

// victim runs a publisher in a process of its own until it kills itself at a failpoint.
func (w *world) victim(t testing.TB, point string, after int) {
	t.Helper()
	w.killed(t, point, after)
}

// killed does that with further variables, and returns what the process has printed.
func (w *world) killed(t testing.TB, point string, after int, env ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0])
	cmd.Env = append(os.Environ(),
		envBrokers+"="+strings.Join(w.cfg.Brokers, ","), envDatabase+"="+w.db.ProjectorURL, envApp+"="+w.db.AppURL,
		envService+"="+w.names.LibraryService, envPrefix+"="+w.names.LibraryIndexPrefix, envPoint+"="+point, envAfter+"="+strconv.Itoa(after))
	cmd.Env = append(cmd.Env, env...)
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	require.ErrorAs(t, err, &exit, "%s", out)
	status, ok := exit.Sys().(syscall.WaitStatus)
	require.True(t, ok)
	require.Equal(t, syscall.SIGKILL, status.Signal(), "%s", out)
	require.NoError(t, ctx.Err(), "the publisher never came to %s", point)
	return string(out)
}

// Killed between the broker's acknowledgement and the cursor, between reading and sending, after storing the cursors; at the
// first time and later: what comes twice has the same ce_id, and without it all is there once and in order.
func TestKilledPublisherLosesAndDoublesNothing(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		point string
		after int
	}{{"read", 1}, {"acknowledged", 1}, {"acknowledged", 37}, {"acknowledged", 90}, {"saved", 1}} {
		t.Run(c.point+" "+strconv.Itoa(c.after), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, plain(t))
			w.foundAll(t)
			w.someCommands(t, 4)
			w.victim(t, c.point, c.after)
			w.someCommands(t, 1)
			stop := w.publish(t, func(cfg *publisher.Config) { cfg.LeaseTTL = shortLease })
			w.published(t)
			require.NoError(t, stop())
			require.Empty(t, cmp.Diff(w.expected(t), byKey(deduped(w.messages(t)))))
		})
	}
}

// Killed again and again at random places.
func TestPublisherKilledManyTimes(t *testing.T) {
	t.Parallel()
	w := newWorld(t, plain(t))
	w.foundAll(t)
	for i := range 5 {
		w.someCommands(t, 2)
		w.victim(t, "acknowledged", 11+17*i)
	}
	stop := w.publish(t, func(cfg *publisher.Config) { cfg.LeaseTTL = shortLease })
	w.published(t)
	require.NoError(t, stop())
	all := w.messages(t)
	require.Empty(t, cmp.Diff(w.expected(t), byKey(deduped(all))))
}

// An owner that hangs for longer than its lease is replaced; when it comes back it can neither send nor store.
func TestTwoPublishersNeverBothStore(t *testing.T) {
	t.Parallel()
	w := newWorld(t, plain(t))
	w.foundAll(t)
	w.someCommands(t, 3)
	hangs, wake := make(chan struct{}), make(chan struct{})
	var passed atomic.Int64
	stopFirst := w.publish(t, func(cfg *publisher.Config) {
		cfg.LeaseTTL, cfg.Owner = shortLease, "first"
		cfg.Failpoint = func(point string) {
			if point == "saved" && passed.Add(1) == 1 { // the goroutine that keeps the lease
				close(hangs)
				<-wake
			}
		}
	})
	<-hangs
	w.someCommands(t, 3)
	stopSecond := w.publish(t, func(cfg *publisher.Config) { cfg.LeaseTTL, cfg.Owner = shortLease, "second" })
	w.published(t)
	require.Equal(t, "second", w.owner(t))
	before := w.cursors(t)
	close(wake)
	w.someCommands(t, 3)
	w.published(t)
	require.NoError(t, stopSecond())
	require.NoError(t, stopFirst())
	require.Greater(t, w.cursors(t)["db"], before["db"])
	require.Empty(t, cmp.Diff(w.expected(t), byKey(deduped(w.messages(t)))))
}

func (w *world) owner(t testing.TB) string {
	t.Helper()
	var owner string
	require.NoError(t, w.projector.QueryRow(t.Context(), "SELECT lease_owner FROM ledger.checkpoints WHERE projection = 'publisher'").Scan(&owner))
	return owner
}

// A publisher that was told to stop has sent all that it had in hand and lets the next one in at once: nothing comes twice.
func TestHandOverDoublesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, plain(t))
	w.foundAll(t)
	for range 4 {
		stop := w.publish(t)
		w.someCommands(t, 2)
		require.NoError(t, stop())
	}
	w.publish(t)
	w.published(t)
	require.Empty(t, cmp.Diff(w.expected(t), byKey(w.messages(t))))
}
