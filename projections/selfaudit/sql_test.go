package selfaudit

import (
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"payledger/eventstore/pgtest"
	"payledger/eventstore/storetest"
	"payledger/internal/sqltest"
	"payledger/readmodels/documents"
)

func TestStatementsFitTheSchema(t *testing.T) {
	t.Parallel()
	db := pgtest.NewFrom(t, storetest.Template())
	for range 2 { // the second finds it there
		require.NoError(t, pgx.BeginFunc(t.Context(), db.ProjectorPool(t), func(tx pgx.Tx) error { return EnsureSchema(t.Context(), tx) }))
	}
	require.NoError(t, pgx.BeginFunc(t.Context(), db.ProjectorPool(t), func(tx pgx.Tx) error {
		_, err := documents.EnsureSchema(t.Context(), tx)
		return err
	}))
	sqltest.Prepare(t, ".", db.ProjectorURL, map[string]string{
		"sqlSchemaLock": sqlSchemaLock, "sqlSchemaExists": sqlSchemaExists, "sqlDrift": sqlDrift, "sqlNote": sqlNote, "sqlClear": sqlClear,
		"sqlPlacesOf": sqlPlacesOf, "sqlCounts": sqlCounts, "sqlCursor": sqlCursor, "sqlSaveCursor": sqlSaveCursor, "sqlHash": sqlHash,
		"sqlStreams": sqlStreams, "sqlErasing": sqlErasing, "sqlKnown": sqlKnown, "sqlHealSettings": sqlHealSettings, "sqlLockCheckpoint": sqlLockCheckpoint,
		"sqlDismissOwner": sqlDismissOwner, "sqlStreamOfDrift": sqlStreamOfDrift, "sqlMayBeLater": sqlMayBeLater, "sqlErasedAt": sqlErasedAt,
		"sqlUncompared": sqlUncompared,
	}, "sqlCreateSchema")
}
