package documents

import (
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"payledger/eventstore/pgtest"
	"payledger/eventstore/storetest"
	"payledger/internal/sqltest"
)

func TestStatementsFitTheSchema(t *testing.T) {
	t.Parallel()
	db := pgtest.NewFrom(t, storetest.Template())
	require.NoError(t, pgx.BeginFunc(t.Context(), db.ProjectorPool(t), func(tx pgx.Tx) error {
		created, err := EnsureSchema(t.Context(), tx)
		require.True(t, created)
		require.NoError(t, err)
		return EnsureIndexes(t.Context(), tx)
	}))
	sqltest.Prepare(t, ".", db.ProjectorURL, map[string]string{
		"sqlSchemaExists": sqlSchemaExists, "sqlLoad": sqlLoad, "sqlLoadOfStreams": sqlLoadOfStreams, "sqlUpsert": sqlUpsert, "sqlInsert": sqlInsert, "sqlAll": sqlAll,
		"sqlStored": sqlStored, "sqlStoredPage": sqlStoredPage, "sqlTakeOut": sqlTakeOut,
	}, "sqlCreateSchema", "sqlCreateIndexes")
}
