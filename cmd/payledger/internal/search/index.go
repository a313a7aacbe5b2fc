package search

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/elastic/go-elasticsearch/v8/esapi"
	"github.com/google/uuid"

	"payledger/readmodels"
	"payledger/readmodels/search"
)

// alias is the name that readers and writers use. The index behind it has a name that no other ever had.
func (x *Index) alias(object readmodels.Object) string {
	return fmt.Sprintf("%s_%s-v%d", x.cfg.Prefix, strings.ToLower(string(object)), search.Mirror().Version)
}

// Ready says whether there is an index behind the alias, to be written to.
func (x *Index) Ready(ctx context.Context, object readmodels.Object) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	indices := x.client.Indices
	response, err := indices.GetAlias(indices.GetAlias.WithContext(ctx), indices.GetAlias.WithName(x.alias(object)))
	switch err := receive(response, err, nil); {
	case err == nil:
		return true, nil
	case errors.Is(err, errNotFound):
		return false, nil
	default:
		return false, fmt.Errorf("look for index %s: %w", x.alias(object), err)
	}
}

// Replace makes an empty index and puts the alias on it; whatever stood there before is deleted in the same step. Of two
// that do this at the same time one fails: an alias has one index that is written to.
func (x *Index) Replace(ctx context.Context, object readmodels.Object) error {
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	if err := x.replace(ctx, x.alias(object)); err != nil {
		return fmt.Errorf("make index %s: %w", x.alias(object), err)
	}
	return nil
}

func (x *Index) replace(ctx context.Context, alias string) error {
	old, err := x.list(ctx, alias)
	if err != nil {
		return err
	}
	id, err := uuid.NewV7()
	if err != nil {
		return err
	}
	name := alias + "-" + id.String()
	if err := x.create(ctx, name); err != nil {
		return err
	}
	var actions []any
	for _, index := range old {
		actions = append(actions, map[string]any{"remove_index": map[string]any{"index": index}})
	}
	actions = append(actions, map[string]any{"add": map[string]any{"index": name, "alias": alias, "is_write_index": true}})
	body, err := json.Marshal(map[string]any{"actions": actions})
	if err != nil {
		return err
	}
	indices := x.client.Indices
	response, err := indices.UpdateAliases(bytes.NewReader(body), indices.UpdateAliases.WithContext(ctx))
	err = receive(response, err, nil)
	if err != nil && !errors.Is(err, search.ErrUnavailable) { // another one was quicker: see what it has made
		return fmt.Errorf("%w: %w", search.ErrUnavailable, err)
	}
	return err
}

// list returns the indices behind the alias, those that were never put behind it, and one that took the alias's name.
func (x *Index) list(ctx context.Context, alias string) ([]string, error) {
	var found map[string]struct{}
	indices := x.client.Indices
	response, err := indices.GetAlias(indices.GetAlias.WithContext(ctx), indices.GetAlias.WithIndex(alias, alias+"-*"),
		indices.GetAlias.WithIgnoreUnavailable(true), indices.GetAlias.WithAllowNoIndices(true))
	if err := receive(response, err, &found); err != nil && !errors.Is(err, errNotFound) {
		return nil, err
	}
	return slices.Sorted(maps.Keys(found)), nil
}

func (x *Index) create(ctx context.Context, name string) error {
	body, err := json.Marshal(map[string]any{
		// A copy on another node, where there is one: losing the only copy would cost a rebuild.
		"settings": map[string]any{"number_of_shards": 1, "auto_expand_replicas": "0-1"},
		"mappings": mapping(),
	})
	if err != nil {
		return err
	}
	indices := x.client.Indices
	var response *esapi.Response
	response, err = indices.Create(name, indices.Create.WithContext(ctx), indices.Create.WithBody(bytes.NewReader(body)))
	return receive(response, err, nil)
}

// mapping is frozen by a test: a change of it is a new version of the mirror.
func mapping() map[string]any {
	keyword := map[string]any{"type": "keyword"}
	return map[string]any{
		"dynamic": "strict",
		"properties": map[string]any{
			"tenant": keyword, "id": keyword, "owner": keyword, "userId": keyword, "loanId": keyword,
			"status": keyword, "reason": keyword, "currency": keyword, "words": keyword,
			"createdAt": map[string]any{"type": "date"},
			"deleted":   map[string]any{"type": "boolean"},
			// The document as text: as an object the server would print its numbers in a way of its own.
			"body": map[string]any{"type": "keyword", "index": false, "doc_values": false},
		},
	}
}
