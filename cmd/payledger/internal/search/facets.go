package search

import (
	"encoding/json"
	"fmt"
	"math/big"

	"payledger/domain/money"
	"payledger/readmodels/search"
)

// values is the aggregation of one field. An index has one shard, so its counts are exact.
type values struct {
	Others  int64 `json:"sum_other_doc_count"`
	Buckets []struct {
		Key      string `json:"key"`
		Count    int64  `json:"doc_count"`
		Currency struct {
			Buckets []struct {
				Key   string `json:"key"`
				Count int64  `json:"doc_count"`
				High  half   `json:"high"`
				Low   half   `json:"low"`
			} `json:"buckets"`
		} `json:"currency"`
	} `json:"buckets"`
}

// half is the sum of the upper or lower halves of amounts: an integer, which the server prints as floating point.
type half struct {
	Value json.Number `json:"value"`
}

// aggregations asks for the values of both fields, by default the most frequent first and equal ones by value, and within
// each for the sums by currency.
func aggregations() map[string]any {
	sum := func(field string) any { return map[string]any{"sum": map[string]any{"field": field}} }
	currency := map[string]any{
		"terms": map[string]any{"field": "currency", "size": len(money.Currencies()) + 1, "order": map[string]any{"_key": "asc"}},
		"aggs":  map[string]any{"high": sum("amountHigh"), "low": sum("amountLow")},
	}
	of := func(field string) any {
		return map[string]any{
			"terms": map[string]any{"field": field, "size": search.MaxBuckets},
			"aggs":  map[string]any{"currency": currency},
		}
	}
	return map[string]any{"status": of("status"), "reason": of("reason")}
}

// facets reads what aggregations asked for.
func facets(q search.Query, found map[string]values) ([]search.Facet, error) {
	fields := search.FieldsOf(q.Object)
	var facets []search.Facet
	for _, of := range []struct{ name, field string }{{"status", fields.Status}, {"reason", fields.Reason}} {
		if of.field == "" {
			continue
		}
		counted := found[of.name]
		facet := search.Facet{Field: of.field, Others: counted.Others}
		for _, b := range counted.Buckets {
			bucket := search.Bucket{Value: b.Key, Count: b.Count}
			for _, c := range b.Currency.Buckets {
				if fields.Amount == "" {
					continue
				}
				currency, err := money.ParseCurrency(c.Key)
				if err != nil {
					return nil, fmt.Errorf("sum of documents: %w", err)
				}
				minor, err := whole(c.High, c.Low)
				if err != nil {
					return nil, err
				}
				bucket.Sums = append(bucket.Sums, search.Sum{Currency: currency, Count: c.Count, Minor: minor})
			}
			facet.Buckets = append(facet.Buckets, bucket)
		}
		facets = append(facets, facet)
	}
	return facets, nil
}

// whole puts the sums of halves together.
func whole(high, low half) (*big.Int, error) {
	upper, ok := new(big.Rat).SetString(high.Value.String())
	lower, alsoOK := new(big.Rat).SetString(low.Value.String())
	if !ok || !alsoOK || !upper.IsInt() || !lower.IsInt() {
		return nil, fmt.Errorf("sum of documents: %s and %s aren't integers", high.Value, low.Value)
	}
	sum := new(big.Int).Lsh(upper.Num(), halfBits)
	return sum.Add(sum, lower.Num()), nil
}
