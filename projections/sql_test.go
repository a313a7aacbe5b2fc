package projections

import (
	"testing"

	"payledger/eventstore/pgtest"
	"payledger/eventstore/storetest"
	"payledger/internal/sqltest"
)

func TestStatementsFitTheSchema(t *testing.T) {
	t.Parallel()
	db := pgtest.NewFrom(t, storetest.Template())
	sqltest.Prepare(t, ".", db.ProjectorURL, map[string]string{
		"sqlEnsureCheckpoint": sqlEnsureCheckpoint, "sqlAcquireLease": sqlAcquireLease, "sqlTakeLease": sqlTakeLease, "sqlMoveCheckpoint": sqlMoveCheckpoint,
		"sqlNotifyCheckpoint": sqlNotifyCheckpoint, "sqlRenewLease": sqlRenewLease, "sqlReleaseLease": sqlReleaseLease, "sqlHalt": sqlHalt,
		"sqlTransactionSettings": sqlTransactionSettings, "sqlIndexSettings": sqlIndexSettings, "sqlCountIndexes": sqlCountIndexes, "sqlLag": sqlLag,
	})
}
