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
	const form, most = len("2006-01-02T15:04:05"), len("2006-01-02T15:04:05.000Z")
	if len(text) <= form || len(text) > most || text[len(text)-1] != 'Z' ||
		text[4] != '-' || text[7] != '-' || text[10] != 'T' || text[13] != ':' || text[16] != ':' {
		return time.Time{}, false
	}
	century, year, month, day := pair(text, 0), pair(text, 2), pair(text, 5), pair(text, 8)
	hour, minute, second := pair(text, 11), pair(text, 14), pair(text, 17)
	if century|year|month|day|hour|minute|second < 0 || hour > 23 || minute > 59 || second > 59 {
		return time.Time{}, false
	}
	year += 100 * century
	if month < 1 || month > 12 || day < 1 || day > daysOf(year, month) {
		return time.Time{}, false
	}
	nanoseconds := 0
	if decimals := text[form : len(text)-1]; decimals != "" {
		if len(decimals) == 1 || decimals[0] != '.' {
			return time.Time{}, false
		}
		for i := 1; i <= 9; i++ {
			nanoseconds *= 10
			if i < len(decimals) {
				digit := int(decimals[i]) - '0'
				if digit < 0 || digit > 9 {
					return time.Time{}, false
				}
				nanoseconds += digit
			}
		}
	}
	seconds := ((daysBefore(year, month)+day-1)*24+hour)*3600 + minute*60 + second
	return time.Unix(int64(seconds), int64(nanoseconds)).UTC(), true
}

// pair reads two digits. Negative: they are none.
func pair(text string, at int) int {
	tens, ones := int(text[at])-'0', int(text[at+1])-'0'
	if tens < 0 || tens > 9 || ones < 0 || ones > 9 {
		return -1
	}
	return 10*tens + ones
}

// daysOf returns how many days a month has.
func daysOf(year, month int) int {
	if month == 2 {
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	}
	return 30 + (month+month/8)%2
}

// daysBefore returns how many days lie between 1970 and the first of a month, in years that begin in March: the leap day is their last.
func daysBefore(year, month int) int {
	const cycle, days1970 = 146_097, 719_468 // of 400 years; since the first of March of the year 0
	if month -= 3; month < 0 {
		year, month = year-1, month+12
	}
	year += 400 // January of the year 0 is of the one before
	return 365*year + year/4 - year/100 + year/400 + (153*month+2)/5 - cycle - days1970
}
