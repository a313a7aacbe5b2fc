//go:build servers

package search_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"payledger/readmodels"
	"payledger/readmodels/search"
)

const fee = readmodels.ObjectFee

// proxy stands before the real server and does harm on demand.
type proxy struct {
	*httptest.Server
	// down cuts every connection.
	down atomic.Bool
	// onRequest may answer by itself, and then returns true.
	onRequest atomic.Pointer[func(http.ResponseWriter, *http.Request) bool]
	// onAnswer may change an answer's body.
	onAnswer atomic.Pointer[func(*http.Request, []byte) []byte]
}

func newProxy(t testing.TB, target string) *proxy {
	t.Helper()
	to, err := url.Parse(target)
	require.NoError(t, err)
	p := new(proxy)
	reverse := httputil.NewSingleHostReverseProxy(to)
	transport := new(http.Transport) // of its own: another proxy that ends closes the connections of the default one
	t.Cleanup(transport.CloseIdleConnections)
	reverse.Transport = transport
	reverse.ErrorHandler = func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) }
	reverse.ModifyResponse = func(r *http.Response) error {
		change := p.onAnswer.Load()
		if change == nil {
			return nil
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return err
		}
		body = (*change)(r.Request, body)
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		r.Header.Set("Content-Length", strconv.Itoa(len(body)))
		return nil
	}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if p.down.Load() {
			panic(http.ErrAbortHandler)
		}
		if on := p.onRequest.Load(); on != nil && (*on)(w, r) {
			return
		}
		r.Header.Del("Accept-Encoding") // answers are to be read here
		reverse.ServeHTTP(w, r)
	}))
	t.Cleanup(p.Close)
	return p
}

func isBulk(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, "/_bulk") }

func TestStaleWritesLose(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	index, _ := s.index(t, s.url)
	require.NoError(t, index.Replace(t.Context()))
	write := func(d search.Document) {
		require.NoError(t, index.Write(t.Context(), []search.Document{d}))
	}
	write(document("a", 1, 10, "ten"))
	write(document("a", 1, 9, "nine"))
	require.Empty(t, find(t, index, "nine"))
	write(document("a", 1, 10, "ten again")) // what a restart repeats
	require.Equal(t, []string{`{"id":"a","position":10}`}, find(t, index, "ten"))
	write(document("a", 1, 11, "eleven"))
	require.Equal(t, []string{`{"id":"a","position":11}`}, find(t, index, "eleven"))
	// A new epoch beats every position of the one before.
	write(document("a", 2, 3, "restored"))
	write(document("a", 1, 1<<43, "lost future"))
	require.Equal(t, []string{`{"id":"a","position":3}`}, find(t, index, ""))
	require.Empty(t, find(t, index, "lost"))
	gone := document("a", 2, 4, "restored")
	gone.Deleted = true
	write(gone)
	write(document("a", 2, 3, "restored"))
	require.Empty(t, find(t, index, ""), "a tombstone stays")
}

func TestRefusedDocumentIsNamed(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	index, _ := s.index(t, s.url)
	require.NoError(t, index.Replace(t.Context()))
	refused := document("bad", 1, 2, "good")
	refused.Reason = strings.Repeat("x", 40_000) // over what the server takes as one word
	later := document("worse", 1, 3)
	later.Status = refused.Reason
	err := index.Write(t.Context(), []search.Document{document("a", 1, 1, "good"), refused, later, document("b", 1, 4, "good")})
	var documentErr *search.DocumentError
	require.ErrorAs(t, err, &documentErr)
	require.NotErrorIs(t, err, search.ErrUnavailable)
	require.Equal(t, "main/fee/bad", documentErr.ID)
	require.EqualValues(t, 2, documentErr.Position)
	require.Equal(t, "status 400: document_parsing_exception: illegal_argument_exception", documentErr.Reason,
		"what the document says stands in no log")
	require.Len(t, find(t, index, "good"), 2, "the others are stored")
}

func TestBusyServerIsAskedAgain(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	p := newProxy(t, s.url)
	index, _ := s.index(t, p.URL)
	require.NoError(t, index.Replace(t.Context()))
	refused := document("bad", 1, 1)
	refused.Reason = strings.Repeat("x", 40_000)
	docs := []search.Document{refused, document("a", 1, 2), document("b", 1, 3)}
	for _, status := range []int{401, 403, 408, 429, 500, 502, 503, 504} {
		whole := func(w http.ResponseWriter, _ *http.Request) bool {
			w.Header().Set("X-Elastic-Product", "Elasticsearch")
			w.WriteHeader(status)
			return true
		}
		p.onRequest.Store(&whole)
		require.ErrorIs(t, index.Write(t.Context(), docs), search.ErrUnavailable, status)
		_, err := index.Search(t.Context(), search.Query{Tenant: "main", Object: fee})
		require.ErrorIs(t, err, search.ErrUnavailable, status)
		_, err = index.Ready(t.Context())
		require.ErrorIs(t, err, search.ErrUnavailable, status)
		p.onRequest.Store(nil)
		// One of three only, and it comes before the refusal: its document isn't stored yet.
		item := func(_ *http.Request, body []byte) []byte {
			return bytes.Replace(body, []byte(`"status":201`), []byte(`"status":`+strconv.Itoa(status)), 1)
		}
		p.onAnswer.Store(&item)
		fresh := append([]search.Document{refused}, document("a"+strconv.Itoa(status), 1, 2), document("b"+strconv.Itoa(status), 1, 3))
		require.ErrorIs(t, index.Write(t.Context(), fresh), search.ErrUnavailable, status)
		p.onAnswer.Store(nil)
	}
	short := func(_ *http.Request, _ []byte) []byte { return []byte(`{"items":[]}`) }
	p.onAnswer.Store(&short)
	require.ErrorIs(t, index.Write(t.Context(), docs), search.ErrUnavailable, "an answer that leaves documents out")
	p.onAnswer.Store(nil)
	p.down.Store(true)
	require.ErrorIs(t, index.Write(t.Context(), docs), search.ErrUnavailable)
	require.ErrorIs(t, index.Ping(t.Context()), search.ErrUnavailable)
	p.down.Store(false)
	require.NoError(t, index.Ping(t.Context()))
	var documentErr *search.DocumentError
	require.ErrorAs(t, index.Write(t.Context(), docs), &documentErr)
}

func TestMissingIndexIsNeverMadeByAWrite(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	index, _ := s.index(t, s.url)
	require.ErrorIs(t, index.Write(t.Context(), []search.Document{document("a", 1, 1)}), search.ErrUnavailable)
	_, err := index.Search(t.Context(), search.Query{Tenant: "main", Object: fee})
	require.ErrorIs(t, err, search.ErrUnavailable)
	require.Empty(t, s.indices(t))
	ready, err := index.Ready(t.Context())
	require.NoError(t, err)
	require.False(t, ready)
}

func TestReplaceLeavesOneEmptyIndex(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	index, _ := s.index(t, s.url)
	// Left over: one that took the alias's name, one that never got the alias. Not ours: another version's, another object's.
	strangers := []string{s.prefix + "_fee-v21-x", s.prefix + "_feepayment-v1-x", s.prefix + "_fees-v2-x"}
	for _, name := range append(strangers, s.alias(), s.alias()+"-orphan") {
		s.do(t, http.MethodPut, "/"+name)
	}
	for range 3 {
		require.NoError(t, index.Replace(t.Context()))
		require.Empty(t, find(t, index, ""))
		require.Len(t, s.behind(t), 1)
		require.Len(t, s.serving(t), len(readmodels.Objects()))
		require.ElementsMatch(t, append(s.serving(t), strangers...), s.indices(t))
		require.NoError(t, index.Write(t.Context(), []search.Document{document("a", 1, 1)}))
		require.Len(t, find(t, index, ""), 1)
		ready, err := index.Ready(t.Context())
		require.NoError(t, err)
		require.True(t, ready)
	}
}

// An owner that was paused while it made an index must not put the alias on it once another one has made its own.
func TestLateReplaceLoses(t *testing.T) {
	t.Parallel()
	for name, before := range map[string]int{"nothing there": 0, "an index there": 1} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t)
			quick, _ := s.index(t, s.url)
			for range before {
				require.NoError(t, quick.Replace(t.Context()))
			}
			p := newProxy(t, s.url)
			late, _ := s.index(t, p.URL)
			paused, resume := make(chan struct{}), make(chan struct{})
			pause := func(_ http.ResponseWriter, r *http.Request) bool {
				if strings.HasSuffix(r.URL.Path, "/_aliases") {
					close(paused)
					<-resume
				}
				return false
			}
			p.onRequest.Store(&pause)
			done := make(chan error, 1)
			go func() { done <- late.Replace(t.Context()) }()
			<-paused
			require.NoError(t, quick.Replace(t.Context()))
			require.NoError(t, quick.Write(t.Context(), []search.Document{document("a", 1, 1)}))
			close(resume)
			require.ErrorIs(t, <-done, search.ErrUnavailable)
			require.Len(t, s.behind(t), 1)
			require.Len(t, find(t, quick, ""), 1)
		})
	}
}

// A search that the replacement overtakes must not claim the checkpoint of what was there before.
func TestSearchDuringReplacementClaimsTheLowerCheckpoint(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	p := newProxy(t, s.url)
	index, at := s.index(t, p.URL)
	require.NoError(t, index.Replace(t.Context()))
	at.Store(500)
	replaced := func(_ http.ResponseWriter, r *http.Request) bool {
		if strings.HasSuffix(r.URL.Path, "/_search") {
			at.Store(3)
		}
		return false
	}
	p.onRequest.Store(&replaced)
	res, err := index.Search(t.Context(), search.Query{Tenant: "main", Object: fee})
	require.NoError(t, err)
	require.EqualValues(t, 3, res.Checkpoint)
}

func TestMappingIsWhatTheServerHas(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	index, _ := s.index(t, s.url)
	require.NoError(t, index.Replace(t.Context()))
	for _, made := range s.do(t, http.MethodGet, "/"+s.alias()+"/_mapping") {
		got, err := json.Marshal(made.(map[string]any)["mappings"])
		require.NoError(t, err)
		// A change here is a new version of the mirror: search.Mirror().
		require.JSONEq(t, `{"dynamic": "strict", "properties": {
			"amount": {"type": "long"}, "amountHigh": {"type": "long"}, "amountLow": {"type": "long"},
			"body": {"type": "keyword", "index": false, "doc_values": false}, "createdAt": {"type": "date"}, "currency": {"type": "keyword"},
			"deleted": {"type": "boolean"}, "id": {"type": "keyword"}, "owner": {"type": "keyword"}, "reason": {"type": "keyword"},
			"status": {"type": "keyword"}, "tenant": {"type": "keyword"}, "updatedAt": {"type": "date"}, "words": {"type": "keyword"}}}`, string(got))
	}
}
