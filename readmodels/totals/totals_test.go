package totals_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"payledger/readmodels/totals"
)

func TestMemory(t *testing.T) {
	t.Parallel()
	m := totals.NewMemory()
	key := totals.Key("FROM fees WHERE tenant = $1", []any{"main"})
	holds := func(checkpoint int64) bool {
		span := m.Span(key)
		return span.First <= checkpoint && checkpoint <= span.Last
	}
	require.False(t, holds(0))
	require.False(t, holds(1))
	for _, n := range []int64{0, totals.Exact, totals.Exact + 1, totals.Exact + 10} {
		m.Note(key, 500, n)
		require.False(t, holds(500), "%d rows may be 10,000 after the next event", n)
	}
	m.Note(key, 500, totals.CountTo)
	require.False(t, holds(499), "a rebuilt list, or a restored database")
	require.True(t, holds(500))
	require.True(t, holds(1_499))
	require.False(t, holds(1_500), "1,000 events may have hidden 10,000 rows")
	m.Note(key, 700, totals.Exact+1) // what a list says that wasn't counted
	require.True(t, holds(1_499))
	require.Equal(t, totals.NewMemory().Span("x"), m.Span(totals.Key("FROM fees WHERE tenant = $1", []any{"other"})), "each list by itself")
	require.NotEqual(t, totals.Key("q", []any{"a b", "c"}), totals.Key("q", []any{"a", "b c"}))

	var none *totals.Memory
	none.Note(key, 500, totals.CountTo)
	require.Equal(t, totals.NewMemory().Span("x"), none.Span(key))
}
