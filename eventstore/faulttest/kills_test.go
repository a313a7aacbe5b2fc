package faulttest

import (
	"fmt"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"payledger/eventstore"
	"payledger/eventstore/pgtest"
	"payledger/eventstore/storetest"
	"payledger/internal/pgserver"
)

// Passes of a failpoint at which a process is killed: in a batch that is read first, and in one that is written unread.
const (
	hitRead   = 3
	hitUnread = 3 + 2*eventstore.DefaultAloneAfter
)

// kill -9 between every two steps of the writer, one after the other on one log. The process that comes after it goes on.
func TestKillAtEveryFailpoint(t *testing.T) {
	t.Parallel()
	for kind, hit := range map[string]int64{"read": hitRead, "unread": hitUnread} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			killAtEveryFailpoint(t, hit)
		})
	}
}

func killAtEveryFailpoint(t *testing.T, hit int64) {
	t.Helper()
	db := pgtest.NewFrom(t, storetest.Template())
	pool := db.AppPool(t)
	h := newHistory()
	for _, name := range eventstore.Failpoints() {
		if name == eventstore.FailErase {
			continue // nobody is erased here: see eventstore's tests of erasures
		}
		if reads := name == eventstore.FailRead || name == eventstore.FailNews || name == eventstore.FailReconnected; reads && hit == hitUnread {
			continue
		}
		p := plan{URL: db.AppURL, Failpoint: name, Hit: hit, Signal: syscall.SIGKILL}
		for w := range 4 {
			p.Streams = append(p.Streams, []string{"hot", fmt.Sprintf("own-%s-%d", name, w)})
		}
		killed := startChild(t, h, p)
		killed.begin(t)
		killed.awaitKill(t)
		found := checkAfterKill(t, db, h)
		store := openStore(t, db.AppURL)
		checkLookups(t, store, h, found)
		again(t, store, h, found)
		store.Close()
		require.Empty(t, h.unacknowledged())
		checkLog(t, pool, h)
	}
	require.Empty(t, h.refused)
}

// checkAfterKill waits until the server has noticed that the process is gone: until then its transaction may still be committed.
func checkAfterKill(t *testing.T, db *pgtest.DB, h *history) map[uuid.UUID]*stored {
	t.Helper()
	pool := openPool(t, db.SuperURL)
	require.Eventually(t, func() bool {
		var gone bool
		err := pool.QueryRow(t.Context(), `SELECT NOT EXISTS (SELECT FROM pg_stat_activity
			WHERE datname = current_database() AND application_name LIKE 'payledger %')`).Scan(&gone)
		return err == nil && gone
	}, patience, 5*time.Millisecond)
	return checkLog(t, pool, h)
}

// The server crashes in the middle of the load and recovers from its log: the store goes on by itself.
func TestServerCrash(t *testing.T) {
	t.Parallel()
	server := pgtest.StartDurable(t)
	owner := server.URL("postgres")
	require.NoError(t, eventstore.Migrate(t.Context(), owner))
	app, err := pgx.ParseConfig(owner)
	require.NoError(t, err)
	url := fmt.Sprintf("postgres://%s@%s:%d/postgres?sslmode=disable", pgtest.AppRole, app.Host, app.Port)
	store := openStore(t, url)
	h := newHistory()
	stop := make(chan struct{})
	var workers sync.WaitGroup
	for w := range 16 {
		workers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				// Without a server commits can't be prepared; those that were are tried again until it is back.
				_, _ = h.commit(t.Context(), store, newCommit(newID(), "hot", fmt.Sprintf("own-%d", w)))
			}
		})
	}
	for range 2 {
		h.awaitAcks(t, 200)
		require.NoError(t, server.Stop(pgserver.Immediate))
		require.NoError(t, server.Start(t.Context()))
	}
	h.awaitAcks(t, 200)
	close(stop)
	workers.Wait()
	require.Positive(t, store.Stats().Repeated)
	found := checkLog(t, openPool(t, owner), h)
	checkLookups(t, store, h, found)
}
