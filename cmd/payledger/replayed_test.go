package main

import (
	"testing"

	"github.com/stretchr/testify/require"

	"payledger/internal/ledgertest"
	"payledger/projections"
	"payledger/projections/bulk"
)

// A replay that lets go of streams at their end, and one in shares of few streams, come to the same as one that holds the whole log.
func TestReplayInSharesIsTheSame(t *testing.T) {
	t.Parallel()
	l := ledgertest.Open(t, 66)
	head := l.Random(t, 300)
	own := &ledger{reader: l.Reader, vault: l.Keys, catalog: l.Catalog}
	for _, p := range projections.All() {
		for _, upTo := range []int64{head, head / 2} {
			whole := p.NewReplay()
			for _, ev := range l.Events(t, 0, int(upTo)) {
				require.NoError(t, whole.Apply(ev))
			}
			want := whole.Sum()
			require.Positive(t, want.Rows, p.Projection.Name)
			for _, maxStreams := range []int64{1 << 20, 7} {
				shares, counted := 0, p
				if p.ReplayShare != nil {
					counted.ReplayShare = func(s bulk.Share) projections.Replay { shares++; return p.ReplayShare(s) }
				}
				sum, err := own.replayed(t.Context(), counted, upTo, maxStreams)
				require.NoError(t, err)
				require.Equal(t, want, sum, "%s up to %d, %d streams at a time", p.Projection.Name, upTo, maxStreams)
				require.True(t, p.ReplayShare == nil || shares > 1 == (maxStreams == 7), "%s: %d shares", p.Projection.Name, shares)
			}
		}
	}
}
