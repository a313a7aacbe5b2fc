package publisher

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestTrackerStandsBeforeTheFirstGap(t *testing.T) {
	t.Parallel()
	tr := newTracker(mark{position: 10}, 8)
	for i, messages := range []int{1, 2, 0, 1} {
		require.NoError(t, tr.add(t.Context(), mark{position: int64(11 + i)}, messages))
	}
	acked := func() int64 { return tr.last().position }
	require.EqualValues(t, 10, acked())
	tr.done(12)
	tr.done(14)
	require.EqualValues(t, 10, acked())
	tr.done(11)
	require.EqualValues(t, 11, acked())
	tr.done(12)
	require.EqualValues(t, 14, acked())
}

func TestTrackerHoldsTheReaderBack(t *testing.T) {
	t.Parallel()
	tr := newTracker(mark{}, 1)
	require.NoError(t, tr.add(t.Context(), mark{position: 1}, 1))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, tr.add(ctx, mark{position: 2}, 1), context.Canceled)
	tr.done(1)
	require.NoError(t, tr.add(t.Context(), mark{position: 2}, 1))
}

// Against a model: acknowledged is the longest prefix whose messages are all done, in whatever order they are.
func TestTrackerAgainstModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		tr, left, total := newTracker(mark{}, 100), []int{}, 0
		for range rapid.IntRange(1, 100).Draw(t, "steps") {
			if len(left) < 100 && (total == 0 || rapid.Bool().Draw(t, "add")) {
				n := rapid.IntRange(0, 3).Draw(t, "messages")
				left, total = append(left, n), total+n
				require.NoError(t, tr.add(context.Background(), mark{position: int64(len(left))}, n))
			} else if total > 0 {
				nth := rapid.IntRange(0, total-1).Draw(t, "which")
				for i := range left {
					if nth < left[i] {
						left[i]--
						total--
						tr.done(int64(i + 1))
						break
					}
					nth -= left[i]
				}
			}
			want := 0
			for want < len(left) && left[want] == 0 {
				want++
			}
			require.EqualValues(t, want, tr.last().position)
		}
	})
}
