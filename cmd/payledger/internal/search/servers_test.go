//go:build servers

package search_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	essearch "payledger/cmd/payledger/internal/search"
	"payledger/readmodels"
	"payledger/readmodels/search"
	"payledger/readmodels/search/searchtest"
)

// serverURL is that of a real Elasticsearch, as scripts/with-servers starts it. Without it a test fails.
func serverURL(t testing.TB) string {
	t.Helper()
	url := os.Getenv("TEST_ELASTICSEARCH_URL")
	require.NotEmpty(t, url, "TEST_ELASTICSEARCH_URL is needed: run scripts/with-servers")
	return url
}

// server is one test's part of the cluster: its indices are gone when it ends.
type server struct {
	url    string
	prefix string
}

func newServer(t testing.TB) server {
	t.Helper()
	s := server{url: serverURL(t), prefix: "test" + strings.ToLower(rand.Text()[:12])}
	t.Cleanup(func() {
		for _, name := range s.indices(t) {
			s.do(t, http.MethodDelete, "/"+name)
		}
	})
	return s
}

func (s server) alias() string { return s.prefix + "_fee-v2" }

// do asks the server directly and returns the decoded answer.
func (s server) do(t testing.TB, method, path string) map[string]any {
	t.Helper()
	request, err := http.NewRequestWithContext(context.Background(), method, s.url+path, http.NoBody)
	require.NoError(t, err)
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	raw, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.Less(t, response.StatusCode, 300, "%s %s: %s", method, path, raw)
	answer := make(map[string]any)
	require.NoError(t, json.Unmarshal(raw, &answer), "%s", raw)
	return answer
}

// indices returns all indices of the test, in order.
func (s server) indices(t testing.TB) []string {
	t.Helper()
	return slices.Sorted(maps.Keys(s.do(t, http.MethodGet, "/"+s.prefix+"*/_alias")))
}

// serving returns the indices behind the aliases of all objects.
func (s server) serving(t testing.TB) []string {
	t.Helper()
	var names []string
	for name, index := range s.do(t, http.MethodGet, "/"+s.prefix+"*/_alias") {
		if len(index.(map[string]any)["aliases"].(map[string]any)) > 0 {
			names = append(names, name)
		}
	}
	return names
}

// behind returns the indices behind the fees' alias.
func (s server) behind(t testing.TB) []string {
	t.Helper()
	var names []string
	for name, index := range s.do(t, http.MethodGet, "/"+s.prefix+"*/_alias") {
		if _, ok := index.(map[string]any)["aliases"].(map[string]any)[s.alias()]; ok {
			names = append(names, name)
		}
	}
	return names
}

// index returns the adapter, and the checkpoint that it answers with.
func (s server) index(t testing.TB, url string) (*essearch.Index, *atomic.Int64) {
	t.Helper()
	at := new(atomic.Int64)
	index, err := essearch.New(essearch.Config{
		URL: url, Prefix: s.prefix, Checkpoint: func(context.Context) (int64, error) { return at.Load(), nil },
	})
	require.NoError(t, err)
	return index, at
}

func document(id string, epoch, position int64, texts ...string) search.Document {
	return search.Document{
		Tenant: "main", Object: readmodels.ObjectFee, ID: id, Owner: "u", Status: "unpaid", Currency: "USD",
		Words: search.Words(texts...), Epoch: epoch, Position: position, Body: json.RawMessage(fmt.Sprintf(`{"id":%q,"position":%d}`, id, position)),
	}
}

// find returns the documents with a text.
func find(t testing.TB, index *essearch.Index, text string) []string {
	t.Helper()
	res, err := index.Search(t.Context(), search.Query{Tenant: "main", Object: readmodels.ObjectFee, Text: text, PageRowCount: 100})
	require.NoError(t, err)
	var found []string
	for _, d := range res.Documents {
		found = append(found, string(d))
	}
	return found
}

func TestConformance(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	index, at := s.index(t, s.url)
	require.NoError(t, index.Replace(t.Context()))
	searchtest.Run(t, searchtest.Subject{
		Searcher: index,
		Put: func(t testing.TB, docs []search.Document) {
			t.Helper()
			for len(docs) > 0 {
				n := min(len(docs), 2000)
				require.NoError(t, index.Write(t.Context(), docs[:n]))
				for _, d := range docs[:n] {
					raise(at, d.Position)
				}
				docs = docs[n:]
			}
		},
	})
}

func raise(at *atomic.Int64, to int64) {
	for {
		now := at.Load()
		if now >= to || at.CompareAndSwap(now, to) {
			return
		}
	}
}
