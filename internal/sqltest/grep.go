package sqltest

import (
	"context"
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
)

// Every column of every table but Postgres' own, as text: of bytes the ASCII ones as they are.
const grepColumns = `
SELECT format('%I.%I', n.nspname, c.relname), string_agg(
    CASE WHEN t.typname = 'bytea' THEN format('coalesce(encode(%I, ''escape''), '''')', a.attname) ELSE format('coalesce(%I::text, '''')', a.attname) END,
    ' || '' '' || ' ORDER BY a.attnum)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
JOIN pg_type t ON t.oid = a.atttypid
WHERE c.relkind IN ('r', 'p', 'm') AND n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\_%'
GROUP BY n.nspname, c.relname ORDER BY 1`

// Grep returns the tables of a database in which an ASCII word stands, in any case, with the number of rows that have it. The URL is a
// superuser's.
func Grep(t testing.TB, databaseURL, word string) map[string]int {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	conn, err := pgx.Connect(ctx, databaseURL)
	require.NoError(t, err)
	defer conn.Close(ctx)
	rows, err := conn.Query(ctx, grepColumns)
	require.NoError(t, err)
	tables := map[string]string{}
	var name, text string
	_, err = pgx.ForEachRow(rows, []any{&name, &text}, func() error {
		tables[name] = text
		return nil
	})
	require.NoError(t, err)
	require.NotEmpty(t, tables)
	found := map[string]int{}
	for name, text := range tables {
		var n int
		require.NoError(t, conn.QueryRow(ctx, fmt.Sprintf("SELECT count(*) FROM %s WHERE position(lower($1) IN lower(%s)) > 0", name, text), word).Scan(&n))
		if n > 0 {
			found[name] = n
		}
	}
	return found
}
