package search

import (
	"math/big"
	"strings"

	"payledger/domain/money"
)

// MaxBuckets bounds the values that a facet counts.
const MaxBuckets = 50

// Facet counts the documents found by the values of one field.
type Facet struct {
	Field   string   // the contract's name
	Buckets []Bucket // the largest first, equal ones by value; at most MaxBuckets
	Others  int64    // documents of the values that found no place
}

// Bucket counts the documents of one value.
type Bucket struct {
	Value string // may be empty
	Count int64
	Sums  []Sum // in order of currency; none for an object without amounts
}

// Sum is the total of a bucket's documents in one currency.
type Sum struct {
	Currency money.Currency
	Count    int64
	Minor    *big.Int // minor units, exact, not negative: it may be more than an amount can hold
}

// Number returns the sum as a JSON number, exactly, such as 12.5.
func (s Sum) Number() string {
	digits, exponent := s.Minor.String(), s.Currency.Exponent()
	if missing := exponent + 1 - len(digits); missing > 0 {
		digits = strings.Repeat("0", missing) + digits
	}
	point := len(digits) - exponent
	fraction := strings.TrimRight(digits[point:], "0")
	if fraction == "" {
		return digits[:point]
	}
	return digits[:point] + "." + fraction
}

// NoFacets returns the facets of an answer without documents: nil unless the query asks for them.
func (q Query) NoFacets() []Facet {
	if !q.Facets {
		return nil
	}
	fields := FieldsOf(q.Object)
	var facets []Facet
	for _, field := range []string{fields.Status, fields.Reason} {
		if field != "" {
			facets = append(facets, Facet{Field: field})
		}
	}
	return facets
}
