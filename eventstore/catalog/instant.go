package catalog

import "time"

// parseInstant reads an instant as time.Parse with time.RFC3339Nano does, in UTC. The form in which we write nearly all, to the millisecond
// and in UTC, is read by hand, in a quarter of the time: each event has an instant or two.
func parseInstant(text string) (time.Time, error) {
	if t, ok := readMillisecond(text); ok {
		return t, nil
	}
	t, err := time.Parse(time.RFC3339Nano, text)
	return t.UTC(), err
}

// readMillisecond reads 2006-01-02T15:04:05Z with up to three decimals. What isn't right in itself it leaves to others.
func readMillisecond(text string) (time.Time, bool) {
	const form, most = "2006-01-02T15:04:05", len("2006-01-02T15:04:05.000Z")
	if len(text) <= len(form) || len(text) > most || text[len(text)-1] != 'Z' ||
		text[4] != '-' || text[7] != '-' || text[10] != 'T' || text[13] != ':' || text[16] != ':' {
		return time.Time{}, false
	}
	ok := true
	number := func(from, to int) (n int) {
		for _, c := range []byte(text[from:to]) {
			ok = ok && c >= '0' && c <= '9'
			n = n*10 + int(c-'0')
		}
		return n
	}
	nanoseconds := 0
	if decimals := text[len(form) : len(text)-1]; decimals != "" {
		if len(decimals) == 1 || decimals[0] != '.' {
			return time.Time{}, false
		}
		nanoseconds = number(len(form)+1, len(text)-1)
		for i := len(decimals); i <= 9; i++ {
			nanoseconds *= 10
		}
	}
	month, day, hour, minute, second := number(5, 7), number(8, 10), number(11, 13), number(14, 16), number(17, 19)
	t := time.Date(number(0, 4), time.Month(month), day, hour, minute, second, nanoseconds, time.UTC)
	// A day that its month hasn't would be one of the next month.
	return t, ok && month >= 1 && month <= 12 && day >= 1 && t.Day() == day && hour < 24 && minute < 60 && second < 60
}
