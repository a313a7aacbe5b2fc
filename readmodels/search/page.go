package search

import (
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"payledger/domain/money"
)

// Plan is what of a query each server has to be asked in the same way.
type Plan struct {
	// Words are prefixes that must all occur.
	Words []string
	// Terms must all occur as they are: the filters.
	Terms []string
	// Nothing says that no document can match.
	Nothing bool
	Limit   int
	Offset  int
	After   *Place // the documents behind it; nil for all
}

// Place is a document's place in the order of results.
type Place struct {
	Key int64 // the sort key: milliseconds since 1970 or minor units
	ID  string
}

// Plan checks the page and folds the text. Errors: ErrTooFar, ErrCursor.
func (q Query) Plan() (Plan, error) {
	p := Plan{Words: Words(q.Text), Limit: min(max(q.PageRowCount, 1), MaxPageRowCount)}
	for _, f := range q.Filters {
		if f.Value != "" {
			p.Terms = append(p.Terms, f.Term())
		}
	}
	if q.Amount != nil {
		p.Terms = append(p.Terms, Filter{Field: "currency", Value: q.Amount.Currency().Code()}.Term())
	}
	p.Nothing = len(p.Words) == 0 && strings.TrimSpace(q.Text) != ""
	if q.Cursor != "" {
		place, err := parseCursor(q.Sort, q.Cursor)
		p.After = &place
		return p, err
	}
	if q.PageNumber > MaxTotal/p.Limit { // before the multiplication, which could overflow
		return p, fmt.Errorf("%w: page %d of %d documents each", ErrTooFar, q.PageNumber, p.Limit)
	}
	p.Offset = (max(q.PageNumber, 1) - 1) * p.Limit
	return p, nil
}

// Next returns the cursor behind a page whose last document stands at last.
func (q Query) Next(p Plan, found int, last Place) string {
	if found < p.Limit {
		return ""
	}
	return base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "%s %d %s", q.Sort.mark(), last.Key, last.ID))
}

// mark is how a sort stands in cursors.
func (s Sort) mark() string {
	return strconv.Itoa(int(s.Key)) + map[bool]string{false: "d", true: "a"}[s.Ascending]
}

// Bounds of what a cursor may hold: those of the contract, narrow enough for both servers.
const maxIDLength = 64

func parseCursor(s Sort, text string) (Place, error) {
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return Place{}, ErrCursor
	}
	mark, rest, _ := strings.Cut(string(raw), " ")
	key, id, _ := strings.Cut(rest, " ")
	place := Place{ID: id}
	if place.Key, err = strconv.ParseInt(key, 10, 64); err != nil || mark != s.mark() || !s.Key.holds(place.Key) ||
		id == "" || len(id) > maxIDLength || !utf8.ValidString(id) || strings.ContainsRune(id, 0) {
		return Place{}, ErrCursor
	}
	return place, nil
}

// holds tells whether a document may have this key.
func (k SortKey) holds(key int64) bool {
	if k == ByAmount {
		return -money.MaxMinor <= key && key <= money.MaxMinor
	}
	year := time.UnixMilli(key).UTC().Year()
	return 1900 <= year && year <= 2200
}
