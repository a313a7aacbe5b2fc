package main

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"payledger/domain/fee"
	"payledger/eventstore/catalog"
	"payledger/internal/ledgertest"
	"payledger/projections"
)

const sqlStandsAt = `INSERT INTO ledger.checkpoints (projection, version, position, hash) SELECT $1, $2, position, hash FROM ledger.events WHERE position = $3
ON CONFLICT (projection, version) DO UPDATE SET position = excluded.position, hash = excluded.hash`

// A read model that is behind an erasure shows texts that the log has no more. That is no damage: `audit verify` waits until it has applied the
// erasure, and says so when that takes too long.
func TestVerifyWaitsForAnErasure(t *testing.T) {
	t.Parallel()
	for _, p := range projections.All() {
		if p.Projection.Name == "books" {
			continue // has no texts
		}
		t.Run(p.Projection.Name, func(t *testing.T) {
			t.Parallel()
			log := ledgertest.Open(t, 73)
			id := log.Assess(t, log.Users[0], 500)
			log.Change(t, id, fee.Annotate{Note: "said", At: log.Now()})
			projector, pool := p.New(), log.DB.ProjectorPool(t)
			at := int64(0)
			apply := func(upTo int64) {
				require.NoError(t, pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) error {
					if _, err := projector.EnsureSchema(t.Context(), tx); err != nil {
						return err
					}
					if _, err := tx.Exec(t.Context(), sqlStandsAt, p.Projection.Name, p.Projection.Version, upTo); err != nil {
						return err
					}
					return projector.Apply(t.Context(), tx, log.Events(t, at, int(upTo-at)))
				}))
				at = upTo
			}
			apply(log.Flush(t))
			erased := log.Erase(t, log.Users[0])

			// The clock is asked once for the deadline, and then whenever the two differ because of the erasure.
			asked := 0
			l := &ledger{pool: pool, reader: log.Reader, vault: log.Keys, catalog: catalog.New(), now: func() time.Time {
				asked++
				return time.Unix(0, 0).Add(time.Duration(asked-1) * (erasurePatience + time.Second))
			}}
			_, _, err := l.compare(t.Context(), p)
			require.ErrorContains(t, err, "before the erasure at")
			l.now = func() time.Time {
				if asked++; at < erased && asked > 3 {
					apply(erased)
				}
				return time.Unix(0, 0)
			}
			stored, sum, err := l.compare(t.Context(), p)
			require.NoError(t, err)
			require.Equal(t, erased, stored.Position)
			require.Equal(t, stored.Sum, sum)
		})
	}
}
