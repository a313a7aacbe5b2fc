// Package compare holds what stands in a read model against what the log says should stand there, column by column.
package compare

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"payledger/eventstore"
)

// Place is where a row or a document stands.
type Place struct {
	Tenant string
	Object string // of readmodels, or "credit"
	ID     string
}

// Key returns the place as operators name it, within its tenant.
func (p Place) Key() string { return p.Object + "/" + p.ID }

// Row is what stands at a place: the values of columns, and the stream that they are folded from.
type Row struct {
	Stream  eventstore.StreamID
	Columns []string
	Values  []any // texts, numbers, truth values, times and bytes
}

// Difference is a place where something else stands than should. It is without texts of persons, but for its rows.
type Difference struct {
	Place
	Stream eventstore.StreamID
	What   string // "missing", "extra", "stale: …" or "changed: …", with the names of columns
	Stored *Row   // nil for a missing one
	Wanted *Row   // nil for an extra one
}

// Rows returns the differences, ordered by place.
func Rows(wanted, stored map[Place]Row) []Difference {
	var all []Difference
	for place, want := range wanted {
		got, ok := stored[place]
		if !ok {
			all = append(all, Difference{Place: place, Stream: want.Stream, What: "missing", Wanted: &want})
			continue
		}
		if what := want.differs(got); what != "" {
			all = append(all, Difference{Place: place, Stream: want.Stream, What: what, Stored: &got, Wanted: &want})
		}
	}
	for place, got := range stored {
		if _, ok := wanted[place]; !ok {
			all = append(all, Difference{Place: place, Stream: got.Stream, What: "extra", Stored: &got})
		}
	}
	slices.SortFunc(all, func(a, b Difference) int {
		return cmp.Or(cmp.Compare(a.Tenant, b.Tenant), cmp.Compare(a.Object, b.Object), cmp.Compare(a.ID, b.ID))
	})
	return all
}

// Changed returns the names of the columns in which a stored row differs from this one.
func (r Row) Changed(stored Row) []string {
	var names []string
	for i, name := range r.Columns {
		if !equal(r.Values[i], stored.Values[i]) {
			names = append(names, name)
		}
	}
	return names
}

// differs says in what a stored row differs; empty for equal ones.
func (r Row) differs(stored Row) string {
	names := r.Changed(stored)
	if len(names) == 0 {
		return ""
	}
	want, _ := r.Value("position").(int64)
	if at, ok := stored.Value("position").(int64); ok && at < want {
		return fmt.Sprintf("stale: at %d, not %d: %s", at, want, strings.Join(names, ", "))
	}
	return "changed: " + strings.Join(names, ", ")
}

// Value returns the value of a column, nil if there is no such column.
func (r Row) Value(column string) any {
	if i := slices.Index(r.Columns, column); i >= 0 {
		return r.Values[i]
	}
	return nil
}

// equal compares values of one column. Postgres keeps times in microseconds.
func equal(a, b any) bool {
	switch a := a.(type) {
	case time.Time:
		b, ok := b.(time.Time)
		return ok && a.UnixMicro() == b.UnixMicro()
	case []byte:
		b, ok := b.([]byte)
		return ok && bytes.Equal(a, b)
	}
	return a == b
}

// personal are the columns that hold texts of persons, or texts made of them.
var personal = []string{"note", "card_holder_name", "card_holder_zip", "words", "body", "state"}

// Show prints the value of a column, without texts of persons.
func (r Row) Show(column string) string { return Show(column, r.Value(column)) }

// Show prints a value of a column, without texts of persons.
func Show(column string, value any) string {
	if slices.Contains(personal, column) {
		return "(text)"
	}
	if at, ok := value.(time.Time); ok {
		return at.UTC().Format(time.RFC3339Nano)
	}
	return fmt.Sprint(value)
}

// Places returns the places of rows, in no order.
func Places(rows map[Place]Row) []Place { return slices.Collect(maps.Keys(rows)) }
