// Package search is the port to the search over documents: one question, answered by Postgres (package pgsearch) or by
// Elasticsearch. Both pass the same tests (package searchtest).
package search

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"payledger/domain/money"
	"payledger/readmodels"
	"payledger/readmodels/checkpoints"
	"payledger/readmodels/totals"
)

// Errors of searches. Callers compare with errors.Is.
var (
	// ErrUnavailable says that the search can't be reached now. Commands and the other reads go on.
	ErrUnavailable = errors.New("search is not available")
	// ErrTooFar says that the page lies beyond the first MaxTotal documents. A cursor leads there.
	ErrTooFar = errors.New("the page is beyond the documents that are numbered")
	// ErrCursor says that the cursor isn't one that a search gave.
	ErrCursor = errors.New("not a cursor of a search")
)

// Limits of a query.
const (
	// MaxTextLength is the longest search text, in bytes.
	MaxTextLength = 255
	// MaxPageRowCount is the largest page.
	MaxPageRowCount = 500
	// MaxTotal is the count up to which totals are exact and pages have numbers.
	MaxTotal = totals.Exact
)

// Query asks for documents of one object. Zero values mean "any".
type Query struct {
	Tenant string
	Object readmodels.Object
	// Owner restricts the answer to one person's documents: set for members.
	Owner string
	// Text is what the user typed: every word must occur in the document, as a prefix, whatever its accents and case. A
	// text without any word, such as "?!", finds nothing.
	Text string
	// Filters must all be met, each by exactly this value. One without a value is none.
	Filters []Filter
	// Amount is met by exactly this amount in this currency.
	Amount *money.Amount
	Sort   Sort
	// Facets asks for Result.Facets.
	Facets bool
	// PageNumber counts from 1; 0 is 1. PageRowCount is taken as 1 to MaxPageRowCount.
	PageNumber   int
	PageRowCount int
	// Cursor is Next of the page before, and then PageNumber counts for nothing.
	Cursor string
	// CountExact asks for a total beyond MaxTotal.
	CountExact bool
}

// Filter asks for one value of a field. Which fields an object has is in FieldsOf.
type Filter struct {
	Field string // the contract's name
	Value string // of an enum the word
}

// Result is one page in the order of the query's Sort.
type Result struct {
	Documents []json.RawMessage // byte for byte as they stand in index events
	Total     int64             // of all pages, exact up to MaxTotal and for Query.CountExact
	AtLeast   bool              // there are more than Total
	// Checkpoint is the position up to which documents could be found.
	Checkpoint int64
	// Next is the cursor of the next page, empty when this one isn't full.
	Next string
	// Facets are of all pages; nil unless asked for.
	Facets []Facet
}

// Document is a document as the index holds it. Postgres keeps them in documents_v2.documents, Elasticsearch mirrors that table.
type Document struct {
	Tenant    string
	Object    readmodels.Object
	ID        string
	Owner     string
	Status    string    // value of the field that FieldsOf names Status; empty for none
	Reason    string    // the same for Reason
	Amount    int64     // minor units of Currency, the same for Amount; 0 for none
	Currency  string    // empty for none
	CreatedAt time.Time // to the millisecond
	UpdatedAt time.Time // to the millisecond
	Words     []string  // what it is found by, see Index
	Deleted   bool      // a tombstone: kept, never found
	Position  int64     // of the newest event folded in
	Epoch     int64     // of that event
	Body      json.RawMessage
}

// Searcher answers queries. Errors: ErrUnavailable, ErrTooFar, ErrCursor.
type Searcher interface {
	Search(ctx context.Context, q Query) (Result, error)
}

// Mirror names the projection that mirrors the documents to a search server: its checkpoint bounds what can be found
// there. The version is also that of the server's index: another mapping is another version.
func Mirror() checkpoints.Projection { return checkpoints.Projection{Name: "search", Version: 2} }

// DocumentError says that a search server refuses a document, and would refuse it again.
type DocumentError struct {
	ID       string // of the document in the index
	Position int64  // of the document's newest event
	Reason   string // the server's, without what the document says
}

// Error names the document and the reason.
func (e *DocumentError) Error() string {
	return fmt.Sprintf("document %s is refused: %s", e.ID, e.Reason)
}
