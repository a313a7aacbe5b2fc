// Package httpapi is the library API: it reads requests strictly, asks the one policy table, runs a use case or a query, and
// prints the answer in the contract's envelope. What all routes share is here; a route is one entry of the table in route.go.
package httpapi

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"payledger/audit"
	"payledger/cmd/payledger/internal/httpapi/auth"
	"payledger/commands"
	"payledger/eventstore"
	"payledger/readmodels/checkpoints"
	"payledger/readmodels/history"
	"payledger/readmodels/search"
	"payledger/readmodels/tables"
)

// Config is what the API is made of. Fields without a default are needed.
type Config struct {
	Commands *commands.Service
	Tables   tables.Queries
	// Head reads the end of the log.
	Head    func(context.Context) (eventstore.Head, error)
	History history.Reader
	Search  search.Searcher
	// SearchProjection is the projection that bounds what Search can find.
	SearchProjection checkpoints.Projection
	Verifier         *auth.Verifier
	Logger           *slog.Logger
	Metrics          prometheus.Registerer

	Now   func() time.Time
	NewID func() (uuid.UUID, error) // UUIDv7
	// Zone is that of days in questions about the past. Default UTC.
	Zone *time.Location

	// Ready says what keeps the process from serving, nil for nothing. It must be quick.
	Ready func() error

	// Extends are the names of the lists that other services may add to search documents.
	Extends []string

	Service string // first part of topic names
	Project string // first part of <project>-access-token, header and cookie
	Version string // appVersion of envelopes
	// Patience is how long an answer waits for the projections to come to what was written just before. Default DefaultPatience.
	Patience time.Duration
	// MaxInFlight is how many requests are worked on at the same time; more get 503. Default DefaultMaxInFlight.
	MaxInFlight int64
}

// Defaults of Config.
const (
	DefaultMaxInFlight = 1024
	DefaultPatience    = 500 * time.Millisecond
)

// headerTenant selects among the token's tenants.
const headerTenant = "Mbx-Organizer-Id"

// API serves the routes of the library.
type API struct {
	commands *commands.Service
	tables   tables.Queries
	head     func(context.Context) (eventstore.Head, error)
	history  history.Reader
	search   search.Searcher
	searched checkpoints.Projection
	verifier *auth.Verifier
	logger   *slog.Logger
	metrics  *metrics
	now      func() time.Time
	newID    func() (uuid.UUID, error)
	ready    func() error
	zone     *time.Location

	extends   []string
	service   string
	version   string
	tokenName string

	audit  audit.Reader
	keeper audit.Keeper
	slow   chan struct{} // holds one for each slow request that is worked on

	writes      lastWrites
	patience    time.Duration
	crossOrigin *http.CrossOriginProtection
	maxInFlight int64
	inFlight    atomic.Int64
}

// New returns the API. An error names what the config lacks.
func New(c Config) (*API, error) {
	if missing := c.missing(); len(missing) > 0 {
		return nil, fmt.Errorf("library API: the configuration lacks %s", strings.Join(missing, ", "))
	}
	if c.MaxInFlight <= 0 {
		c.MaxInFlight = DefaultMaxInFlight
	}
	c.Patience = cmp.Or(c.Patience, DefaultPatience)
	m, err := newMetrics(c.Metrics)
	if err != nil {
		return nil, err
	}
	writes, err := newLastWrites()
	if err != nil {
		return nil, err
	}
	return &API{
		commands: c.Commands, tables: c.Tables, head: c.Head, history: c.History, search: c.Search, searched: c.SearchProjection, verifier: c.Verifier, logger: c.Logger,
		metrics: m, now: c.Now, newID: c.NewID, ready: c.Ready, zone: c.Zone, extends: c.Extends, service: c.Service, version: c.Version,
		tokenName: c.Project + "-access-token", writes: writes, patience: c.Patience, maxInFlight: c.MaxInFlight,
		crossOrigin: http.NewCrossOriginProtection(),
		audit:       audit.Reader{Log: c.History.Log, Catalog: c.History.Catalog, Keys: c.History.Keys},
		keeper:      audit.Keeper{Store: c.Commands.Store, Catalog: c.History.Catalog, NewID: c.NewID}, slow: make(chan struct{}, maxSlow),
	}, nil
}

// missing names the needed fields that are not set.
func (c *Config) missing() []string {
	var names []string
	for _, field := range []struct {
		name string
		set  bool
	}{
		{"Commands", c.Commands != nil},
		{"Tables", c.Tables.Pool != nil && c.Tables.Watcher != nil},
		{"Head", c.Head != nil},
		{"History", c.History.Log != nil && c.History.Catalog != nil && c.History.Keys != nil},
		{"Search", c.Search != nil},
		{"SearchProjection", c.SearchProjection.Name != ""},
		{"Verifier", c.Verifier != nil},
		{"Logger", c.Logger != nil},
		{"Metrics", c.Metrics != nil},
		{"Now", c.Now != nil},
		{"NewID", c.NewID != nil},
		{"Ready", c.Ready != nil},
		{"Service", c.Service != ""},
		{"Project", c.Project != ""},
	} {
		if !field.set {
			names = append(names, field.name)
		}
	}
	return names
}

// Handler returns the handler of the library listener.
func (a *API) Handler() http.Handler {
	mux := a.mux(routes())
	mux.HandleFunc("GET /health", health)
	mux.HandleFunc("GET /openapi.yaml", openAPI)
	mux.HandleFunc("GET /swagger", openAPI)
	mux.HandleFunc("GET /schemas/{path...}", a.schema)
	return a.guard(mux)
}

// AdminHandler returns the handler of the private listener: readiness and metrics, without a login.
func (a *API) AdminHandler(metrics http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /health", health)
	mux.HandleFunc("GET /admin/health", a.readiness)
	mux.Handle("GET /metrics", metrics)
	return mux
}

// Time limits of a connection. A body of 1 MiB and an answer of 500 rows have ample time on a slow line.
const (
	readHeaderTimeout = 5 * time.Second
	readTimeout       = 20 * time.Second
	writeTimeout      = 30 * time.Second
	idleTimeout       = 2 * time.Minute
	maxHeaderBytes    = 32 << 10
)

// NewServer returns a server with the limits that every listener of ours has.
func NewServer(handler http.Handler, logger *slog.Logger) *http.Server {
	return &http.Server{
		Handler: handler, ReadHeaderTimeout: readHeaderTimeout, ReadTimeout: readTimeout, WriteTimeout: writeTimeout,
		IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeaderBytes, ErrorLog: slog.NewLogLogger(logger.Handler(), slog.LevelWarn),
	}
}
