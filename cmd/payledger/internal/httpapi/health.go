package httpapi

import (
	"log/slog"
	"net/http"

	"payledger/cmd/payledger/internal/httpapi/envelope"
	"payledger/docs"
)

// health says that the process answers. It asks no server: a database that is down must not get all processes restarted.
func health(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", envelope.TypeJSON)
	_, _ = w.Write([]byte(`{"status":"OK"}`)) // the client is gone: there is nobody to tell
}

// readiness says whether the process should get requests.
func (a *API) readiness(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", envelope.TypeJSON)
	if err := a.ready(); err != nil {
		a.logger.LogAttrs(r.Context(), slog.LevelWarn, "not ready", slog.String("error", err.Error()))
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = w.Write([]byte(`{"status":"NOT_READY"}`))
		return
	}
	_, _ = w.Write([]byte(`{"status":"OK"}`))
}

func openAPI(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/yaml; charset=utf-8")
	_, _ = w.Write(docs.OpenAPI)
}

// HealthHandler serves /health and nothing else: the listener of a service whose routes are not here.
func HealthHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /health", health)
	return mux
}
