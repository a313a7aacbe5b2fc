package projections_test

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"payledger/domain/fee"
	"payledger/eventstore"
	"payledger/eventstore/catalog"
	"payledger/internal/ledgertest"
	"payledger/projections"
	tablesprojection "payledger/projections/tables"
	"payledger/readmodels/checkpoints"
	"payledger/readmodels/tables"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = 30 * time.Second

// runner is a running projection.
type runner struct {
	stop     func()
	done     chan struct{}
	err      error // after done
	registry *prometheus.Registry
}

// start runs a projection until the test ends or stop is called.
func start(t *testing.T, l *ledgertest.Log, change ...func(*projections.RunConfig)) *runner {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	r := &runner{stop: cancel, done: make(chan struct{}), registry: prometheus.NewRegistry()}
	cfg := projections.RunConfig{
		Pool: l.DB.ProjectorPool(t), Reader: l.Reader, Waker: l.Waker, Catalog: l.Catalog, Keys: l.Keys,
		Projector: tablesprojection.New(), Logger: slog.New(slog.NewTextHandler(t.Output(), nil)), Metrics: projections.NewMetrics(r.registry),
		Now: time.Now, Interval: time.Millisecond,
	}
	for _, fn := range change {
		fn(&cfg)
	}
	go func() {
		defer close(r.done)
		r.err = projections.Run(ctx, cfg)
	}()
	t.Cleanup(func() { cancel(); <-r.done })
	return r
}

func (r *runner) wait(t *testing.T) error {
	t.Helper()
	select {
	case <-r.done:
	case <-time.After(patience):
		require.Fail(t, "the runner doesn't end")
	}
	return r.err
}

// checkpoint is the stored row of a projection.
type checkpoint struct {
	Position, Epoch int64
	Owner, State    string
	Problem         string
	HaltedPosition  *int64
	HaltedEvent     *uuid.UUID
}

func readCheckpoint(t testing.TB, pool *pgxpool.Pool) checkpoint {
	t.Helper()
	var c checkpoint
	err := pool.QueryRow(context.Background(), `SELECT position, lease_epoch, lease_owner, state, problem, halted_position, halted_event
		FROM ledger.checkpoints WHERE projection = 'tables' AND version = $1`, tables.ProjectionVersion).
		Scan(&c.Position, &c.Epoch, &c.Owner, &c.State, &c.Problem, &c.HaltedPosition, &c.HaltedEvent)
	require.NoError(t, err)
	return c
}

// waitFor waits until the tables have folded the log up to position.
func waitFor(t testing.TB, pool *pgxpool.Pool, position int64) {
	t.Helper()
	w := checkpoints.NewWatcher(pool, slog.New(slog.DiscardHandler))
	reached, err := w.Wait(t.Context(), tables.Projection(), position, patience)
	require.NoError(t, err)
	require.GreaterOrEqual(t, reached, position)
}

// requireReplayed compares the tables with a replay of the log up to their checkpoint.
func requireReplayed(t testing.TB, l *ledgertest.Log, position int64) {
	t.Helper()
	stored, err := tables.Digest(t.Context(), l.DB.AppPool(t))
	require.NoError(t, err)
	require.Equal(t, position, stored.Position)
	var replay tables.Replay
	for _, ev := range l.Events(t, 0, int(position)) {
		require.NoError(t, replay.Apply(ev))
	}
	require.Equal(t, replay.Sum(), stored.Sum)
	require.Positive(t, stored.Sum.Rows)
}

func TestTwoOwnersNeverBothCommit(t *testing.T) {
	t.Parallel()
	// The first owner is paused for longer than its lease: with a batch in hand, or with its rows written but not committed.
	for _, point := range []string{"decoded", "applied"} {
		t.Run(point, func(t *testing.T) {
			t.Parallel()
			l := ledgertest.Open(t, 1)
			pool := l.DB.ProjectorPool(t)
			head := l.Random(t, 60)
			paused, resume := make(chan struct{}), make(chan struct{})
			var once sync.Once
			first := start(t, l, func(c *projections.RunConfig) {
				c.Owner, c.LeaseTTL, c.BatchSize = "first", 50*time.Millisecond, 20
				c.Failpoint = func(at string) {
					if at == point && readCheckpoint(t, pool).Position >= 20 {
						once.Do(func() { close(paused); <-resume })
					}
				}
			})
			<-paused
			before := readCheckpoint(t, pool)
			second := start(t, l, func(c *projections.RunConfig) { c.Owner, c.LeaseTTL = "second", 5*time.Second }) // a busy machine may stand still for a while
			waitFor(t, pool, head)
			owned := readCheckpoint(t, pool)
			require.Equal(t, "second", owned.Owner)
			require.Greater(t, owned.Epoch, before.Epoch)
			close(resume)

			head = l.Random(t, 40)
			waitFor(t, pool, head)
			require.Equal(t, "second", readCheckpoint(t, pool).Owner, "the lease stays where it is")
			requireReplayed(t, l, head)

			// An orderly stop lets the other in at once.
			second.stop()
			require.NoError(t, second.wait(t))
			head = l.Random(t, 40)
			waitFor(t, pool, head)
			require.Equal(t, "first", readCheckpoint(t, pool).Owner)
			requireReplayed(t, l, head)
			first.stop()
			require.NoError(t, first.wait(t))
			require.Empty(t, readCheckpoint(t, pool).Owner, "released")
		})
	}
}

func TestLeaseIsFencedInsideTheTransaction(t *testing.T) {
	t.Parallel()
	l := ledgertest.Open(t, 2)
	pool := l.DB.ProjectorPool(t)
	lease := func(owner string) (*projections.Lease, error) {
		return projections.AcquireLease(t.Context(), projections.LeaseConfig{
			Pool: pool, Projection: "tables", Version: tables.ProjectionVersion, Owner: owner, TTL: time.Hour,
		}, time.Now)
	}
	old, err := lease("old")
	require.NoError(t, err)
	_, err = lease("new")
	require.ErrorIs(t, err, projections.ErrLeaseHeld)
	_, err = pool.Exec(t.Context(), `UPDATE ledger.checkpoints SET lease_until = now() - interval '1 second'`) // an hour later
	require.NoError(t, err)
	taken, err := lease("new")
	require.NoError(t, err)

	to := projections.Checkpoint{Position: 5, Hash: [32]byte{5}}
	require.ErrorIs(t, old.SaveCheckpoint(t.Context(), to), projections.ErrLeaseLost)
	require.ErrorIs(t, old.Renew(t.Context()), projections.ErrLeaseLost)
	require.ErrorIs(t, old.Halt(t.Context(), &projections.HaltedError{Err: projections.ErrPanic}), projections.ErrLeaseLost)
	require.NoError(t, old.Release(t.Context()), "which must not take the lease from its owner")
	require.Equal(t, checkpoint{Position: 0, Epoch: taken.Epoch(), Owner: "new", State: "running"}, readCheckpoint(t, pool))

	require.NoError(t, taken.SaveCheckpoint(t.Context(), to))
	require.Equal(t, to, taken.Checkpoint())
	require.NoError(t, taken.SaveCheckpoint(t.Context(), projections.Checkpoint{Position: 6}))
	_, err = pool.Exec(t.Context(), `UPDATE ledger.checkpoints SET position = 2`) // as --new-epoch does
	require.NoError(t, err)
	require.ErrorIs(t, taken.SaveCheckpoint(t.Context(), to), projections.ErrLeaseLost)
}

// poisoned is the tables projector until it meets one event.
type poisoned struct {
	*tablesprojection.Projector
	poison int64
	harm   func(ctx context.Context, tx pgx.Tx) error
}

func (p *poisoned) Apply(ctx context.Context, tx pgx.Tx, events []catalog.Event) error {
	if err := p.Projector.Apply(ctx, tx, events); err != nil {
		return err
	}
	for i := range events {
		if events[i].Position == p.poison {
			return p.harm(ctx, tx)
		}
	}
	return nil
}

func TestPoisonEventHaltsItsProjectionVisiblyAndAlone(t *testing.T) {
	t.Parallel()
	for name, harm := range map[string]func(ctx context.Context, tx pgx.Tx) error{
		"error": func(context.Context, pgx.Tx) error { return fee.ErrNotFound },
		"panic": func(context.Context, pgx.Tx) error { panic("out of range") },
		"constraint": func(ctx context.Context, tx pgx.Tx) error {
			_, err := tx.Exec(ctx, `UPDATE tables_v2.fees SET reason = NULL`)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := ledgertest.Open(t, 3)
			pool := l.DB.ProjectorPool(t)
			l.Random(t, 40)
			l.Assess(t, l.Users[0], 500)
			l.Assess(t, l.Users[0], 500)
			poison := l.Flush(t)
			head := l.Random(t, 40)
			r := start(t, l, func(c *projections.RunConfig) {
				c.Projector = &poisoned{Projector: tablesprojection.New(), poison: poison, harm: harm}
			})
			var halted *projections.HaltedError
			require.ErrorAs(t, r.wait(t), &halted)
			event := l.Decode(t, poison)
			require.Equal(t, poison, halted.Position)
			require.Equal(t, event.ID, halted.EventID)
			stored := readCheckpoint(t, pool)
			require.Equal(t, checkpoint{
				Position: poison - 1, Epoch: stored.Epoch, State: "halted", Problem: halted.Err.Error(),
				HaltedPosition: &poison, HaltedEvent: &event.ID,
			}, stored)
			requireReplayed(t, l, poison-1)
			require.Equal(t, map[string]float64{"projection_halted": 1, "projection_position": float64(poison - 1)},
				gauges(t, r.registry, "projection_halted", "projection_position"))

			// The program that is started next knows better.
			start(t, l)
			waitFor(t, pool, head)
			stored = readCheckpoint(t, pool)
			require.Equal(t, "running", stored.State)
			require.Empty(t, stored.Problem)
			require.Nil(t, stored.HaltedPosition)
			requireReplayed(t, l, head)
		})
	}
}

func gauges(t *testing.T, reg *prometheus.Registry, names ...string) map[string]float64 {
	t.Helper()
	families, err := reg.Gather()
	require.NoError(t, err)
	values := make(map[string]float64)
	for _, f := range families {
		for _, name := range names {
			if f.GetName() == name {
				values[name] = f.GetMetric()[0].GetGauge().GetValue()
			}
		}
	}
	return values
}

func TestUnreadableEventHalts(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(*eventstore.NewEvent){
		"unknown type":    func(e *eventstore.NewEvent) { e.Type = "fee.forgotten" },
		"unknown version": func(e *eventstore.NewEvent) { e.Schema = 99 },
		"not an event":    func(e *eventstore.NewEvent) { e.Data = []byte(`{"minor":`) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := ledgertest.Open(t, 4)
			before := l.Random(t, 30)
			event, err := l.Catalog.Encode(catalog.EncodeArgs{
				ID: uuid.Must(uuid.NewV7()), Stream: eventstore.StreamID{Tenant: ledgertest.Tenant, Name: "fee-odd"},
				Data: fee.Annotated{}, EffectiveAt: time.Now(),
			})
			require.NoError(t, err)
			spoil(&event)
			l.QueueRaw("fee-odd", l.Users[0], event)
			odd := l.Flush(t)
			l.Random(t, 30)
			r := start(t, l)
			var halted *projections.HaltedError
			require.ErrorAs(t, r.wait(t), &halted)
			require.Equal(t, odd, halted.Position)
			require.Equal(t, event.ID, halted.EventID)
			requireReplayed(t, l, before)
		})
	}
}

func TestAnotherLogHalts(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]string{
		"other hash": `UPDATE ledger.checkpoints SET hash = decode(repeat('ab', 32), 'hex')`,
		"no event":   `UPDATE ledger.checkpoints SET position = position + 1000`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := ledgertest.Open(t, 5)
			pool := l.DB.ProjectorPool(t)
			head := l.Random(t, 10)
			r := start(t, l)
			waitFor(t, pool, head)
			r.stop()
			require.NoError(t, r.wait(t))
			_, err := pool.Exec(t.Context(), change)
			require.NoError(t, err)
			require.ErrorIs(t, start(t, l).wait(t), projections.ErrOtherLog)
			require.Equal(t, "halted", readCheckpoint(t, pool).State)
		})
	}
}

func TestLostConnectionsAreNoReasonToHalt(t *testing.T) {
	t.Parallel()
	l := ledgertest.Open(t, 6)
	super, err := pgxpool.New(t.Context(), l.DB.SuperURL)
	require.NoError(t, err)
	t.Cleanup(super.Close)
	l.Reader = eventstore.NewReader(super) // what the test itself reads with is spared
	l.Random(t, 200)
	n := 0
	r := start(t, l, func(c *projections.RunConfig) {
		c.Reader, c.BatchSize = eventstore.NewReader(l.DB.ProjectorPool(t)), 10
		c.Failpoint = func(point string) {
			// Every third transaction loses its connection, before COMMIT or just after, when nobody knows yet.
			if n++; n%9 == 2 || n%9 == 6 {
				_, err := super.Exec(context.Background(), `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
					WHERE usename = 'payledger_projector' AND datname = current_database() AND query NOT LIKE 'LISTEN%'`)
				if err != nil {
					panic(err)
				}
			}
		}
	})
	head := l.Random(t, 100)
	waitFor(t, super, head)
	requireReplayed(t, l, head)
	require.Equal(t, "running", readCheckpoint(t, super).State)
	require.Positive(t, testutil.ToFloat64(counter(t, r.registry)))
}

// slow is a projection that loses its connection whenever it takes more events at a time than the machine can do before its lease ends.
type slow struct {
	projections.Projector
	most    int
	taken   []int // sizes of the batches that it could do
	tooMany int
}

func (s *slow) Apply(ctx context.Context, tx pgx.Tx, events []catalog.Event) error {
	if len(events) > s.most {
		s.tooMany++
		_, err := tx.Exec(ctx, "SELECT pg_terminate_backend(pg_backend_pid())")
		return err
	}
	s.taken = append(s.taken, len(events))
	return s.Projector.Apply(ctx, tx, events)
}

// Without smaller batches it would do the same one for ever.
func TestBatchesThatGotLostAreMadeSmaller(t *testing.T) {
	t.Parallel()
	l := ledgertest.Open(t, 6)
	head := l.Random(t, 300)
	p := &slow{Projector: tablesprojection.New(), most: 100}
	r := start(t, l, func(c *projections.RunConfig) { c.Projector, c.BatchSize = p, 250 })
	waitFor(t, l.DB.AppPool(t), head)
	requireReplayed(t, l, head)
	r.stop()
	require.NoError(t, r.wait(t))
	require.GreaterOrEqual(t, p.tooMany, 2, "250 and 125")
	require.Greater(t, slices.Max(p.taken), 50)
}

// counter finds the number of retries.
func counter(t *testing.T, reg *prometheus.Registry) prometheus.Collector {
	t.Helper()
	families, err := reg.Gather()
	require.NoError(t, err)
	g := prometheus.NewGauge(prometheus.GaugeOpts{Name: "retries"})
	for _, f := range families {
		if f.GetName() == "projection_retries_total" {
			g.Set(f.GetMetric()[0].GetCounter().GetValue())
		}
	}
	return g
}

func TestMissingSchemaIsBuiltAgain(t *testing.T) {
	t.Parallel()
	l := ledgertest.Open(t, 7)
	pool := l.DB.ProjectorPool(t)
	head := l.Random(t, 50)
	r := start(t, l)
	waitFor(t, pool, head)
	r.stop()
	require.NoError(t, r.wait(t))
	_, err := pool.Exec(t.Context(), `DROP SCHEMA tables_v2 CASCADE`)
	require.NoError(t, err)
	start(t, l)
	require.Eventually(t, func() bool {
		stored, err := tables.Digest(t.Context(), pool)
		// A snapshot of before can have the checkpoint of then and the new tables, which are empty.
		return err == nil && stored.Position == head && stored.Sum.Rows > 0
	}, patience, 10*time.Millisecond)
	requireReplayed(t, l, head)
}

func TestEveryEventTypeIsHandledOrIgnored(t *testing.T) {
	t.Parallel()
	for _, p := range projections.All() {
		projector := p.New()
		named := checkpoints.Projection{Name: projector.Name(), Version: projector.Version()}
		require.Equal(t, p.Projection, named)
		require.ElementsMatch(t, catalog.New().Types(), append(projector.Handles(), projector.Ignores()...), projector.Name())
	}
}

func TestMetricNames(t *testing.T) {
	t.Parallel()
	reg := prometheus.NewPedanticRegistry()
	m := projections.NewMetrics(reg)
	m.Applied("tables", 1, 1)
	m.Halted("tables")
	m.Retried("tables")
	problems, err := testutil.GatherAndLint(reg)
	require.NoError(t, err)
	require.Empty(t, problems)
}
