// Package search is the Elasticsearch side of the search port: a mirror of the documents that Postgres holds. Losing it costs a rebuild, nothing else.
package search

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/elastic/go-elasticsearch/v8"
	"github.com/elastic/go-elasticsearch/v8/esapi"

	"payledger/readmodels"
	"payledger/readmodels/search"
)

// Version is the version of the index's mapping; it is part of the index's name. A change of the mapping is a new version.
const Version = 1

// Timeouts of single requests. A bulk request waits for the refresh that makes its documents visible.
const (
	queryTimeout = 5 * time.Second
	writeTimeout = 30 * time.Second
)

// ErrMapping says that the index stands with another mapping than this version writes.
var ErrMapping = errors.New("index has another mapping")

// Config addresses the cluster.
type Config struct {
	URL      string
	Username string
	Password string
	Prefix   string // of index names, such as librarymanagementsystem
	// Checkpoint returns the position up to which the mirror is complete.
	Checkpoint func(ctx context.Context) (int64, error)
}

// Index writes and searches the mirror. Its methods are safe for concurrent use.
type Index struct {
	client *elasticsearch.Client
	cfg    Config
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

// Projection implements search.Searcher.
func (*Index) Projection() string { return "search" }

// alias is the name that readers and writers use; the index behind it carries the version.
func (x *Index) alias(object readmodels.Object) string {
	return x.cfg.Prefix + "_" + string(bytes.ToLower([]byte(object)))
}

// Ensure makes the index and its alias if they are absent, and compares the mapping's version if not. Errors: ErrMapping, search.ErrUnavailable.
func (x *Index) Ensure(ctx context.Context, object readmodels.Object) error {
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	alias := x.alias(object)
	name := fmt.Sprintf("%s-v%06d", alias, Version)
	body, err := json.Marshal(map[string]any{
		"settings": map[string]any{"number_of_shards": 1, "number_of_replicas": 0},
		"mappings": mapping(),
		"aliases":  map[string]any{alias: map[string]any{"is_write_index": true}},
	})
	if err != nil {
		return fmt.Errorf("make index %s: %w", name, err)
	}
	indices := x.client.Indices
	created, err := indices.Create(name, indices.Create.WithContext(ctx), indices.Create.WithBody(bytes.NewReader(body)))
	if err = answered(created, err, http.StatusBadRequest); err != nil {
		return fmt.Errorf("make index %s: %w", name, err)
	}
	if created.StatusCode == http.StatusBadRequest {
		return x.checkMapping(ctx, name)
	}
	return nil
}

// Ping asks whether the cluster is there. Errors: search.ErrUnavailable.
func (x *Index) Ping(ctx context.Context) error {
	health, err := x.client.Cluster.Health(x.client.Cluster.Health.WithContext(ctx))
	return answered(health, err)
}

// checkMapping tells "exists already", which is fine, from a mapping of another version.
func (x *Index) checkMapping(ctx context.Context, name string) error {
	var answer map[string]struct {
		Mappings struct {
			Meta struct {
				Version int `json:"version"`
			} `json:"_meta"`
		} `json:"mappings"`
	}
	response, err := x.client.Indices.GetMapping(x.client.Indices.GetMapping.WithContext(ctx), x.client.Indices.GetMapping.WithIndex(name))
	if err := decode(response, err, &answer); err != nil {
		return fmt.Errorf("read mapping of %s: %w", name, err)
	}
	if got := answer[name].Mappings.Meta.Version; got != Version {
		return fmt.Errorf("%w: %s has version %d, this program writes %d", ErrMapping, name, got, Version)
	}
	return nil
}

func mapping() map[string]any {
	keyword := map[string]any{"type": "keyword"}
	return map[string]any{
		"dynamic": "strict",
		"_meta":   map[string]any{"version": Version},
		"properties": map[string]any{
			"tenant": keyword, "id": keyword, "owner": keyword, "userId": keyword, "loanId": keyword,
			"status": keyword, "reason": keyword, "currency": keyword, "words": keyword,
			"createdAt": map[string]any{"type": "date"},
			"deleted":   map[string]any{"type": "boolean"},
			"body":      map[string]any{"type": "object", "enabled": false},
		},
	}
}

// answered checks a response's status; allowed ones besides 2xx are the caller's to interpret.
func answered(response *esapi.Response, err error, allowed ...int) error {
	if err != nil {
		return fmt.Errorf("%w: %w", search.ErrUnavailable, err)
	}
	defer response.Body.Close()
	if !response.IsError() {
		_, _ = io.Copy(io.Discard, response.Body)
		return nil
	}
	for _, status := range allowed {
		if response.StatusCode == status {
			return nil
		}
	}
	return statusError(response)
}

// decode reads a 2xx answer into target.
func decode(response *esapi.Response, err error, target any) error {
	if err != nil {
		return fmt.Errorf("%w: %w", search.ErrUnavailable, err)
	}
	defer response.Body.Close()
	if response.IsError() {
		return statusError(response)
	}
	if err := json.NewDecoder(response.Body).Decode(target); err != nil {
		return fmt.Errorf("%w: read answer: %w", search.ErrUnavailable, err)
	}
	return nil
}

// maxErrorText bounds what of an error answer goes into an error.
const maxErrorText = 512

func statusError(response *esapi.Response) error {
	text, _ := io.ReadAll(io.LimitReader(response.Body, maxErrorText))
	err := fmt.Errorf("status %s: %s", strconv.Itoa(response.StatusCode), text)
	if unavailable(response.StatusCode) {
		return fmt.Errorf("%w: %w", search.ErrUnavailable, err)
	}
	return err
}

// unavailable tells what another try may cure from what it can't. A missing index is being made, or made anew.
func unavailable(status int) bool {
	return status == http.StatusNotFound || status == http.StatusTooManyRequests || status >= http.StatusInternalServerError
}
