package catalog

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// TestInstantsAreReadAsThePackageTimeDoes compares right and wrong ones, digits out of range among them.
func TestInstantsAreReadAsThePackageTimeDoes(t *testing.T) {
	t.Parallel()
	byHand := 0
	compare := func(t require.TestingT, text string) {
		want, wantErr := time.Parse(time.RFC3339Nano, text)
		got, err := parseInstant(text)
		require.Equal(t, wantErr, err, text)
		require.Equal(t, want.UTC(), got, text)
		if _, ok := readMillisecond(text); ok {
			byHand++
			require.NoError(t, wantErr, text)
		}
	}
	rapid.Check(t, func(rt *rapid.T) {
		at := time.UnixMicro(rapid.Int64Range(-62_167_219_200_000_000, 253_402_300_799_999_999).Draw(rt, "at"))
		at = at.Truncate(rapid.SampledFrom([]time.Duration{1, time.Millisecond, time.Second}).Draw(rt, "to")).UTC()
		text := at.Format(time.RFC3339Nano)
		compare(rt, text)
		i := rapid.IntRange(0, len(text)-1).Draw(rt, "changed")
		with := rapid.SampledFrom([]string{"", "0", "3", "9", ".", "Z", ":", "T", "-", " ", "é"}).Draw(rt, "with")
		compare(rt, text[:i]+with+text[i+1:])
		compare(rt, text[:i]+with+text[i:])
	})
	require.Greater(t, byHand, 50)
	for _, text := range []string{
		"", "Z", "2024-02-29T00:00:00Z", "2023-02-29T00:00:00Z", "2026-04-31T00:00:00.5Z", "2026-13-01T00:00:00Z", "2026-00-10T00:00:00Z", "2026-01-00T00:00:00Z",
		"2026-01-01T24:00:00Z", "2026-01-01T23:60:00Z", "2026-01-01T23:59:60Z", "2026-01-01T12:30:60Z", "2026-01-01T12:60:00Z", "2026-01-01T24:30:00Z", "2026-01-01T23:59:59.Z", "2026-01-01T23:59:59.1234Z",
		"2026-01-01T23:59:59.100Z", "2026-01-01T23:59:59+02:00", "0000-01-01T00:00:00Z", "9999-12-31T23:59:59.999Z",
	} {
		compare(t, text)
	}
}
