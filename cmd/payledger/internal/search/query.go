package search

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"time"

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
				ID        string    `json:"id"`
				CreatedAt time.Time `json:"createdAt"`
				Body      string    `json:"body"`
			} `json:"_source"`
		} `json:"hits"`
	} `json:"hits"`
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
		return search.Result{Checkpoint: checkpoint}, nil
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
		hit := &found.Hits.Hits[i].Source
		result.Documents = append(result.Documents, json.RawMessage(hit.Body))
		last = search.Place{CreatedAt: hit.CreatedAt, ID: hit.ID}
	}
	result.Next = plan.Next(len(result.Documents), last)
	return result, nil
}

func (x *Index) ask(ctx context.Context, q search.Query, plan search.Plan) (*answer, error) {
	request := map[string]any{
		"query":            map[string]any{"bool": map[string]any{"filter": conditions(q, plan)}},
		"sort":             []any{map[string]any{"createdAt": "desc"}, map[string]any{"id": "desc"}},
		"size":             plan.Limit,
		"track_total_hits": search.MaxTotal,
		"_source":          []string{"id", "createdAt", "body"},
	}
	if plan.After != nil {
		request["search_after"] = []any{plan.After.CreatedAt.UnixMilli(), plan.After.ID}
	} else {
		request["from"] = plan.Offset
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

func conditions(q search.Query, plan search.Plan) []any {
	term := func(field string, value any) any {
		return map[string]any{"term": map[string]any{field: value}}
	}
	all := []any{term("tenant", q.Tenant), term("deleted", false)}
	for _, filter := range []struct{ field, value string }{
		{"owner", q.Owner}, {"userId", q.UserID}, {"loanId", q.LoanID}, {"status", q.Status}, {"reason", q.Reason}, {"currency", q.Currency},
	} {
		if filter.value != "" {
			all = append(all, term(filter.field, filter.value))
		}
	}
	for _, word := range plan.Words {
		all = append(all, map[string]any{"prefix": map[string]any{"words": word}})
	}
	return all
}
