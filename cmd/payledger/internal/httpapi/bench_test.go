package httpapi_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

// BenchmarkCommands measures whole commands through the handler, with 64 callers, an idempotency key each, the route event, and the
// projection of the tables running. cpu-us/op is the CPU time of this process (without Postgres, with the projection).
func BenchmarkCommands(b *testing.B) {
	w := setup(b)
	token := w.staff()
	b.Run("assess", func(b *testing.B) {
		w.load(b, func() *http.Request { return post("/fees", token, newFeeFor(uuid.NewString())) })
	})
	b.Run("pay", func(b *testing.B) {
		fees := make(chan string, b.N)
		for range b.N {
			user := uuid.NewString()
			id := uuid.NewString()
			require.Equal(b, 201, w.serve(post("/fees", token, fmt.Sprintf(`{"id":%q,"userId":%q,"loanId":%q,"amount":5}`, id, user, loanID))))
			fees <- fmt.Sprintf(`{"userId":%q,"tender":"cash","amount":5,"allocations":[{"feeId":%q,"amount":5}]}`, user, id)
		}
		w.load(b, func() *http.Request { return post("/payments", token, <-fees) })
	})
	b.Run("get", func(b *testing.B) {
		id := w.assess("5")
		w.load(b, func() *http.Request {
			r := httptest.NewRequest(http.MethodGet, "/fees/"+id, http.NoBody)
			r.Header.Set("Authorization", "Bearer "+token)
			return r
		})
	})
}

func newFeeFor(user string) string {
	return fmt.Sprintf(`{"userId":%q,"loanId":%q,"amount":12.5,"currency":"USD","reason":"overdue"}`, user, loanID)
}

func post(path, token, body string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Idempotency-Key", uuid.NewString())
	return r
}

func (w *world) serve(r *http.Request) int {
	rec := httptest.NewRecorder()
	w.handler.ServeHTTP(rec, r)
	return rec.Code
}

// load sends b.N requests by 64 callers.
func (w *world) load(b *testing.B, next func() *http.Request) {
	b.Helper()
	const callers = 64
	var left atomic.Int64
	left.Store(int64(b.N))
	b.ReportAllocs()
	b.ResetTimer()
	before := cpuTime()
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			for left.Add(-1) >= 0 {
				if code := w.serve(next()); code >= 300 {
					b.Errorf("answered %d", code)
				}
			}
		})
	}
	wg.Wait()
	b.ReportMetric(float64((cpuTime()-before).Microseconds())/float64(b.N), "cpu-us/op")
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "op/s")
}

func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
