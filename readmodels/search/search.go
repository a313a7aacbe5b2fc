// Package search is the port to the search over documents: one question, answered by Postgres (package pgsearch) or by
// Elasticsearch. Both pass the same tests (package searchtest).
package search

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"
	"unicode"

	"golang.org/x/text/runes"
	"golang.org/x/text/transform"
	"golang.org/x/text/unicode/norm"

	"payledger/readmodels"
)

// ErrUnavailable says that the search can't be reached now. Commands and the other reads go on.
var ErrUnavailable = errors.New("search is not available")

// MaxTextLength is the longest search text, in bytes.
const MaxTextLength = 255

// Query asks for documents of one object. Zero values of the filters mean "any".
type Query struct {
	Tenant string
	Object readmodels.Object
	// Owner restricts the answer to one person's documents: set for members.
	Owner string
	// Text is what the user typed: every word must occur in the document, as a prefix, whatever its accents and case.
	Text     string
	UserID   string
	LoanID   string
	Status   string // name of the enum value
	Reason   string
	Currency string
	// PageNumber counts from 1; PageRowCount is at most 500.
	PageNumber   int
	PageRowCount int
}

// Result is one page, the newest document first.
type Result struct {
	Documents []json.RawMessage // as they stand in index events
	Total     int64             // exact up to MaxTotal
	AtLeast   bool              // there are more than Total
	// Checkpoint is the position up to which documents can be found.
	Checkpoint int64
}

// MaxTotal is the count up to which totals are exact.
const MaxTotal = 10_000

// Document is a document as the index holds it. Postgres keeps them in documents_v1.documents, Elasticsearch mirrors that table.
type Document struct {
	Tenant    string
	Object    readmodels.Object
	ID        string
	Owner     string
	UserID    string
	LoanID    string
	Status    string
	Reason    string
	Currency  string
	CreatedAt time.Time
	Words     []string // see Words
	Deleted   bool     // a tombstone: kept, never found
	Position  int64    // of the newest event folded in
	Epoch     int64    // of that event
	Body      json.RawMessage
}

// Searcher answers queries. Errors: ErrUnavailable.
type Searcher interface {
	Search(ctx context.Context, q Query) (Result, error)
	// Projection names the projection whose checkpoint bounds what can be found.
	Projection() string
}

// MaxWordLength is the length, in runes, to which words are cut in the index and in queries. Postgres refuses lexemes over 2 kB.
const MaxWordLength = 64

// Words returns the words of texts as they stand in an index, each once, in order: lower case, without accents, letters and
// numbers only. A query's words are made by the same function, and neither server analyses text by itself: so both find the same.
func Words(texts ...string) []string {
	var words []string
	for _, text := range texts {
		for word := range strings.FieldsSeq(foldText(text)) {
			words = append(words, cut(word))
		}
	}
	slices.Sort(words)
	return slices.Compact(words)
}

func cut(word string) string {
	n := 0
	for i := range word {
		if n == MaxWordLength {
			return word[:i]
		}
		n++
	}
	return word
}

// foldText makes everything that is neither letter nor number a blank.
func foldText(s string) string {
	folder := transform.Chain(norm.NFKD, runes.Remove(runes.In(unicode.Mn)), norm.NFKC)
	folded, _, err := transform.String(folder, s)
	if err != nil {
		folded = s // not reached with valid UTF-8, and the text itself is the best that can be had
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsNumber(r) {
			return unicode.ToLower(r)
		}
		return ' '
	}, folded)
}
