package storetest

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"payledger/eventstore"
	"payledger/eventstore/pgtest"
)

// Gate holds a store's writer back, so that a test decides what is written together.
type Gate struct {
	store *eventstore.Store
	held  chan struct{} // a token for each batch that stands at the gate
	pass  chan struct{} // a token for each batch that may go on
	armed chan struct{} // a token for each batch that is to be held
}

// OpenGated opens a store with a Gate on a database of the test's own.
func OpenGated(t testing.TB, change ...func(*eventstore.Config)) (*Gate, *eventstore.Store) {
	t.Helper()
	return OpenGatedOn(t, pgtest.NewFrom(t, Template()), change...)
}

// OpenGatedOn opens a store with a Gate on db.
func OpenGatedOn(t testing.TB, db *pgtest.DB, change ...func(*eventstore.Config)) (*Gate, *eventstore.Store) {
	t.Helper()
	g := &Gate{held: make(chan struct{}, 1), pass: make(chan struct{}, 1), armed: make(chan struct{}, 1)}
	g.store = OpenOn(t, db, append(change, g.attach)...)
	return g, g.store
}

func (g *Gate) attach(c *eventstore.Config) {
	next := c.Failpoint
	c.Failpoint = func(name string) {
		if name == eventstore.FailTaken {
			select {
			case <-g.armed:
				g.held <- struct{}{}
				<-g.pass
			default:
			}
		}
		if next != nil {
			next(name)
		}
	}
}

// Hold makes the writer stand still, busy with a commit that is refused, until the returned function is called. What is committed
// meanwhile waits and is then written as one batch.
func (g *Gate) Hold(t testing.TB) (release func()) {
	t.Helper()
	g.armed <- struct{}{}
	go func() {
		_, _ = g.store.Commit(context.WithoutCancel(t.Context()), Commit(func(eventstore.View) (eventstore.Decision, error) {
			return eventstore.Decision{}, errPlug
		}))
	}()
	<-g.held
	release = sync.OnceFunc(func() { g.pass <- struct{}{} })
	t.Cleanup(release) // before the store is closed, also when the test failed
	return release
}

var errPlug = errors.New("only here to keep the writer busy")

// Outcome is what Commit returned.
type Outcome struct {
	Result eventstore.Result
	Err    error
}

// Start commits in the background and returns once the commit waits for the writer, which must be held.
func (g *Gate) Start(t testing.TB, c eventstore.Commit) <-chan Outcome {
	t.Helper()
	return g.StartContext(t.Context(), t, c)
}

// StartContext is Start with a context.
func (g *Gate) StartContext(ctx context.Context, t testing.TB, c eventstore.Commit) <-chan Outcome {
	t.Helper()
	waiting := g.store.Stats().Waiting
	out := make(chan Outcome, 1)
	go func() {
		result, err := g.store.Commit(ctx, c)
		out <- Outcome{Result: result, Err: err}
	}()
	require.Eventually(t, func() bool { return g.store.Stats().Waiting > waiting }, time.Minute, time.Millisecond)
	return out
}

// Batch commits all in one batch, in this order, and returns what became of each.
func (g *Gate) Batch(t testing.TB, commits ...eventstore.Commit) []Outcome {
	t.Helper()
	release := g.Hold(t)
	waiting := make([]<-chan Outcome, len(commits))
	for i, c := range commits {
		waiting[i] = g.Start(t, c)
	}
	release()
	outcomes := make([]Outcome, len(commits))
	for i, w := range waiting {
		outcomes[i] = <-w
	}
	return outcomes
}
