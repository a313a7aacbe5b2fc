package documents

import (
	"strconv"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"payledger/domain/fee"
	"payledger/domain/money"
	"payledger/eventstore"
	"payledger/eventstore/catalog"
)

// A replay is as large as the streams that haven't ended: a log may have many more.
func TestReplayLetsGoOfStreamsThatEnded(t *testing.T) {
	t.Parallel()
	usd, err := money.ParseCurrency("USD")
	require.NoError(t, err)
	at := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	var r Replay
	for n := range int64(100) {
		id := eventstore.StreamID{Tenant: "main", Name: fee.Stream(strconv.FormatInt(n, 10))}
		require.NoError(t, r.Apply(catalog.Event{
			Position: n + 1, Stream: id, Version: 1, CommitID: uuid.New(), EffectiveAt: at,
			Data: fee.Assessed{UserID: "u", Amount: money.New(100, usd), Reason: "lost", AssessedAt: at},
		}))
		if n > 0 {
			r.End(id)
		}
	}
	require.Len(t, r.states, 1)
}
