package rebuild

import (
	"testing"

	"github.com/stretchr/testify/require"

	"payledger/eventstore/pgtest"
	"payledger/eventstore/storetest"
	"payledger/internal/sqltest"
)

func TestStatementsFitTheSchema(t *testing.T) {
	t.Parallel()
	db := pgtest.NewFrom(t, storetest.Template())
	_, err := db.ProjectorPool(t).Exec(t.Context(), `CREATE SCHEMA shadow; CREATE TABLE shadow.rebuild (stage text, position bigint, hash bytea);`+sqlCreateCertificate)
	require.NoError(t, err)
	sqltest.Prepare(t, ".", db.ProjectorURL, map[string]string{
		"sqlLiveCheckpoint": sqlLiveCheckpoint, "sqlMoveShadow": sqlMoveShadow, "sqlSpareSettings": sqlSpareSettings, "sqlSwapSettings": sqlSwapSettings, "sqlStopLive": sqlStopLive,
		"sqlFence": sqlFence, "sqlAside": sqlAside, "sqlOld": sqlOld, "sqlRegclass": sqlRegclass, "sqlStands": sqlStands, "sqlColumns": sqlColumns, "sqlCountRows": sqlCountRows,
		"sqlKeepCertificate": sqlKeepCertificate, "sqlReadCertificate": sqlReadCertificate,
	}, "sqlCreateCertificate", "sqlDropCertificate", "sqlNoTimeout")
}
