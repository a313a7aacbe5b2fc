package proofs

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
		_, err := EnsureSchema(t.Context(), tx)
		return err
	}))
	sqltest.Prepare(t, ".", db.ProjectorURL, map[string]string{
		"sqlSchemaExists": sqlSchemaExists, "sqlWriteTiles": sqlWriteTiles, "sqlReadTile": sqlReadTile,
		"sqlAddCheckpoint": sqlAddCheckpoint, "sqlLatest": sqlLatest, "sqlLatestBefore": sqlLatestBefore, "sqlOfSize": sqlOfSize, "sqlAfter": sqlAfter,
		"sqlBetween": sqlBetween, "sqlUnsent": sqlUnsent, "sqlMarkSent": sqlMarkSent, "sqlPositionOf": sqlPositionOf,
	}, "sqlCreateSchema")
}

// Without a tree the server refuses nothing: a transaction in which it had would be of no more use.
func TestUnsentWithoutATree(t *testing.T) {
	t.Parallel()
	db := pgtest.NewFrom(t, storetest.Template())
	require.NoError(t, pgx.BeginFunc(t.Context(), db.ProjectorPool(t), func(tx pgx.Tx) error {
		unsent, err := Unsent(t.Context(), tx)
		require.NoError(t, err)
		require.Empty(t, unsent)
		_, err = EnsureSchema(t.Context(), tx)
		return err
	}))
}
