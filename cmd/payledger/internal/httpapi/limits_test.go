package httpapi_test

import (
	"encoding/json"
	"strings"
	"sync"
	"testing"

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
	require.Equal(t, "BadRequest", lines[2]["error_code"])
	for _, secret := range []string{"private", "secret", "nonsense", w.staff()[:30], memberID} {
		require.NotContains(t, w.logs.String(), secret)
	}
}
