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
	return x.base(object) + x.side
}

// base begins the names of all indices of an object.
func (x *Index) base(object readmodels.Object) string {
	return fmt.Sprintf("%s_%s-v%d", x.cfg.Prefix, strings.ToLower(string(object)), search.Mirror().Version)
}

// aliases returns the alias of each object.
func (x *Index) aliases() []string {
	var names []string
	for _, object := range readmodels.Objects() {
		names = append(names, x.alias(object))
	}
	return names
}

// Ready says whether there is an index behind each alias, to be written to.
func (x *Index) Ready(ctx context.Context) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	indices := x.client.Indices
	response, err := indices.GetAlias(indices.GetAlias.WithContext(ctx), indices.GetAlias.WithName(x.aliases()...))
	switch err := receive(response, err, nil); {
	case err == nil:
		return true, nil
	case errors.Is(err, errNotFound): // one of them is enough
		return false, nil
	default:
		return false, fmt.Errorf("look for the indices: %w", err)
	}
}

// Replace makes an empty index for each object and puts its alias on it; whatever stood there before is deleted in the same step. Of
// two that do this at the same time one fails: an alias has one index that is written to.
func (x *Index) Replace(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	if err := x.replace(ctx); err != nil {
		return fmt.Errorf("make the indices: %w", err)
	}
	return nil
}

func (x *Index) replace(ctx context.Context) error {
	old, err := x.list(ctx)
	if err != nil {
		return err
	}
	var actions []any
	for _, index := range old {
		actions = append(actions, map[string]any{"remove_index": map[string]any{"index": index}})
	}
	for _, object := range readmodels.Objects() {
		id, err := uuid.NewV7()
		if err != nil {
			return err
		}
		alias, name := x.alias(object), x.base(object)+"-"+id.String()
		if err := x.create(ctx, name); err != nil {
			return err
		}
		actions = append(actions, map[string]any{"add": map[string]any{"index": name, "alias": alias, "is_write_index": true}})
	}
	err = x.updateAliases(ctx, actions)
	if err != nil && !errors.Is(err, search.ErrUnavailable) { // another one was quicker: see what it has made
		return fmt.Errorf("%w: %w", search.ErrUnavailable, err)
	}
	return err
}

// list returns the indices behind the aliases, and those that were never put behind one, since whoever made them died; for those in use also those
// that stand beside them, and that took an alias's name.
func (x *Index) list(ctx context.Context) ([]string, error) {
	var names []string
	for _, object := range readmodels.Objects() {
		names = append(names, x.base(object), x.base(object)+"-*")
	}
	var found map[string]struct {
		Aliases map[string]json.RawMessage `json:"aliases"`
	}
	indices := x.client.Indices
	response, err := indices.GetAlias(indices.GetAlias.WithContext(ctx), indices.GetAlias.WithIndex(names...),
		indices.GetAlias.WithIgnoreUnavailable(true), indices.GetAlias.WithAllowNoIndices(true))
	if err := receive(response, err, &found); err != nil && !errors.Is(err, errNotFound) {
		return nil, err
	}
	ours := x.aliases()
	maps.DeleteFunc(found, func(_ string, of struct {
		Aliases map[string]json.RawMessage `json:"aliases"`
	},
	) bool {
		others := len(of.Aliases) > 0
		for alias := range of.Aliases {
			others = others && !slices.Contains(ours, alias)
		}
		return x.side != "" && others
	})
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
	of := func(kind string) any { return map[string]any{"type": kind} }
	return map[string]any{
		"dynamic": "strict",
		"properties": map[string]any{
			"tenant": of("keyword"), "id": of("keyword"), "owner": of("keyword"), "status": of("keyword"), "reason": of("keyword"),
			"currency": of("keyword"), "words": of("keyword"), "createdAt": of("date"), "updatedAt": of("date"), "deleted": of("boolean"),
			// The amount for its order, and its two halves for sums: the server adds up in floating point, see halves.
			"amount": of("long"), "amountHigh": of("long"), "amountLow": of("long"),
			// The document as text: as an object the server would print its numbers in a way of its own.
			"body": map[string]any{"type": "keyword", "index": false, "doc_values": false},
		},
	}
}
