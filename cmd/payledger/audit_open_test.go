package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A day without a midnight ends where the next one begins, as over HTTP: what happened in its last hour is in one daily report.
func TestDaysWithoutMidnight(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ zone, day, from, asOf string }{
		{"America/Santiago", "2026-09-05", "2026-09-05T04:00:00Z", "2026-09-06T03:59:59.999999Z"},
		{"America/Santiago", "2026-09-06", "2026-09-06T04:00:00Z", "2026-09-07T02:59:59.999999Z"},
		{"America/Havana", "2026-03-08", "2026-03-08T05:00:00Z", "2026-03-09T03:59:59.999999Z"},
		{"Africa/Cairo", "2026-04-24", "2026-04-23T22:00:00Z", "2026-04-24T20:59:59.999999Z"},
		{"Europe/Vienna", "2026-03-29", "2026-03-28T23:00:00Z", "2026-03-29T21:59:59.999999Z"},
	} {
		zone, err := time.LoadLocation(test.zone)
		require.NoError(t, err)
		from, err := parseInstant("--from", test.day, zone, false)
		require.NoError(t, err)
		asOf, err := parseInstant("--as-of", test.day, zone, true)
		require.NoError(t, err)
		require.Equal(t, []string{test.from, test.asOf}, []string{from.UTC().Format(time.RFC3339Nano), asOf.UTC().Format(time.RFC3339Nano)}, "%s in %s", test.day, test.zone)
	}
}
