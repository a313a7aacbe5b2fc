package books

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
		"sqlSchemaExists": sqlSchemaExists, "sqlAddTurnovers": sqlAddTurnovers, "sqlLoadOrigins": sqlLoadOrigins, "sqlPostedFrom": sqlPostedFrom,
		"sqlCommit": sqlCommit, "sqlAllEntries": sqlAllEntries, "sqlAllOrigins": sqlAllOrigins, "sqlAllProfiles": sqlAllProfiles,
		"sqlAllTurnovers": sqlAllTurnovers, "sqlTenants": sqlTenants, "sqlMovements": sqlMovements, "sqlEarlyMovements": sqlEarlyMovements,
		"sqlProfileAt": sqlProfileAt, "sqlHashAt": sqlHashAt, "sqlJournal": sqlJournal, "sqlOpenFees": sqlOpenFees, "sqlOpenCredits": sqlOpenCredits, "sqlControls": sqlControls,
		"sqlStoredEntries": sqlStoredEntries, "sqlEntryPage": sqlEntryPage, "sqlStoredOrigins": sqlStoredOrigins, "sqlOriginPage": sqlOriginPage,
		"sqlStoredProfiles": sqlStoredProfiles, "sqlProfilePage": sqlProfilePage, "sqlNextDay": sqlNextDay, "sqlTurnoversOfDay": sqlTurnoversOfDay,
		"sqlEntriesOfDay": sqlEntriesOfDay, "sqlRemoveTurnovers": sqlRemoveTurnovers, "sqlInsertTurnover": sqlInsertTurnover,
	}, "sqlCreateSchema", "sqlCreateIndexes")
}
