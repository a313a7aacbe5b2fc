package search

import (
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/runes"
	"golang.org/x/text/transform"
	"golang.org/x/text/unicode/norm"
)

// Limits of what stands in an index. Postgres refuses words over 2 kB, and documents with over 1 MB of them.
const (
	// MaxWordLength is the length, in runes, to which words are cut in the index and in queries.
	MaxWordLength = 64
	// MaxWordsSize is how many bytes of different words are kept; what the texts say beyond that can't be found.
	MaxWordsSize = 256 << 10
)

// Words returns the words of texts as they stand in an index, each once, in order: without accents and case, letters and
// numbers only. A UUID, or its beginning, is one word. A query's words are made by the same function, and neither server
// analyses text by itself: so both find the same.
func Words(texts ...string) []string {
	var words []string
	for _, text := range texts {
		for word := range strings.FieldsSeq(foldText(joinUUIDs(text))) {
			words = append(words, cut(word))
		}
	}
	words = firstWords(words)
	slices.Sort(words)
	return slices.Compact(words)
}

// uuids finds UUIDs, and beginnings of two groups or more.
var uuids = regexp.MustCompile(`\b[0-9a-fA-F]{8}-[0-9a-fA-F]{4}(?:-[0-9a-fA-F]{1,4}(?:-[0-9a-fA-F]{1,4}(?:-[0-9a-fA-F]{1,12})?)?)?\b`)

// joinUUIDs takes the dashes out of UUIDs. As five words an id would be found by its first group, which it shares with all of its
// time, and looking for it would take the longer the more there are.
func joinUUIDs(text string) string {
	if !strings.Contains(text, "-") {
		return text
	}
	return uuids.ReplaceAllStringFunc(text, func(id string) string { return strings.ReplaceAll(id, "-", "") })
}

// firstWords returns the words up to MaxWordsSize, repeated ones not counted.
func firstWords(words []string) []string {
	size := 0
	for _, word := range words {
		size += len(word)
	}
	if size <= MaxWordsSize {
		return words
	}
	size = 0
	seen := make(map[string]bool)
	for i, word := range words {
		if seen[word] {
			continue
		}
		if size += len(word); size > MaxWordsSize {
			return words[:i]
		}
		seen[word] = true
	}
	return words
}

func cut(word string) string {
	n := 0
	for i := range word {
		if n == MaxWordLength {
			return word[:i]
		}
		n++
	}
	return word
}

// strokes spells the letters that people write without their strokes and ligatures, and that Unicode doesn't take apart: lodz for Łódź.
var strokes = strings.NewReplacer("ł", "l", "ø", "o", "đ", "d", "ð", "d", "ħ", "h", "ŧ", "t", "ı", "i", "æ", "ae", "œ", "oe", "þ", "th")

// foldText makes everything that is neither letter nor number a blank.
func foldText(s string) string {
	if isASCII(s) { // ids, amounts, most texts
		return strings.Map(letterOrBlank, s)
	}
	folder := transform.Chain(norm.NFKD, runes.Remove(runes.In(unicode.M)), cases.Fold(), norm.NFKC)
	folded, _, err := transform.String(folder, s)
	if err != nil {
		folded = s // not reached with valid UTF-8, and the text itself is the best that can be had
	}
	return strings.Map(letterOrBlank, strokes.Replace(folded))
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

func letterOrBlank(r rune) rune {
	if unicode.IsLetter(r) || unicode.IsNumber(r) {
		return unicode.ToLower(r) // once more: folding makes capitals of some letters
	}
	return ' '
}
