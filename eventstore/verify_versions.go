package eventstore

import (
	"context"
	"fmt"
)

// maxVersions bounds the streams whose last version is remembered; those of others are looked up.
const maxVersions = 1 << 20

// versionCheck finds versions that don't follow the one before in their stream. What it can't decide from what it
// remembers (the middle of a log, very many streams, a collision of hashes) it looks up.
type versionCheck struct {
	prints fingerprints
	limit  int
	last   map[uint64]place // fingerprint of a stream -> its last event so far
	doubts doubts
	// ends is the sum of the fingerprints of the last event of every stream: each event adds its own and takes away that
	// of the one before it. It holds for a log that was read from the beginning.
	ends uint64
}

// place is where an event stands.
type place struct{ version, position int64 }

// doubts are events to look up, as columns.
type doubts struct {
	prints              []uint64
	tenants, streams    []string
	versions, positions []int64
}

func newVersionCheck(prints fingerprints, limit int) versionCheck {
	return versionCheck{prints: prints, limit: limit, last: make(map[uint64]place)}
}

func (c *versionCheck) add(e *Recorded) {
	stream := c.prints.stream(e.Stream)
	last, known := c.last[stream]
	switch {
	case known && e.Version == last.version+1:
		c.ends -= c.prints.place(stream, last)
	case known || e.Version != 1:
		d := &c.doubts
		d.prints = append(d.prints, stream)
		d.tenants, d.streams = append(d.tenants, e.Stream.Tenant), append(d.streams, e.Stream.Name)
		d.versions, d.positions = append(d.versions, e.Version), append(d.positions, e.Position)
	}
	if len(c.last) >= c.limit {
		clear(c.last)
	}
	here := place{e.Version, e.Position}
	c.last[stream] = here
	c.ends += c.prints.place(stream, here)
}

// The positions of the version before and of the first event with this version. Scalar subqueries, so that each is an
// index look-up whatever the planner thinks of the sizes.
const sqlDoubts = `SELECT
    coalesce((SELECT max(e.position) FROM ledger.events e
        WHERE e.tenant = q.tenant AND e.stream = q.stream AND e.version = q.version - 1), 0),
    coalesce((SELECT min(e.position) FROM ledger.events e
        WHERE e.tenant = q.tenant AND e.stream = q.stream AND e.version = q.version), 0)
FROM unnest($1::text[], $2::text[], $3::bigint[]) WITH ORDINALITY AS q (tenant, stream, version, n) ORDER BY q.n`

// resolve looks the doubts up. It returns the first event whose version is wrong.
func (c *versionCheck) resolve(ctx context.Context, db querier) (bad *damage, err error) {
	d := c.doubts
	c.doubts = doubts{}
	if len(d.positions) == 0 {
		return nil, nil
	}
	i := 0
	err = eachRow(ctx, db, sqlDoubts, []any{d.tenants, d.streams, d.versions}, func(raw [][]byte) error {
		row := rowDecoder{raw: raw}
		before, same := row.int64(), row.int64()
		version, position := d.versions[i], d.positions[i]
		if version < 1 || version > 1 && (before == 0 || before > position) || same < position {
			bad = lower(bad, damaged(position, "version %d doesn't follow the one before in its stream", version))
		} else if version > 1 {
			c.ends -= c.prints.place(d.prints[i], place{version - 1, before})
		}
		i++
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("look up versions: %w", err)
	}
	return bad, nil
}
