//go:build servers

package httpapi_test

import (
	"context"
	"crypto/rand"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"payledger/cmd/payledger/internal/httpapi"
	essearch "payledger/cmd/payledger/internal/search"
	"payledger/projections"
	documentsprojection "payledger/projections/documents"
	mirror "payledger/projections/search"
	tablesprojection "payledger/projections/tables"
	"payledger/readmodels/checkpoints"
	"payledger/readmodels/search"
)

// A real Elasticsearch behind the routes answers the same.
func TestGoldenSearchesOfTheServer(t *testing.T) {
	t.Parallel()
	url, prefix := os.Getenv("TEST_ELASTICSEARCH_URL"), "test"+strings.ToLower(rand.Text()[:12])
	require.NotEmpty(t, url, "TEST_ELASTICSEARCH_URL is needed: run scripts/with-servers")
	t.Cleanup(func() {
		r, err := http.NewRequestWithContext(context.Background(), http.MethodDelete, url+"/"+prefix+"*", http.NoBody)
		require.NoError(t, err)
		res, err := http.DefaultClient.Do(r)
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
	})
	var index *essearch.Index
	w := setup(t, func(c *httpapi.Config) {
		pool := c.Tables.Pool
		var err error
		index, err = essearch.New(essearch.Config{
			URL: url, Prefix: prefix, Checkpoint: func(ctx context.Context) (int64, error) { return checkpoints.Read(ctx, pool, search.Mirror()) },
		})
		require.NoError(t, err)
		c.Search, c.SearchProjection = index, search.Mirror()
	})
	w.pause()
	w.project(tablesprojection.New(), documentsprojection.New())
	pool := w.db.ProjectorPool(t)
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		_ = mirror.Run(ctx, mirror.Config{ // its end is the test's
			Pool: pool, Watcher: w.watcher, Index: index, Logger: slog.New(slog.DiscardHandler),
			Metrics: projections.NewMetrics(prometheus.NewRegistry()), Now: time.Now, Interval: time.Millisecond,
		})
	})
	t.Cleanup(func() { cancel(); running.Wait() })
	w.goldenSearches(t, index, search.Mirror())
}
