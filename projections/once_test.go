package projections_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"payledger/domain/fee"
	"payledger/eventstore/catalog"
	"payledger/internal/ledgertest"
	"payledger/projections"
	"payledger/projections/bulk"
	"payledger/readmodels/tables"
)

// buildable are the projections that can be built at once.
func buildable(t *testing.T) []projections.Postgres {
	t.Helper()
	var list []projections.Postgres
	for _, p := range projections.All() {
		if p.Bulk.Fold != nil {
			list = append(list, p)
		}
	}
	require.NotEmpty(t, list)
	return list
}

func bulkConfig(t *testing.T, l *ledgertest.Log, p projections.Postgres, pool *pgxpool.Pool) bulk.Config {
	t.Helper()
	return bulk.Config{
		Pool: pool, Reader: l.Reader, Catalog: l.Catalog, Keys: l.Keys, Projector: p.New(), Model: p.Bulk, Code: "this",
	}
}

// takeBuilt makes what was built the live read model, and compares it with the log.
func takeBuilt(t *testing.T, p projections.Postgres, pool *pgxpool.Pool, events []catalog.Event) {
	t.Helper()
	require.NoError(t, pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) error { return bulk.Take(t.Context(), tx, p.New()) }))
	requireEqualToReplay(t.Context(), t, p, pool, events)
}

const sqlDefinitions = `SELECT pg_get_indexdef(indexrelid) || coalesce(' ' || pg_get_constraintdef(c.oid), '')
FROM pg_index LEFT JOIN pg_constraint c ON c.conindid = indexrelid
WHERE indrelid IN (SELECT oid FROM pg_class WHERE relnamespace = $1::regnamespace) ORDER BY 1`

// definitions are those of all indexes of a schema and of the constraints that they serve.
func definitions(t *testing.T, pool *pgxpool.Pool, schema string) []string {
	t.Helper()
	rows, err := pool.Query(t.Context(), sqlDefinitions, schema)
	require.NoError(t, err)
	list, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	return list
}

// TestBuildsAtOnce stops a build again and again, at every place and with few streams in memory at a time: what is built in the end is what
// the log says, with the indexes of a read model that was made otherwise.
func TestBuildsAtOnce(t *testing.T) {
	t.Parallel()
	for _, p := range buildable(t) {
		t.Run(p.Projection.Name, func(t *testing.T) {
			t.Parallel()
			l := ledgertest.Open(t, 41)
			head := l.Random(t, 400)
			events := l.Events(t, 0, int(head))
			pool := l.DB.ProjectorPool(t)
			projector, schema := p.New(), bulk.SchemaOf(p.New())
			require.NoError(t, pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) error {
				_, err := projector.EnsureSchema(t.Context(), tx)
				return errors.Join(err, projector.EnsureIndexes(t.Context(), tx))
			}))
			wanted := definitions(t, pool, schema)

			var passed sync.Map
			build := func() (bulk.Built, error) {
				ctx, stop := context.WithCancel(t.Context())
				defer stop()
				cfg := bulkConfig(t, l, p, pool)
				cfg.MaxStreams = 15
				cfg.Failpoint = func(point string) {
					n, _ := passed.LoadOrStore(point, new(atomic.Int64))
					if times := n.(*atomic.Int64).Add(1); times&(times-1) == 0 { // the first, second, fourth …
						stop()
					}
				}
				return bulk.Build(ctx, cfg)
			}
			built, err := build()
			for attempt := 1; err != nil; attempt++ {
				require.ErrorIs(t, err, context.Canceled)
				require.Less(t, attempt, 1000)
				built, err = build()
			}
			require.Equal(t, head, built.Position)
			for _, point := range []string{"prepared", "copied", "part", "replayed", "index", "built"} {
				n, ok := passed.Load(point)
				require.True(t, ok, point)
				require.Positive(t, n.(*atomic.Int64).Load(), point)
			}
			takeBuilt(t, p, pool, events)
			require.Equal(t, wanted, definitions(t, pool, schema))
		})
	}
}

// TestKeepsABuildThatItCanNotRead: what is recorded and can't be read isn't thrown away.
func TestKeepsABuildThatItCanNotRead(t *testing.T) {
	t.Parallel()
	p := projections.All()[0]
	l := ledgertest.Open(t, 45)
	l.Random(t, 50)
	pool := l.DB.ProjectorPool(t)
	cfg := bulkConfig(t, l, p, pool)
	built, err := bulk.Build(t.Context(), cfg)
	require.NoError(t, err)
	_, err = pool.Exec(t.Context(), "ALTER TABLE "+built.Schema+".rebuild RENAME COLUMN hash TO unreadable")
	require.NoError(t, err)
	_, err = bulk.Build(t.Context(), cfg)
	require.ErrorContains(t, err, "hash")
	_, err = pool.Exec(t.Context(), "SELECT unreadable FROM "+built.Schema+".rebuild")
	require.NoError(t, err)
}

// TestJoinsWhatIsFoldedAsItIsRead: with several shares each takes over the rows of its own streams of one event, and the memory of many small pages
// is used again while streams that began in them are held.
func TestJoinsWhatIsFoldedAsItIsRead(t *testing.T) {
	t.Parallel()
	for _, p := range buildable(t) {
		t.Run(p.Projection.Name, func(t *testing.T) {
			t.Parallel()
			l := ledgertest.Open(t, 43)
			head := l.Random(t, 400)
			pool := l.DB.ProjectorPool(t)
			cfg := bulkConfig(t, l, p, pool)
			cfg.MaxStreams, cfg.PageSize = 15, 7
			var shares, joined atomic.Int64
			cfg.Model.Fold = func(s bulk.Share) bulk.Fold {
				shares.Store(int64(s.Of))
				return p.Bulk.Fold(s)
			}
			if p.Bulk.Join != nil {
				cfg.Model.Join = func(to, from bulk.Fold) {
					joined.Add(1)
					p.Bulk.Join(to, from)
				}
			}
			_, err := bulk.Build(t.Context(), cfg)
			require.NoError(t, err)
			require.Greater(t, shares.Load(), int64(3))
			if p.Bulk.Join != nil {
				pages := (head + cfg.PageSize - 1) / cfg.PageSize
				require.Equal(t, shares.Load()*pages, joined.Load())
			}
			takeBuilt(t, p, pool, l.Events(t, 0, int(head)))
		})
	}
}

// TestOtherCodeBuildsAnew: rows of two programs are never mixed, nor those of two logs.
func TestOtherCodeBuildsAnew(t *testing.T) {
	t.Parallel()
	p := buildable(t)[0]
	l := ledgertest.Open(t, 42)
	l.Random(t, 50)
	pool := l.DB.ProjectorPool(t)
	cfg := bulkConfig(t, l, p, pool)
	_, err := bulk.Build(t.Context(), cfg)
	require.NoError(t, err)
	head := l.Random(t, 50)
	built, err := bulk.Build(t.Context(), cfg)
	require.NoError(t, err)
	require.Less(t, built.Position, head, "what is built already stays")
	cfg.Code = "other"
	built, err = bulk.Build(t.Context(), cfg)
	require.NoError(t, err)
	require.Equal(t, head, built.Position)
	_, err = pool.Exec(t.Context(), `UPDATE `+bulk.Beside(bulk.SchemaOf(cfg.Projector))+`.rebuild SET hash = sha256('')`)
	require.NoError(t, err)
	head = l.Random(t, 50)
	built, err = bulk.Build(t.Context(), cfg)
	require.NoError(t, err)
	require.Equal(t, head, built.Position, "of a log that a restore took away")
}

func TestOneBuildAtATime(t *testing.T) {
	t.Parallel()
	l := ledgertest.Open(t, 43)
	pool := l.DB.ProjectorPool(t)
	unlock, err := bulk.Lock(t.Context(), pool, "tables_v1")
	require.NoError(t, err)
	_, err = bulk.Lock(t.Context(), pool, "tables_v1")
	require.ErrorIs(t, err, bulk.ErrRunning)
	unlock()
	unlock, err = bulk.Lock(t.Context(), pool, "tables_v1")
	require.NoError(t, err)
	unlock()
}

const sqlLease = `SELECT lease_until, clock_timestamp() FROM ledger.checkpoints WHERE projection = 'tables'`

// TestCatchesUpAtOnce starts a projector on a long log: readers see nothing until all is there.
func TestCatchesUpAtOnce(t *testing.T) {
	t.Parallel()
	l := ledgertest.Open(t, 44)
	head := l.Random(t, 300)
	pool := l.DB.ProjectorPool(t)
	atOnce := func(c *projections.RunConfig) {
		c.Model, c.BulkFrom, c.LeaseTTL = projections.All()[0].Bulk, head, 300*time.Millisecond
	}
	var parts atomic.Int64
	paused, resume := make(chan struct{}), make(chan struct{})
	start(t, l, atOnce, func(c *projections.RunConfig) {
		c.Failpoint = func(point string) {
			if point == "part" && parts.Add(1) == 1 {
				close(paused)
				<-resume
			}
		}
	})
	<-paused
	stored, err := tables.Digest(t.Context(), pool)
	require.NoError(t, err)
	require.Zero(t, stored.Sum.Rows)
	require.Zero(t, stored.Position)
	epoch := readCheckpoint(t, pool).Epoch
	var leased time.Time
	require.NoError(t, pool.QueryRow(t.Context(), sqlLease).Scan(&leased, nil))
	require.Eventually(t, func() bool { // the lease as it was has run out, and is kept
		var until, now time.Time
		require.NoError(t, pool.QueryRow(t.Context(), sqlLease).Scan(&until, &now))
		return now.After(leased) && until.After(now)
	}, patience, 10*time.Millisecond)
	close(resume)
	waitFor(t, pool, head)
	require.Equal(t, epoch, readCheckpoint(t, pool).Epoch)
	requireReplayed(t, l, head)
	head = l.Random(t, 30)
	waitFor(t, pool, head)
	requireReplayed(t, l, head)
	require.Equal(t, 3, listIndexes(t, pool))
}

// TestHaltsAtTheEventAlthoughBuiltAtOnce: what can't be built at once is followed, up to the event that can't be applied.
func TestHaltsAtTheEventAlthoughBuiltAtOnce(t *testing.T) {
	t.Parallel()
	l := ledgertest.Open(t, 45)
	before := l.Random(t, 40)
	bad := l.Events(t, 0, 1)[0]
	l.Queue(t, bad.Stream.Name, bad.Data.(fee.Assessed).UserID, bad.Data) // assessed again
	at := l.Flush(t)
	require.Equal(t, before+1, at)
	r := start(t, l, func(c *projections.RunConfig) { c.Model, c.BulkFrom = projections.All()[0].Bulk, 1 })
	halted, ok := errors.AsType[*projections.HaltedError](r.wait(t))
	require.True(t, ok)
	require.Equal(t, at, halted.Position)
	requireReplayed(t, l, before)
}

func BenchmarkBuild(b *testing.B) {
	l := ledgertest.Open(b, 46)
	head := l.Bulk(b, 30_000)
	pool := l.DB.ProjectorPool(b)
	p := projections.All()[0]
	for b.Loop() {
		began := time.Now()
		_, err := bulk.Build(b.Context(), bulk.Config{
			Pool: pool, Reader: l.Reader, Catalog: l.Catalog, Keys: l.Keys, Projector: p.New(), Model: p.Bulk, Code: time.Now().String(),
		})
		require.NoError(b, err)
		b.ReportMetric(float64(head)/time.Since(began).Seconds(), "events/s")
	}
}
