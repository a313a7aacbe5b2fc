package ledgertest

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

// EndAllButOne applies so many assessed fees, of a dollar each on one day, and tells the end of every stream but the first.
func EndAllButOne(t testing.TB, fees int64, apply func(catalog.Event) error, end func(eventstore.StreamID)) {
	t.Helper()
	usd, err := money.ParseCurrency("USD")
	require.NoError(t, err)
	at := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	for n := range fees {
		id := eventstore.StreamID{Tenant: "main", Name: fee.Stream(strconv.FormatInt(n, 10))}
		require.NoError(t, apply(catalog.Event{
			Position: n + 1, Stream: id, Version: 1, CommitID: uuid.New(), EffectiveAt: at,
			Data: fee.Assessed{UserID: "u", Amount: money.New(100, usd), Reason: "lost", AssessedAt: at},
		}))
		if n > 0 {
			end(id)
		}
	}
}
