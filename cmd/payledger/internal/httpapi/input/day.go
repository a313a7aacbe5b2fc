package input

import "time"

// maxOffset is more than any zone is ahead of or behind UTC.
const maxOffset = 26 * time.Hour

// BeginningOfDay returns the instant, in UTC, at which the clocks of a zone first show the date of day, a midnight in UTC, or a later one: they
// may pass over midnight, as in Santiago or Cairo, or show it twice. A day ends where the next one begins.
func BeginningOfDay(day time.Time, zone *time.Location) time.Time {
	for at := day.Add(-maxOffset).In(zone); ; {
		_, offset := at.Zone()
		midnight := day.Add(-time.Duration(offset) * time.Second).In(zone)
		if midnight.Before(at) {
			midnight = at // was passed over when this offset began
		}
		_, end := at.ZoneBounds()
		if end.IsZero() || midnight.Before(end) {
			return midnight.UTC()
		}
		at = end
	}
}
