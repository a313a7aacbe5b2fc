package rebuild_test

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"payledger/audit"
	"payledger/domain/evidence"
	"payledger/eventstore/catalog"
	"payledger/internal/ledgertest"
	"payledger/projections"
	"payledger/projections/bulk"
	"payledger/projections/rebuild"
	"payledger/readmodels/checkpoints"
	"payledger/readmodels/digest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = 30 * time.Second

// world is a log, a live read model that follows it, and what is needed to rebuild that.
type world struct {
	*ledgertest.Log
	p         projections.Postgres
	pool      *pgxpool.Pool
	projector *pgxpool.Pool
	schema    string
	stop      func() // stops the projector
}

// each runs a test for every projection that can be rebuilt.
func each(t *testing.T, seed uint64, test func(*testing.T, *world)) {
	t.Helper()
	n := 0
	for _, p := range projections.All() {
		n++
		t.Run(p.Projection.Name, func(t *testing.T) {
			t.Parallel()
			test(t, open(t, seed, p))
		})
	}
	require.Positive(t, n)
}

// open makes a log and the read model of a projection that follows it.
func open(t *testing.T, seed uint64, p projections.Postgres) *world {
	t.Helper()
	l := ledgertest.Open(t, seed)
	l.Random(t, 200)
	staff := l.Roles
	l.Roles = slices.Repeat([]string{"a role with a long name"}, 20) // more metadata than a replay reads at first
	l.Random(t, 5)
	l.Roles = staff
	head := l.Random(t, 95)
	w := &world{Log: l, p: p, pool: connect(t, l), schema: bulk.SchemaOf(p.New())}
	w.projector = l.DB.ProjectorPool(t) // of another process
	w.project(t)
	w.reaches(t, head)
	return w
}

// connect opens as many connections as a rebuild has at least.
func connect(t *testing.T, l *ledgertest.Log) *pgxpool.Pool {
	t.Helper()
	cfg, err := pgxpool.ParseConfig(l.DB.ProjectorURL)
	require.NoError(t, err)
	cfg.MaxConns = rebuild.MinConns
	pool, err := pgxpool.NewWithConfig(t.Context(), cfg)
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	return pool
}

// project runs the live projector until stop, or the end of the test.
func (w *world) project(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- projections.Run(ctx, projections.RunConfig{
			Pool: w.projector, Reader: w.Reader, Waker: w.Waker, Catalog: w.Catalog, Keys: w.Keys, Projector: w.p.New(), Now: time.Now,
			Logger: slog.New(slog.NewTextHandler(t.Output(), nil)), Metrics: projections.NewMetrics(prometheus.NewRegistry()), Interval: time.Millisecond,
		})
	}()
	w.stop = sync.OnceFunc(func() { cancel(); require.NoError(t, <-done) })
	t.Cleanup(w.stop)
}

func (w *world) reaches(t *testing.T, position int64) {
	t.Helper()
	reached, err := checkpoints.NewWatcher(w.pool, slog.New(slog.DiscardHandler)).Wait(t.Context(), w.p.Projection, position, patience)
	require.NoError(t, err)
	require.GreaterOrEqual(t, reached, position)
}

func (w *world) config(change ...func(*rebuild.Config)) rebuild.Config {
	cfg := rebuild.Config{
		Pool: w.pool, Reader: w.Reader, Catalog: w.Catalog, Keys: w.Keys, Projection: w.p, Code: "this", Now: time.Now, MaxStreams: 20, PageRows: 50, BatchEvents: 100,
		Certify: certifier(w.Store, w.Catalog),
		Wait:    func(ctx context.Context) { projections.Wait(ctx, time.Millisecond) },
	}
	for _, fn := range change {
		fn(&cfg)
	}
	return cfg
}

// points are the failpoints that a rebuild passes.
func (w *world) points() []string {
	points := []string{"prepared", "copied", "part", "replayed", "index", "built", "applied", "caught", "verified", "met", "swapped", "certified"}
	if w.p.Bulk.Fold == nil {
		points = slices.DeleteFunc(points, func(point string) bool { return point == "copied" || point == "part" })
	}
	return points
}

// certifier appends certificates, as the command line does.
func certifier(store audit.Store, c *catalog.Catalog) func(context.Context, evidence.Rebuilt) (int64, error) {
	keeper := audit.Keeper{Store: store, Catalog: c, NewID: uuid.NewV7}
	return func(ctx context.Context, r evidence.Rebuilt) (int64, error) {
		by := audit.Asked{Tenant: ledgertest.Tenant, Meta: catalog.Meta{Actor: catalog.Actor{Kind: "system", ID: "system:rebuild", Roles: []string{}}, At: time.Now(), Channel: "job"}}
		return keeper.Rebuilt(ctx, by, r)
	}
}

// certificates are those in the log, in its order, with the positions of their events.
func (w *world) certificates(t *testing.T) (all []evidence.Rebuilt, at []int64) {
	t.Helper()
	for _, ev := range w.Events(t, 0, 1_000_000) {
		if c, ok := ev.Data.(evidence.Rebuilt); ok {
			all, at = append(all, c), append(at, ev.Position)
		}
	}
	return all, at
}

// replayed is the digest of what the log up to a position says.
func (w *world) replayed(t *testing.T, position int64) digest.Sum {
	t.Helper()
	replay := w.p.NewReplay()
	for _, ev := range w.Events(t, 0, int(position)) {
		require.NoError(t, replay.Apply(ev))
	}
	return replay.Sum()
}

// whole demands that the live read model is what the log says.
func (w *world) whole(t *testing.T) {
	t.Helper()
	stored, err := w.p.Digest(t.Context(), w.pool)
	require.NoError(t, err)
	require.Equal(t, w.replayed(t, stored.Position), stored.Sum)
	require.Positive(t, stored.Sum.Rows)
}

func (w *world) exists(t *testing.T, schema string) (exists bool) {
	t.Helper()
	require.NoError(t, w.pool.QueryRow(t.Context(), `SELECT to_regnamespace($1) IS NOT NULL`, schema).Scan(&exists))
	return exists
}

func (w *world) exec(t *testing.T, sql string, args ...any) {
	t.Helper()
	tag, err := w.pool.Exec(t.Context(), fmt.Sprintf(sql, w.schema), args...)
	require.NoError(t, err)
	require.Positive(t, tag.RowsAffected())
}

// TestSwapsWhileAllGoesOn rebuilds while events are appended and projected, and readers read: not one of them fails or sees less than before.
func TestSwapsWhileAllGoesOn(t *testing.T) {
	t.Parallel()
	each(t, 51, func(t *testing.T, w *world) {
		t.Helper()
		app := w.DB.AppPool(t)
		count := fmt.Sprintf("SELECT count(*) FROM %s.%s", w.schema, w.p.Shapes()[0].Table)
		reading, stop := context.WithCancel(t.Context())
		defer stop()
		var reads atomic.Int64
		readers := make(chan error, 4)
		for range cap(readers) {
			go func() {
				var before int64
				for reading.Err() == nil {
					var n int64
					if err := app.QueryRow(context.WithoutCancel(reading), count).Scan(&n); err != nil || n < before {
						readers <- errors.Join(err, fmt.Errorf("%d rows after %d", n, before))
						return
					}
					before = n
					reads.Add(1)
				}
				readers <- nil
			}()
		}
		type answer struct {
			rebuild.Result
			err error
		}
		answered := make(chan answer, 1)
		go func() {
			result, err := rebuild.Run(context.WithoutCancel(t.Context()), w.config())
			answered <- answer{result, err}
		}()
		var a answer
		for waiting := true; waiting; {
			select {
			case a = <-answered:
				waiting = false
			default:
				w.Random(t, 3)
			}
		}
		head := w.Random(t, 20)
		stop()
		for range cap(readers) {
			require.NoError(t, <-readers)
		}
		require.Positive(t, reads.Load())
		require.NoError(t, a.err)
		require.True(t, a.Equal)
		require.True(t, a.Swapped)
		require.Greater(t, a.Position, int64(300))
		sum := w.replayed(t, a.Position)
		require.Equal(t, sum.String(), a.Digest)
		require.Equal(t, a.Digest, a.LiveDigest)
		certificates, at := w.certificates(t)
		require.Equal(t, []int64{a.CertifiedAt}, at)
		require.Greater(t, a.CertifiedAt, a.Position)
		there := w.Recorded(t, a.Position)
		c := certificates[0]
		require.WithinDuration(t, time.Now(), c.SwappedAt, patience)
		require.Equal(t, evidence.Rebuilt{
			RebuildID: a.RebuildID, Projection: w.p.Projection.Name, Version: w.p.Projection.Version, Position: int(a.Position), HeadHash: hex.EncodeToString(there.Hash[:]),
			Rows: int(sum.Rows), Digest: a.Digest, LiveDigest: a.Digest, Equal: true, Code: "this", SwappedAt: c.SwappedAt,
		}, c)
		w.reaches(t, head)
		w.whole(t)
		require.True(t, w.exists(t, w.schema+"_old"))
		require.False(t, w.exists(t, w.schema+"_new"))
	})
}

// TestStopsAnywhere stops a rebuild at every place: the live read model is whole each time, and the last run completes.
func TestStopsAnywhere(t *testing.T) {
	t.Parallel()
	each(t, 52, func(t *testing.T, w *world) {
		t.Helper()
		var passed sync.Map
		run := func() (rebuild.Result, error) {
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			return rebuild.Run(ctx, w.config(func(c *rebuild.Config) {
				c.Failpoint = func(point string) {
					n, _ := passed.LoadOrStore(point, new(atomic.Int64))
					if times := n.(*atomic.Int64).Add(1); times&(times-1) == 0 {
						stop()
					}
				}
			}))
		}
		result, err := run()
		for attempt := 1; err != nil; attempt++ {
			require.ErrorIs(t, err, context.Canceled)
			require.Less(t, attempt, 200)
			head := w.Random(t, 2)
			w.reaches(t, head)
			w.whole(t)
			result, err = run()
		}
		for _, point := range w.points() {
			_, ok := passed.Load(point)
			require.True(t, ok, point)
		}
		require.True(t, result.Swapped)
		all, _ := w.certificates(t)
		require.Len(t, all, 1)
		require.Equal(t, result.RebuildID, all[0].RebuildID)
		w.reaches(t, w.Random(t, 5))
		w.whole(t)
	})
}

// TestRollsBack swaps to and fro, with events in between.
func TestRollsBack(t *testing.T) {
	t.Parallel()
	each(t, 53, func(t *testing.T, w *world) {
		t.Helper()
		_, err := rebuild.RollBack(t.Context(), w.config())
		require.ErrorIs(t, err, rebuild.ErrNothingToRollBack)
		_, err = rebuild.Run(t.Context(), w.config())
		require.NoError(t, err)
		before := w.oid(t, w.schema)
		for range 2 {
			w.reaches(t, w.Random(t, 20))
			result, err := rebuild.RollBack(t.Context(), w.config())
			require.NoError(t, err)
			require.True(t, result.Swapped)
			require.Positive(t, result.Events)
			require.NotEqual(t, before, w.oid(t, w.schema))
			before = w.oid(t, w.schema)
			w.reaches(t, w.Random(t, 20))
			w.whole(t)
		}
		_, err = rebuild.Run(t.Context(), w.config())
		require.NoError(t, err, "and rebuilt once more")
		w.reaches(t, w.Random(t, 2))
		w.whole(t)
	})
}

func (w *world) oid(t *testing.T, schema string) (oid uint32) {
	t.Helper()
	require.NoError(t, w.pool.QueryRow(t.Context(), `SELECT $1::regnamespace::oid`, schema).Scan(&oid))
	return oid
}

// TestNoSwap leaves what it built to the next run, or nothing at all.
func TestNoSwap(t *testing.T) {
	t.Parallel()
	each(t, 54, func(t *testing.T, w *world) {
		t.Helper()
		live := w.oid(t, w.schema)
		result, err := rebuild.Run(t.Context(), w.config(func(c *rebuild.Config) { c.VerifyOnly = true }))
		require.NoError(t, err)
		require.True(t, result.Equal)
		require.False(t, result.Swapped)
		require.Equal(t, w.replayed(t, result.Position).String(), result.Digest)
		require.False(t, w.exists(t, w.schema+"_new"))
		result, err = rebuild.Run(t.Context(), w.config(func(c *rebuild.Config) { c.NoSwap = true }))
		require.NoError(t, err)
		require.False(t, result.Swapped)
		require.Equal(t, live, w.oid(t, w.schema))
		built := w.oid(t, w.schema+"_new")
		w.reaches(t, w.Random(t, 10))
		result, err = rebuild.Run(t.Context(), w.config(func(c *rebuild.Config) {
			c.Failpoint = func(point string) { require.NotEqual(t, "copied", point, "it is there already") }
		}))
		require.NoError(t, err)
		require.True(t, result.Swapped)
		require.Equal(t, built, w.oid(t, w.schema))
		w.whole(t)
	})
}

// TestWaitsForReaders: who holds the tables isn't cut, and a swap that can't get between them gives up without a trace.
func TestWaitsForReaders(t *testing.T) {
	t.Parallel()
	each(t, 55, func(t *testing.T, w *world) {
		t.Helper()
		reader, err := w.DB.AppPool(t).Begin(t.Context())
		require.NoError(t, err)
		defer func() { _ = reader.Rollback(context.WithoutCancel(t.Context())) }()
		_, err = reader.Exec(t.Context(), fmt.Sprintf("SELECT FROM %s.%s LIMIT 1", w.schema, w.p.Shapes()[0].Table))
		require.NoError(t, err)
		waits := 0
		config := w.config(func(c *rebuild.Config) {
			c.Wait = func(ctx context.Context) {
				if waits++; waits == 3 {
					require.NoError(t, reader.Rollback(ctx))
				}
			}
		})
		result, err := rebuild.Run(t.Context(), config)
		require.NoError(t, err)
		require.Equal(t, 3, waits)
		require.True(t, result.Swapped)
		w.reaches(t, w.Random(t, 2))
		w.whole(t)
	})
}

func TestNothingToRebuild(t *testing.T) {
	t.Parallel()
	l := ledgertest.Open(t, 56)
	l.Random(t, 10)
	w := &world{Log: l, p: projections.All()[0], pool: connect(t, l)}
	_, err := rebuild.Run(t.Context(), w.config())
	require.ErrorIs(t, err, rebuild.ErrNotBuilt)
}
