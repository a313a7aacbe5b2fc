package httpapi_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"payledger/cmd/payledger/internal/httpapi"
	"payledger/cmd/payledger/internal/httpapi/auth"
	"payledger/commands"
	"payledger/eventstore"
	"payledger/eventstore/catalog"
	"payledger/eventstore/pgtest"
	"payledger/eventstore/storetest"
	"payledger/internal/schematest"
	"payledger/projections"
	booksprojection "payledger/projections/books"
	tablesprojection "payledger/projections/tables"
	"payledger/readmodels/checkpoints"
	"payledger/readmodels/history"
	"payledger/readmodels/search"
	"payledger/readmodels/tables"
	"payledger/readmodels/totals"
)

const (
	service  = "librarymanagementsystem-payment-service"
	audience = "payledger"
	tenant   = "demo"
)

// Ids of the people in the tests.
const (
	memberID = "11111111-1111-4111-8111-111111111111"
	otherID  = "22222222-2222-4222-8222-222222222222"
	staffID  = "33333333-3333-4333-8333-333333333333"
	loanID   = "44444444-4444-4444-8444-444444444444"
)

// How long tests wait for what happens beside them, and how often they look.
const (
	wait = 30 * time.Second
	tick = 5 * time.Millisecond
)

// world is the API over a real log, with the projection of the tables running unless a test stops it.
type world struct {
	t       testing.TB
	db      *pgtest.DB
	pool    *pgxpool.Pool // as the app
	store   *eventstore.Store
	catalog *catalog.Catalog
	vault   *eventstore.Vault
	watcher *checkpoints.Watcher
	reader  *eventstore.Reader
	api     *httpapi.API
	handler http.Handler
	server  *httptest.Server
	logs    *syncBuffer
	key     ed25519.PrivateKey
	search  *fixedSearch
	stop    context.CancelFunc // of the projections
	done    chan struct{}
	halted  error // valid after done
}

type option func(*httpapi.Config)

// impatient is for tests of what is answered while the projections stand still.
func impatient(c *httpapi.Config) { c.Patience = httpapi.DefaultPatience }

func setup(t testing.TB, options ...option) *world {
	t.Helper()
	w := &world{t: t, db: pgtest.NewFrom(t, storetest.Template()), logs: &syncBuffer{}, search: &fixedSearch{}}
	w.pool = w.db.AppPool(t)
	w.reader = eventstore.NewReader(w.pool)
	log := slog.New(slog.NewJSONHandler(w.logs, &slog.HandlerOptions{Level: slog.LevelDebug}))

	w.catalog, w.vault = catalog.New(), eventstore.OpenVault(w.pool, [32]byte{1})
	cat, vault := w.catalog, w.vault
	w.store = storetest.OpenOn(t, w.db, func(c *eventstore.Config) { c.Folder, c.Keys = commands.Folder{Catalog: cat}, vault })
	w.watcher = checkpoints.NewWatcher(w.pool, log)
	queries := tables.Queries{Pool: w.pool, Watcher: w.watcher, Totals: totals.NewMemory()}

	public, private, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	w.key = private
	verifier, err := auth.NewVerifier(auth.Config{Audience: audience, Keys: auth.StaticKeys{{Public: public}}, Now: time.Now})
	require.NoError(t, err)

	config := httpapi.Config{
		Commands: &commands.Service{Store: w.store, Catalog: cat, Vault: vault, OpenFees: queries},
		Extends:  []string{"reminders"},
		Tables:   queries, Head: w.reader.Head, History: history.Reader{Log: w.reader, Catalog: cat, Keys: vault}, Search: w.search, SearchProjection: tables.Projection(), Verifier: verifier,
		Logger: log, Metrics: prometheus.NewRegistry(), Now: time.Now, NewID: uuid.NewV7, Ready: func() error { return nil },
		Service: service, Project: "librarymanagementsystem", Version: "test", Patience: wait, // machines that are busy with other tests are slow
	}
	for _, o := range options {
		o(&config)
	}
	config.Commands.Rows = httpapi.Rows{Tables: queries, Patience: config.Patience}
	api, err := httpapi.New(config)
	require.NoError(t, err)
	w.api, w.handler = api, seen.watch(api.Handler())
	w.server = httptest.NewServer(w.handler)
	t.Cleanup(w.server.Close)

	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { w.watcher.Run(ctx) })
	t.Cleanup(func() { cancel(); running.Wait() })
	w.project()
	require.Eventually(t, func() bool {
		_, err := queries.Fee(context.Background(), tenant, memberID)
		return err == nil
	}, wait, tick, "the tables are built")
	return w
}

// project runs projections, those of the tables and the books by default, until the test ends or calls pause.
func (w *world) project(projectors ...projections.Projector) {
	w.t.Helper()
	if len(projectors) == 0 {
		projectors = []projections.Projector{tablesprojection.New(), booksprojection.New()}
	}
	ctx, cancel := context.WithCancel(context.Background())
	w.stop, w.done = cancel, make(chan struct{})
	pool := w.db.ProjectorPool(w.t)
	log := slog.New(slog.DiscardHandler)
	waker := eventstore.NewWaker(pool, log)
	metrics := projections.NewMetrics(prometheus.NewRegistry())
	configs := make([]projections.RunConfig, len(projectors))
	for i, p := range projectors {
		configs[i] = projections.RunConfig{
			Pool: pool, Reader: eventstore.NewReader(pool), Waker: waker, Catalog: w.catalog, Keys: w.vault, Projector: p, Logger: log,
			Metrics: metrics, Now: time.Now,
		}
	}
	go func() {
		defer close(w.done)
		var running sync.WaitGroup
		running.Go(func() { waker.Run(ctx) })
		halted := make([]error, len(configs))
		for i, cfg := range configs {
			running.Go(func() { halted[i] = projections.Run(ctx, cfg) })
		}
		running.Wait()
		w.halted = errors.Join(halted...)
	}()
	w.t.Cleanup(w.pause)
}

// projected waits for the tables to come to the head of the log.
func (w *world) projected() {
	w.t.Helper()
	head := w.head()
	at, err := w.watcher.Wait(context.Background(), tables.Projection(), head, wait)
	require.NoError(w.t, err)
	require.Equal(w.t, head, at)
}

// pause stops the projections.
func (w *world) pause() {
	w.stop()
	<-w.done
}

func (w *world) token(subject string, roles ...string) string {
	return w.sign(jwt.MapClaims{"sub": subject, "sid": "session-of-" + subject, "tenant": tenant, "roles": roles})
}

func (w *world) sign(claims jwt.MapClaims) string {
	claims["aud"], claims["exp"] = audience, time.Now().Add(time.Hour).Unix()
	signed, err := jwt.NewWithClaims(jwt.SigningMethodEdDSA, claims).SignedString(w.key)
	require.NoError(w.t, err)
	return signed
}

func (w *world) staff() string  { return w.token(staffID, "staff") }
func (w *world) member() string { return w.token(memberID, "member") }

// reply is an answer, read.
type reply struct {
	t      testing.TB
	status int
	header http.Header
	body   []byte
}

// do sends a request; header is in pairs of name and value. A body that is no string is sent as JSON.
func (w *world) do(method, path, token, body string, header ...string) reply {
	w.t.Helper()
	var reader io.Reader = http.NoBody
	if body != "" {
		reader = bytes.NewReader([]byte(body))
	}
	req, err := http.NewRequestWithContext(context.Background(), method, w.server.URL+path, reader)
	require.NoError(w.t, err)
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
		if header[i+1] == "" {
			req.Header.Del(header[i])
		}
	}
	res, err := w.server.Client().Do(req)
	require.NoError(w.t, err)
	defer res.Body.Close()
	read, err := io.ReadAll(res.Body)
	require.NoError(w.t, err)
	r := reply{t: w.t, status: res.StatusCode, header: res.Header, body: read}
	schematest.Answer(w.t, method, path, r.status, r.header, r.body)
	return r
}

// assess assesses a fee of the member and returns its id.
func (w *world) assess(amount string) string {
	w.t.Helper()
	return w.assessFor(memberID, amount)
}

// assessFor assesses a fee of a person and returns its id.
func (w *world) assessFor(person, amount string) string {
	w.t.Helper()
	r := w.do("POST", "/fees", w.staff(), `{"userId":"`+person+`","loanId":"`+loanID+`","amount":`+amount+`}`)
	r.wants(http.StatusCreated)
	return r.str("fee", "id")
}

func (w *world) head() int64 {
	w.t.Helper()
	head, err := w.reader.Head(context.Background())
	require.NoError(w.t, err)
	return head.Position
}

func (r reply) wants(status int) reply {
	r.t.Helper()
	require.Equal(r.t, status, r.status, "%s", r.body)
	return r
}

// refused checks the whole error envelope but the date.
func (r reply) refused(status int, code, message string) reply {
	r.t.Helper()
	r.wants(status)
	require.Equal(r.t, "ERR", r.str("result"))
	require.Equal(r.t, strconv.Itoa(status), string(r.raw("status")))
	require.Equal(r.t, code, r.str("errCode"))
	require.Equal(r.t, message, r.str("message"))
	return r
}

// raw returns the JSON at a path of keys.
func (r reply) raw(path ...string) json.RawMessage {
	r.t.Helper()
	at := json.RawMessage(r.body)
	for _, key := range path {
		var object map[string]json.RawMessage
		require.NoError(r.t, json.Unmarshal(at, &object), "%s in %s", key, r.body)
		require.Contains(r.t, object, key)
		at = object[key]
	}
	return at
}

func (r reply) str(path ...string) string {
	r.t.Helper()
	var s string
	require.NoError(r.t, json.Unmarshal(r.raw(path...), &s))
	return s
}

func (r reply) position() int64 {
	r.t.Helper()
	n, err := strconv.ParseInt(r.header.Get("Ledger-Position"), 10, 64)
	require.NoError(r.t, err)
	return n
}

// keys returns the keys of the JSON object at a path, in order.
func (r reply) keys(path ...string) []string {
	r.t.Helper()
	dec := json.NewDecoder(bytes.NewReader(r.raw(path...)))
	_, err := dec.Token()
	require.NoError(r.t, err)
	var keys []string
	for dec.More() {
		key, err := dec.Token()
		require.NoError(r.t, err)
		keys = append(keys, key.(string))
		var skip json.RawMessage
		require.NoError(r.t, dec.Decode(&skip))
	}
	return keys
}

// syncBuffer is a log that tests can read while it is written.
type syncBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// fixedSearch remembers the query and answers what it was told to.
type fixedSearch struct {
	mu     sync.Mutex
	asked  search.Query
	result search.Result
	err    error
	hook   func() // called on each search
}

func (f *fixedSearch) Search(_ context.Context, q search.Query) (search.Result, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.hook != nil {
		f.hook()
	}
	f.asked = q
	return f.result, f.err
}
