package eventstore

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const benchEvents = 200_000

// benchLog is a log of events of about 600 bytes, three in a stream.
func benchLog(b *testing.B) *fixture {
	b.Helper()
	f := newFixture(b)
	payload := `{"note":"` + strings.Repeat("x", 350) + `"}`
	events := make([]Recorded, benchEvents)
	for i := range events {
		events[i] = f.event(fmt.Sprintf("fee-%d", i/60*20+i%20), payload)
	}
	f.store(b, events)
	_, err := f.super.Exec(b.Context(), "VACUUM ANALYZE ledger.events, ledger.streams, ledger.commits")
	require.NoError(b, err)
	return f
}

func reportEvents(b *testing.B) {
	b.Helper()
	b.ReportMetric(benchEvents*float64(b.N)/b.Elapsed().Seconds(), "events/s")
}

// BenchmarkBareScan is what Verify and ReadAll are measured against: the same rows in order, taken from the wire and left alone.
func BenchmarkBareScan(b *testing.B) {
	f := benchLog(b)
	for b.Loop() {
		n := 0
		err := f.reader.each(b.Context(), "SELECT "+eventColumns+" FROM ledger.events ORDER BY position", nil, func([][]byte) error { n++; return nil })
		require.NoError(b, err)
		require.Equal(b, benchEvents, n)
	}
	reportEvents(b)
}

func BenchmarkReadAll(b *testing.B) {
	f := benchLog(b)
	for b.Loop() {
		for after := int64(0); after < benchEvents; {
			events, err := f.reader.ReadAll(b.Context(), after, 1_000)
			require.NoError(b, err)
			after = events[len(events)-1].Position
		}
	}
	reportEvents(b)
}

func BenchmarkVerify(b *testing.B) {
	f := benchLog(b)
	for b.Loop() {
		report, err := Verify(b.Context(), f.reader, VerifyOptions{})
		require.NoError(b, err)
		require.True(b, report.OK, report.Problem)
	}
	reportEvents(b)
}

func BenchmarkHashEvent(b *testing.B) {
	r, prev := goldenRecord(), [32]byte{}
	r.Data = make([]byte, 400)
	for b.Loop() {
		prev = hashEvent(prev, r)
	}
}
