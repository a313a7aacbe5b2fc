package search

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	"payledger/readmodels/search"
)

// Search implements search.Searcher.
func (x *Index) Search(ctx context.Context, q search.Query) (search.Result, error) {
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	// Read before the search: what stands at this checkpoint can be found.
	checkpoint, err := x.cfg.Checkpoint(ctx)
	if err != nil {
		return search.Result{}, err
	}
	body, err := json.Marshal(map[string]any{
		"query":            map[string]any{"bool": map[string]any{"filter": conditions(q)}},
		"sort":             []any{map[string]any{"createdAt": "desc"}, map[string]any{"id": "desc"}},
		"from":             (q.PageNumber - 1) * q.PageRowCount,
		"size":             q.PageRowCount,
		"track_total_hits": search.MaxTotal,
		"_source":          []string{"body"},
	})
	if err != nil {
		return search.Result{}, fmt.Errorf("search: %w", err)
	}
	var answer struct {
		Hits struct {
			Total struct {
				Value    int64  `json:"value"`
				Relation string `json:"relation"`
			} `json:"total"`
			Hits []struct {
				Source struct {
					Body json.RawMessage `json:"body"`
				} `json:"_source"`
			} `json:"hits"`
		} `json:"hits"`
	}
	response, err := x.client.Search(x.client.Search.WithContext(ctx), x.client.Search.WithIndex(x.alias(q.Object)),
		x.client.Search.WithBody(bytes.NewReader(body)))
	if err := decode(response, err, &answer); err != nil {
		return search.Result{}, fmt.Errorf("search: %w", err)
	}
	result := search.Result{Total: answer.Hits.Total.Value, AtLeast: answer.Hits.Total.Relation == "gte", Checkpoint: checkpoint}
	for _, hit := range answer.Hits.Hits {
		result.Documents = append(result.Documents, hit.Source.Body)
	}
	return result, nil
}

func conditions(q search.Query) []any {
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
	for _, word := range search.Words(q.Text) {
		all = append(all, map[string]any{"prefix": map[string]any{"words": word}})
	}
	return all
}
