package httpapi_test

import (
	"context"
	"fmt"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"payledger/cmd/payledger/internal/httpapi"
	"payledger/domain/customer"
	"payledger/domain/gateway"
	documentsprojection "payledger/projections/documents"
	tablesprojection "payledger/projections/tables"
	"payledger/readmodels/checkpoints"
	"payledger/readmodels/documents"
	"payledger/readmodels/search"
	"payledger/readmodels/search/pgsearch"
)

var aCursor = regexp.MustCompile(`"cursor":"[^"]*"`)

// The answers of searches, whole and in order, facets and cursor too: testdata/searches. The search server gives the same, see
// search_golden_servers_test.go.
func TestGoldenSearches(t *testing.T) {
	t.Parallel()
	var searcher search.Searcher
	w := setup(t, func(c *httpapi.Config) {
		searcher = pgsearch.New(c.Tables.Pool)
		c.Search, c.SearchProjection = searcher, documents.Projection()
	})
	w.pause()
	w.project(tablesprojection.New(), documentsprojection.New())
	w.goldenSearches(t, searcher, documents.Projection())
}

// goldenSearches asks for the second of a person's documents of each object, with the facets of all.
func (w *world) goldenSearches(t *testing.T, searcher search.Searcher, bounds checkpoints.Projection) {
	t.Helper()
	person := uuid.NewString()
	w.searchable(person)
	w.searchable(otherID)
	at, err := w.watcher.Wait(context.Background(), bounds, w.head(), wait)
	require.NoError(t, err)
	require.Equal(t, w.head(), at)
	asked := 0
	for _, rt := range httpapi.Routes() {
		if !strings.HasPrefix(rt.Path, "/search/") {
			continue
		}
		first, err := searcher.Search(t.Context(), search.Query{Tenant: tenant, Object: rt.Object, Owner: person, PageRowCount: 1})
		require.NoError(t, err)
		require.NotEmpty(t, first.Next, rt.Pattern)
		r := w.do("GET", rt.Path+"?facets=true&pageRowCount=1&cursor="+url.QueryEscape(first.Next), w.token(person, "member"), "").wants(200)
		golden(t, filepath.Join("testdata", "searches", rt.Name+".json"), aCursor.ReplaceAll(r.body, []byte(`"cursor":"CURSOR"`)))
		asked++
	}
	require.Equal(t, 6, asked, "five objects, one of them in two shapes")
}

// searchable makes three documents at least of each object of a person.
func (w *world) searchable(person string) {
	w.t.Helper()
	for i, fee := range []string{
		`"amount":5,"reason":"overdue","note":"Dvořák's score"`, `"amount":7.25,"reason":"lost","note":"Émile, tome II"`, `"amount":500,"currency":"JPY"`,
	} {
		r := w.do("POST", "/fees", w.staff(), `{"userId":"`+person+`",`+fee+`}`).wants(201)
		id := r.str("fee", "id")
		w.do("POST", "/payments", w.staff(), `{"userId":"`+person+`","tender":"`+[]string{"cash", "pos", "check"}[i]+`","amount":5,"currency":"`+
			r.str("fee", "currency")+`","allocations":[{"feeId":"`+id+`","amount":5}]}`).wants(201)
		w.do("POST", "/feeevents", w.staff(), `{"feeId":"`+id+`","eventType":"note","note":"asked by phone"}`).wants(201)
		status := []string{"started", "success", "success"}[i]
		gatewayID := uuid.Must(uuid.NewV7()).String()
		w.append(gateway.Stream(gatewayID), person, gateway.Recorded{
			ID: gatewayID, OwnerID: person, OrderID: id, PaymentID: fmt.Sprint("pi_", i), PaymentStatus: "new", StatusLiteral: status,
		})
		w.append(customer.Stream(person), person,
			customer.Linked{ID: uuid.Must(uuid.NewV7()).String(), UserID: person, CustomerID: fmt.Sprint("cus_", i), Platform: "stripe"},
			customer.MethodAttached{
				ID: uuid.Must(uuid.NewV7()).String(), UserID: person, PaymentMethodID: fmt.Sprint("pm_", i), CustomerID: fmt.Sprint("cus_", i), CardHolderName: "Renée Ferrer",
				CardHolderZip: "75005", Platform: "stripe", Card: customer.Card{Brand: "visa", Last4: "4242", ExpMonth: 12, ExpYear: 2030},
			})
	}
}
