package pgcopy_test

import (
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"payledger/eventstore/pgtest"
	"payledger/eventstore/storetest"
	"payledger/internal/pgcopy"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestPostgresReadsWhatIsCopied copies every kind of value, and many rows of them, twice.
func TestPostgresReadsWhatIsCopied(t *testing.T) {
	t.Parallel()
	pool := pgtest.NewFrom(t, storetest.Template()).ProjectorPool(t)
	_, err := pool.Exec(t.Context(), `CREATE SCHEMA named; CREATE TABLE named.t (a text, b boolean, c smallint, d bigint, e timestamptz)`)
	require.NoError(t, err)
	values := [][]any{
		{"", true, int16(-1), int64(-1) << 62, time.Date(1999, 12, 31, 23, 59, 59, 999_999_000, time.UTC)},
		{"Ü漢", false, int16(32767), int64(7), time.Date(2026, 1, 2, 3, 4, 5, 6_000, time.UTC)},
		{nil, nil, nil, nil, nil},
	}
	for range 5000 {
		values = append(values, []any{strings.Repeat("x", 50), true, int16(3), int64(4), time.UnixMicro(5).UTC()})
	}
	var rows pgcopy.Rows
	for _, row := range values {
		require.NoError(t, rows.Add(row))
	}
	copied := func(rows *pgcopy.Rows) (n int64) {
		require.NoError(t, pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) (err error) {
			n, err = rows.Copy(t.Context(), tx, pgx.Identifier{"named", "t"}, []string{"a", "b", "c", "d", "e"})
			return err
		}))
		return n
	}
	stored := func() [][]any {
		found, err := pool.Query(t.Context(), "SELECT a, b, c, d, e AT TIME ZONE 'UTC' FROM named.t")
		require.NoError(t, err)
		got, err := pgx.CollectRows(found, func(row pgx.CollectableRow) ([]any, error) { return row.Values() })
		require.NoError(t, err)
		return got
	}
	for range 2 {
		require.EqualValues(t, len(values), copied(&rows))
		require.Equal(t, values, stored())
		_, err = pool.Exec(t.Context(), "TRUNCATE named.t")
		require.NoError(t, err)
	}
	all := make([]*pgcopy.Rows, 4) // none, many, one, none
	for i := range all {
		all[i] = new(pgcopy.Rows)
		require.NoError(t, all[i].Add(values[1]))
		all[i].Empty()
	}
	for i, row := range values {
		require.NoError(t, all[min(1+i/(len(values)-1), 2)].Add(row))
	}
	require.NoError(t, pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) error {
		n, err := pgcopy.Copy(t.Context(), tx, pgx.Identifier{"named", "t"}, []string{"a", "b", "c", "d", "e"}, all...)
		require.EqualValues(t, len(values), n)
		return err
	}))
	require.Equal(t, values, stored())
	require.ErrorIs(t, rows.Add([]any{7}), pgcopy.ErrType)
}
