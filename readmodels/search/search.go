// Package search is the port to the search over documents: one question, answered by Postgres (package pgsearch) or by
// Elasticsearch. Both pass the same tests (package searchtest).
package search

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
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

// Searcher answers queries. Errors: ErrUnavailable.
type Searcher interface {
	Search(ctx context.Context, q Query) (Result, error)
	// Projection names the projection whose checkpoint bounds what can be found.
	Projection() string
}

// FoldText prepares text for the index and for a query alike: lower case, without accents, words parted by single blanks.
// Accents are folded here and not by the server, so that both servers find the same.
func FoldText(s string) string {
	folder := transform.Chain(norm.NFKD, runes.Remove(runes.In(unicode.Mn)), norm.NFKC)
	folded, _, err := transform.String(folder, s)
	if err != nil {
		folded = s // not reached with valid UTF-8, and the text itself is the best that can be had
	}
	folded = strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsNumber(r) {
			return unicode.ToLower(r)
		}
		return ' '
	}, folded)
	return strings.Join(strings.Fields(folded), " ")
}
