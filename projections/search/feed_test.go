package search

import (
	"strconv"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"payledger/eventstore/pgtest"
	"payledger/eventstore/storetest"
	"payledger/readmodels/documents"
	"payledger/readmodels/search"
)

// Every statement of the package is valid for the role that runs it.
func TestStatementsPrepare(t *testing.T) {
	t.Parallel()
	pool := pgtest.NewFrom(t, storetest.Template()).ProjectorPool(t)
	require.NoError(t, pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) error {
		_, err := documents.EnsureSchema(t.Context(), tx)
		return err
	}))
	conn, err := pool.Acquire(t.Context())
	require.NoError(t, err)
	defer conn.Release()
	for i, sql := range []string{sqlPage, sqlEnd, sqlEvent, sqlNextErasure, sqlErasedPage} {
		_, err := conn.Conn().Prepare(t.Context(), "s"+strconv.Itoa(i), sql)
		require.NoError(t, err, sql)
	}
}

func TestBulkBoundsTheSizeOfARequest(t *testing.T) {
	t.Parallel()
	half, whole := search.Document{Body: make([]byte, maxBulkSize/2)}, search.Document{Body: make([]byte, maxBulkSize)}
	huge := search.Document{Body: make([]byte, 3*maxBulkSize)}
	for _, c := range []struct {
		page []search.Document
		want int
	}{
		{[]search.Document{{}, {}, {}}, 3},
		{[]search.Document{half, half, {}}, 3},
		{[]search.Document{half, half, half}, 2},
		{[]search.Document{whole, half}, 1},
		{[]search.Document{huge, half}, 1},
		{[]search.Document{half, huge}, 1},
	} {
		require.Equal(t, c.want, bulkSize(c.page))
	}
}

func TestStatementsOfARebuildPrepare(t *testing.T) {
	t.Parallel()
	db := pgtest.NewFrom(t, storetest.Template())
	pool := db.ProjectorPool(t)
	require.NoError(t, pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) error {
		_, err := documents.EnsureSchema(t.Context(), tx)
		return err
	}))
	_, err := pool.Exec(t.Context(), sqlCreateRebuild)
	require.NoError(t, err)
	for i, sql := range []string{
		sqlReadSide, sqlBeginSide, sqlMoveSide, sqlDropSide, sqlKeepCertificate, sqlReadCertificate, sqlDropCertificate, sqlByKey, sqlCountDocuments, sqlCountUpTo, sqlMovedOn, sqlMoved, sqlErasedAfter,
	} {
		conn, err := pool.Acquire(t.Context())
		require.NoError(t, err)
		_, err = conn.Conn().Prepare(t.Context(), "r"+strconv.Itoa(i), sql)
		conn.Release()
		require.NoError(t, err, sql)
	}
}
