package readmodels

import (
	"bytes"
	"slices"
	"strconv"
)

// AppendFound appends a document that Document.AppendJSON printed as answers show it: with the <enum>_idx keys in the row, and in the
// rows of our own lists, as Row.AppendJSON prints them with withIndex.
func AppendFound(dst, document []byte) []byte {
	ours := document[:endOfOurs(document)]
	others := document[len(ours):]
	for {
		// A quote within a text is escaped: this is the end of a key and the beginning of its text, never anything else.
		before, behind, found := bytes.Cut(ours, []byte(`_":"`))
		if !found {
			return append(append(dst, ours...), others...)
		}
		word, rest, _ := bytes.Cut(behind, []byte{'"'})
		key := before[bytes.LastIndexByte(before, '"')+1:]
		dst = append(append(append(append(dst, before...), `_":"`...), word...), '"')
		if number := slices.Index(wordsOf(string(key)), string(word)); number >= 0 { // else a newer program's
			dst = append(append(append(dst, ',', '"'), key...), `_idx":`...)
			dst = strconv.AppendInt(dst, int64(number), 10)
		}
		ours = rest
	}
}

// wordsOf returns the words of an enum in order of their numbers. Its key means the same in all rows.
func wordsOf(key string) []string {
	switch key {
	case "status":
		return feeStatusNames[:]
	case "paymentMethod":
		return paidByNames[:]
	case "paymentStatus":
		return paymentStatusNames[:]
	case "eventType":
		return feeEventTypeNames[:]
	}
	return nil
}

// endOfOurs returns where the lists of other services begin, which stand behind ours.
func endOfOurs(document []byte) int {
	_, rest, found := bytes.Cut(document, []byte(`,"extends":{`))
	if !found {
		return len(document)
	}
	for _, name := range []string{PaymentsList, EventsList} {
		if bytes.HasPrefix(rest, []byte(`"`+name+`":[`)) {
			_, rest, _ = bytes.Cut(rest, []byte(`],"`+name+`_count":`))
			rest = rest[bytes.IndexAny(rest, ",}")+1:]
		}
	}
	return len(document) - len(rest)
}
