package search

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"payledger/projections"
	"payledger/readmodels"
	"payledger/readmodels/compare"
	"payledger/readmodels/search"
)

// writes searches the documents of an object by the numbers that the server gives to writes: each index has one row of them.
func (x *Index) writes(ctx context.Context, object readmodels.Object, query map[string]any) ([]hit, error) {
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	query["seq_no_primary_term"] = true
	body, err := json.Marshal(query)
	if err != nil {
		return nil, err
	}
	var page struct {
		Hits struct {
			Hits []hit `json:"hits"`
		} `json:"hits"`
	}
	response, err := x.client.Search(x.client.Search.WithContext(ctx), x.client.Search.WithIndex(x.alias(object)), x.client.Search.WithBody(bytes.NewReader(body)),
		x.client.Search.WithAllowPartialSearchResults(false))
	if err := receive(response, err, &page); err != nil {
		return nil, fmt.Errorf("read documents of %s: %w", object, err)
	}
	return page.Hits.Hits, nil
}

// Last returns the number of the last write of an object's documents, -1 if there are none. Errors: search.ErrUnavailable; others are faults of ours.
func (x *Index) Last(ctx context.Context, object readmodels.Object) (int64, error) {
	last, err := x.writes(ctx, object, map[string]any{"size": 1, "_source": false, "sort": []any{map[string]any{"_seq_no": "desc"}}})
	if err != nil || len(last) == 0 {
		return -1, err
	}
	return last[0].Number, nil
}

// Written returns the places of documents by their last writes, after one number and up to another, at most limit; and the last number. Where the
// key isn't one of ours the tenant is empty and the id is the key. Errors: as of Last.
func (x *Index) Written(ctx context.Context, object readmodels.Object, after, until int64, limit int) ([]compare.Place, int64, error) {
	found, err := x.writes(ctx, object, map[string]any{
		"size": limit, "_source": false, "sort": []any{map[string]any{"_seq_no": "asc"}},
		"query": map[string]any{"range": map[string]any{"_seq_no": map[string]any{"gt": after, "lte": until}}},
	})
	if err != nil {
		return nil, after, err
	}
	places := make([]compare.Place, len(found))
	for i, h := range found {
		id := strings.ReplaceAll(h.ID, "\x00", "\uFFFD") // which Postgres can't hold
		places[i] = compare.Place{Object: string(object), ID: id}
		if tenant, ours, ok := strings.Cut(id, "/"+string(object)+"/"); ok && tenant != "" {
			places[i] = compare.Place{Tenant: tenant, Object: string(object), ID: ours}
		}
		after = h.Number
	}
	return places, after, nil
}

// The server remembers the version of a deleted document for so long as an index says, a minute if it says nothing, and refuses older ones.
const gcDeletes = "index.gc_deletes"

// restorePause is between two attempts to write over a document that was deleted: the server looks at its clock five times a second.
const restorePause = 250 * time.Millisecond

// Restore writes some documents and deletes others, whatever stands there: also over later versions, which it has to delete first. It returns when
// searches know. What is written there meanwhile by others may win: the caller looks. Errors: search.ErrUnavailable, *search.DocumentError.
func (x *Index) Restore(ctx context.Context, put, remove []search.Document) error {
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	refused, err := x.overwrite(ctx, put)
	if err != nil || len(refused)+len(remove) == 0 {
		return err
	}
	if err := x.forgetDeleted(ctx, "0s"); err != nil {
		return err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), queryTimeout)
		defer cancel()
		_ = x.forgetDeleted(ctx, nil) // we delete nothing else: it does no harm if it stays
	}()
	if err := x.remove(ctx, slices.Concat(refused, remove)); err != nil {
		return err
	}
	for len(refused) > 0 && ctx.Err() == nil {
		projections.Wait(ctx, restorePause)
		response, err := x.client.Indices.Refresh(x.client.Indices.Refresh.WithContext(ctx), x.client.Indices.Refresh.WithIndex(x.aliases()...))
		if err := receive(response, err, nil); err != nil {
			return fmt.Errorf("refresh: %w", err)
		}
		if refused, err = x.overwrite(ctx, refused); err != nil {
			return err
		}
		stand, err := x.Find(ctx, refused)
		if err != nil {
			return err
		}
		var absent []search.Document
		for i, d := range stand {
			if d.ID == "" {
				absent = append(absent, refused[i])
			}
		}
		refused = absent // of the others somebody has written later ones meanwhile
	}
	return nil
}

// overwrite writes documents over the same or older versions, and returns those that the server has later.
func (x *Index) overwrite(ctx context.Context, documents []search.Document) (refused []search.Document, err error) {
	if len(documents) == 0 {
		return nil, nil
	}
	body, err := x.bulkBody(documents, "external_gte")
	if err != nil {
		return nil, err
	}
	var answer bulkAnswer
	response, err := x.client.Bulk(body, x.client.Bulk.WithContext(ctx), x.client.Bulk.WithRefresh("true"), x.client.Bulk.WithRequireAlias(true))
	if err := receive(response, err, &answer); err != nil {
		return nil, fmt.Errorf("write %d documents: %w", len(documents), err)
	}
	if err := answer.check(documents); err != nil {
		return nil, err
	}
	for i := range documents {
		if answer.Items[i].Index.Status == http.StatusConflict {
			refused = append(refused, documents[i])
		}
	}
	return refused, nil
}

// remove deletes documents, whatever their versions are.
func (x *Index) remove(ctx context.Context, documents []search.Document) error {
	body := new(bytes.Buffer)
	encoder := json.NewEncoder(body)
	for i := range documents {
		d := &documents[i]
		head := map[string]map[string]string{"delete": {"_index": x.alias(d.Object), "_id": documentID(d)}}
		if err := encoder.Encode(head); err != nil {
			return err
		}
	}
	var answer struct {
		Items []struct {
			Delete struct {
				Status int             `json:"status"`
				Error  json.RawMessage `json:"error"`
			} `json:"delete"`
		} `json:"items"`
	}
	response, err := x.client.Bulk(body, x.client.Bulk.WithContext(ctx), x.client.Bulk.WithRefresh("true"))
	if err := receive(response, err, &answer); err != nil {
		return fmt.Errorf("delete %d documents: %w", len(documents), err)
	}
	for _, item := range answer.Items {
		if item.Delete.Error != nil {
			return fmt.Errorf("%w: delete a document: %s", search.ErrUnavailable, refusal(item.Delete.Status, item.Delete.Error))
		}
	}
	return nil
}

// forgetDeleted says for how long the versions of deleted documents are remembered; nil is the server's default.
func (x *Index) forgetDeleted(ctx context.Context, after any) error {
	body, err := json.Marshal(map[string]any{gcDeletes: after})
	if err != nil {
		return err
	}
	indices := x.client.Indices
	response, err := indices.PutSettings(bytes.NewReader(body), indices.PutSettings.WithContext(ctx), indices.PutSettings.WithIndex(x.aliases()...))
	if err := receive(response, err, nil); err != nil {
		return fmt.Errorf("set %s: %w", gcDeletes, err)
	}
	return nil
}
