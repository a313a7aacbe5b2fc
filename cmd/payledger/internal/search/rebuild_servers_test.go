//go:build servers

package search_test

import (
	"context"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"payledger/audit"
	"payledger/domain/evidence"
	"payledger/eventstore/catalog"
	"payledger/internal/ledgertest"
	"payledger/projections/rebuild"
	mirror "payledger/projections/search"
	"payledger/readmodels"
	"payledger/readmodels/documents"
	"payledger/readmodels/search"
)

// TestRebuildBehindTheAlias rebuilds the mirror while it follows the log and is searched: it always answers, and as Postgres does before and
// after the swap, after a roll back, and when the old indices are gone. One changed behind its back is found.
func TestRebuildBehindTheAlias(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 91)
	f.startDocuments(t)
	f.startMirror(t)
	mirrored := func(position int64) {
		f.await(t, documents.Projection(), position)
		f.await(t, search.Mirror(), position)
	}
	mirrored(f.Random(t, 400))
	keeper := audit.Keeper{Store: f.Store, Catalog: f.Catalog, NewID: uuid.NewV7}
	config := func() mirror.RebuildConfig {
		return mirror.RebuildConfig{
			Config: rebuild.Config{
				Pool: f.pool, Code: "this", Now: time.Now, PageRows: 50,
				Certify: func(ctx context.Context, c evidence.Rebuilt) (int64, error) {
					meta := catalog.Meta{Actor: catalog.Actor{Kind: "system", ID: "system:rebuild", Roles: []string{}}, At: time.Now(), Channel: "job"}
					return keeper.Rebuilt(ctx, audit.Asked{Tenant: ledgertest.Tenant, Meta: meta}, c)
				},
			},
			Live: f.index, New: f.index.New(), Old: f.index.Old(), Swap: f.index.Swap,
		}
	}
	searching, stop := context.WithCancel(t.Context())
	searched := background(t, func(context.Context) error {
		for searching.Err() == nil {
			if _, err := f.index.Search(context.WithoutCancel(searching), search.Query{Tenant: ledgertest.Tenant, Object: "fee", PageRowCount: 5}); err != nil {
				return err
			}
		}
		return nil
	})
	answered := make(chan error, 1)
	var result rebuild.Result
	go func() {
		var err error
		result, err = mirror.Rebuild(context.WithoutCancel(t.Context()), config())
		answered <- err
	}()
	for waiting := true; waiting; {
		select {
		case err := <-answered:
			require.NoError(t, err)
			waiting = false
		default:
			mirrored(f.Random(t, 3)) // not faster than the mirror
		}
	}
	stop()
	require.NoError(t, searched.wait(t))
	require.True(t, result.Swapped)
	require.True(t, result.Equal)
	require.Positive(t, result.CertifiedAt)
	mirrored(f.Random(t, 20))
	f.requireEqual(t)
	aside, err := f.index.Aside(t.Context())
	require.NoError(t, err)
	require.Len(t, aside, len(readmodels.Objects()))

	back, err := mirror.RollBack(t.Context(), config())
	require.NoError(t, err)
	require.True(t, back.Swapped)
	mirrored(f.Random(t, 20))
	f.requireEqual(t)
	require.NoError(t, mirror.DropOld(t.Context(), config()))
	ready, err := f.index.Old().Ready(t.Context())
	require.NoError(t, err)
	require.False(t, ready)
	aside, err = f.index.Aside(t.Context())
	require.NoError(t, err)
	require.Empty(t, aside)
	f.requireEqual(t)

	all, err := f.index.Count(t.Context())
	require.NoError(t, err)
	require.Positive(t, all)
	var one search.Document
	require.NoError(t, f.index.Each(t.Context(), func(d search.Document) error { one = d; return nil }))
	one.Body, one.Position = []byte(`{}`), one.Position+1_000_000 // as if it were of later
	require.NoError(t, f.index.Write(t.Context(), []search.Document{one}))
	var found []rebuild.Difference
	cfg := config()
	cfg.Differs = func(d rebuild.Difference) { found = append(found, d) }
	_, err = mirror.Rebuild(t.Context(), cfg)
	require.ErrorIs(t, err, rebuild.ErrDiffers)
	require.Len(t, found, 1)
	require.Equal(t, []string{one.Tenant, one.ID}, found[0].Key)
	cfg.AcceptChanges = true
	_, err = mirror.Rebuild(t.Context(), cfg)
	require.NoError(t, err)
	mirrored(f.Random(t, 5))
	f.requireEqual(t)
}

// TestNoIndexIsLeftOver: who makes indices and dies before they stand behind their aliases leaves none once it is tried again.
func TestNoIndexIsLeftOver(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	p := newProxy(t, s.url)
	index, _ := s.index(t, p.URL)
	require.NoError(t, index.Replace(t.Context()))
	live := s.serving(t)
	var made atomic.Int64
	dies := func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPut && made.Add(1) > 3 {
			panic(http.ErrAbortHandler)
		}
		return false
	}
	p.onRequest.Store(&dies)
	require.ErrorIs(t, index.New().Replace(t.Context()), search.ErrUnavailable)
	p.onRequest.Store(nil)
	require.Len(t, s.indices(t), len(live)+3)
	for range 2 { // the second takes the place of whole ones
		require.NoError(t, index.New().Replace(t.Context()))
		require.Len(t, s.indices(t), 2*len(live))
	}
	require.NoError(t, index.Swap(t.Context(), false))
	require.Len(t, s.indices(t), 2*len(live))
	require.NoError(t, index.Old().Remove(t.Context()))
	require.Len(t, s.indices(t), len(live))
	require.ElementsMatch(t, s.indices(t), s.serving(t))
}
