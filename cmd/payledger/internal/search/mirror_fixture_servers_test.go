//go:build servers

package search_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	essearch "payledger/cmd/payledger/internal/search"
	"payledger/internal/ledgertest"
	"payledger/projections"
	documentsprojection "payledger/projections/documents"
	mirror "payledger/projections/search"
	"payledger/readmodels/checkpoints"
	"payledger/readmodels/search"
	"payledger/readmodels/search/pgsearch"
)

const patience = 60 * time.Second

// fixture is a log with its documents in Postgres, and a mirror that reaches the real server through a proxy.
type fixture struct {
	*ledgertest.Log
	server
	proxy   *proxy
	index   *essearch.Index // through the proxy
	inPG    *pgsearch.Searcher
	pool    *pgxpool.Pool
	watcher *checkpoints.Watcher
}

func newFixture(t *testing.T, seed uint64) *fixture {
	t.Helper()
	f := &fixture{Log: ledgertest.Open(t, seed), server: newServer(t)}
	f.proxy = newProxy(t, f.url)
	f.pool = f.DB.ProjectorPool(t)
	f.inPG = pgsearch.New(f.DB.AppPool(t))
	f.watcher = checkpoints.NewWatcher(f.pool, slog.New(slog.DiscardHandler))
	background(t, func(ctx context.Context) error { f.watcher.Run(ctx); return nil })
	var err error
	f.index, err = essearch.New(essearch.Config{
		URL: f.proxy.URL, Prefix: f.prefix,
		Checkpoint: func(ctx context.Context) (int64, error) { return checkpoints.Read(ctx, f.pool, search.Mirror()) },
	})
	require.NoError(t, err)
	return f
}

// running is something that runs until it is stopped or ends by itself.
type running struct {
	stop func()
	done chan struct{}
	err  error // after done
}

func background(t *testing.T, run func(context.Context) error) *running {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	r := &running{done: make(chan struct{})}
	r.stop = func() { cancel(); <-r.done }
	go func() { defer close(r.done); r.err = run(ctx) }()
	t.Cleanup(r.stop)
	return r
}

func (r *running) wait(t *testing.T) error {
	t.Helper()
	select {
	case <-r.done:
	case <-time.After(patience):
		require.Fail(t, "it doesn't end")
	}
	return r.err
}

func (f *fixture) startDocuments(t *testing.T) *running {
	t.Helper()
	cfg := projections.RunConfig{
		Pool: f.pool, Reader: f.Reader, Waker: f.Waker, Catalog: f.Catalog, Keys: f.Keys, Projector: documentsprojection.New(),
		Logger: slog.New(slog.DiscardHandler), Metrics: projections.NewMetrics(prometheus.NewRegistry()), Now: time.Now,
	}
	return background(t, func(ctx context.Context) error { return projections.Run(ctx, cfg) })
}

func (f *fixture) startMirror(t *testing.T, change ...func(*mirror.Config)) *running {
	t.Helper()
	cfg := mirror.Config{
		Pool: f.pool, Watcher: f.watcher, Index: f.index, Logger: slog.New(slog.NewTextHandler(t.Output(), nil)),
		Metrics: projections.NewMetrics(prometheus.NewRegistry()), Now: time.Now, PageSize: 20, LeaseTTL: time.Second, Interval: time.Millisecond,
	}
	for _, fn := range change {
		fn(&cfg)
	}
	return background(t, func(ctx context.Context) error { return mirror.Run(ctx, cfg) })
}

// await reads the table: tests set checkpoints back behind the watcher's back.
func (f *fixture) await(t *testing.T, p checkpoints.Projection, position int64) {
	t.Helper()
	require.Eventually(t, func() bool {
		reached, err := checkpoints.Read(t.Context(), f.pool, p)
		return err == nil && reached >= position
	}, patience, 10*time.Millisecond, p.Name)
}

// stored is the mirror's row.
type stored struct {
	Position, Epoch int64
	State           string
	HaltedPosition  *int64
	HaltedEvent     *uuid.UUID
	Problem         string
}

func (f *fixture) checkpoint(t *testing.T) stored {
	t.Helper()
	var c stored
	require.NoError(t, f.pool.QueryRow(t.Context(), `SELECT position, lease_epoch, state, halted_position, halted_event, problem
		FROM ledger.checkpoints WHERE projection = 'search'`).Scan(&c.Position, &c.Epoch, &c.State, &c.HaltedPosition, &c.HaltedEvent, &c.Problem))
	return c
}

// requireEqual asks both searches the same and wants the same answers.
func (f *fixture) requireEqual(t *testing.T) {
	t.Helper()
	by := func(field, value string) search.Filter { return search.Filter{Field: field, Value: value} }
	queries := []search.Query{
		{},
		{Text: "usd"},
		{Text: "lost beach"},
		{Text: "überg"},
		{Text: "cafe"},
		{Filters: []search.Filter{by("status", "paid")}, Facets: true},
		{Filters: []search.Filter{by("status", "unpaid"), by("reason", "lost")}},
		{Sort: search.Sort{Key: search.ByUpdatedAt}, Facets: true},
		{Sort: search.Sort{Key: search.ByAmount, Ascending: true}},
	}
	for _, user := range f.Users {
		queries = append(queries, search.Query{Owner: user}, search.Query{Filters: []search.Filter{by("userId", user)}, Text: "overdue"})
	}
	for _, q := range queries {
		q.Tenant, q.Object, q.PageRowCount = ledgertest.Tenant, fee, 40
		for {
			inPG, err := f.inPG.Search(t.Context(), q)
			require.NoError(t, err)
			inES, err := f.index.Search(t.Context(), q)
			require.NoError(t, err)
			require.Equal(t, texts(inPG.Documents), texts(inES.Documents), "%+v", q)
			inPG.Documents, inES.Documents = nil, nil
			require.Equal(t, inPG, inES, "%+v", q)
			if q.Cursor = inPG.Next; q.Cursor == "" {
				break
			}
		}
	}
	all, err := f.inPG.Search(t.Context(), search.Query{Tenant: ledgertest.Tenant, Object: fee})
	require.NoError(t, err)
	require.Positive(t, all.Total)
}

func texts(docs []json.RawMessage) []string {
	all := make([]string, len(docs))
	for i, d := range docs {
		all[i] = string(d)
	}
	return all
}
