package selfaudit

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"payledger/eventstore"
	"payledger/internal/ledgertest"
	"payledger/projections"
	"payledger/readmodels/books"
	"payledger/readmodels/checkpoints"
	"payledger/readmodels/compare"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = 60 * time.Second

// world is a log with running projections, which the self-audit looks at.
type world struct {
	*ledgertest.Log
	pool    *pgxpool.Pool // as the projector
	metrics *Metrics
	stop    func() // the projections
	checks  []Check
}

func newWorld(t *testing.T, seed uint64) *world {
	t.Helper()
	w := &world{Log: ledgertest.Open(t, seed)}
	w.pool = w.DB.ProjectorPool(t)
	w.project(t)
	return w
}

// project runs the projections until the test ends or they are stopped.
func (w *world) project(t *testing.T) {
	t.Helper()
	var configs []projections.RunConfig
	metrics := projections.NewMetrics(prometheus.NewRegistry())
	for _, p := range projections.All() {
		configs = append(configs, projections.RunConfig{
			Pool: w.DB.ProjectorPool(t), Reader: w.Reader, Waker: w.Waker, Catalog: w.Catalog, Keys: w.Keys, Projector: p.New(),
			Logger: slog.New(slog.NewTextHandler(t.Output(), nil)), Metrics: metrics, Now: time.Now, Interval: 5 * time.Millisecond, BatchSize: 7,
		})
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	for _, cfg := range configs {
		running.Go(func() { _ = projections.Run(ctx, cfg) }) // a halt shows in what is awaited
	}
	w.stop = func() { cancel(); running.Wait() }
	t.Cleanup(w.stop)
}

// await waits until the projections have folded the log up to position.
func (w *world) await(t *testing.T, position int64) {
	t.Helper()
	watcher := checkpoints.NewWatcher(w.pool, slog.New(slog.DiscardHandler))
	for _, p := range projections.All() {
		reached, err := watcher.Wait(t.Context(), p.Projection, position, patience)
		require.NoError(t, err)
		require.GreaterOrEqual(t, reached, position, p.Projection.Name)
	}
}

func (w *world) log() Log { return Log{w.Reader, w.Catalog, w.Keys} }

// audit runs the self-audit until the test ends, or stop is called.
func (w *world) audit(t *testing.T) (stop func()) {
	t.Helper()
	w.metrics = NewMetrics(prometheus.NewRegistry())
	cfg := Config{
		Pool: w.DB.ProjectorPool(t), Log: w.log(), Waker: w.Waker, Models: Models(), Checks: w.checks, Logger: slog.New(slog.NewTextHandler(t.Output(), nil)),
		Metrics: w.metrics, Projections: projections.NewMetrics(prometheus.NewRegistry()), Now: time.Now,
		Rate: 1_000_000, Pause: 10 * time.Millisecond, Confirm: time.Millisecond,
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	var err error
	go func() {
		defer close(done)
		err = Run(ctx, cfg)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
		require.NoError(t, err)
	})
	return func() { cancel(); <-done }
}

func (w *world) rounds() float64 { return testutil.ToFloat64(w.metrics.rounds) }

// awaitRound waits until a round has ended that began after the call.
func (w *world) awaitRound(t *testing.T) {
	t.Helper()
	before := w.rounds()
	require.Eventually(t, func() bool { return w.rounds() >= before+2 }, patience, 5*time.Millisecond)
}

func (w *world) drift(t *testing.T) []Drift {
	t.Helper()
	list, err := List(t.Context(), w.DB.AppPool(t), 100)
	if !errors.Is(err, checkpoints.ErrNotBuilt) { // it hasn't begun
		require.NoError(t, err)
	}
	return list
}

// requireReplayed compares each read model with a replay of the log up to its checkpoint.
func (w *world) requireReplayed(t *testing.T) {
	t.Helper()
	for _, p := range projections.All() {
		stored, err := p.Digest(t.Context(), w.DB.AppPool(t))
		require.NoError(t, err)
		replay := p.NewReplay()
		for _, ev := range w.Events(t, 0, int(stored.Position)) {
			require.NoError(t, replay.Apply(ev))
		}
		require.Equal(t, replay.Sum(), stored.Sum, p.Projection.Name)
	}
}

// found waits for drift, which is found before a round has ended that began after the call, and is one place.
func (w *world) found(t *testing.T) Drift {
	t.Helper()
	before := w.rounds()
	require.Eventually(t, func() bool { return len(w.drift(t)) > 0 || w.rounds() >= before+2 }, patience, 5*time.Millisecond)
	list := w.drift(t)
	require.Len(t, list, 1, "%+v", list)
	return list[0]
}

// awaitMetric waits until so many places of a projection are told to drift: the list has them a moment before.
func (w *world) awaitMetric(t *testing.T, projection string, drifts float64) {
	t.Helper()
	require.Eventually(t, func() bool { return testutil.ToFloat64(w.metrics.drift.WithLabelValues(projection)) == drifts }, patience, 5*time.Millisecond)
}

func (w *world) exec(t *testing.T, sql string, args ...any) {
	t.Helper()
	tag, err := w.pool.Exec(t.Context(), sql, args...)
	require.NoError(t, err)
	require.EqualValues(t, 1, tag.RowsAffected(), sql)
}

// one returns the only column of the only row.
func (w *world) one(t *testing.T, sql string) string {
	t.Helper()
	var value string
	require.NoError(t, w.pool.QueryRow(t.Context(), sql).Scan(&value), sql)
	return value
}

// The projections lag and catch up while the log grows: that is no drift.
func TestHonestLoadIsNoDrift(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 61)
	w.checks = []Check{Controls(books.Queries{Pool: w.pool})}
	w.audit(t)
	for w.rounds() < 2 && len(w.drift(t)) == 0 {
		w.Random(t, 5)
	}
	w.await(t, w.Random(t, 150)) // every kind of event
	w.awaitRound(t)
	require.Empty(t, w.drift(t))
	w.stop()
	w.Random(t, 30) // which the projections have not folded
	w.awaitRound(t)
	require.Empty(t, w.drift(t))
	require.Zero(t, testutil.ToFloat64(w.metrics.drift.WithLabelValues("tables")))
	var at int64
	require.NoError(t, w.pool.QueryRow(t.Context(), `SELECT position FROM ledger.checkpoints WHERE projection = 'selfaudit'`).Scan(&at))
	require.Positive(t, at, "up to which everything was looked at")
	w.requireReplayed(t)
}

// The texts of an erased person are gone from the log before they are from a read model that lags.
func TestErasureIsNoDrift(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 67)
	w.await(t, w.Random(t, 60))
	w.audit(t)
	w.awaitRound(t)
	w.stop()
	for _, user := range w.Users {
		w.Erase(t, user)
	}
	w.awaitRound(t)
	require.Empty(t, w.drift(t))
	w.project(t)
	head, err := w.Reader.Head(t.Context())
	require.NoError(t, err)
	w.await(t, head.Position)
	w.awaitRound(t)
	require.Empty(t, w.drift(t))
}

const someFee = `SELECT id FROM tables_v2.fees WHERE stream_version > 1 ORDER BY id LIMIT 1`

const (
	turnoverID   = `concat_ws('/', day::text, currency, debit::text, credit::text, fee_type)`
	someTurnover = `SELECT max(` + turnoverID + `) FROM books_v1.turnovers`
)

// damages are what nobody but an accident or an intruder does to a read model.
var damages = []struct {
	name, projection string
	id               string // selects the id of the row
	damage           string // of the row with id $1
	object, what     string
}{
	{"a changed column", "tables", someFee, `UPDATE tables_v2.fees SET paid = paid + 1 WHERE id = $1`, "fee", "changed: paid"},
	{"two changed columns", "tables", someFee, `UPDATE tables_v2.fees SET note = note || 'x', currency = 'ZZZ' WHERE id = $1`, "fee", "changed: currency, note"},
	{"a missing row", "tables", `SELECT min(id) FROM tables_v2.fee_events`, `DELETE FROM tables_v2.fee_events WHERE id = $1`, "feeEvent", "missing"},
	{"a row of another's", "tables", `SELECT min(id) FROM tables_v2.fee_payments`, `UPDATE tables_v2.fee_payments SET payment_id = 'x' WHERE id = $1`, "feePayment", "changed: payment_id"},
	{
		"an extra row", "tables", `SELECT min(id) || 'f' FROM tables_v2.credits`,
		`INSERT INTO tables_v2.credits SELECT tenant, $1, user_id, source, payment_id, currency, granted, remaining, granted_at, created_at, updated_at, position
		FROM tables_v2.credits ORDER BY id LIMIT 1`, "credit", "extra",
	},
	{
		"an extra fee", "tables", `SELECT 'f' || min(id) FROM tables_v2.fees`,
		`INSERT INTO tables_v2.fees SELECT tenant, $1, user_id, loan_id, amount, currency, status, status_update_date, reason, note, is_active, record_version,
		created_at, updated_at, paid, reduced, reserved, cancelled, stream_version, position FROM tables_v2.fees ORDER BY id LIMIT 1`, "fee", "extra",
	},
	{
		"a stale row", "tables", someFee,
		`UPDATE tables_v2.fees SET stream_version = stream_version - 1, position = position - 1 WHERE id = $1`, "fee", "stale: ",
	},
	{"a changed card", "tables", `SELECT min(id) FROM tables_v2.payment_methods`, `UPDATE tables_v2.payment_methods SET card_last4 = '0000' WHERE id = $1`, "paymentMethod", "changed: card_last4"},
	{"a changed document", "documents", someFee, `UPDATE documents_v2.documents SET body = '{}' WHERE id = $1 AND object = 'fee'`, "fee", "changed: body"},
	{"a document that is found under other words", "documents", someFee, `UPDATE documents_v2.documents SET words = 'other' WHERE id = $1 AND object = 'fee'`, "fee", "changed: words"},
	{
		"a missing document", "documents", `SELECT min(id) FROM documents_v2.documents WHERE object = 'feeEvent'`,
		`DELETE FROM documents_v2.documents WHERE id = $1`, "feeEvent", "missing",
	},
	{
		"an extra document", "documents", `SELECT 'f' || min(id) FROM documents_v2.documents WHERE object = 'feePayment'`,
		`INSERT INTO documents_v2.documents SELECT tenant, object, $1, owner, status, reason, amount, currency, created_at, updated_at, words, deleted, position,
		epoch, body, state, stream FROM documents_v2.documents WHERE object = 'feePayment' ORDER BY id LIMIT 1`, "feePayment", "extra",
	},
	{
		"a stale document", "documents", `SELECT min(id) FROM documents_v2.documents WHERE object = 'paymentCustomer'`,
		`UPDATE documents_v2.documents SET position = position - 1 WHERE id = $1`, "paymentCustomer", "stale: ",
	},
	{"an entry about another", "books", `SELECT min(position)::text FROM books_v1.journal`, `UPDATE books_v1.journal SET user_id = 'x' WHERE position::text = $1`, "entry", "changed: user_id"},
	{"a changed origin", "books", `SELECT min(key) FROM books_v1.origins`, `UPDATE books_v1.origins SET word = 'x' WHERE key = $1`, "origin", "changed: word"},
	{"a missing origin", "books", `SELECT max(key) FROM books_v1.origins`, `DELETE FROM books_v1.origins WHERE key = $1`, "origin", "missing"},
	{
		"an extra origin", "books", `SELECT max(key) || 'f' FROM books_v1.origins`, `INSERT INTO books_v1.origins SELECT tenant, $1, user_id, word FROM books_v1.origins ORDER BY key LIMIT 1`,
		"origin", "extra",
	},
	{"another profile", "books", `SELECT min(position)::text FROM books_v1.profiles`, `UPDATE books_v1.profiles SET profile = 'x' WHERE position::text = $1`, "profile", "changed: profile"},
	{"a wrong turnover", "books", someTurnover, `UPDATE books_v1.turnovers SET amount = amount + 1 WHERE ` + turnoverID + ` = $1`, "turnover", "changed: amount"},
	{"a missing turnover", "books", someTurnover, `DELETE FROM books_v1.turnovers WHERE ` + turnoverID + ` = $1`, "turnover", "missing"},
	{
		"an extra turnover", "books", `SELECT replace(` + turnoverID + `, '2026', '2027') FROM books_v1.turnovers ORDER BY 1 LIMIT 1`,
		`INSERT INTO books_v1.turnovers SELECT tenant, split_part($1, '/', 1)::date, currency, debit, credit, fee_type, amount, postings FROM books_v1.turnovers ORDER BY ` + turnoverID + ` LIMIT 1`,
		"turnover", "extra",
	},
}

// Each damage is found within one round, told without the values, healed, and no longer told.
func TestDamageIsFoundAndHealed(t *testing.T) { //nolint:tparallel // its damages come one after the other
	t.Parallel()
	w := newWorld(t, 62)
	w.await(t, w.Random(t, 150))
	w.audit(t)
	for _, c := range damages { //nolint:paralleltest // see above
		t.Run(c.name, func(t *testing.T) {
			id := w.one(t, c.id)
			w.exec(t, c.damage, id)
			d := w.found(t)
			require.Equal(t, compare.Place{Tenant: ledgertest.Tenant, Object: c.object, ID: id}, d.Place)
			require.Equal(t, c.projection, d.Projection)
			require.Contains(t, d.What, c.what)
			w.awaitMetric(t, c.projection, 1)

			require.NotEmpty(t, w.heal(t, d, func(h *Healing) { h.DryRun = true }).Differences)
			require.NotEmpty(t, w.heal(t, d).Differences)
			require.Empty(t, w.heal(t, d).Differences, "nothing is left to heal")
			require.Empty(t, w.drift(t))
			w.awaitMetric(t, c.projection, 0)
			w.requireReplayed(t)
		})
	}
	w.await(t, w.Random(t, 30)) // the projections go on
	w.awaitRound(t)
	require.Empty(t, w.drift(t))
	w.requireReplayed(t)
}

// Control accounts are compared with the rows of another projection.
func TestWrongControlAccountIsFound(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 69)
	w.await(t, w.Random(t, 60))
	w.checks = []Check{Controls(books.Queries{Pool: w.pool})}
	w.audit(t)
	w.awaitRound(t)
	w.stop()
	w.exec(t, `UPDATE books_v1.turnovers SET amount = amount + 7 WHERE ctid = (SELECT min(ctid) FROM books_v1.turnovers WHERE debit = 1100 AND currency = 'USD')`)
	w.awaitRound(t)
	list := w.drift(t)
	require.Len(t, list, 2, "%+v", list) // with the turnover itself
	places := map[compare.Place]string{list[0].Place: list[0].What, list[1].Place: list[1].What}
	require.Contains(t, places[compare.Place{Tenant: ledgertest.Tenant, Object: "control", ID: "USD"}], "account 1100 stands at")
	for _, d := range list {
		if d.Object == "turnover" {
			w.heal(t, d)
		}
	}
	require.Eventually(t, func() bool { return len(w.drift(t)) == 0 }, patience, 5*time.Millisecond)
}

// An entry with another amount is a wrong turnover too; healing the entry puts both right.
func TestHealedEntriesAddUp(t *testing.T) {
	t.Parallel()
	for name, damage := range map[string]string{
		"another amount": `UPDATE books_v1.journal SET amount = amount + 1 WHERE position = $1::bigint`,
		"another day":    `UPDATE books_v1.journal SET effective_at = effective_at - interval '40 days' WHERE position = $1::bigint`,
		"gone":           `DELETE FROM books_v1.journal WHERE position = $1::bigint`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, 68)
			w.await(t, w.Random(t, 60))
			position := w.one(t, `SELECT min(position)::text FROM books_v1.journal`)
			stream := w.one(t, `SELECT stream FROM ledger.events WHERE position = `+position)
			w.exec(t, damage, position)
			w.audit(t)
			w.awaitRound(t)
			objects := map[string]bool{}
			for _, d := range w.drift(t) {
				objects[d.Object] = true
			}
			require.Equal(t, map[string]bool{"entry": true, "turnover": true}, objects)
			for _, d := range w.drift(t) {
				if d.Object == "turnover" { // now the day is what the wrong entries come to
					w.heal(t, d)
				}
			}
			w.heal(t, Drift{Projection: "books", Place: compare.Place{Tenant: ledgertest.Tenant}, Stream: stream})
			w.requireReplayed(t)
			require.Eventually(t, func() bool { return len(w.drift(t)) == 0 }, patience, 5*time.Millisecond)
		})
	}
}

func (w *world) heal(t *testing.T, d Drift, change ...func(*Healing)) Healed {
	t.Helper()
	healed, err := Heal(t.Context(), w.healing(d, change...))
	require.NoError(t, err)
	return healed
}

func (w *world) healing(d Drift, change ...func(*Healing)) Healing {
	h := Healing{Pool: w.pool, Log: w.log(), Stream: eventstore.StreamID{Tenant: d.Tenant, Name: d.Stream}}
	for _, m := range Models() {
		if m.Projection.Name == d.Projection {
			h.Model = m
		}
	}
	for _, fn := range change {
		fn(&h)
	}
	return h
}

// What somebody puts right in another way is drift no more.
func TestDriftThatIsGoneIsCleared(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 63)
	w.await(t, w.Random(t, 60))
	stop := w.audit(t)
	id := w.one(t, someFee)
	w.exec(t, `UPDATE tables_v2.fees SET paid = paid + 1 WHERE id = $1`, id)
	w.found(t)
	stop() // so that it isn't just looking at it
	w.exec(t, `UPDATE tables_v2.fees SET paid = paid - 1 WHERE id = $1`, id)
	w.audit(t)
	require.Eventually(t, func() bool { return len(w.drift(t)) == 0 }, patience, 5*time.Millisecond)
}

// What is compared no more, since its server was taken out of the configuration, stays nobody's drift; that of others stays.
func TestDriftOfWhatIsComparedNoMoreIsForgotten(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 64)
	w.await(t, w.Random(t, 60))
	place := compare.Place{Tenant: ledgertest.Tenant, Object: "some-topic", ID: "some-id"}
	w.checks = []Check{{
		Name: "tail of kafka", Projection: ProjectionKafka,
		Look: func(context.Context, compare.Place, int) ([]compare.Difference, int, compare.Place, error) {
			return []compare.Difference{{Place: place, What: "changed"}}, 1, compare.Place{}, nil
		},
		Judge: func(_ context.Context, seen []compare.Difference) ([]compare.Difference, error) { return seen, nil },
	}}
	stop := w.audit(t)
	w.exec(t, `UPDATE tables_v2.fees SET paid = paid + 1 WHERE id = $1`, w.one(t, someFee))
	of := func() map[string]bool {
		names := map[string]bool{}
		for _, d := range w.drift(t) {
			names[d.Projection] = true
		}
		return names
	}
	require.Eventually(t, func() bool { return of()[ProjectionKafka] && of()["tables"] }, patience, 5*time.Millisecond)
	stop()
	w.checks = nil
	w.audit(t)
	require.Eventually(t, func() bool { return !of()[ProjectionKafka] }, patience, 5*time.Millisecond)
	require.True(t, of()["tables"])
}
