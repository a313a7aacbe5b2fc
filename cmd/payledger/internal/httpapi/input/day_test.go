package input_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"payledger/cmd/payledger/internal/httpapi/input"
)

// midnightZones change their clocks at midnight or within an hour of it, now or in the past, and how many dates their clocks passed over since 1960,
// because the date line was moved.
var midnightZones = map[string]int{
	"America/Santiago": 0, "America/Havana": 0, "America/Asuncion": 0, "America/Sao_Paulo": 0, "America/St_Johns": 0, "America/Scoresbysund": 0, "Atlantic/Azores": 0,
	"Africa/Cairo": 0, "Asia/Beirut": 0, "Asia/Gaza": 0, "Asia/Amman": 0, "Asia/Damascus": 0, "Asia/Tehran": 0, "Pacific/Apia": 1, "Pacific/Kwajalein": 1,
	"Australia/Lord_Howe": 0, "Europe/Vienna": 0, "UTC": 0,
}

// A day begins when the clocks first show its date, and ends where the next one begins: so no instant is in two days, or in none.
func TestDaysBeginWithTheirOwnDate(t *testing.T) {
	t.Parallel()
	for name, passedOver := range midnightZones {
		zone, err := time.LoadLocation(name)
		require.NoError(t, err)
		shows := func(at time.Time) time.Time { // the date, as a midnight in UTC
			year, month, day := at.In(zone).Date()
			return time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
		}
		without := 0
		day := time.Date(1960, 1, 1, 0, 0, 0, 0, time.UTC)
		for begin := input.BeginningOfDay(day, zone); day.Year() < 2040; {
			next := input.BeginningOfDay(day.AddDate(0, 0, 1), zone)
			if begin.Equal(next) {
				without++
			} else if shows(begin) != day || !begin.Before(next) || shows(begin.Add(-1)).Equal(day) {
				t.Fatalf("%s %s: begins at %s", name, day, begin)
			}
			if next.Sub(begin) != 24*time.Hour { // the clocks were changed: none showed the date earlier
				for at := begin.Add(-1); begin.Sub(at) < 30*time.Hour; at = at.Add(-time.Minute) {
					if !shows(at).Before(day) {
						t.Fatalf("%s %s: begins at %s, later than %s", name, day, begin, at)
					}
				}
			}
			day, begin = day.AddDate(0, 0, 1), next
		}
		require.Equal(t, passedOver, without, name)
	}
}
