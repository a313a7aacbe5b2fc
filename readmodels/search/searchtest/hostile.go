package searchtest

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"payledger/readmodels/search"
)

// hostile are texts that mean something to one server or the other.
func hostile() []string {
	return []string{
		`'`, `''`, `"`, `\`, `\\`, `'\`, `\'`, `a'b`, `a\b`, `lost'`, `'lost':*`, `lost:*`, `lost:A`, `lost & beach`, `lost | beach`, `!lost`, `lost <-> beach`,
		`lost <2> beach`, `(`, `)`, `(lost`, `lost)`, `&`, `|`, `!`, `:`, `:*`, `*`, `?`, `lo*t`, `l?st`, `lost~2`, `lost^4`, `"lost beach"`, `+lost -beach`, `lost AND beach`,
		`lost OR beach`, `NOT lost`, `_exists_:id`, `words:lost`, `id:*`, `/lo.*/`, `[a TO z]`, `{"match_all":{}}`, `"}},{"match_all":{}}`, `%`, `_`, `lost%`,
		`' OR ''='`, `'); DROP TABLE documents; --`, `$1`, `$9::tsquery`, `lost; SELECT 1`, "lost\tbeach\nagain\r", "\u200blost\u200d", "\u202elost", "\ufeff", "\ufffd", "lost\u0301",
		"👍", "👩‍👩‍👧", "lost👍beach", "🇩🇪", "ﷺ", "ǆ", "İ", "ß", "ﬃ", "𝔩𝔬𝔰𝔱", "１２３", "½", "Ⅷ", "ก้", "हिन्दी", "\u0301", "a\u0301\u0301\u0301\u0301", "-", "...", "1e9", "-1",
		"null", "true", "NaN", strings.Repeat("x", 100_000), strings.Repeat("語", 5_000), strings.Repeat("a b c d e f g h ", 16), strings.Repeat("é", search.MaxWordLength+1),
	}
}

func testHostileText(t *testing.T, w *world) {
	t.Helper()
	documents := []search.Document{w.document(0, "lost at the beach")}
	for i, text := range hostile() {
		documents = append(documents, w.document(i+1, text))
	}
	w.put(t, documents...)
	for _, text := range hostile() {
		w.requireExpected(t, search.Query{Text: text, PageRowCount: search.MaxPageRowCount})
		w.requireExpected(t, search.Query{Text: "lost " + text, PageRowCount: search.MaxPageRowCount})
	}
}

func testHostileFilters(t *testing.T, w *world) {
	t.Helper()
	documents := []search.Document{w.document(0)}
	for i, text := range hostile() {
		d := w.document(i + 1)
		text = firstRunes(text, 255)
		d.Reason = text
		documents = append(documents, filed(d, text, text))
	}
	w.put(t, documents...)
	for _, text := range hostile() {
		text = firstRunes(text, 255)
		for _, field := range []string{"userId", "reason", "status"} {
			q := where(field, text)
			q.PageRowCount, q.Facets = search.MaxPageRowCount, true
			w.requireExpected(t, q)
		}
	}
}

func firstRunes(text string, n int) string {
	runes := []rune(text)
	return string(runes[:min(n, len(runes))])
}

func testHostileCursor(t *testing.T, w *world) {
	t.Helper()
	w.put(t, w.document(1), w.document(2))
	encode := func(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }
	for _, cursor := range []string{
		"x", "%", "'", "\x00", "a b c", encode("0d  "), encode("0d 1"), encode("0d 1 "), encode("0d  id"), encode("0d x id"), encode("0d 1.5 id"),
		encode("0d 9223372036854775807 id"), encode("0d -9223372036854775808 id"), encode("0d 99999999999999999999 id"), encode("0d 1 i\x00d"),
		encode("0d 1 \xff"), encode("0d 1 " + strings.Repeat("x", 65)), encode(`{"c":1}`), encode("1 id"), encode("0a 1 id"), encode("1d 1 id"), encode("d 1 id"),
	} {
		_, err := w.try(search.Query{Cursor: cursor})
		require.ErrorIs(t, err, search.ErrCursor, "%q", cursor)
	}
	_, err := w.try(search.Query{Cursor: encode("2d 1000000000000000 id"), Sort: search.Sort{Key: search.ByAmount}})
	require.ErrorIs(t, err, search.ErrCursor, "more than an amount can be")
	// What looks like a cursor is only a place.
	for _, id := range []string{"'", `\`, `"]}`, "👍", "0", "a b"} {
		place := fmt.Sprintf("0d %d %s", epoch.Add(90*time.Second).UnixMilli(), id)
		require.Equal(t, []string{string(w.document(1).Body)}, bodies(w.ask(t, search.Query{Cursor: encode(place)})))
	}
}

// testBodies wants documents back byte for byte, however they are written.
func testBodies(t *testing.T, w *world) {
	t.Helper()
	large := strings.Repeat("0123456789", 10_000)
	all := []string{
		`{"amount":19.99}`, `{"amount":90071992547409.91,"b":12345678.9,"c":0.01,"d":10,"e":9007199254740991}`, `{"z":1,"a":2,"m":{"y":null,"x":[]}}`,
		`{ "spaced" : [ 1 , 2 ] }`, `{"a":1,"a":2}`, `{"text":"é \u00e9 \u2028 <&> \" \\ \/ 👍 \ud83d\udc4d"}`, `{"":""}`, `{"tenant":"x","deleted":true,"_id":"1","_source":{}}`,
		`{"text":"` + large + `"}`, `null`, `"text"`, `[]`,
	}
	var documents []search.Document
	for i, body := range all {
		d := w.document(i, "body")
		d.Body = json.RawMessage(body)
		documents = append(documents, d)
	}
	w.put(t, documents...)
	slices.Reverse(all)
	require.Equal(t, all, bodies(w.ask(t, search.Query{})))
	// As many words as there may be.
	texts := make([]string, search.MaxWordsSize/8)
	for i := range texts {
		texts[i] = fmt.Sprintf("w%09d", i)
	}
	d := w.document(100, texts...)
	require.Greater(t, len(d.Words), 20_000)
	w.put(t, d)
	w.requireFound(t, search.Query{Text: d.Words[len(d.Words)-1]}, 100)
}

// testTotals asks around the count up to which totals are exact.
func testTotals(t *testing.T, w *world) {
	t.Helper()
	var documents []search.Document
	for n := range search.MaxTotal {
		documents = append(documents, w.document(n, "many"))
	}
	w.put(t, documents...)
	few := search.Query{Text: "many", PageRowCount: 2}
	res := w.ask(t, few)
	require.EqualValues(t, search.MaxTotal, res.Total)
	require.False(t, res.AtLeast)
	w.put(t, w.document(search.MaxTotal, "many"))
	for _, q := range []search.Query{few, {PageRowCount: 2}, {Filters: where("userId", "user-1").Filters, PageRowCount: 2}} {
		res = w.ask(t, q)
		require.EqualValues(t, search.MaxTotal, res.Total)
		require.True(t, res.AtLeast)
		require.Equal(t, string(w.document(search.MaxTotal).Body), string(res.Documents[0]))
		q.CountExact = true
		res = w.ask(t, q)
		require.EqualValues(t, search.MaxTotal+1, res.Total, "asked to count: %+v", q)
		require.False(t, res.AtLeast)
		require.Len(t, res.Documents, 2)
	}
	// The last page that has a number, and by cursor what comes behind it.
	res = w.ask(t, search.Query{Text: "many", PageNumber: 20, PageRowCount: 500})
	require.Equal(t, string(w.document(1).Body), string(res.Documents[499]))
	res = w.ask(t, search.Query{Text: "many", PageRowCount: 500, Cursor: res.Next})
	require.Equal(t, []string{string(w.document(0).Body)}, bodies(res))
	require.Empty(t, res.Next)
	require.True(t, res.AtLeast)
}

// testCheckpoint wants that what stands at the checkpoint of an answer is in it.
func testCheckpoint(t *testing.T, w *world) {
	t.Helper()
	for n := 1; n <= 5; n++ {
		d := w.document(n, "step")
		d.Position = int64(1_000_000 + n)
		w.put(t, d)
		for _, q := range []search.Query{{Text: "step"}, where("loanId", "loan-1"), {Text: "?!"}} {
			require.GreaterOrEqual(t, w.ask(t, q).Checkpoint, d.Position)
		}
		require.EqualValues(t, n, w.ask(t, search.Query{}).Total)
	}
}
