package publisher

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
		"sqlReadCursors": sqlReadCursors, "sqlCreateCursors": sqlCreateCursors, "sqlMoveCursors": sqlMoveCursors, "sqlNoSync": sqlNoSync,
		"sqlReadRoutes": sqlReadRoutes, "sqlRoutePosition": sqlRoutePosition, "sqlKnownTenant": sqlKnownTenant, "sqlKnownStream": sqlKnownStream,
		"sqlKnownPerson": sqlKnownPerson, "sqlFilterStreams": sqlFilterStreams, "sqlShareFence": sqlShareFence, "sqlLeaveFence": sqlLeaveFence, "sqlEndFences": sqlEndFences,
		"sqlLag": sqlLag,
	})
}
