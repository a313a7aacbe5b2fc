package httpapi

import (
	"context"
	"io/fs"
	"log/slog"
	"net/http"
	"path"

	"payledger/cmd/payledger/internal/httpapi/envelope"
	"payledger/docs"
)

// health says that the process answers. It asks no server: a database that is down must not get all processes restarted.
func health(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", envelope.TypeJSON)
	_, _ = w.Write([]byte(bodyReady)) // the client is gone: there is nobody to tell
}

// Bodies of the answers about health.
const (
	bodyReady    = `{"status":"OK"}`
	bodyNotReady = `{"status":"NOT_READY"}`
)

// readiness says whether the process should get requests.
func (a *API) readiness(w http.ResponseWriter, r *http.Request) {
	status, body := a.readyNow(r.Context())
	w.Header().Set("Content-Type", envelope.TypeJSON)
	w.WriteHeader(status)
	_, _ = w.Write([]byte(body))
}

// adminHealth is GET /admin/health: the same for those who may know it, on the public listener.
func adminHealth(c *call) (*answer, error) {
	status, body := c.api.readyNow(c.context())
	return &answer{status: status, body: []byte(body)}, nil
}

func (a *API) readyNow(ctx context.Context) (status int, body string) {
	if err := a.ready(); err != nil {
		a.logger.LogAttrs(ctx, slog.LevelWarn, "not ready", slog.String("error", err.Error()))
		return http.StatusServiceUnavailable, bodyNotReady
	}
	return http.StatusOK, bodyReady
}

func openAPI(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/yaml; charset=utf-8")
	_, _ = w.Write(docs.OpenAPI)
}

// schema serves the schemas that the contract refers to.
func (a *API) schema(w http.ResponseWriter, r *http.Request) {
	text, err := fs.ReadFile(docs.Schemas, path.Join("schemas", path.Clean("/"+r.PathValue("path"))))
	if err != nil {
		a.handle(unknownRoute())(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/schema+json")
	_, _ = w.Write(text)
}

// HealthHandler serves /health and nothing else: the listener of a service whose routes are not here.
func HealthHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /health", health)
	return mux
}
