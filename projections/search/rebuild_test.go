package search_test

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"strconv"
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
	documentsprojection "payledger/projections/documents"
	"payledger/projections/rebuild"
	mirror "payledger/projections/search"
	"payledger/readmodels/checkpoints"
	"payledger/readmodels/search"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = 30 * time.Second

// cluster is a search server in memory: sides by name, each with its documents, nil where nothing stands.
type cluster struct {
	mu    sync.Mutex
	sides map[string]map[string]search.Document
	names map[string]string // of what stands there, each given once
	made  int
}

// side is one set of indices of a cluster.
type side struct {
	*cluster
	name string
}

var _ mirror.Side = side{}

func key(d search.Document) string { return d.Tenant + "/" + string(d.Object) + "/" + d.ID }

func (s side) with(fn func(docs map[string]search.Document)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	docs := s.sides[s.name]
	if docs == nil {
		return search.ErrUnavailable
	}
	fn(docs)
	return nil
}

func (s side) Ready(context.Context) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sides[s.name] != nil, nil
}

func (s side) Replace(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sides[s.name] = make(map[string]search.Document)
	s.made++
	s.names[s.name] = strconv.Itoa(s.made)
	return nil
}

func (s side) Names(context.Context) ([]string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sides[s.name] == nil {
		return nil, nil
	}
	return []string{s.names[s.name]}, nil
}

func (s side) Remove(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.sides, s.name)
	return nil
}

func (s side) Write(_ context.Context, page []search.Document) error {
	return s.with(func(docs map[string]search.Document) {
		for _, d := range page {
			if has, ok := docs[key(d)]; !ok || has.Epoch < d.Epoch || has.Epoch == d.Epoch && has.Position < d.Position {
				docs[key(d)] = d
			}
		}
	})
}

func (s side) Find(_ context.Context, wanted []search.Document) (found []search.Document, err error) {
	err = s.with(func(docs map[string]search.Document) {
		for _, d := range wanted {
			found = append(found, docs[key(d)])
		}
	})
	return found, err
}

func (s side) Each(_ context.Context, each func(search.Document) error) error {
	var all map[string]search.Document
	if err := s.with(func(docs map[string]search.Document) { all = maps.Clone(docs) }); err != nil {
		return err
	}
	for _, d := range all {
		if err := each(d); err != nil {
			return err
		}
	}
	return nil
}

func (s side) Count(context.Context) (n int64, err error) {
	err = s.with(func(docs map[string]search.Document) { n = int64(len(docs)) })
	return n, err
}

func (c *cluster) swap(_ context.Context, back bool) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if back {
		c.sides["live"], c.sides["old"] = c.sides["old"], c.sides["live"]
		c.names["live"], c.names["old"] = c.names["old"], c.names["live"]
		return nil
	}
	c.sides["old"], c.sides["live"] = c.sides["live"], c.sides["new"]
	c.names["old"], c.names["live"] = c.names["live"], c.names["new"]
	delete(c.sides, "new")
	return nil
}

// world is a log, its documents, and a mirror that follows them.
type world struct {
	*ledgertest.Log
	cluster *cluster
	pool    *pgxpool.Pool
	watcher *checkpoints.Watcher
}

func open(t *testing.T, seed uint64) *world {
	t.Helper()
	l := ledgertest.Open(t, seed)
	w := &world{Log: l, cluster: &cluster{sides: make(map[string]map[string]search.Document), names: make(map[string]string)}, pool: l.DB.ProjectorPool(t)}
	w.watcher = checkpoints.NewWatcher(w.pool, slog.New(slog.DiscardHandler))
	quiet, metrics := slog.New(slog.DiscardHandler), projections.NewMetrics(prometheus.NewRegistry())
	for _, run := range []func(context.Context) error{
		func(ctx context.Context) error { w.watcher.Run(ctx); return nil },
		func(ctx context.Context) error {
			return projections.Run(ctx, projections.RunConfig{
				Pool: w.pool, Reader: w.Reader, Waker: w.Waker, Catalog: w.Catalog, Keys: w.Keys, Projector: documentsprojection.New(),
				Logger: quiet, Metrics: metrics, Now: time.Now, Interval: time.Millisecond,
			})
		},
		func(ctx context.Context) error {
			return mirror.Run(ctx, mirror.Config{
				Pool: w.pool, Watcher: w.watcher, Index: side{w.cluster, "live"}, Logger: quiet, Metrics: metrics, Now: time.Now,
				PageSize: 20, LeaseTTL: 300 * time.Millisecond, Interval: time.Millisecond,
			})
		},
	} {
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- run(ctx) }()
		t.Cleanup(func() { cancel(); require.NoError(t, <-done) })
	}
	w.mirrored(t, w.Random(t, 300))
	return w
}

func (w *world) mirrored(t *testing.T, position int64) {
	t.Helper()
	reached, err := w.watcher.Wait(t.Context(), search.Mirror(), position, patience)
	require.NoError(t, err)
	require.GreaterOrEqual(t, reached, position)
}

func (w *world) config(change ...func(*mirror.RebuildConfig)) mirror.RebuildConfig {
	keeper := audit.Keeper{Store: w.Store, Catalog: w.Catalog, NewID: uuid.NewV7}
	cfg := mirror.RebuildConfig{
		Config: rebuild.Config{
			Pool: w.pool, Code: "this", Now: time.Now, PageRows: 20, Wait: func(ctx context.Context) { projections.Wait(ctx, 10*time.Millisecond) },
			Certify: func(ctx context.Context, c evidence.Rebuilt) (int64, error) {
				meta := catalog.Meta{Actor: catalog.Actor{Kind: "system", ID: "system:rebuild", Roles: []string{}}, At: time.Now(), Channel: "job"}
				return keeper.Rebuilt(ctx, audit.Asked{Tenant: ledgertest.Tenant, Meta: meta}, c)
			},
		},
		Live: side{w.cluster, "live"}, New: side{w.cluster, "new"}, Old: side{w.cluster, "old"}, Swap: w.cluster.swap, LeaseTTL: 300 * time.Millisecond,
	}
	for _, fn := range change {
		fn(&cfg)
	}
	return cfg
}

// whole demands that the side in use has every document as Postgres has it.
func (w *world) whole(t *testing.T) {
	t.Helper()
	w.mirrored(t, w.Random(t, 2))
	var n int
	require.NoError(t, w.pool.QueryRow(t.Context(), `SELECT count(*) FROM documents_v2.documents`).Scan(&n))
	w.cluster.mu.Lock()
	defer w.cluster.mu.Unlock()
	live := maps.Clone(w.cluster.sides["live"])
	require.Len(t, live, n)
	for _, d := range live {
		var body string
		require.NoError(t, w.pool.QueryRow(t.Context(), `SELECT body FROM documents_v2.documents WHERE tenant = $1 AND object = $2 AND id = $3`, d.Tenant, d.Object, d.ID).Scan(&body))
		require.Equal(t, body, string(d.Body))
	}
}

func (w *world) certificates(t *testing.T) (all []evidence.Rebuilt) {
	t.Helper()
	for _, ev := range w.Events(t, 0, 1_000_000) {
		if c, ok := ev.Data.(evidence.Rebuilt); ok {
			all = append(all, c)
		}
	}
	return all
}

func (w *world) stands(name string) bool {
	w.cluster.mu.Lock()
	defer w.cluster.mu.Unlock()
	return w.cluster.sides[name] != nil
}

// TestRebuildsWhileAllGoesOn rebuilds while events are appended and mirrored, rolls back twice, and drops what stands aside.
func TestRebuildsWhileAllGoesOn(t *testing.T) {
	t.Parallel()
	w := open(t, 81)
	_, err := mirror.RollBack(t.Context(), w.config())
	require.ErrorIs(t, err, rebuild.ErrNothingToRollBack)
	type answer struct {
		rebuild.Result
		err error
	}
	answered := make(chan answer, 1)
	go func() {
		result, err := mirror.Rebuild(context.WithoutCancel(t.Context()), w.config(func(c *mirror.RebuildConfig) {
			c.Differs = func(d rebuild.Difference) { t.Logf("differs: %+v", d) }
		}))
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
	require.NoError(t, a.err)
	require.True(t, a.Equal)
	require.True(t, a.Swapped)
	require.Positive(t, a.CertifiedAt)
	all := w.certificates(t)
	require.Len(t, all, 1)
	require.Equal(t, a.RebuildID, all[0].RebuildID)
	require.Equal(t, "search", all[0].Projection)
	require.Equal(t, a.Digest, all[0].LiveDigest)
	require.Positive(t, all[0].Rows)
	w.whole(t)
	require.True(t, w.stands("old"))
	require.False(t, w.stands("new"))
	for range 2 {
		result, err := mirror.RollBack(t.Context(), w.config())
		require.NoError(t, err)
		require.True(t, result.Swapped)
		w.whole(t)
	}
	require.NoError(t, mirror.DropOld(t.Context(), w.config()))
	require.False(t, w.stands("old"))
	_, err = mirror.RollBack(t.Context(), w.config())
	require.ErrorIs(t, err, rebuild.ErrNothingToRollBack)
}

// TestRebuildStopsAnywhere stops a rebuild at every place: the mirror in use is whole each time, and there is one certificate in the end.
func TestRebuildStopsAnywhere(t *testing.T) {
	t.Parallel()
	w := open(t, 82)
	var passed sync.Map
	run := func() (rebuild.Result, error) {
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		return mirror.Rebuild(ctx, w.config(func(c *mirror.RebuildConfig) {
			c.Failpoint = func(point string) {
				n, _ := passed.LoadOrStore(point, new(atomic.Int64))
				if times := n.(*atomic.Int64).Add(1); times&(times-1) == 0 {
					stop()
				}
			}
			c.Swap = func(ctx context.Context, back bool) error {
				return errors.Join(w.cluster.swap(ctx, back), ctx.Err()) // the server swaps though nobody waits any more
			}
		}))
	}
	result, err := run()
	for attempt := 1; err != nil; attempt++ {
		require.ErrorIs(t, err, context.Canceled)
		require.Less(t, attempt, 200)
		w.whole(t)
		result, err = run()
	}
	for _, point := range []string{"prepared", "applied", "caught", "verified", "met", "certified"} {
		_, ok := passed.Load(point)
		require.True(t, ok, point)
	}
	require.True(t, result.Swapped)
	require.Len(t, w.certificates(t), 1)
	w.whole(t)
}

// TestRebuildTellsWhatDiffers changes documents on the server behind the mirror's back, before they are compared and after.
func TestRebuildTellsWhatDiffers(t *testing.T) {
	t.Parallel()
	w := open(t, 83)
	for name, c := range map[string]struct {
		side, at string
		change   func(docs map[string]search.Document, d search.Document)
	}{
		"a body in use":          {"live", "caught", func(docs map[string]search.Document, d search.Document) { d.Body = []byte(`{}`); docs[key(d)] = d }},
		"a document in use":      {"live", "caught", func(docs map[string]search.Document, d search.Document) { delete(docs, key(d)) }},
		"a new one is missing":   {"new", "caught", func(docs map[string]search.Document, d search.Document) { delete(docs, key(d)) }},
		"a version too late":     {"live", "caught", func(docs map[string]search.Document, d search.Document) { d.Position += 1_000_000; docs[key(d)] = d }},
		"missing later":          {"live", "verified", func(docs map[string]search.Document, d search.Document) { delete(docs, key(d)) }},
		"too many in the new":    {"new", "verified", func(docs map[string]search.Document, d search.Document) { d.ID = "made-up"; docs[key(d)] = d }},
		"changed after compared": {"new", "late", func(docs map[string]search.Document, d search.Document) { d.Body = []byte(`{}`); docs[key(d)] = d }},
	} {
		var found []rebuild.Difference
		cfg := w.config(func(r *mirror.RebuildConfig) {
			r.Differs = func(d rebuild.Difference) { found = append(found, d) }
			r.Failpoint = func(point string) {
				if point == "verified" && c.at == "late" {
					w.mirrored(t, w.Random(t, 40))
				}
				if point != c.at {
					return
				}
				require.NoError(t, side{w.cluster, c.side}.with(func(docs map[string]search.Document) {
					for _, d := range docs {
						c.change(docs, d)
						return
					}
				}))
			}
		})
		if c.at == "late" { // of the documents that change later, one is wrong once it is written
			changing := &changing{side: cfg.New.(side), change: c.change}
			cfg.New = changing
			verified := cfg.Failpoint
			cfg.Failpoint = func(point string) { verified(point); changing.on = changing.on || point == "verified" }
		}
		result, err := mirror.Rebuild(t.Context(), cfg)
		require.ErrorIs(t, err, rebuild.ErrDiffers, name)
		require.False(t, result.Swapped, name)
		require.NotEmpty(t, found, name)
		require.NoError(t, side{w.cluster, "new"}.Remove(t.Context()))
	}
	require.Empty(t, w.certificates(t))
	result, err := mirror.Rebuild(t.Context(), w.config(func(c *mirror.RebuildConfig) { c.AcceptChanges = true }))
	require.NoError(t, err)
	require.False(t, result.Equal)
	require.Len(t, w.certificates(t), 1)
	w.whole(t)
}

// changing is a side that keeps something else than was written.
type changing struct {
	side
	change func(docs map[string]search.Document, d search.Document)
	on     bool
}

func (c *changing) Write(ctx context.Context, page []search.Document) error {
	if err := c.side.Write(ctx, page); err != nil || !c.on || len(page) == 0 {
		return err
	}
	return c.with(func(docs map[string]search.Document) { c.change(docs, page[0]) })
}

// TestAnErasureDuringARebuild: texts that are emptied while documents are compared are no difference.
func TestAnErasureDuringARebuild(t *testing.T) {
	t.Parallel()
	w := open(t, 84)
	erased := false
	result, err := mirror.Rebuild(t.Context(), w.config(func(c *mirror.RebuildConfig) {
		c.Failpoint = func(point string) {
			if point == "caught" && !erased {
				erased = true
				w.mirrored(t, w.Erase(t, w.Users[1]))
			}
		}
	}))
	require.NoError(t, err)
	require.True(t, erased)
	require.True(t, result.Equal)
	w.whole(t)
}

// killed ends a rebuild between the writing down of its certificate and the swap.
func (w *world) killed(t *testing.T) {
	t.Helper()
	lost := errors.New("lost")
	_, err := mirror.Rebuild(t.Context(), w.config(func(c *mirror.RebuildConfig) {
		c.Swap = func(context.Context, bool) error { return lost }
	}))
	require.ErrorIs(t, err, lost)
}

// TestLostBeforeTheSwap: a rebuild that was killed before it swapped, and whose indices are gone since, is never certified, and stands in
// nobody's way, whether something stands aside from an earlier one or not.
func TestLostBeforeTheSwap(t *testing.T) {
	t.Parallel()
	w := open(t, 86)
	for certified := range 2 {
		for _, run := range []func() error{
			func() error { return mirror.DropOld(t.Context(), w.config()) },
			func() error {
				_, err := mirror.Rebuild(t.Context(), w.config(func(c *mirror.RebuildConfig) { c.NoSwap = true }))
				return err
			},
		} {
			w.killed(t)
			require.NoError(t, side{w.cluster, "new"}.Remove(t.Context()))
			require.NoError(t, run())
			require.Len(t, w.certificates(t), certified)
		}
		result, err := mirror.Rebuild(t.Context(), w.config())
		require.NoError(t, err)
		require.True(t, result.Swapped)
		require.Len(t, w.certificates(t), certified+1)
		w.killed(t)
		require.NoError(t, side{w.cluster, "new"}.Remove(t.Context()))
		_, err = mirror.RollBack(t.Context(), w.config())
		require.NoError(t, err)
		require.Len(t, w.certificates(t), certified+1)
		w.whole(t)
	}
}

// TestOldOnesDeletedBeforeTheCertificate: it is certified all the same, without the digests that nobody can make any more.
func TestOldOnesDeletedBeforeTheCertificate(t *testing.T) {
	t.Parallel()
	w := open(t, 87)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	_, err := mirror.Rebuild(ctx, w.config(func(c *mirror.RebuildConfig) {
		c.Failpoint = func(point string) {
			if point == "swapped" {
				stop()
			}
		}
	}))
	require.ErrorIs(t, err, context.Canceled)
	require.NoError(t, side{w.cluster, "old"}.Remove(t.Context()))
	result, err := mirror.Rebuild(t.Context(), w.config())
	require.NoError(t, err)
	require.True(t, result.Equal)
	require.Empty(t, result.Digest+result.LiveDigest)
	require.Len(t, w.certificates(t), 1)
	w.whole(t)
}
