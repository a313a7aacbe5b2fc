package search

import (
	"errors"
	"fmt"
	"strings"

	"payledger/readmodels"
)

// ErrSort says that documents of the object have no order by this field.
var ErrSort = errors.New("can't sort by this field")

// SortKey is what documents are sorted by. All keys are integers in both servers.
type SortKey int

// The sort keys. Documents of equal keys go by id, in the same direction.
const (
	ByCreatedAt SortKey = iota
	ByUpdatedAt
	ByAmount // minor units, whatever the currency
)

// Sort is an order of documents. The zero value is the default: the newest first.
type Sort struct {
	Key       SortKey
	Ascending bool
}

// ParseSort reads "createdAt" (ascending) or "-createdAt" (descending); empty text is the default. Errors: ErrSort.
func ParseSort(object readmodels.Object, text string) (Sort, error) {
	field, descending := strings.CutPrefix(text, "-")
	s := Sort{Ascending: !descending}
	switch {
	case text == "":
		return Sort{}, nil
	case field == "createdAt":
		s.Key = ByCreatedAt
	case field == "updatedAt":
		s.Key = ByUpdatedAt
	case field != "" && field == FieldsOf(object).Amount:
		s.Key = ByAmount
	default:
		return Sort{}, fmt.Errorf("%w: %q", ErrSort, field)
	}
	return s, nil
}

// SortsOf returns the fields by which documents of an object can be sorted.
func SortsOf(object readmodels.Object) []string {
	fields := []string{"createdAt", "updatedAt"}
	if amount := FieldsOf(object).Amount; amount != "" {
		fields = append(fields, amount)
	}
	return fields
}
