package proofs

import (
	"flag"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"payledger/eventstore"
	"payledger/eventstore/storetest"
	"payledger/readmodels/proofs"
)

var benchEvents = flag.Int("events", 20_000, "events of the log that BenchmarkTree measures")

// BenchmarkTree measures how fast the tree grows over a log that is there, and how long it takes to make a proof of it (checked, as all that
// are handed out). docs/proofs.md has figures.
func BenchmarkTree(b *testing.B) {
	f := newFixture(b)
	f.fill(b, *benchEvents)
	size := f.head(b).Position
	b.Run("grow", func(b *testing.B) {
		for b.Loop() {
			b.StopTimer()
			_, err := f.super.Exec(b.Context(), "DROP SCHEMA IF EXISTS proofs_v1 CASCADE; DELETE FROM ledger.checkpoints WHERE projection = 'proofs'")
			require.NoError(b, err)
			b.StartTimer()
			stop := f.run(b, func(c *Config) { c.PageSize, c.File, c.SignEvery = DefaultPageSize, "", time.Millisecond })
			f.signedWithin(b, size, time.Hour)
			require.NoError(b, stop())
		}
		b.ReportMetric(float64(size)*float64(b.N)/b.Elapsed().Seconds(), "events/s")
	})
	signed, err := proofs.Latest(b.Context(), f.pool)
	require.NoError(b, err)
	prover := proofs.Prover{DB: f.pool, Reader: f.reader}
	b.Run("prove", func(b *testing.B) {
		for b.Loop() {
			_, err := prover.Inclusion(b.Context(), 1+rand.Int64N(size), signed.Checkpoint, signed.Note)
			require.NoError(b, err)
		}
	})
}

// fill commits so many events in large commits.
func (f *fixture) fill(b *testing.B, events int) {
	b.Helper()
	const each = 1000
	metadata := []byte(`"` + strings.Repeat("x", 400) + `"`) // about as much as data and metadata of the usual event
	for n := 0; n < events; n += each {
		id := eventstore.StreamID{Tenant: storetest.Tenant, Name: "fee-" + string(rune('a'+n/each%20))}
		batch := make([]eventstore.NewEvent, 0, each)
		for i := range min(each, events-n) {
			event := storetest.Event(int64(n + i))
			event.Metadata = metadata
			batch = append(batch, event)
		}
		add := storetest.Commit(func(eventstore.View) (eventstore.Decision, error) {
			return eventstore.Decision{Appends: []eventstore.Append{{Stream: id, Events: batch}}}, nil
		})
		add.Streams = []eventstore.StreamID{id}
		_, err := f.store.Commit(b.Context(), add)
		require.NoError(b, err)
	}
}
