package rebuild_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"payledger/eventstore"
	"payledger/eventstore/catalog"
	"payledger/projections/bulk"
	"payledger/projections/rebuild"
)

// held counts the streams that a fold may hold: those that have begun and not ended.
type held struct {
	bulk.Fold
	open map[eventstore.StreamID]bool
	most *int
}

func (h held) Apply(ev *catalog.Event, last bool) error {
	if h.open[ev.Stream] = true; last {
		delete(h.open, ev.Stream)
	}
	*h.most = max(*h.most, len(h.open))
	return h.Fold.Apply(ev, last)
}

// TestHoldsFewStreamsAtATime: with a limit the log is folded share by share, each by a fold of its own, and none holds many more streams than
// the limit. What comes out is the same.
func TestHoldsFewStreamsAtATime(t *testing.T) {
	t.Parallel()
	only(t, "tables", 81, func(t *testing.T, w *world) {
		t.Helper()
		const limit = 15
		var several int64
		require.NoError(t, w.pool.QueryRow(t.Context(), `SELECT count(*) FROM ledger.streams WHERE version > 1`).Scan(&several))
		require.Greater(t, several, int64(3*limit), "or the test says little")
		for _, limited := range []bool{true, false} {
			most, folds, of := 0, 0, 0
			result, err := rebuild.Run(t.Context(), w.config(func(c *rebuild.Config) {
				c.VerifyOnly, c.MaxStreams = true, 0
				if limited {
					c.MaxStreams = limit
				}
				fold := c.Projection.Bulk.Fold
				c.Projection.Bulk.Join = nil // all events come to the one that holds streams
				c.Projection.Bulk.Fold = func(s bulk.Share) bulk.Fold {
					folds++
					of = s.Of
					return held{fold(s), make(map[eventstore.StreamID]bool), &most}
				}
			}))
			require.NoError(t, err)
			require.True(t, result.Equal)
			require.Equal(t, w.replayed(t, result.Position).String(), result.Digest)
			require.Equal(t, of, folds)
			if limited {
				require.EqualValues(t, (several+limit-1)/limit, of)
				require.Less(t, most, 2*limit)
			} else {
				require.Equal(t, 1, of)
				require.Greater(t, most, 2*limit)
			}
		}
	})
}
