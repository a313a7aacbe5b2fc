package search

import (
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Plan is what of a query each server has to be asked in the same way.
type Plan struct {
	// Words are prefixes that must all occur.
	Words []string
	// Nothing says that no document can match.
	Nothing bool
	Limit   int
	Offset  int
	After   *Place // the documents before it in time; nil for all
}

// Place is a document's place in the order of results.
type Place struct {
	CreatedAt time.Time
	ID        string
}

// Plan checks the page and folds the text. Errors: ErrTooFar, ErrCursor.
func (q Query) Plan() (Plan, error) {
	p := Plan{Words: Words(q.Text), Limit: min(max(q.PageRowCount, 1), MaxPageRowCount)}
	p.Nothing = len(p.Words) == 0 && strings.TrimSpace(q.Text) != ""
	if q.Cursor != "" {
		place, err := parseCursor(q.Cursor)
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
func (p Plan) Next(found int, last Place) string {
	if found < p.Limit {
		return ""
	}
	return base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "%d %s", last.CreatedAt.UnixMilli(), last.ID))
}

// Bounds of what a cursor may hold: those of the contract, wide enough for both servers.
const maxIDLength = 64

func parseCursor(text string) (Place, error) {
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return Place{}, ErrCursor
	}
	millis, id, _ := strings.Cut(string(raw), " ")
	n, err := strconv.ParseInt(millis, 10, 64)
	createdAt := time.UnixMilli(n).UTC()
	if err != nil || createdAt.Year() < 1900 || createdAt.Year() > 2200 ||
		id == "" || len(id) > maxIDLength || !utf8.ValidString(id) || strings.ContainsRune(id, 0) {
		return Place{}, ErrCursor
	}
	return Place{CreatedAt: createdAt, ID: id}, nil
}
