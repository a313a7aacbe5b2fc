package books

import (
	"testing"

	"github.com/stretchr/testify/require"

	"payledger/internal/ledgertest"
)

// A replay is as large as the streams that haven't ended: a log may have many more.
func TestReplayLetsGoOfStreamsThatEnded(t *testing.T) {
	t.Parallel()
	var r Replay
	ledgertest.EndAllButOne(t, 100, r.Apply, r.End)
	require.Len(t, r.states, 1)
	require.Len(t, r.origins, 1)
	require.EqualValues(t, 100+100+1, r.Sum().Rows, "journal, origins and the turnover of the day")
}
