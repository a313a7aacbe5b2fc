package projections_test

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"payledger/internal/ledgertest"
	"payledger/projections"
	"payledger/readmodels/checkpoints"
)

// BenchmarkCatchUp builds each read model from the first event on.
func BenchmarkCatchUp(b *testing.B) {
	l := ledgertest.Open(b, 1)
	head := l.Bulk(b, 40_000)
	pool := l.DB.ProjectorPool(b)
	watcher := checkpoints.NewWatcher(pool, slog.New(slog.DiscardHandler))
	for _, p := range projections.All() {
		b.Run(p.Projection.Name, func(b *testing.B) {
			for b.Loop() {
				_, err := pool.Exec(b.Context(), fmt.Sprintf("DROP SCHEMA IF EXISTS %s_v%d CASCADE", p.Projection.Name, p.Projection.Version))
				require.NoError(b, err)
				_, err = pool.Exec(b.Context(), `UPDATE ledger.checkpoints SET position = 0`)
				require.NoError(b, err)
				ctx, cancel := context.WithCancel(b.Context())
				done := make(chan error, 1)
				began := time.Now()
				go func() {
					done <- projections.Run(ctx, projections.RunConfig{
						Pool: pool, Reader: l.Reader, Waker: l.Waker, Catalog: l.Catalog, Keys: l.Keys, Projector: p.New(), Now: time.Now,
						Logger: slog.New(slog.DiscardHandler), Metrics: projections.NewMetrics(prometheus.NewRegistry()),
					})
				}()
				reached, err := watcher.Wait(b.Context(), p.Projection, head, 5*time.Minute)
				require.NoError(b, err)
				require.Equal(b, head, reached)
				b.ReportMetric(float64(head)/time.Since(began).Seconds(), "events/s")
				cancel()
				require.NoError(b, <-done)
			}
		})
	}
}
