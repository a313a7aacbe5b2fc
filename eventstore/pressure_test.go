package eventstore_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"payledger/eventstore"
	"payledger/eventstore/storetest"
)

// The notification of a batch says for how long its oldest commit has been under way, and how many there are: see Waker.GiveWay.
func TestABatchTellsForHowLongItWasUnderWay(t *testing.T) {
	t.Parallel()
	const late = 20 * time.Millisecond
	store, db := storetest.Open(t, func(c *eventstore.Config) {
		c.Failpoint = func(name string) {
			if name == eventstore.FailTaken {
				<-time.After(late)
			}
		}
	})
	conn, err := pgx.Connect(t.Context(), db.AppURL)
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close(context.WithoutCancel(t.Context()))) }()
	_, err = conn.Exec(t.Context(), "LISTEN ledger")
	require.NoError(t, err)
	_, err = store.Commit(t.Context(), storetest.Add("a", 1))
	require.NoError(t, err)
	n, err := conn.WaitForNotification(t.Context())
	require.NoError(t, err)
	var position, micros, commits int64
	_, err = fmt.Sscan(n.Payload, &position, &micros, &commits)
	require.NoError(t, err, n.Payload)
	require.EqualValues(t, 1, position)
	require.EqualValues(t, 1, commits)
	require.GreaterOrEqual(t, time.Duration(micros)*time.Microsecond, late)
}
