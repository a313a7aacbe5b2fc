package eventstore

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// Names compare by their bytes, so those with a prefix are a range of the index.
const sqlStreams = `SELECT stream FROM ledger.streams WHERE tenant = $1 AND stream > $2 AND stream < $3 ORDER BY stream LIMIT $4`

// Streams returns up to limit streams of a tenant whose names begin with prefix, which isn't empty, in order of name, after a name. Fewer than limit
// means that there are no more. Streams never go away, so pages taken one after the other miss none that was there at the first.
func (r *Reader) Streams(ctx context.Context, tenant, prefix, after string, limit int) ([]StreamID, error) {
	last := len(prefix) - 1
	behind := prefix[:last] + string(prefix[last]+1) // the first name behind those with the prefix
	rows, err := r.pool.Query(ctx, sqlStreams, tenant, max(after, prefix), behind, limit)
	if err != nil {
		return nil, fmt.Errorf("list streams %s…: %w", prefix, err)
	}
	ids, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (StreamID, error) {
		id := StreamID{Tenant: tenant}
		return id, row.Scan(&id.Name)
	})
	if err != nil {
		return nil, fmt.Errorf("list streams %s…: %w", prefix, err)
	}
	return ids, nil
}

const sqlReadFirst = `
SELECT e.* FROM unnest($1::text[], $2::text[]) AS wanted (tenant, stream) CROSS JOIN LATERAL (
    SELECT ` + eventColumns + ` FROM ledger.events
    WHERE tenant = wanted.tenant AND stream = wanted.stream AND version = 1 OFFSET 0) AS e`

// ReadFirst returns the first event of each of several different streams, in no order; none for a stream that doesn't exist.
func (r *Reader) ReadFirst(ctx context.Context, ids []StreamID) ([]Recorded, error) {
	tenants, names := make([]string, len(ids)), make([]string, len(ids))
	for i, id := range ids {
		tenants[i], names[i] = id.Tenant, id.Name
	}
	events, err := r.collect(ctx, len(ids), sqlReadFirst, tenants, names)
	if err != nil {
		return nil, fmt.Errorf("read the beginning of %d streams: %w", len(ids), err)
	}
	return events, nil
}
