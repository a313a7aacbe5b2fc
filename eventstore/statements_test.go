package eventstore

import (
	"context"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"payledger/eventstore/migrations"
	"payledger/eventstore/pgtest"
)

// No statement of the writer may ever scan a table, whatever was known about the table's size when it was planned.
func TestStatementsUseIndexes(t *testing.T) {
	t.Parallel()
	db := pgtest.NewFrom(t, pgtest.Template{Name: "log", Files: migrations.FS, Migrate: Migrate})
	config, err := pgx.ParseConfig(db.AppURL)
	require.NoError(t, err)
	planSettings(config.RuntimeParams)
	conn, err := pgx.ConnectConfig(t.Context(), config)
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close(context.WithoutCancel(t.Context()))) }()
	for i, sql := range sqlStatements() {
		if s := statement(i); s == stmtBegin || s == stmtCommit || s == stmtRollback {
			continue
		}
		sd, err := conn.Prepare(t.Context(), "s", sql)
		require.NoError(t, err, sql)
		plan := explain(t, conn, len(sd.ParamOIDs))
		for _, table := range []string{"events", "streams", "commits", "idempotency", "route_events", "keys"} {
			require.NotContains(t, plan, "Seq Scan on "+table, sql)
		}
		require.NoError(t, conn.Deallocate(t.Context(), "s"))
	}
}

// explain returns the plan of the prepared statement s for arguments that are all null.
func explain(t *testing.T, conn *pgx.Conn, params int) string {
	t.Helper()
	sql := "EXPLAIN EXECUTE s"
	if params > 0 {
		sql += "(" + strings.TrimSuffix(strings.Repeat("NULL,", params), ",") + ")"
	}
	rows, err := conn.Query(t.Context(), sql, pgx.QueryExecModeSimpleProtocol)
	require.NoError(t, err)
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	return strings.Join(lines, "\n")
}
