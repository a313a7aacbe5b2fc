package bulk

import (
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"payledger/eventstore/pgtest"
	"payledger/eventstore/storetest"
	"payledger/internal/pgcopy"
	"payledger/internal/sqltest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestStatementsFitTheSchema(t *testing.T) {
	t.Parallel()
	db := pgtest.NewFrom(t, storetest.Template())
	_, err := db.ProjectorPool(t).Exec(t.Context(), "CREATE SCHEMA shadow;"+sqlCreateState)
	require.NoError(t, err)
	sqltest.Prepare(t, ".", db.ProjectorURL, map[string]string{
		"sqlStateExists": sqlStateExists, "sqlReadState": sqlReadState, "sqlBegin": sqlBegin, "sqlShares": sqlShares, "sqlStage": sqlStage,
		"sqlCountParts": sqlCountParts, "sqlPart": sqlPart, "sqlLaneDone": sqlLaneDone, "sqlPutEnds": sqlPutEnds, "sqlReadEnds": sqlReadEnds,
		"sqlSettings": sqlSettings, "sqlFindIndexes": sqlFindIndexes, "sqlIndexes": sqlIndexes, "sqlIndexMade": sqlIndexMade,
		"sqlKeyMade": sqlKeyMade, "sqlIndexSettings": sqlIndexSettings, "sqlLock": sqlLock, "sqlUnlock": sqlUnlock,
	}, "sqlCreateState")
}

// TestCopiesIntoTheOtherSchema: the rows that are copied into a table stand in that of the other schema.
func TestCopiesIntoTheOtherSchema(t *testing.T) {
	t.Parallel()
	db := pgtest.NewFrom(t, storetest.Template())
	pool := db.ProjectorPool(t)
	_, err := pool.Exec(t.Context(), `CREATE SCHEMA used; CREATE TABLE used.t (a text, b bigint)`)
	require.NoError(t, err)
	rows := [][]any{{"one", int64(1)}, {nil, int64(2)}}
	copied := func(rows [][]any) error {
		return pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) error {
			n, err := InSchema(tx, "named", "used").CopyFrom(t.Context(), pgx.Identifier{"named", "t"}, []string{"a", "b"}, pgx.CopyFromRows(rows))
			require.True(t, err != nil || n == int64(len(rows)))
			return err
		})
	}
	require.NoError(t, copied(rows))
	require.ErrorIs(t, copied([][]any{{7, int64(3)}}), pgcopy.ErrType)
	found, err := pool.Query(t.Context(), "SELECT a, b FROM used.t")
	require.NoError(t, err)
	got, err := pgx.CollectRows(found, func(row pgx.CollectableRow) ([]any, error) { return row.Values() })
	require.NoError(t, err)
	require.Equal(t, rows, got)
}

// TestSharesAreForEver: a build that goes on finds its shares again, whatever process built it.
func TestSharesAreForEver(t *testing.T) {
	t.Parallel()
	require.Equal(t, 6, shareOf("main", "fee-01937b2a-0000-7000-8000-000000000001", 7))
	require.NotEqual(t, shareOf("ab", "c", 1<<30), shareOf("a", "bc", 1<<30))
	for n := range 5 {
		require.Equal(t, shareOf("t", "s", 5) == n, Share{Number: n, Of: 5}.Holds("t", "s"))
	}
}
