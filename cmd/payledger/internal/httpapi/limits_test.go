package httpapi_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"payledger/cmd/payledger/internal/httpapi"
)

func TestTooManyRequestsInFlight(t *testing.T) {
	t.Parallel()
	w := setup(t, func(c *httpapi.Config) { c.MaxInFlight = 1 })
	entered, leave := make(chan struct{}), make(chan struct{})
	w.search.hook = func() { close(entered); <-leave }
	var wg sync.WaitGroup
	wg.Go(func() { w.do("GET", "/search/fees", w.staff(), "").wants(200) })
	<-entered
	r := w.do("GET", "/fees", w.staff(), "").refused(503, "Busy", "errMsg_serviceIsBusy")
	require.Equal(t, "1", r.header.Get("Retry-After"))
	w.do("GET", "/health", "", "").wants(200)
	close(leave)
	wg.Wait()
	w.do("GET", "/fees", w.staff(), "").wants(200)
}

// A programming fault ends one request, tells the caller nothing and the log everything.
func TestPanic(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.search.hook = func() { panic("secret of the code") }
	r := w.do("GET", "/search/fees", w.staff(), "", "X-Request-Id", "panicked").refused(500, "InternalError", "errMsg_internalError")
	require.NotContains(t, string(r.body), "secret")
	require.Contains(t, w.logs.String(), "secret of the code")
	w.do("GET", "/fees", w.staff(), "").wants(200)
}

// A database that is away is a trouble that passes: 503, and the next request is answered again.
func TestDatabaseAway(t *testing.T) {
	t.Parallel()
	w := setup(t)
	id := w.do("POST", "/fees", w.staff(), newFee(`"reason":"lost"`)).wants(201).str("fee", "id")
	cfg, err := pgx.ParseConfig(w.db.SuperURL)
	require.NoError(t, err)
	name := cfg.Database
	cfg.Database = "postgres" // nobody may shut the door behind himself
	super, err := pgx.ConnectConfig(t.Context(), cfg)
	require.NoError(t, err)
	defer func() { require.NoError(t, super.Close(context.Background())) }()
	away := func(allow bool) {
		t.Helper()
		_, err := super.Exec(t.Context(), fmt.Sprintf(`ALTER DATABASE %s ALLOW_CONNECTIONS %t`, pgx.Identifier{name}.Sanitize(), allow))
		require.NoError(t, err)
	}
	away(false)
	_, err = super.Exec(t.Context(), `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1`, name)
	require.NoError(t, err)
	for _, path := range []string{"/fees/" + id, "/fees", "/fees/" + id + "/history"} {
		r := w.do("GET", path, w.staff(), "").refused(503, "Busy", "errMsg_serviceIsBusy")
		require.NotEmpty(t, r.header.Get("Retry-After"), path)
	}
	away(true)
	require.Eventually(t, func() bool { return w.do("GET", "/fees/"+id, w.staff(), "").status == 200 }, wait, tick)
}

// One line a request, with what operators need and nothing of what was sent.
func TestLog(t *testing.T) {
	t.Parallel()
	w := setup(t)
	r := w.do("POST", "/fees", w.staff(), newFee(`"note":"very private","reason":"secret reason"`), "X-Request-Id", "r-1").wants(201)
	w.do("GET", "/fees/"+r.str("fee", "id"), w.staff(), "", "X-Request-Id", "r-2").wants(200)
	w.do("GET", "/fees/nonsense?x=secret", w.staff(), "", "X-Request-Id", "r-3").wants(400)
	require.Eventually(t, func() bool { return strings.Contains(w.logs.String(), "r-3") }, wait, tick)
	var lines []map[string]any
	for line := range strings.Lines(w.logs.String()) {
		var parsed map[string]any
		require.NoError(t, json.Unmarshal([]byte(line), &parsed))
		if parsed["msg"] == "request" {
			lines = append(lines, parsed)
		}
	}
	require.Len(t, lines, 3)
	require.Equal(t, "/fees/{feeId}", lines[1]["route"])
	require.Equal(t, "r-2", lines[1]["request_id"])
	require.EqualValues(t, 200, lines[1]["status"])
	require.Equal(t, "DEBUG", lines[1]["level"])
	require.Equal(t, "INFO", lines[2]["level"])
	require.Equal(t, "BadRequest", lines[2]["error_code"])
	for _, secret := range []string{"private", "secret", "nonsense", w.staff()[:30], memberID} {
		require.NotContains(t, w.logs.String(), secret)
	}
}

func TestReadiness(t *testing.T) {
	t.Parallel()
	var problem atomic.Pointer[error]
	metrics := prometheus.NewRegistry()
	w := setup(t, func(c *httpapi.Config) {
		c.Metrics = metrics
		c.Ready = func() error {
			if err := problem.Load(); err != nil {
				return *err
			}
			return nil
		}
	})
	admin := httptest.NewServer(w.api.AdminHandler(promhttp.HandlerFor(metrics, promhttp.HandlerOpts{})))
	t.Cleanup(admin.Close)
	private := func(path string) (int, string) {
		res, err := admin.Client().Get(admin.URL + path)
		require.NoError(t, err)
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		return res.StatusCode, string(body)
	}
	auditor := w.token(staffID, "auditor")
	w.do("GET", "/admin/health", auditor, "").wants(200)
	status, _ := private("/admin/health")
	require.Equal(t, 200, status)

	problem.Store(new(errors.New("database secret-host is down")))
	require.JSONEq(t, `{"status":"NOT_READY"}`, string(w.do("GET", "/admin/health", auditor, "").wants(503).body))
	status, body := private("/admin/health")
	require.Equal(t, 503, status)
	require.NotContains(t, body, "secret")
	w.do("GET", "/health", "", "").wants(200)
	status, _ = private("/health")
	require.Equal(t, 200, status, "alive, though not ready")

	_, text := private("/metrics")
	require.Contains(t, text, `payledger_http_request_duration_seconds_count{method="GET",route="/admin/health",status="200"} 1`)
	problems, err := testutil.GatherAndLint(metrics)
	require.NoError(t, err)
	require.Empty(t, problems)
}

func TestNewNamesWhatIsMissing(t *testing.T) {
	t.Parallel()
	_, err := httpapi.New(httpapi.Config{Service: "s", Project: "p"})
	require.EqualError(t, err, "library API: the configuration lacks Commands, Tables, Head, History, Search, SearchProjection, Verifier, "+
		"Logger, Metrics, Now, NewID, Ready")
}
