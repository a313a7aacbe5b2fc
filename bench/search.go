package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// searchSteps measure the way of documents into a real Elasticsearch, which is started for them alone.
func searchSteps() []step {
	return []step{{names: []string{"search.catchup", "search.bulk"}, run: measureMirror}}
}

// searchMembers is of how many members at most the documents are made: Elasticsearch takes some thousand a second.
const searchMembers = 5000

const sqlCountDocuments = `SELECT count(*) FROM documents_v2.documents`

// measureMirror measures how fast `payledger project search` fills empty indices from the documents, and then a bare bulk load of the same
// documents into indices with the same settings, by one client, with one refresh at the end.
func measureMirror(ctx context.Context, s *suite) (err error) {
	server, err := startSearch(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.close()) }()
	l, err := s.newLibrary(ctx, "search", min(s.members, searchMembers))
	if err != nil {
		return err
	}
	defer l.close()
	st := &stack{suite: s, library: l}
	defer func() { err = errors.Join(err, st.close()) }()
	if err := errors.Join(st.build(ctx), st.configure(ctx)); err != nil {
		return err
	}
	st.env = append(st.env, "ELASTICSEARCH_URL="+server.url)
	if st.projector, err = st.role(ctx, "project", "project", "documents"); err != nil {
		return err
	}
	reaches := func(name string) (climb, error) {
		return climbTo(ctx, l.events, patience, func() (int64, error) { return l.checkpoint(ctx, name) })
	}
	if _, err := reaches("documents"); err != nil {
		return err
	}
	var documents int64
	if err := l.pool.QueryRow(ctx, sqlCountDocuments).Scan(&documents); err != nil {
		return fmt.Errorf("count documents: %w", err)
	}
	mirror, err := st.role(ctx, "search", "project", "search")
	if err != nil {
		return err
	}
	climb, err := reaches("search")
	if err = errors.Join(err, mirror.stop()); err != nil {
		return err
	}
	s.report.add("search.catchup", float64(documents)/climb.elapsed.Seconds(), perSecond, "search.bulk")
	loaded, took, err := server.load(ctx)
	if err != nil {
		return err
	}
	if loaded != documents {
		return fmt.Errorf("%w: it has %d of %d documents", errSearch, loaded, documents)
	}
	s.report.add("search.bulk", float64(loaded)/took.Seconds(), perSecond, "")
	return nil
}

// errSearch: Elasticsearch doesn't do what was asked.
var errSearch = errors.New("elasticsearch")

// searchServer is an Elasticsearch of its own.
type searchServer struct {
	*process
	dir string
	url string
}

// startSearch starts a server, as scripts/with-servers does, and waits until it answers.
func startSearch(ctx context.Context) (_ *searchServer, err error) {
	const scripts = "scripts/servers/elasticsearch/"
	if out, err := exec.CommandContext(ctx, scripts+"fetch.sh").CombinedOutput(); err != nil {
		return nil, fmt.Errorf("fetch Elasticsearch: %w\n%s", err, out)
	}
	dir, err := os.MkdirTemp("", "payledger-search-")
	if err != nil {
		return nil, fmt.Errorf("start Elasticsearch: %w", err)
	}
	if err := os.Chmod(dir, 0o711); err != nil { //nolint:gosec // it may run as another user
		return nil, fmt.Errorf("start Elasticsearch: %w", err)
	}
	ports, err := freePorts(2)
	if err != nil {
		return nil, err
	}
	server := &searchServer{dir: dir, url: "http://127.0.0.1:" + ports[0]}
	if server.process, err = start(ctx, dir, "elasticsearch", scripts+"start.sh", append([]string{filepath.Join(dir, "es")}, ports...), nil); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	go func() { _, _ = io.Copy(io.Discard, server.out) }()
	for deadline := time.Now().Add(patience); ; {
		err := server.ask(ctx, http.MethodGet, "/_cluster/health?wait_for_status=yellow&timeout=1s", nil, nil)
		if err == nil {
			return server, nil
		}
		if ctx.Err() != nil || time.Now().After(deadline) {
			return nil, errors.Join(fmt.Errorf("start Elasticsearch: %w\n%s", err, server.tail()), server.close())
		}
		if err := sleep(ctx, 200*time.Millisecond); err != nil {
			return nil, errors.Join(err, server.close())
		}
	}
}

// freePorts returns ports that nobody uses just now.
func freePorts(n int) (ports []string, err error) {
	for range n {
		listener, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // at once
		if err != nil {
			return nil, fmt.Errorf("find a port: %w", err)
		}
		defer listener.Close()
		_, port, err := net.SplitHostPort(listener.Addr().String())
		if err != nil {
			return nil, fmt.Errorf("find a port: %w", err)
		}
		ports = append(ports, port)
	}
	return ports, nil
}

func (s *searchServer) close() error {
	_ = s.stop() // it ends by the signal
	return os.RemoveAll(s.dir)
}

// ask sends a request and reads the answer into a value, unless that is nil.
func (s *searchServer) ask(ctx context.Context, method, path string, body []byte, answer any) error {
	request, err := http.NewRequestWithContext(ctx, method, s.url+path, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("ask Elasticsearch: %w", err)
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("ask Elasticsearch: %w", err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%w: %s %s: %.300s", errSearch, method, path, text)
	}
	if err == nil && answer != nil {
		err = json.Unmarshal(text, answer)
	}
	return err
}

// hits are documents as a search tells them.
type hits struct {
	ScrollID string `json:"_scroll_id"` //nolint:tagliatelle // theirs
	Hits     struct {
		Hits []struct {
			Index  string          `json:"_index"`  //nolint:tagliatelle // theirs
			ID     string          `json:"_id"`     //nolint:tagliatelle // theirs
			Source json.RawMessage `json:"_source"` //nolint:tagliatelle // theirs
		} `json:"hits"`
	} `json:"hits"`
}

// loadPage is how many documents a request brings, as the mirror's do.
const loadPage = 1000

// load puts all documents into further indices with the same settings, and tells how long only that took.
func (s *searchServer) load(ctx context.Context) (documents int64, took time.Duration, err error) {
	var indices map[string]struct {
		Mappings json.RawMessage `json:"mappings"`
	}
	if err := s.ask(ctx, http.MethodGet, "/*", nil, &indices); err != nil {
		return 0, 0, err
	}
	bare := func(index string) string { return "bare-" + strings.TrimPrefix(index, ".") }
	for name, index := range indices {
		body := fmt.Appendf(nil, `{"settings":{"number_of_shards":1,"number_of_replicas":0},"mappings":%s}`, index.Mappings)
		if err := s.ask(ctx, http.MethodPut, "/"+bare(name), body, nil); err != nil {
			return 0, 0, err
		}
	}
	var page hits
	err = s.ask(ctx, http.MethodPost, "/*,-bare-*/_search?scroll=5m", fmt.Appendf(nil, `{"size":%d,"sort":["_doc"]}`, loadPage), &page)
	for err == nil && len(page.Hits.Hits) > 0 {
		var body bytes.Buffer
		for _, hit := range page.Hits.Hits {
			head := map[string]any{"index": map[string]string{"_index": bare(hit.Index), "_id": hit.ID}}
			if err := errors.Join(json.NewEncoder(&body).Encode(head), json.Compact(&body, hit.Source)); err != nil {
				return 0, 0, fmt.Errorf("load documents: %w", err)
			}
			body.WriteByte('\n')
		}
		var answer struct {
			Errors bool `json:"errors"`
		}
		began := time.Now()
		if err := s.ask(ctx, http.MethodPost, "/_bulk", body.Bytes(), &answer); err != nil || answer.Errors {
			return 0, 0, errors.Join(err, fmt.Errorf("%w: refused documents: %t", errSearch, answer.Errors))
		}
		took += time.Since(began)
		documents += int64(len(page.Hits.Hits))
		next := fmt.Appendf(nil, `{"scroll":"5m","scroll_id":%q}`, page.ScrollID)
		page = hits{}
		err = s.ask(ctx, http.MethodPost, "/_search/scroll", next, &page)
	}
	if err != nil {
		return 0, 0, err
	}
	began := time.Now()
	err = s.ask(ctx, http.MethodPost, "/bare-*/_refresh", nil, nil)
	return documents, took + time.Since(began), err
}
