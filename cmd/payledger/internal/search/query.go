package search

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	"payledger/readmodels/search"
)

// answer is what is read of a search's answer.
type answer struct {
	Hits struct {
		Total struct {
			Value    int64  `json:"value"`
			Relation string `json:"relation"`
		} `json:"total"`
		Hits []struct {
			Source struct {
				ID   string `json:"id"`
				Body string `json:"body"`
			} `json:"_source"`
			Sort []json.RawMessage `json:"sort"` // the sort key first
		} `json:"hits"`
	} `json:"hits"`
	Aggregations map[string]values `json:"aggregations"` // by field
}

// Search implements search.Searcher.
func (x *Index) Search(ctx context.Context, q search.Query) (search.Result, error) {
	plan, err := q.Plan()
	if err != nil {
		return search.Result{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	// What stood at the checkpoint before the search could be found by it.
	checkpoint, err := x.cfg.Checkpoint(ctx)
	if err != nil {
		return search.Result{}, fmt.Errorf("%w: %w", search.ErrUnavailable, err)
	}
	if plan.Nothing {
		return search.Result{Checkpoint: checkpoint, Facets: q.NoFacets()}, nil
	}
	found, err := x.ask(ctx, q, plan)
	if err != nil {
		return search.Result{}, fmt.Errorf("search: %w", err)
	}
	// Unless the index was replaced in the meantime: then the checkpoint has gone back.
	after, err := x.cfg.Checkpoint(ctx)
	if err != nil {
		return search.Result{}, fmt.Errorf("%w: %w", search.ErrUnavailable, err)
	}
	result := search.Result{
		Total: found.Hits.Total.Value, AtLeast: found.Hits.Total.Relation != "eq", Checkpoint: min(checkpoint, after),
	}
	var last search.Place
	for i := range found.Hits.Hits {
		hit := &found.Hits.Hits[i]
		result.Documents = append(result.Documents, json.RawMessage(hit.Source.Body))
		last.ID = hit.Source.ID
		if err := json.Unmarshal(hit.Sort[0], &last.Key); err != nil {
			return search.Result{}, fmt.Errorf("search: sort key: %w", err)
		}
	}
	result.Next = q.Next(plan, len(result.Documents), last)
	if q.Facets {
		result.Facets, err = facets(q, found.Aggregations)
	}
	return result, err
}

func (x *Index) ask(ctx context.Context, q search.Query, plan search.Plan) (*answer, error) {
	request := map[string]any{
		"query":            map[string]any{"bool": map[string]any{"filter": conditions(q, plan)}},
		"sort":             order(q.Sort),
		"size":             plan.Limit,
		"track_total_hits": tracked(q),
		"_source":          []string{"id", "body"},
	}
	if plan.After != nil {
		request["search_after"] = []any{plan.After.Key, plan.After.ID}
	} else {
		request["from"] = plan.Offset
	}
	if q.Facets {
		request["aggs"] = aggregations()
	}
	body, err := json.Marshal(request)
	if err != nil {
		return nil, err
	}
	found := new(answer)
	ask := x.client.Search
	// Part of an answer is no answer.
	response, err := ask(ask.WithContext(ctx), ask.WithIndex(x.alias(q.Object)), ask.WithBody(bytes.NewReader(body)),
		ask.WithAllowPartialSearchResults(false))
	return found, receive(response, err, found)
}

// tracked says how far hits are counted: all of them, or up to a number.
func tracked(q search.Query) any {
	if q.CountExact {
		return true
	}
	return search.MaxTotal
}

func order(s search.Sort) []any {
	key, direction := "createdAt", "desc"
	switch s.Key {
	case search.ByCreatedAt:
	case search.ByUpdatedAt:
		key = "updatedAt"
	case search.ByAmount:
		key = "amount"
	}
	if s.Ascending {
		direction = "asc"
	}
	return []any{map[string]any{key: direction}, map[string]any{"id": direction}}
}

func conditions(q search.Query, plan search.Plan) []any {
	term := func(field string, value any) any {
		return map[string]any{"term": map[string]any{field: value}}
	}
	all := []any{term("tenant", q.Tenant), term("deleted", false)}
	if q.Owner != "" {
		all = append(all, term("owner", q.Owner))
	}
	if q.Amount != nil {
		all = append(all, term("amount", q.Amount.Minor()))
	}
	for _, filter := range plan.Terms {
		all = append(all, term("words", filter))
	}
	for _, word := range plan.Words {
		all = append(all, map[string]any{"prefix": map[string]any{"words": word}})
	}
	return all
}
