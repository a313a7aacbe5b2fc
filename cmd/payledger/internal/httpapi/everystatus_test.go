package httpapi_test

import (
	"context"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"payledger/cmd/payledger/internal/httpapi"
	"payledger/cmd/payledger/internal/httpapi/auth"
)

// Whatever is documented of a route is seen by a test: see TestMain. These see what all routes have in common.

// unfilled is the path of a route with ids that nothing has.
func unfilled(rt httpapi.RouteInfo) string {
	values := map[string]string{}
	for _, name := range rt.Placeholders {
		values[name] = uuid.NewString()
	}
	return at(rt, values)
}

// Each route that needs a login refuses who has no role, and tenants that aren't the token's.
func TestEveryRouteWantsRoleAndTenant(t *testing.T) {
	t.Parallel()
	w := setup(t)
	for _, rt := range httpapi.Routes() {
		if rt.Public {
			continue
		}
		w.do(rt.Method, unfilled(rt), w.token(staffID), "").refused(403, "Forbidden", "errMsg_userHasNoPermission")
		w.do(rt.Method, unfilled(rt), w.token(staffID, "admin"), "", "Mbx-Organizer-Id", "elsewhere").refused(404, "TenantNotFound", "errMsg_TenantNotFound")
	}
	require.Zero(t, w.head())
}

// What the webhook refuses needs no login.
func TestWebhookWithoutGateway(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.do("POST", "/checkout-webhook/fee", "", `{}`, "X-Request-Id", "no id").refused(400, "BadRequest", "errMsg_requestIdisNotAValidString")
	w.do("POST", "/checkout-webhook/fee", "", `{}`).wants(503)
}

// While there is as much to do as the process takes, each route says so.
func TestEveryRouteMayBeBusy(t *testing.T) {
	t.Parallel()
	w := setup(t, func(c *httpapi.Config) { c.MaxInFlight = 1 })
	entered, leave := make(chan struct{}), make(chan struct{})
	w.search.hook = func() { close(entered); <-leave }
	var wg sync.WaitGroup
	wg.Go(func() { w.do("GET", "/search/fees", w.staff(), "").wants(200) })
	<-entered
	for _, rt := range httpapi.Routes() {
		r := w.do(rt.Method, unfilled(rt), w.token(staffID, "admin"), "").refused(503, "Busy", "errMsg_serviceIsBusy")
		require.Equal(t, "1", r.header.Get("Retry-After"), rt.Pattern)
	}
	close(leave)
	wg.Wait()
}

// panickingKeys is a programming fault that every request with a token meets.
type panickingKeys struct{}

func (panickingKeys) Keys(context.Context, string) ([]auth.Key, error) { panic("secret of the code") }

// A programming fault ends one request, whichever route it is of, and callers are told nothing of it.
func TestEveryRouteSurvivesAPanic(t *testing.T) {
	t.Parallel()
	w := setup(t, func(c *httpapi.Config) {
		var err error
		c.Verifier, err = auth.NewVerifier(auth.Config{Issuer: "i", Audience: audience, Keys: panickingKeys{}, Now: time.Now})
		require.NoError(t, err)
	})
	for _, rt := range httpapi.Routes() {
		if !rt.Public {
			r := w.do(rt.Method, unfilled(rt), w.token(staffID, "admin"), "").refused(500, "InternalError", "errMsg_internalError")
			require.NotContains(t, string(r.body), "secret", rt.Pattern)
		}
	}
}

// A row that the caller has already isn't sent again: each route that answers with one row by its id knows its version.
func TestEveryRowHasAVersion(t *testing.T) {
	t.Parallel()
	w := setup(t)
	tried := 0
	for _, rt := range httpapi.Routes() {
		if !rt.ShowsRow {
			continue
		}
		path := at(rt, w.placesOf(rt, memberID))
		tag := w.do("GET", path, w.member(), "").wants(200).header.Get("ETag")
		require.Equal(t, `"0"`, tag, rt.Pattern)
		w.do("GET", path, w.member(), "", "If-None-Match", tag).wants(304)
		tried++
	}
	require.GreaterOrEqual(t, tried, 7)
}

// While the first request with a key runs, each command tells a second one to come back.
func TestEveryCommandMayBeRunning(t *testing.T) {
	t.Parallel()
	w := setup(t)
	admin := w.token(staffID, "admin")
	for _, rt := range httpapi.Routes() {
		if !rt.Write || rt.Answers == "" {
			continue
		}
		values := w.placesOf(rt, memberID)
		body := w.goodBody(rt, values)
		send := func() reply { return w.do(rt.Method, at(rt, values), admin, body, "Idempotency-Key", rt.Name) }
		require.Less(t, send().status, http.StatusMultipleChoices, rt.Pattern)
		_, err := w.db.Pool(t).Exec(context.Background(), `UPDATE ledger.idempotency SET answered_at = NULL WHERE key = $1`, rt.Name)
		require.NoError(t, err)
		before := w.counts()
		require.Equal(t, "1", send().refused(409, "RequestInProgress", "errMsg_requestIsStillRunning").header.Get("Retry-After"))
		require.Equal(t, before, w.counts(), rt.Pattern)
	}
}

// The schemas that the contract refers to are there for everybody.
func TestSchemasAreServed(t *testing.T) {
	t.Parallel()
	w := setup(t)
	r := w.do("GET", "/schemas/fee.json", "", "").wants(200)
	require.Equal(t, "application/schema+json", r.header.Get("Content-Type"))
	w.do("GET", "/schemas/nothing.json", "", "").refused(404, "RouteNotFound", "errMsg_RouteNotFound")
}
