package eventstore_test

import (
	"context"
	"fmt"
	"net/url"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"payledger/eventstore"
	"payledger/eventstore/pgtest"
	"payledger/eventstore/storetest"
)

// The benchmarks run on a server with fsync, such as production has. benchMetadata is as long as that of a real event.
const benchMetadata = `{"actor":"0192f0c4-8a6e-7c3b-9a51-0d6c3f3f2b11","role":"staff","requestId":"4f2c9d0b6a7e4c51b0c7c2f1d8e9a3b4","at":"2026-03-01T12:00:00.000Z"}`

func durable(b *testing.B) (superURL, appURL string) {
	b.Helper()
	super := pgtest.StartDurable(b).URL("postgres")
	require.NoError(b, eventstore.Migrate(b.Context(), super))
	u, err := url.Parse(super)
	require.NoError(b, err)
	u.User = url.User(pgtest.AppRole)
	return super, u.String()
}

func benchEvent(n int64) eventstore.NewEvent {
	e := storetest.Event(n)
	e.Metadata = []byte(benchMetadata)
	return e
}

// BenchmarkCommit measures commits of one event to a new stream from so many callers at once.
func BenchmarkCommit(b *testing.B) {
	_, appURL := durable(b)
	for _, callers := range []int{1, 16, 64, 256} {
		b.Run(strconv.Itoa(callers), func(b *testing.B) {
			store, err := eventstore.Open(b.Context(), eventstore.Config{URL: appURL, Folder: storetest.Folder{}})
			require.NoError(b, err)
			defer store.Close()
			run := uuid.NewString()
			inParallel(b, callers, func(ctx context.Context, n int64) error {
				c := storetest.Commit(nil)
				id := storetest.Stream(run + strconv.FormatInt(n, 10))
				c.New = []eventstore.StreamID{id}
				c.Decide = func(eventstore.View) (eventstore.Decision, error) {
					return eventstore.Decision{Appends: []eventstore.Append{{Stream: id, Subject: "member-1", Events: []eventstore.NewEvent{benchEvent(n)}}}}, nil
				}
				_, err := store.Commit(ctx, c)
				return err
			})
			reportStats(b, store)
		})
	}
}

// BenchmarkCommitHot measures commits that all go to one stream.
func BenchmarkCommitHot(b *testing.B) {
	_, appURL := durable(b)
	store, err := eventstore.Open(b.Context(), eventstore.Config{URL: appURL, Folder: storetest.Folder{}})
	require.NoError(b, err)
	defer store.Close()
	inParallel(b, 64, func(ctx context.Context, n int64) error {
		_, err := store.Commit(ctx, storetest.Add("hot", n))
		return err
	})
	reportStats(b, store)
}

// BenchmarkCopy is what Postgres can do at most: COPY of the same events.
func BenchmarkCopy(b *testing.B) {
	superURL, _ := durable(b)
	conn, err := pgx.Connect(b.Context(), superURL)
	require.NoError(b, err)
	defer conn.Close(context.Background())
	columns := []string{
		"position", "epoch", "id", "commit_id", "tenant", "stream", "version", "type", "schema", "data", "metadata", "effective_at", "recorded_at", "hash",
	}
	b.ResetTimer()
	now := time.Now()
	for done := 0; done < b.N; {
		size := min(10_000, b.N-done)
		_, err := conn.CopyFrom(b.Context(), pgx.Identifier{"ledger", "events"}, columns, pgx.CopyFromSlice(size, func(i int) ([]any, error) {
			e := benchEvent(int64(done + i))
			return []any{
				int64(done + i + 1), int64(1), e.ID, uuid.New(), storetest.Tenant, uuid.NewString() + strconv.Itoa(done+i), int64(1), e.Type, int32(1), e.Data, e.Metadata,
				e.EffectiveAt, now, make([]byte, 32),
			}, nil
		}))
		require.NoError(b, err)
		done += size
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "rows/s")
}

// inParallel runs b.N calls of fn from so many goroutines.
func inParallel(b *testing.B, callers int, fn func(ctx context.Context, n int64) error) {
	b.Helper()
	var next atomic.Int64
	var wg sync.WaitGroup
	failed := make(chan error, callers)
	b.ResetTimer()
	for range callers {
		wg.Go(func() {
			for n := next.Add(1); n <= int64(b.N); n = next.Add(1) {
				if err := fn(b.Context(), n); err != nil {
					failed <- fmt.Errorf("call %d: %w", n, err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	close(failed)
	for err := range failed {
		require.NoError(b, err)
	}
}

func reportStats(b *testing.B, store *eventstore.Store) {
	b.Helper()
	stats := store.Stats()
	b.ReportMetric(float64(stats.Commits)/b.Elapsed().Seconds(), "commits/s")
	b.ReportMetric(float64(stats.Commits)/float64(stats.Batches), "commits/batch")
}
