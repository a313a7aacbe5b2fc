package search

import (
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"payledger/domain/fee"
	"payledger/internal/ledgertest"
	documentsprojection "payledger/projections/documents"
	"payledger/readmodels/documents"
)

const sqlCheckpoint = `INSERT INTO ledger.checkpoints (projection, version, position, hash) SELECT $1, $2, position, hash FROM ledger.events WHERE position = $3`

// An erasure is mirrored in its turn: the person's documents of before, without texts, as of the erasure.
func TestAnErasureIsMirrored(t *testing.T) {
	t.Parallel()
	l := ledgertest.Open(t, 71)
	ann, bob := l.Users[1], l.Users[2]
	his, hers := l.Assess(t, bob, 900), l.Assess(t, ann, 1000)
	l.Change(t, hers, fee.AddNote{NoteID: "n1", Visibility: fee.VisibilityStaff, Note: "annsecret", At: l.Now()})
	before := l.Flush(t)
	erased := l.Erase(t, ann)
	l.Change(t, his, fee.Annotate{Note: "later", At: l.Now()})
	end := l.Flush(t)

	pool := l.DB.ProjectorPool(t)
	projector := documentsprojection.New()
	require.NoError(t, pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) error {
		if _, err := projector.EnsureSchema(t.Context(), tx); err != nil {
			return err
		}
		return projector.Apply(t.Context(), tx, l.Events(t, 0, int(end)))
	}))
	_, err := pool.Exec(t.Context(), sqlCheckpoint, documents.Projection().Name, documents.Projection().Version, end)
	require.NoError(t, err)

	m := &mirror{Config: Config{Pool: pool, PageSize: 100}}
	var pages [][]string
	for at := int64(0); at < end; {
		page, to, err := m.read(t.Context(), at)
		require.NoError(t, err)
		events, err := l.Reader.ReadAll(t.Context(), to.Position-1, 1)
		require.NoError(t, err)
		require.Equal(t, events[0].Hash, to.Hash)
		require.Greater(t, to.Position, at)
		var ids []string
		for _, d := range page {
			require.NotContains(t, string(d.Body), "annsecret")
			require.Greater(t, d.Position, at)
			require.LessOrEqual(t, d.Position, to.Position)
			ids = append(ids, d.ID)
		}
		pages = append(pages, ids)
		at = to.Position
		switch len(pages) {
		case 1:
			require.Equal(t, before, at)
			require.Contains(t, ids, hers)
		case 2:
			require.Equal(t, erased, at)
			require.Contains(t, ids, hers)
			require.Contains(t, ids, "n1")
			require.NotContains(t, ids, his)
		case 3:
			require.Equal(t, []string{his}, ids)
		}
	}
	require.Len(t, pages, 3)
}
