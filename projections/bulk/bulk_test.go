package bulk

import (
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"payledger/eventstore/pgtest"
	"payledger/eventstore/storetest"
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
		"sqlCountParts": sqlCountParts, "sqlPart": sqlPart, "sqlShareDone": sqlShareDone, "sqlCountStreams": sqlCountStreams,
		"sqlSettings": sqlSettings, "sqlFindIndexes": sqlFindIndexes, "sqlIndexes": sqlIndexes, "sqlIndexMade": sqlIndexMade,
		"sqlKeyMade": sqlKeyMade, "sqlIndexSettings": sqlIndexSettings, "sqlLock": sqlLock, "sqlUnlock": sqlUnlock,
	}, "sqlCreateState")
}

// TestCopiesWhatPostgresReads copies every kind of value, more than one chunk of them, into another schema than the one that is named.
func TestCopiesWhatPostgresReads(t *testing.T) {
	t.Parallel()
	db := pgtest.NewFrom(t, storetest.Template())
	pool := db.ProjectorPool(t)
	_, err := pool.Exec(t.Context(), `CREATE SCHEMA used; CREATE TABLE used.t (a text, b boolean, c smallint, d bigint, e timestamptz)`)
	require.NoError(t, err)
	rows := [][]any{
		{"", true, int16(-1), int64(-1) << 62, time.Date(1999, 12, 31, 23, 59, 59, 999_999_000, time.UTC)},
		{"Ü漢", false, int16(32767), int64(7), time.Date(2026, 1, 2, 3, 4, 5, 6_000, time.UTC)},
		{nil, nil, nil, nil, nil},
	}
	for range 5000 {
		rows = append(rows, []any{strings.Repeat("x", 50), true, int16(3), int64(4), time.UnixMicro(5).UTC()})
	}
	require.NoError(t, pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) error {
		n, err := InSchema(tx, "named", "used").CopyFrom(t.Context(), pgx.Identifier{"named", "t"}, []string{"a", "b", "c", "d", "e"}, pgx.CopyFromRows(rows))
		require.EqualValues(t, len(rows), n)
		return err
	}))
	found, err := pool.Query(t.Context(), "SELECT a, b, c, d, e AT TIME ZONE 'UTC' FROM used.t")
	require.NoError(t, err)
	got, err := pgx.CollectRows(found, func(row pgx.CollectableRow) ([]any, error) { return row.Values() })
	require.NoError(t, err)
	require.Equal(t, rows, got)
	err = pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) error {
		_, err := InSchema(tx, "named", "used").CopyFrom(t.Context(), pgx.Identifier{"named", "t"}, []string{"d"}, pgx.CopyFromRows([][]any{{7}}))
		return err
	})
	require.ErrorContains(t, err, "a column has type int")
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
