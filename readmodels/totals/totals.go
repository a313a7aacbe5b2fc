// Package totals remembers which lists are much longer than their totals are exact for, so that not every page counts its list.
package totals

import (
	"encoding/json"
	"fmt"

	lru "github.com/hashicorp/golang-lru/v2"
)

const (
	// Exact is the count of rows up to which totals are exact.
	Exact = 10_000
	// CountTo is where counting ends. What is counted above Exact says for how long the list need not be counted again.
	CountTo = 2 * Exact
	// rowsPerEvent is how many rows an event is taken to hide at most, over CountTo-Exact rows. One that ends many, those of a
	// payment's allocations, comes with an event of each fee.
	rowsPerEvent = 10
	// maxLists bounds the lists that are remembered.
	maxLists = 10_000
)

// Memory remembers lists. Safe for concurrent use; a nil one remembers nothing.
type Memory struct {
	cache *lru.Cache[string, Span]
}

// Span is a range of checkpoints at which a list certainly has more than Exact rows.
type Span struct{ First, Last int64 }

// never holds no checkpoint.
var never = Span{First: 1, Last: 0}

// NewMemory returns an empty memory.
func NewMemory() *Memory {
	cache, err := lru.New[string, Span](maxLists)
	if err != nil {
		panic(fmt.Sprintf("totals: %v", err)) // a bound that isn't positive: can't be
	}
	return &Memory{cache: cache}
}

// Key names a list by what its statement counts, and the arguments of that.
func Key(counted string, args []any) string {
	text, err := json.Marshal(args)
	if err != nil {
		panic(fmt.Sprintf("totals: encode arguments: %v", err)) // strings and integers: can't fail
	}
	return counted + string(text)
}

// Span returns at which checkpoints a list need not be counted.
func (m *Memory) Span(key string) Span {
	if m != nil {
		if span, ok := m.cache.Get(key); ok {
			return span
		}
	}
	return never
}

// Note remembers that a list had n rows at a checkpoint, n being counted up to CountTo or, in the list's span, Exact + 1.
func (m *Memory) Note(key string, checkpoint, n int64) {
	if last := checkpoint + (n-Exact-1)/rowsPerEvent; m != nil && last > checkpoint {
		m.cache.Add(key, Span{First: checkpoint, Last: last})
	}
}
