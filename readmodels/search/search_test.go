package search_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"payledger/readmodels/search"
)

func TestWords(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][]string{
		"":                                       nil,
		"  Überfällig, Straße!":                  {"strasse", "uberfallig"},
		"STRASSE ΟΔΟΣ οδός İstanbul":             {"istanbul", "strasse", "οδοσ"},
		"हिन्दी":                                 {"हनद"},
		"a a A á":                                {"a"},
		"0197f2a0-00aa x_y":                      {"0197f2a000aa", "x", "y"},
		"(0197F2A0-00AA-7b1c-8d2e-0123456789ab)": {"0197f2a000aa7b1c8d2e0123456789ab"},
		"0197f2a0-00aa-7b1":                      {"0197f2a000aa7b1"},
		"0197f2a0-00a":                           {"00a", "0197f2a0"},
		"12345678-90 a1-b2":                      {"12345678", "90", "a1", "b2"},
		"0197f2a0-00aa-7b1c-8d2e-0123456789abc":  {"0123456789abc", "0197f2a000aa7b1c8d2e"},
		"x0197f2a0-00aa":                         {"00aa", "x0197f2a0"},
		"Å ﬁne ²":                                {"2", "a", "fine"},
		"Łódź SØREN Đoković Ǿre ħ ŧ Ðýrfinna": {"dokovic", "dyrfinna", "h", "lodz", "ore", "soren", "t"},
		"ÆON œuvre ǽ Þór ılık":                {"ae", "aeon", "ilik", "oeuvre", "thor"},
		"naïve NAÏVE nai\u0308ve":             {"naive"},
		"図書館 ЁЛКА":                            {"елка", "図書館"},
		strings.Repeat("x", 70_000):           {strings.Repeat("x", search.MaxWordLength)},
	} {
		require.Equal(t, want, search.Words(text), "words of %.40q", text)
	}
	require.Equal(t, []string{"a", "b"}, search.Words("b a", "a"))
}

func TestWordsAreBoundedAndStable(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		words := search.Words(rapid.String().Draw(t, "text"))
		for _, word := range words {
			require.LessOrEqual(t, utf8.RuneCountInString(word), search.MaxWordLength)
			require.NotContains(t, word, " ")
		}
		require.Equal(t, words, search.Words(strings.Join(words, " ")), "folding twice folds no further")
	})
}
