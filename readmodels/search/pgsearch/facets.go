package pgsearch

import (
	"context"
	"fmt"
	"math/big"

	"payledger/domain/money"
	"payledger/readmodels/search"
)

// Sums are numeric in Postgres, and exact. The documents are counted once, by both values: without words an index has all that
// this takes. Values come by their number of documents, the largest first, as Elasticsearch's do.
const sqlFacets = `
WITH counted AS (
    SELECT status, reason, currency, count(*) AS n, sum(amount) AS minor
    FROM documents_v2.documents` + sqlWhere + ` AND ($5 = '' OR words @@ $5::tsquery)
    GROUP BY status, reason, currency
), valued AS (
    SELECT grouping(status) AS facet, coalesce(status, reason) AS value, currency, sum(n) AS n, sum(minor) AS minor
    FROM counted GROUP BY GROUPING SETS ((status, currency), (reason, currency))
), summed AS (
    SELECT *, sum(n) OVER (PARTITION BY facet, value) AS of_value, sum(n) OVER (PARTITION BY facet) AS of_all FROM valued
), placed AS (
    SELECT *, dense_rank() OVER (PARTITION BY facet ORDER BY of_value DESC, value) AS place FROM summed
)
SELECT facet, place, value, of_all::bigint, currency, n::bigint, minor::text FROM placed WHERE place <= $6 ORDER BY facet, place, currency`

// facets counts all documents of a query.
func facets(ctx context.Context, db querier, q search.Query, plan search.Plan) ([]search.Facet, error) {
	fields := search.FieldsOf(q.Object)
	both := []search.Facet{{Field: fields.Status}, {Field: fields.Reason}}
	var (
		facet                     int
		place, ofAll, n           int64
		value, currency, minorSum string
	)
	err := query(ctx, db, sqlFacets, append(arguments(q, plan), search.MaxBuckets),
		[]any{&facet, &place, &value, &ofAll, &currency, &n, &minorSum}, func() error {
			f := &both[facet]
			if place > int64(len(f.Buckets)) {
				f.Buckets = append(f.Buckets, search.Bucket{Value: value})
			}
			b := &f.Buckets[place-1]
			b.Count += n
			f.Others = ofAll
			if fields.Amount == "" {
				return nil
			}
			sum, err := newSum(currency, n, minorSum)
			b.Sums = append(b.Sums, sum)
			return err
		})
	if err != nil {
		return nil, err
	}
	var given []search.Facet
	for _, f := range both {
		for _, b := range f.Buckets {
			f.Others -= b.Count
		}
		if f.Field != "" {
			given = append(given, f)
		}
	}
	return given, nil
}

func newSum(currency string, count int64, minor string) (search.Sum, error) {
	cur, err := money.ParseCurrency(currency)
	if err != nil {
		return search.Sum{}, fmt.Errorf("sum of documents: %w", err)
	}
	sum, ok := new(big.Int).SetString(minor, 10)
	if !ok {
		return search.Sum{}, fmt.Errorf("sum of documents: %q is no integer", minor)
	}
	return search.Sum{Currency: cur, Count: count, Minor: sum}, nil
}
