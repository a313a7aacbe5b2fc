package rebuild_test

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"payledger/domain/fee"
	"payledger/eventstore"
	"payledger/internal/ledgertest"
	"payledger/internal/sqltest"
	"payledger/projections/bulk"
	"payledger/projections/rebuild"
)

// someNotes gives a user a fee with texts that begin with word, and returns its id.
func (w *world) someNotes(t *testing.T, user, word string) string {
	t.Helper()
	id := w.Assess(t, user, 1000)
	w.Change(t, id, fee.Annotate{Note: word + " annotated", At: w.Now()})
	w.Change(t, id, fee.AddNote{NoteID: "note-" + id, Visibility: fee.VisibilityPatron, Note: word + " seen", At: w.Now()})
	w.reaches(t, w.Flush(t))
	return id
}

// erase erases a user while the vault of a rebuild doesn't know yet, and something happens to their fee afterwards.
func (w *world) erase(t *testing.T, user, feeID string) {
	t.Helper()
	erased := w.Erase(t, user)
	w.Change(t, feeID, fee.Waive{ReductionID: "w-" + feeID, Amount: ledgertest.USD(t, 100), Reason: "goodwill", At: w.Now()})
	require.Greater(t, w.Flush(t), erased)
}

// textFree demands that no text is left once what the rebuild put aside is gone.
func (w *world) textFree(t *testing.T, word string) {
	t.Helper()
	head, err := w.Reader.Head(t.Context())
	require.NoError(t, err)
	w.reaches(t, head.Position)
	require.False(t, w.exists(t, w.schema+"_new"))
	_, err = w.pool.Exec(t.Context(), "DROP SCHEMA "+w.schema+"_old CASCADE")
	require.NoError(t, err)
	require.Empty(t, sqltest.Grep(t, w.DB.SuperURL, word))
	w.whole(t)
}

// TestErasedWhileRebuilding erases somebody at every stage of a rebuild: it still comes to what the live read model has, and no text goes live again.
func TestErasedWhileRebuilding(t *testing.T) {
	t.Parallel()
	each(t, 81, func(t *testing.T, w *world) {
		t.Helper()
		for n, point := range []string{"prepared", "copied", "part", "replayed", "built", "caught", "verified", "met"} {
			user, word := fmt.Sprintf("erased-%d", n), fmt.Sprintf("erasedsecret%dx", n)
			id := w.someNotes(t, user, word)
			// A vault of its own, as another process has: it may open the texts for a second yet.
			once := sync.OnceFunc(func() { w.erase(t, user, id) })
			result, err := rebuild.Run(t.Context(), w.config(func(c *rebuild.Config) {
				c.Keys = eventstore.OpenVault(w.pool, [32]byte{1})
				c.Failpoint = func(at string) {
					if at == point {
						once()
					}
				}
			}))
			require.NoError(t, err, point)
			require.True(t, result.Equal, point)
			require.True(t, result.Swapped, point)
			w.textFree(t, word)
		}
	})
}

// TestErasedWhileStopped stops a rebuild that has copied texts, erases their person, and goes on: what was copied is thrown away.
func TestErasedWhileStopped(t *testing.T) {
	t.Parallel()
	each(t, 82, func(t *testing.T, w *world) {
		t.Helper()
		id := w.someNotes(t, "erased", "erasedsecret")
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		_, err := rebuild.Run(ctx, w.config(func(c *rebuild.Config) {
			c.Failpoint = func(at string) {
				if at == "replayed" {
					stop()
				}
			}
		}))
		require.ErrorIs(t, err, context.Canceled)
		require.True(t, w.exists(t, w.schema+"_new"))
		w.erase(t, "erased", id)
		result, err := rebuild.Run(t.Context(), w.config())
		require.NoError(t, err)
		require.True(t, result.Equal)
		w.textFree(t, "erasedsecret")
	})
}

// lateKeys remember all keys, as a vault does for a second, until they are refreshed for the second time. Before the first time somebody is erased.
type lateKeys struct {
	eventstore.Keys
	mu        sync.Mutex
	known     map[uuid.UUID]eventstore.Key
	refreshed int
	erase     func()
}

func (k *lateKeys) Key(ctx context.Context, id uuid.UUID) (eventstore.Key, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if key, ok := k.known[id]; ok {
		return key, nil
	}
	key, err := k.Keys.Key(ctx, id)
	if err == nil {
		k.known[id] = key
	}
	return key, err
}

func (k *lateKeys) Refresh(context.Context) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.refreshed++; k.refreshed == 1 {
		k.erase()
		return nil
	}
	clear(k.known)
	return nil
}

// TestErasedBeforeTheEndIsFixed erases somebody just before a build fixes how far it goes, while it may open the texts yet: the erasure
// is in what it folds, so it begins anew.
func TestErasedBeforeTheEndIsFixed(t *testing.T) {
	t.Parallel()
	each(t, 83, func(t *testing.T, w *world) {
		t.Helper()
		if w.p.Bulk.Fold == nil {
			return // built another way, and without texts
		}
		id := w.someNotes(t, "erased", "erasedsecret")
		keys := &lateKeys{Keys: w.Keys, known: make(map[uuid.UUID]eventstore.Key), erase: func() { w.erase(t, "erased", id) }}
		recorded, err := w.Reader.ReadAll(t.Context(), 0, 10_000)
		require.NoError(t, err)
		for i := range recorded {
			_, err := w.Catalog.Decode(t.Context(), keys, &recorded[i])
			require.NoError(t, err)
		}
		_, err = bulk.Build(t.Context(), bulk.Config{
			Pool: w.pool, Reader: w.Reader, Catalog: w.Catalog, Keys: keys, Projector: w.p.New(), Model: w.p.Bulk, Code: "this",
		})
		require.NoError(t, err)
		require.GreaterOrEqual(t, keys.refreshed, 2)
		head, err := w.Reader.Head(t.Context())
		require.NoError(t, err)
		w.reaches(t, head.Position)
		require.True(t, w.exists(t, w.schema+"_new"))
		require.Empty(t, sqltest.Grep(t, w.DB.SuperURL, "erasedsecret"))
	})
}

// TestErasureThatTheLiveOneIsBehind: a read model that hasn't come to an erasure has texts that can't be folded any more. It isn't called damaged for
// that, nor are the texts told; once it has gone on the two are equal. One that can't go on can be replaced all the same.
func TestErasureThatTheLiveOneIsBehind(t *testing.T) {
	t.Parallel()
	each(t, 84, func(t *testing.T, w *world) {
		t.Helper()
		if w.p.Projection.Name == "books" {
			return // has no texts
		}
		var told []rebuild.Difference
		waited := 0
		run := func(change ...func(*rebuild.Config)) (rebuild.Result, error) {
			told, waited = nil, 0
			return rebuild.Run(t.Context(), w.config(append([]func(*rebuild.Config){func(c *rebuild.Config) {
				c.Keys = eventstore.OpenVault(w.pool, [32]byte{1})
				c.Differs = func(d rebuild.Difference) { told = append(told, d) }
				c.Wait = func(context.Context) { waited++ }
			}}, change...)...))
		}
		id := w.someNotes(t, "erased", "erasedsecret")
		w.stop()
		w.erase(t, "erased", id)
		for _, verifyOnly := range []bool{false, true} {
			result, err := run(func(c *rebuild.Config) { c.VerifyOnly = verifyOnly })
			require.ErrorIs(t, err, rebuild.ErrErasing)
			require.False(t, result.Swapped)
			require.Empty(t, told)
			require.Positive(t, waited)
			require.Equal(t, !verifyOnly, w.exists(t, w.schema+"_new"))
		}
		goOn := sync.OnceFunc(func() {
			w.project(t)
			head, err := w.Reader.Head(t.Context())
			require.NoError(t, err)
			w.reaches(t, head.Position)
		})
		result, err := run(func(c *rebuild.Config) {
			c.Wait = func(context.Context) { waited++; goOn() }
		})
		require.NoError(t, err)
		require.True(t, result.Equal)
		require.Equal(t, 1, waited)
		w.textFree(t, "erasedsecret")

		id = w.someNotes(t, "another", "othersecret")
		w.stop()
		w.erase(t, "another", id)
		result, err = run(func(c *rebuild.Config) { c.AcceptChanges = true })
		require.NoError(t, err)
		require.True(t, result.Swapped)
		require.False(t, result.Equal)
		require.NotEmpty(t, told)
		w.project(t)
		w.textFree(t, "othersecret")
	})
}
