package docs_test

import (
	"context"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"payledger/eventstore/pgtest"
	"payledger/eventstore/storetest"
	"payledger/projections/selfaudit"
	"payledger/readmodels/books"
	"payledger/readmodels/documents"
	"payledger/readmodels/proofs"
	"payledger/readmodels/tables"
)

// database returns a migrated database with every read model, as the roles make them.
func database(t *testing.T) *pgxpool.Pool {
	t.Helper()
	db := pgtest.NewFrom(t, storetest.Template())
	require.NoError(t, pgx.BeginFunc(t.Context(), db.ProjectorPool(t), func(tx pgx.Tx) error {
		for _, ensure := range []func(context.Context, pgx.Tx) (bool, error){tables.EnsureSchema, documents.EnsureSchema, books.EnsureSchema, proofs.EnsureSchema} {
			if _, err := ensure(t.Context(), tx); err != nil {
				return err
			}
		}
		return selfaudit.EnsureSchema(t.Context(), tx)
	}))
	return db.Pool(t)
}

const sqlColumns = `
SELECT n.nspname || '.' || c.relname, a.attname,
       CASE t.typname WHEN 'int8' THEN 'bigint' WHEN 'int4' THEN 'integer' WHEN 'int2' THEN 'smallint' WHEN 'bool' THEN 'boolean' ELSE t.typname END
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
JOIN pg_type t ON t.oid = a.atttypid
WHERE c.relkind IN ('r', 'p') AND n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\_%'
ORDER BY n.nspname, c.relname, a.attnum`

// Names, order and types of columns, of every table that a migrated database has.
func TestEveryTableIsDocumented(t *testing.T) {
	t.Parallel()
	found, err := database(t).Query(t.Context(), sqlColumns)
	require.NoError(t, err)
	want, told := map[string][]string{}, map[string][]string{}
	var table, column, kind string
	_, err = pgx.ForEachRow(found, []any{&table, &column, &kind}, func() error {
		want[table] = append(want[table], column+" "+kind)
		return nil
	})
	require.NoError(t, err)
	for _, part := range strings.Split(read(t, "tables.md"), "\n### ")[1:] {
		name, body, _ := strings.Cut(part, "\n")
		body, _, _ = strings.Cut(body, "\n## ")
		for _, row := range rows(body) {
			told[name] = append(told[name], row[0]+" "+row[1])
		}
	}
	require.Equal(t, want, told)
}

const sqlRights = `
SELECT n.nspname || '.' || c.relname, role,
       concat_ws(' ', CASE WHEN has_table_privilege(role, c.oid, 'SELECT') THEN 'S' END, CASE WHEN has_table_privilege(role, c.oid, 'INSERT') THEN 'I' END,
           CASE WHEN has_table_privilege(role, c.oid, 'UPDATE') THEN 'U' WHEN has_any_column_privilege(role, c.oid, 'UPDATE') THEN 'u' END, CASE WHEN has_table_privilege(role, c.oid, 'DELETE') THEN 'D' END)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace, unnest(ARRAY['payledger_app', 'payledger_projector']) AS role
WHERE c.relkind IN ('r', 'p') AND n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\_%'`

// What the page says that a role may do is what the database lets it do.
func TestRightsAreDocumented(t *testing.T) {
	t.Parallel()
	found, err := database(t).Query(t.Context(), sqlRights)
	require.NoError(t, err)
	want, told := map[string]string{}, map[string]string{}
	var table, role, rights string
	_, err = pgx.ForEachRow(found, []any{&table, &role, &rights}, func() error {
		if rights == "" {
			rights = "-"
		}
		want[table+" "+role] = rights
		return nil
	})
	require.NoError(t, err)
	for _, row := range rows(section(t, read(t, "tables.md"), "## Rights")) {
		told[row[0]+" payledger_app"], told[row[0]+" payledger_projector"] = row[1], row[2]
	}
	require.Equal(t, want, told)
}

const sqlFunctions = `SELECT n.nspname || '.' || p.proname FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname IN ('ledger', 'vault')`

func TestEveryFunctionIsDocumented(t *testing.T) {
	t.Parallel()
	found, err := database(t).Query(t.Context(), sqlFunctions)
	require.NoError(t, err)
	names, err := pgx.CollectRows(found, pgx.RowTo[string])
	require.NoError(t, err)
	require.NotEmpty(t, names)
	page := read(t, "tables.md")
	for _, name := range names {
		require.Contains(t, page, "`"+name+"(", name)
	}
}
