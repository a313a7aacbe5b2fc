// Package search is the Elasticsearch side of the search port: a mirror of the documents that Postgres holds. Losing it costs a rebuild, nothing else.
package search

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/elastic/go-elasticsearch/v8"
	"github.com/elastic/go-elasticsearch/v8/esapi"

	"payledger/readmodels/checkpoints"
	"payledger/readmodels/search"
)

// Timeouts of single requests. Writes end well within the lease under which they are sent.
const (
	queryTimeout = 5 * time.Second
	writeTimeout = 10 * time.Second
)

// Config addresses the cluster.
type Config struct {
	URL      string
	Username string
	Password string
	// Prefix is that of index names, such as librarymanagementsystem. A prefix belongs to one log: what another one has
	// left there is deleted.
	Prefix string
	// Checkpoint returns the position up to which the mirror is complete.
	Checkpoint func(ctx context.Context) (int64, error)
}

// Index writes and searches the mirror. Its methods are safe for concurrent use.
type Index struct {
	client *elasticsearch.Client
	cfg    Config
	side   string // ends the aliases; empty for those in use, see New and Old
}

// New makes the client. It sends nothing: an outage shows at the first request, as search.ErrUnavailable.
func New(cfg Config) (*Index, error) {
	client, err := elasticsearch.NewClient(elasticsearch.Config{
		Addresses: []string{cfg.URL}, Username: cfg.Username, Password: cfg.Password,
		// Requests are repeated by the projection's own backoff, and a reader wants a quick answer.
		DisableRetry: true,
	})
	if err != nil {
		return nil, fmt.Errorf("configure Elasticsearch: %w", err)
	}
	return &Index{client: client, cfg: cfg}, nil
}

// Projection names the projection whose checkpoint bounds what can be found.
func (*Index) Projection() checkpoints.Projection { return search.Mirror() }

// Ping asks whether the cluster is there. Errors: search.ErrUnavailable.
func (x *Index) Ping(ctx context.Context) error {
	response, err := x.client.Cluster.Health(x.client.Cluster.Health.WithContext(ctx))
	return receive(response, err, nil)
}

// maxErrorBody bounds what of an error answer is read, in bytes.
const maxErrorBody = 64 << 10

// errNotFound: there is no such index or alias.
var errNotFound = errors.New("not found")

// receive reads a 2xx answer into target, unless that is nil. Errors: search.ErrUnavailable, beside it errNotFound; others are faults of ours.
func receive(response *esapi.Response, err error, target any) error {
	if err != nil {
		return fmt.Errorf("%w: %w", search.ErrUnavailable, err)
	}
	defer response.Body.Close()
	if response.IsError() {
		var answer struct {
			Error json.RawMessage `json:"error"`
		}
		_ = json.NewDecoder(io.LimitReader(response.Body, maxErrorBody)).Decode(&answer) // the status says enough
		return statusError(response.StatusCode, answer.Error)
	}
	if target == nil {
		_, err = io.Copy(io.Discard, response.Body)
	} else {
		err = json.NewDecoder(response.Body).Decode(target)
	}
	if err != nil {
		return fmt.Errorf("%w: read answer: %w", search.ErrUnavailable, err)
	}
	return nil
}

// refusal tells a status and the types of the server's exceptions, the cause last. Their texts repeat what was sent: notes
// of persons, in the worst case, who have no place in logs.
func refusal(status int, exception json.RawMessage) string {
	text := []string{"status " + strconv.Itoa(status)}
	var e struct {
		Type     string          `json:"type"`
		CausedBy json.RawMessage `json:"caused_by"`
	}
	for json.Unmarshal(exception, &e) == nil && e.Type != "" {
		text = append(text, e.Type)
		exception, e.Type, e.CausedBy = e.CausedBy, "", nil
	}
	return strings.Join(text, ": ")
}

func statusError(status int, exception json.RawMessage) error {
	err := errors.New(refusal(status, exception))
	if status == http.StatusNotFound {
		err = fmt.Errorf("%w: %w", errNotFound, err)
	}
	if mayPass(status) {
		return fmt.Errorf("%w: %w", search.ErrUnavailable, err)
	}
	return err
}

// mayPass tells what can change without another program: load, outages, a missing index, wrong credentials, a full disk
// that blocks writes. The rest says that what was sent is wrong.
func mayPass(status int) bool {
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusRequestTimeout, http.StatusTooManyRequests:
		return true
	}
	return status >= http.StatusInternalServerError
}
