package search

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"net/http"
	"slices"
	"time"

	"payledger/readmodels"
	"payledger/readmodels/search"
)

// Beside a mirror stands, while it is rebuilt, a new one; and, afterwards, the old one. Each is a set of indices behind aliases of its own.
const (
	sideNew = "-new"
	sideOld = "-old"
)

// New returns the indices that are built beside those in use.
func (x *Index) New() *Index { return &Index{client: x.client, cfg: x.cfg, side: sideNew} }

// Old returns the indices that were in use before the last swap.
func (x *Index) Old() *Index { return &Index{client: x.client, cfg: x.cfg, side: sideOld} }

// behind returns the name of the index behind each alias of this side that stands.
func (x *Index) behind(ctx context.Context) (map[string]string, error) {
	var found map[string]struct {
		Aliases map[string]json.RawMessage `json:"aliases"`
	}
	indices := x.client.Indices
	response, err := indices.GetAlias(indices.GetAlias.WithContext(ctx), indices.GetAlias.WithName(x.aliases()...))
	// Some that stand are told beside some that don't.
	if err := receive(response, err, &found); err != nil && !errors.Is(err, errNotFound) {
		return nil, err
	}
	names := make(map[string]string)
	for index, of := range found {
		for alias := range of.Aliases {
			if slices.Contains(x.aliases(), alias) {
				names[alias] = index
			}
		}
	}
	return names, nil
}

// Names returns the names of the indices that stand behind the aliases of this side, sorted; none is ever given again. Errors: search.ErrUnavailable.
func (x *Index) Names(ctx context.Context) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	behind, err := x.behind(ctx)
	if err != nil {
		return nil, fmt.Errorf("look for the indices: %w", err)
	}
	return slices.Sorted(maps.Values(behind)), nil
}

// Aside returns the indices that stand beside those in use, sorted: of rebuilds, and of earlier versions of the mirror. No mirror follows the log
// there. Errors: search.ErrUnavailable.
func (x *Index) Aside(ctx context.Context) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	var found map[string]struct {
		Aliases map[string]json.RawMessage `json:"aliases"`
	}
	indices := x.client.Indices
	response, err := indices.GetAlias(indices.GetAlias.WithContext(ctx), indices.GetAlias.WithIndex(x.cfg.Prefix+"_*"),
		indices.GetAlias.WithIgnoreUnavailable(true), indices.GetAlias.WithAllowNoIndices(true))
	if err := receive(response, err, &found); err != nil && !errors.Is(err, errNotFound) {
		return nil, fmt.Errorf("look for the indices: %w", err)
	}
	var aside []string
	for index, of := range found {
		if !slices.ContainsFunc(x.aliases(), func(alias string) bool { _, used := of.Aliases[alias]; return used }) {
			aside = append(aside, index)
		}
	}
	slices.Sort(aside)
	return aside, nil
}

// Swap puts the new indices in the place of those in use, which stand aside from then on; back swaps those that stand aside in again. It is
// one step for all readers. What stood aside before is deleted when new ones come. Errors: search.ErrUnavailable; others: an index is missing.
func (x *Index) Swap(ctx context.Context, back bool) error {
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	live, aside, next := x, x.Old(), x.New()
	if back {
		next = aside
	}
	indices := make(map[string]map[string]string)
	for _, side := range []*Index{live, aside, next} {
		names, err := side.behind(ctx)
		if err != nil {
			return fmt.Errorf("look for the indices: %w", err)
		}
		indices[side.side] = names
	}
	var actions []any
	act := func(verb, index, alias string) {
		what := map[string]any{"index": index, "alias": alias}
		if verb == "add" {
			what["is_write_index"] = true
		}
		actions = append(actions, map[string]any{verb: what})
	}
	for _, object := range readmodels.Objects() {
		old, used, coming := indices[sideOld][aside.alias(object)], indices[""][live.alias(object)], indices[next.side][next.alias(object)]
		if used == "" || coming == "" {
			return fmt.Errorf("swap: %w: an index of %s", errNotFound, object)
		}
		if old != "" && !back {
			actions = append(actions, map[string]any{"remove_index": map[string]any{"index": old}})
		}
		act("remove", used, live.alias(object))
		act("remove", coming, next.alias(object))
		act("add", used, aside.alias(object))
		act("add", coming, live.alias(object))
	}
	return x.updateAliases(ctx, actions)
}

func (x *Index) updateAliases(ctx context.Context, actions []any) error {
	body, err := json.Marshal(map[string]any{"actions": actions})
	if err != nil {
		return err
	}
	indices := x.client.Indices
	response, err := indices.UpdateAliases(bytes.NewReader(body), indices.UpdateAliases.WithContext(ctx))
	return receive(response, err, nil)
}

// Remove deletes the indices of this side.
func (x *Index) Remove(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	names, err := x.behind(ctx)
	if err != nil || len(names) == 0 {
		return err
	}
	var actions []any
	for _, index := range names {
		actions = append(actions, map[string]any{"remove_index": map[string]any{"index": index}})
	}
	return x.updateAliases(ctx, actions)
}

// Count returns how many documents there are, deleted ones too.
func (x *Index) Count(ctx context.Context) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	var answer struct {
		Count int64 `json:"count"`
	}
	response, err := x.client.Count(x.client.Count.WithContext(ctx), x.client.Count.WithIndex(x.aliases()...))
	if err := receive(response, err, &answer); err != nil {
		return 0, fmt.Errorf("count documents: %w", err)
	}
	return answer.Count, nil
}

// hit is a document as the server returns it.
type hit struct {
	ID      string          `json:"_id"`
	Found   bool            `json:"found"`
	Version int64           `json:"_version"`
	Number  int64           `json:"_seq_no"`
	Source  json.RawMessage `json:"_source"`
	Error   json.RawMessage `json:"error"`
}

// unreadable is the id of a document that isn't in our form: somebody else wrote it.
const unreadable = "(unreadable)"

// document returns it as it was written.
func (h hit) document(object readmodels.Object) search.Document {
	var s source
	if json.Unmarshal(h.Source, &s) != nil || s.ID == "" {
		s = source{ID: unreadable}
	}
	if high, low := halves(s.Amount); high != s.AmountHigh || low != s.AmountLow {
		s.Amount = math.MinInt64 // it contradicts itself
	}
	return search.Document{
		Tenant: s.Tenant, Object: object, ID: s.ID, Owner: s.Owner, Status: s.Status, Reason: s.Reason, Amount: s.Amount, Currency: s.Currency,
		CreatedAt: s.CreatedAt, UpdatedAt: s.UpdatedAt, Words: s.Words, Deleted: s.Deleted, Body: json.RawMessage(s.Body),
		Position: h.Version & (1<<epochBits - 1), Epoch: h.Version >> epochBits,
	}
}

// Find returns the documents with the ids of the given ones, in their order; the zero value for one that isn't there.
func (x *Index) Find(ctx context.Context, wanted []search.Document) ([]search.Document, error) {
	if len(wanted) == 0 {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	type address struct {
		Index string `json:"_index"`
		ID    string `json:"_id"`
	}
	ids := make([]address, len(wanted))
	for i := range wanted {
		ids[i] = address{x.alias(wanted[i].Object), documentID(&wanted[i])}
	}
	body, err := json.Marshal(map[string]any{"docs": ids})
	if err != nil {
		return nil, err
	}
	var answer struct {
		Docs []hit `json:"docs"`
	}
	response, err := x.client.Mget(bytes.NewReader(body), x.client.Mget.WithContext(ctx))
	if err := receive(response, err, &answer); err != nil {
		return nil, fmt.Errorf("find documents: %w", err)
	}
	if len(answer.Docs) != len(wanted) {
		return nil, fmt.Errorf("find documents: %w: %d answers for %d", search.ErrUnavailable, len(answer.Docs), len(wanted))
	}
	found := make([]search.Document, len(wanted))
	for i := range answer.Docs {
		if answer.Docs[i].Error != nil { // of its index, which isn't there
			return nil, fmt.Errorf("find documents: %w: %s", search.ErrUnavailable, refusal(http.StatusOK, answer.Docs[i].Error))
		}
		if answer.Docs[i].Found {
			found[i] = answer.Docs[i].document(wanted[i].Object)
		}
	}
	return found, nil
}

// scrollTime is how long the server keeps the place in a walk over all documents between two pages.
const scrollTime = time.Minute

// Each hands over all documents, in no order.
func (x *Index) Each(ctx context.Context, each func(search.Document) error) error {
	for _, object := range readmodels.Objects() {
		if err := x.eachOf(ctx, object, each); err != nil {
			return fmt.Errorf("read all documents of %s: %w", object, err)
		}
	}
	return nil
}

func (x *Index) eachOf(ctx context.Context, object readmodels.Object, each func(search.Document) error) error {
	var page struct {
		ScrollID string `json:"_scroll_id"`
		Hits     struct {
			Hits []hit `json:"hits"`
		} `json:"hits"`
	}
	ask := x.client.Search
	response, err := ask(ask.WithContext(ctx), ask.WithIndex(x.alias(object)), ask.WithScroll(scrollTime), ask.WithSize(1000), ask.WithSort("_doc"),
		ask.WithVersion(true), ask.WithAllowPartialSearchResults(false))
	if err := receive(response, err, &page); err != nil {
		return err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), queryTimeout)
		defer cancel()
		response, err := x.client.ClearScroll(x.client.ClearScroll.WithContext(ctx), x.client.ClearScroll.WithScrollID(page.ScrollID))
		_ = receive(response, err, nil) // it ends by itself in scrollTime
	}()
	for len(page.Hits.Hits) > 0 {
		for _, h := range page.Hits.Hits {
			if err := each(h.document(object)); err != nil {
				return err
			}
		}
		page.Hits.Hits = nil
		response, err := x.client.Scroll(x.client.Scroll.WithContext(ctx), x.client.Scroll.WithScrollID(page.ScrollID), x.client.Scroll.WithScroll(scrollTime))
		if err := receive(response, err, &page); err != nil {
			return err
		}
	}
	return nil
}
