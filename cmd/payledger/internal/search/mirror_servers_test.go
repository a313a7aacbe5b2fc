//go:build servers

package search_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	essearch "payledger/cmd/payledger/internal/search"
	"payledger/eventstore"
	"payledger/internal/ledgertest"
	"payledger/projections"
	mirror "payledger/projections/search"
	"payledger/readmodels"
	"payledger/readmodels/documents"
	"payledger/readmodels/search"
)

func TestMirrorAnswersLikePostgres(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 1)
	f.startMirror(t) // before there are documents
	f.startDocuments(t)
	for range 4 {
		head := f.Random(t, 60)
		f.await(t, search.Mirror(), head)
		f.requireEqual(t)
	}
}

func TestOutageOfTheServerIsWaitedFor(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 2)
	f.startDocuments(t)
	registry := prometheus.NewRegistry()
	projections.RegisterLag(registry, f.pool, slog.New(slog.DiscardHandler), search.Mirror())
	f.startMirror(t, func(c *mirror.Config) { c.Metrics = projections.NewMetrics(registry) })
	before := f.Random(t, 60)
	f.await(t, search.Mirror(), before)
	indices := f.indices(t)

	f.proxy.down.Store(true)
	head := f.Random(t, 60)
	f.await(t, documents.Projection(), head)
	_, err := f.inPG.Search(t.Context(), search.Query{Tenant: ledgertest.Tenant, Object: fee})
	require.NoError(t, err, "the documents go on")
	_, err = f.index.Search(t.Context(), search.Query{Tenant: ledgertest.Tenant, Object: fee})
	require.ErrorIs(t, err, search.ErrUnavailable)
	require.Eventually(t, func() bool { return metric(t, registry, "projection_retries_total") >= 3 }, patience, 10*time.Millisecond)
	require.Equal(t, before, f.checkpoint(t).Position)
	require.Equal(t, "running", f.checkpoint(t).State)
	require.InDelta(t, head-before, metric(t, registry, "projection_lag_events"), 0)
	require.Positive(t, metric(t, registry, "projection_lag_seconds"))

	f.proxy.down.Store(false)
	f.await(t, search.Mirror(), head)
	f.requireEqual(t)
	require.Equal(t, indices, f.indices(t), "an outage is no reason to build anew")
	require.Eventually(t, func() bool { return metric(t, registry, "projection_lag_events") == 0 }, patience, 10*time.Millisecond)
	require.InDelta(t, head, metric(t, registry, "projection_position"), 0)
}

func metric(t *testing.T, registry *prometheus.Registry, name string) float64 {
	t.Helper()
	families, err := registry.Gather()
	require.NoError(t, err)
	for _, f := range families {
		if f.GetName() == name {
			return f.GetMetric()[0].GetGauge().GetValue() + f.GetMetric()[0].GetCounter().GetValue()
		}
	}
	return -1
}

func TestBusyServerDoesNotHalt(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 3)
	f.startDocuments(t)
	var asked atomic.Int64
	busy := func(w http.ResponseWriter, r *http.Request) bool {
		if !isBulk(r) || asked.Add(1)%3 == 0 {
			return false
		}
		w.Header().Set("X-Elastic-Product", "Elasticsearch")
		w.WriteHeader([]int{http.StatusTooManyRequests, http.StatusServiceUnavailable}[asked.Load()%2])
		return true
	}
	f.proxy.onRequest.Store(&busy)
	// Every third answer that comes at all says of one document that it must be sent again.
	item := func(r *http.Request, body []byte) []byte {
		if isBulk(r) && asked.Load()%9 == 0 {
			return []byte(strings.Replace(string(body), `"status":201`, `"status":429`, 1))
		}
		return body
	}
	f.proxy.onAnswer.Store(&item)
	f.startMirror(t, func(c *mirror.Config) { c.PageSize = 20 })
	f.await(t, search.Mirror(), f.Random(t, 12))
	f.requireEqual(t)
}

func TestTwoMirrorsShareOneLease(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 4)
	f.startDocuments(t)
	var mu sync.Mutex
	writers := make(map[string]int)
	start := func(name string) *running {
		return f.startMirror(t, func(c *mirror.Config) {
			c.Owner, c.LeaseTTL = name, patience // a slow machine is no reason to take the lease away
			c.Index = counted{f.index, func() { mu.Lock(); defer mu.Unlock(); writers[name]++ }}
		})
	}
	first := start("first")
	f.await(t, search.Mirror(), f.Random(t, 30))
	start("second")
	f.await(t, search.Mirror(), f.Random(t, 30))
	mu.Lock()
	require.Zero(t, writers["second"])
	mu.Unlock()
	epoch := f.checkpoint(t).Epoch
	first.stop()
	f.await(t, search.Mirror(), f.Random(t, 30))
	f.requireEqual(t)
	require.Equal(t, epoch+1, f.checkpoint(t).Epoch)
	mu.Lock()
	defer mu.Unlock()
	require.Positive(t, writers["second"])
}

// counted tells of each write.
type counted struct {
	*essearch.Index
	wrote func()
}

func (c counted) Write(ctx context.Context, docs []search.Document) error {
	c.wrote()
	return c.Index.Write(ctx, docs)
}

// An owner that is paused before its checkpoint, for longer than its lease, has done no harm and can't move the checkpoint.
func TestPausedMirrorDoesNoHarm(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 5)
	f.startDocuments(t)
	paused, resume := make(chan struct{}), make(chan struct{})
	var once sync.Once
	f.startMirror(t, func(c *mirror.Config) {
		c.Owner, c.LeaseTTL = "first", 200*time.Millisecond
		c.Index = counted{f.index, func() { once.Do(func() { close(paused); <-resume }) }}
	})
	f.Random(t, 40)
	<-paused
	second := f.startMirror(t, func(c *mirror.Config) { c.Owner = "second" })
	head := f.Random(t, 40)
	f.await(t, search.Mirror(), head)
	close(resume) // the old page goes out now
	head = f.Random(t, 40)
	f.await(t, search.Mirror(), head)
	f.requireEqual(t)
	second.stop()
	f.await(t, search.Mirror(), f.Random(t, 10))
	f.requireEqual(t)
}

func TestRestartRepeatsHarmlessly(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 6)
	f.startDocuments(t)
	m := f.startMirror(t)
	early := f.Random(t, 40)
	f.await(t, search.Mirror(), early)
	head := f.Random(t, 60)
	f.await(t, search.Mirror(), head)
	m.stop()
	require.NoError(t, m.err)
	indices := f.indices(t)
	// As after a crash between a write and its checkpoint.
	_, err := f.pool.Exec(t.Context(), `UPDATE ledger.checkpoints SET position = e.position, hash = e.hash
		FROM ledger.events e WHERE projection = 'search' AND e.position = $1`, early)
	require.NoError(t, err)
	f.startMirror(t)
	f.await(t, search.Mirror(), head)
	f.requireEqual(t)
	require.Equal(t, indices, f.indices(t))
}

func TestLostIndexIsBuiltAnew(t *testing.T) {
	t.Parallel()
	for name, while := range map[string]struct{ stopped, writing bool }{"idle": {}, "writing": {writing: true}, "stopped": {stopped: true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, 7)
			f.startDocuments(t)
			m := f.startMirror(t)
			head := f.Random(t, 60)
			f.await(t, search.Mirror(), head)
			before := f.behind(t)
			require.Len(t, before, 1)
			if while.stopped {
				m.stop()
			}
			f.do(t, http.MethodDelete, "/"+before[0])
			if while.writing {
				head = f.Random(t, 30)
			}
			if while.stopped {
				f.startMirror(t)
			}
			require.Eventually(t, func() bool {
				after := f.behind(t)
				return len(after) == 1 && after[0] != before[0]
			}, patience, 10*time.Millisecond)
			f.await(t, search.Mirror(), head)
			f.requireEqual(t)
			require.Len(t, f.indices(t), len(readmodels.Objects()))
		})
	}
}

func TestNewEpochDropsTheLostFuture(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 8)
	docs := f.startDocuments(t)
	m := f.startMirror(t)
	head := f.Random(t, 60)
	f.await(t, search.Mirror(), head)
	docs.stop()
	m.stop()
	// What was written after the backup from which the log is restored: a fee that is no more, and news of one that is.
	ghost, news := document("ghost", 1, head+7, "ghost"), document(f.Fees[0], 1, head+8, "ghost")
	ghost.Tenant, news.Tenant = ledgertest.Tenant, ledgertest.Tenant
	require.NoError(t, f.index.Write(t.Context(), []search.Document{ghost, news}))
	change, err := eventstore.NewEpoch(t.Context(), f.DB.OwnerURL, 1<<19-1) // the last one still fits beside a position
	require.NoError(t, err)
	require.Equal(t, []string{"search/2"}, change.Emptied)
	require.Zero(t, f.checkpoint(t).Position)
	f.startDocuments(t)
	f.startMirror(t)
	f.await(t, search.Mirror(), head)
	f.requireEqual(t)
	require.Empty(t, find(t, f.index, "ghost"))
	f.await(t, search.Mirror(), f.Random(t, 30))
	f.requireEqual(t)
}

// While the documents are built anew the mirror stands beyond them: it waits.
func TestDocumentsBuiltAnewBehindTheMirror(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 9)
	docs := f.startDocuments(t)
	f.startMirror(t)
	head := f.Random(t, 60)
	f.await(t, search.Mirror(), head)
	docs.stop()
	_, err := f.pool.Exec(t.Context(), `DROP SCHEMA documents_v2 CASCADE`)
	require.NoError(t, err)
	_, err = f.pool.Exec(t.Context(), `UPDATE ledger.checkpoints SET position = 0, hash = decode(repeat('00', 32), 'hex'), lease_epoch = lease_epoch + 1
		WHERE projection = 'documents'`)
	require.NoError(t, err)
	require.Never(t, func() bool { c := f.checkpoint(t); return c.Position != head || c.State != "running" }, 2*time.Second, 50*time.Millisecond)
	f.startDocuments(t)
	head = f.Random(t, 30)
	f.await(t, search.Mirror(), head)
	f.await(t, documents.Projection(), head)
	f.requireEqual(t)
}

func TestRefusedDocumentHaltsTheMirrorAlone(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 10)
	f.startDocuments(t)
	before := f.Random(t, 30)
	f.await(t, documents.Projection(), before)
	id := f.Assess(t, f.Users[0], 500)
	poison := f.Flush(t)
	f.await(t, documents.Projection(), poison)
	// No command can do this: the edge bounds what it accepts.
	_, err := f.pool.Exec(t.Context(), `UPDATE documents_v2.documents SET reason = repeat('x', 40000) WHERE id = $1`, id)
	require.NoError(t, err)
	f.Assess(t, f.Users[0], 700)
	head := f.Flush(t)
	f.await(t, documents.Projection(), head)
	registry := prometheus.NewRegistry()
	m := f.startMirror(t, func(c *mirror.Config) { c.PageSize, c.Metrics = 1000, projections.NewMetrics(registry) })
	var halted *projections.HaltedError
	require.ErrorAs(t, m.wait(t), &halted)
	event := f.Decode(t, poison)
	require.Equal(t, poison, halted.Position)
	require.Equal(t, event.ID, halted.EventID)
	require.ErrorContains(t, halted, "main/fee/"+id)
	c := f.checkpoint(t)
	require.Equal(t, stored{
		Position: poison - 1, Epoch: c.Epoch, State: "halted", HaltedPosition: &poison, HaltedEvent: &event.ID, Problem: halted.Err.Error(),
	}, c, "all before it is mirrored")
	require.InDelta(t, 1, metric(t, registry, "projection_halted"), 0)
	f.await(t, documents.Projection(), f.Random(t, 10))

	_, err = f.pool.Exec(t.Context(), `UPDATE documents_v2.documents SET reason = 'overdue' WHERE id = $1`, id)
	require.NoError(t, err)
	f.startMirror(t)
	f.await(t, search.Mirror(), head)
	require.Equal(t, "running", f.checkpoint(t).State)
}

func TestAnotherLogHaltsTheMirror(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 11)
	f.startDocuments(t)
	m := f.startMirror(t)
	f.await(t, search.Mirror(), f.Random(t, 10))
	m.stop()
	_, err := f.pool.Exec(t.Context(), `UPDATE ledger.checkpoints SET hash = decode(repeat('ab', 32), 'hex') WHERE projection = 'search'`)
	require.NoError(t, err)
	require.ErrorIs(t, f.startMirror(t).wait(t), projections.ErrOtherLog)
	require.Equal(t, "halted", f.checkpoint(t).State)
}

// What stands at the checkpoint of an answer is in the answer, also while the index is lost and built anew.
func TestAnswersHoldWhatTheirCheckpointSays(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 12)
	f.startDocuments(t)
	f.startMirror(t, func(c *mirror.Config) { c.PageSize = 5 })
	var answers atomic.Int64
	reader := background(t, func(ctx context.Context) error {
		for ctx.Err() == nil {
			res, err := f.index.Search(ctx, search.Query{Tenant: ledgertest.Tenant, Object: fee})
			switch {
			case errors.Is(err, search.ErrUnavailable):
			case err != nil:
				return err
			case res.Total < res.Checkpoint: // each event is a new fee
				return errors.New("a fee is missing")
			default:
				answers.Add(1)
			}
		}
		return nil
	})
	for n := range 60 {
		f.Assess(t, f.Users[0], 100)
		head := f.Flush(t)
		if n%20 == 19 {
			f.await(t, search.Mirror(), head)
			f.do(t, http.MethodDelete, "/"+f.behind(t)[0])
		}
	}
	f.Assess(t, f.Users[0], 100)
	head := f.Flush(t)
	require.Eventually(t, func() bool {
		res, err := f.index.Search(t.Context(), search.Query{Tenant: ledgertest.Tenant, Object: fee})
		return err == nil && res.Checkpoint == head
	}, patience, 10*time.Millisecond)
	reader.stop()
	require.NoError(t, reader.err)
	require.Greater(t, answers.Load(), int64(20))
	f.requireEqual(t)
}
