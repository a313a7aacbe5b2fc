package search

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"payledger/readmodels/search"
)

// source is a document as the index stores it.
type source struct {
	Tenant     string    `json:"tenant"`
	ID         string    `json:"id"`
	Owner      string    `json:"owner"`
	Status     string    `json:"status"`
	Reason     string    `json:"reason"`
	Amount     int64     `json:"amount"`
	AmountHigh int64     `json:"amountHigh"`
	AmountLow  int64     `json:"amountLow"`
	Currency   string    `json:"currency"`
	Words      []string  `json:"words"`
	CreatedAt  time.Time `json:"createdAt"`
	UpdatedAt  time.Time `json:"updatedAt"`
	Deleted    bool      `json:"deleted"`
	Body       string    `json:"body"`
}

// halfBits is the size of the lower half of an amount. Amounts have less than 2^50, and a server's floating point holds
// integers up to 2^53: so both halves of 2^28 documents add up exactly.
const halfBits = 25

// halves returns high and low with high<<halfBits + low = minor, and 0 <= low.
func halves(minor int64) (high, low int64) { return minor >> halfBits, minor & (1<<halfBits - 1) }

// epochBits is how many bits of an external version stand for the position.
const epochBits = 44

// externalVersion orders writes of one document over restores: a new epoch beats every position of the one before.
func externalVersion(d *search.Document) int64 { return d.Epoch<<epochBits + d.Position }

// documentID begins with tenant and object, so that no two tenants' documents can meet. Without a tenant it is one that somebody else made.
func documentID(d *search.Document) string {
	if d.Tenant == "" {
		return d.ID
	}
	return d.Tenant + "/" + string(d.Object) + "/" + d.ID
}

// Write stores whole documents, each in the index of its object, in one request and returns when they can be found. A document that is older than the
// stored one is left as it is: that is success. Errors: search.ErrUnavailable (send the same again); *search.DocumentError names the
// first that is refused, the others are stored.
func (x *Index) Write(ctx context.Context, documents []search.Document) error {
	if len(documents) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	body, err := x.bulkBody(documents, "external")
	if err != nil {
		return err
	}
	// The alias is required: without it the server would make an index of its own mind. The refresh isn't waited for but made:
	// the mirror sends a few large requests, and what they bring is to be found soon.
	var answer bulkAnswer
	response, err := x.client.Bulk(body, x.client.Bulk.WithContext(ctx), x.client.Bulk.WithRefresh("true"), x.client.Bulk.WithRequireAlias(true))
	if err := receive(response, err, &answer); err != nil {
		return fmt.Errorf("write %d documents: %w", len(documents), err)
	}
	return answer.check(documents)
}

func (x *Index) bulkBody(documents []search.Document, versionType string) (*bytes.Buffer, error) {
	type action struct {
		Index       string `json:"_index"`
		ID          string `json:"_id"`
		Version     int64  `json:"version"`
		VersionType string `json:"version_type"`
	}
	body := new(bytes.Buffer)
	encoder := json.NewEncoder(body)
	encoder.SetEscapeHTML(false)
	for i := range documents {
		d := &documents[i]
		head := map[string]action{"index": {Index: x.alias(d.Object), ID: documentID(d), Version: externalVersion(d), VersionType: versionType}}
		if err := encoder.Encode(head); err != nil {
			return nil, fmt.Errorf("encode document %s: %w", d.ID, err)
		}
		high, low := halves(d.Amount)
		if err := encoder.Encode(source{
			Tenant: d.Tenant, ID: d.ID, Owner: d.Owner, Status: d.Status, Reason: d.Reason, Amount: d.Amount, AmountHigh: high, AmountLow: low,
			Currency: d.Currency, Words: d.Words, CreatedAt: d.CreatedAt, UpdatedAt: d.UpdatedAt, Deleted: d.Deleted, Body: string(d.Body),
		}); err != nil {
			return nil, fmt.Errorf("encode document %s: %w", d.ID, err)
		}
	}
	return body, nil
}

// bulkAnswer holds one result for each document, in order: HTTP 200 says nothing about them.
type bulkAnswer struct {
	Items []struct {
		Index struct {
			Status int             `json:"status"`
			Error  json.RawMessage `json:"error"`
		} `json:"index"`
	} `json:"items"`
}

// check judges the documents one by one. What may pass comes before a refusal: sent again, the refused one is all that is left.
func (a bulkAnswer) check(sent []search.Document) error {
	if len(a.Items) != len(sent) {
		return fmt.Errorf("%w: %d results for %d documents", search.ErrUnavailable, len(a.Items), len(sent))
	}
	var refused *search.DocumentError
	for i := range a.Items {
		item := &a.Items[i].Index
		switch {
		case item.Status >= http.StatusOK && item.Status < http.StatusMultipleChoices:
		case item.Status == http.StatusConflict: // the stored one is newer, or this very one
		case mayPass(item.Status):
			return fmt.Errorf("%w: document %s: %s", search.ErrUnavailable, documentID(&sent[i]), refusal(item.Status, item.Error))
		case refused == nil || sent[i].Position < refused.Position:
			refused = &search.DocumentError{
				ID: documentID(&sent[i]), Position: sent[i].Position, Reason: refusal(item.Status, item.Error),
			}
		}
	}
	if refused != nil {
		return refused
	}
	return nil
}
