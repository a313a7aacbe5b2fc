package input_test

import (
	"bytes"
	"encoding/json"
	"io"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"payledger/cmd/payledger/internal/httpapi/input"
)

func TestParseBodyRefuses(t *testing.T) {
	t.Parallel()
	cases := map[string]string{
		"nothing":              ``,
		"no object":            `[1]`,
		"two values":           `{} {}`,
		"open object":          `{"a":1`,
		"trailing comma":       `{"a":1,}`,
		"no comma":             `{"a":1 "b":2}`,
		"no colon":             `{"a" 1}`,
		"bare key":             `{a:1}`,
		"comment":              `{/**/}`,
		"NUL in a key":         `{"\u0000":1}`,
		"raw NUL":              "{\"a\":\"\x00\"}",
		"raw control":          "{\"a\":\"\x1f\"}",
		"not UTF-8":            "{\"a\":\"\xff\"}",
		"half a pair in a key": `{"a":{"\ud800":1}}`,
		"unknown escape":       `{"a":"\x41"}`,
		"short escape":         `{"a":"\u00"}`,
		"open string":          `{"a":"b`,
		"open escape":          `{"a":"\`,
		"leading zero":         `{"a":01}`,
		"plus sign":            `{"a":+1}`,
		"no digits after dot":  `{"a":1.}`,
		"no digits after e":    `{"a":1e}`,
		"NaN":                  `{"a":NaN}`,
		"long word":            `{"a":nulll}`,
		"open array":           `{"a":[1`,
		"array without commas": `{"a":[1 2]}`,
		"deep":                 `{"a":` + strings.Repeat("[", 16) + strings.Repeat("]", 16) + `}`,
		"very deep":            `{"a":` + strings.Repeat("[", 100_000),
		"many members":         manyMembers(65),
	}
	for name, body := range cases {
		_, err := input.ParseBody([]byte(body))
		var bad *input.Error
		require.ErrorAs(t, err, &bad, name)
		require.Equal(t, "errMsg_bodyisNotValidJSON", bad.Message(), name)
		require.NotEmpty(t, bad.Detail, name)
	}
}

// What is told beside the rule is what is wanted, and where.
func TestParseBodySaysWhatIsWanted(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		``:                       "an object is wanted",
		`{}{}`:                   "one value only",
		"{\"a\":\"\xff\"}":       "UTF-8",
		`{"a":-}`:                "a number is wanted",
		`{"a":x}`:                "a value is wanted",
		`{"a":[1 2]}`:            "a comma or the end of the array is wanted",
		`{"a":1 "b":2}`:          "a comma or the end of the object is wanted",
		`{"a" 1}`:                "a colon is wanted",
		`{a:1}`:                  "a string is wanted",
		"{\"a\":\"\x1f\"}":       "no control character in a string",
		"{\"a\":\"\\n\x1f\"}":    "no control character in a string",
		`{"a":"b`:                "the end of the string is wanted",
		`{"a":"\n`:               "the end of the string is wanted",
		`{"a":"\x41"}`:           "an escape of JSON is wanted",
		`{"a":"\u00"}`:           "four hexadecimal digits are wanted",
		`{"\u0000":1}`:           "a name with no U+0000",
		`{"a":{"\ud800":1}}`:     "a name with no half of a surrogate pair",
		strings.Repeat("[", 100): "an object is wanted",
		`{"a":` + strings.Repeat("[", 16) + strings.Repeat("]", 16) + `}`: "at most 16 levels",
		manyMembers(65): "at most 64 members",
	} {
		_, err := input.ParseBody([]byte(body))
		var bad *input.Error
		require.ErrorAs(t, err, &bad, body)
		require.Regexp(t, "^"+regexp.QuoteMeta(want)+"( at byte [0-9]+)?$", bad.Detail, body)
	}
	for body, want := range map[string]string{"[\"\xff\"]": "UTF-8", `[] []`: "one value only", `{}`: "an array is wanted"} {
		_, err := input.ParseElements([]byte(body))
		var bad *input.Error
		require.ErrorAs(t, err, &bad, body)
		require.Regexp(t, "^"+regexp.QuoteMeta(want)+"( at byte [0-9]+)?$", bad.Detail, body)
	}
}

// Characters that no text may have are a fault of the field, wherever it is.
func TestParseBodyNamesTheTextAtFault(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		`{"a":"\u0000"}`:                               "errMsg_aisNotAValidString: no U+0000",
		`{"a":1,"note":"x\u0000y","b":"\u0000"}`:       "errMsg_noteisNotAValidString: no U+0000",
		`{"a":"\ud800"}`:                               "errMsg_aisNotAValidString: no half of a surrogate pair",
		`{"a":"\udc00\ud800"}`:                         "errMsg_aisNotAValidString: no half of a surrogate pair",
		`{"a":{"b":{"c":"\u0000"}}}`:                   "errMsg_a.b.cisNotAValidString: no U+0000",
		`{"a":[1,{"b":"\u0000"}]}`:                     "errMsg_a[1].bisNotAValidString: no U+0000",
		`{"a":[["x","\u0000"]]}`:                       "errMsg_a[0][1]isNotAValidString: no U+0000",
		`{"` + strings.Repeat("k", 99) + `":"\u0000"}`: "errMsg_" + strings.Repeat("k", 64) + "isNotAValidString: no U+0000",
	} {
		_, err := input.ParseBody([]byte(body))
		require.EqualError(t, err, want, body)
	}
	_, err := input.ParseElements([]byte(`[{"id":"a"},{"id":"b","x":{"y":"\u0000"}}]`))
	require.EqualError(t, err, "errMsg_body[1].x.yisNotAValidString: no U+0000")
}

func TestParseBodyRefusesAKeyTwice(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		`{"a":1,"a":1}`:                       "errMsg_aisGivenTwice",
		`{"a":1,"\u0061":2}`:                  "errMsg_aisGivenTwice",
		`{"b":1,"x":[{"a":2},{"b":1,"b":1}]}`: "errMsg_x[1].bisGivenTwice",
		`{"x":{"y":{"a":1,"a":1}}}`:           "errMsg_x.y.aisGivenTwice",
	} {
		_, err := input.ParseBody([]byte(body))
		require.EqualError(t, err, want, body)
	}
	_, err := input.ParseElements([]byte(`[{"id":"a"},{"id":"b","id":"c"}]`))
	require.EqualError(t, err, "errMsg_body[1].idisGivenTwice")
}

func TestParseBodyReadsText(t *testing.T) {
	t.Parallel()
	v, err := input.ParseBody([]byte(" {\n\t\"a\\u0062\" : \"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\ud83d\\udcb6Ü\" } "))
	require.NoError(t, err)
	require.Equal(t, "\"\\/\b\f\n\r\té💶Ü", v.Text("ab"))
	require.NoError(t, v.Err())
	_, err = input.ParseBody([]byte(`{"a":` + strings.Repeat("[", 15) + strings.Repeat("]", 15) + `}`))
	require.NoError(t, err, "16 levels are allowed")
	_, err = input.ParseBody([]byte(manyMembers(64)))
	require.NoError(t, err)
}

func manyMembers(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(`,"k` + strings.Repeat("k", i) + `":1`)
	}
	return "{" + b.String()[1:] + "}"
}

// What we accept is JSON for everybody else, and reads the same; what we refuse has one of the faults that we look for.
func FuzzParseBody(f *testing.F) {
	for _, seed := range []string{`{}`, `{"a":"b","c":[1,{"d":null}],"e":-1.5e3}`, `{"a":"\ud83d\udcb6"}`, `{"a":1,"a":2}`, `{"a":"\u0000"}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		v, err := input.ParseBody(body)
		if err != nil {
			require.True(t, faulty(body), "refused without need: %q: %v", body, err)
			return
		}
		var members map[string]any
		require.NoError(t, json.Unmarshal(body, &members))
		for name, member := range members {
			if text, ok := member.(string); ok && utf8.RuneCountInString(text) <= input.MaxText {
				require.Equal(t, text, v.Text(name))
			} else {
				v.Ignore(name)
			}
		}
		require.NoError(t, v.Err())
	})
}

// faulty tells, by the standard library alone, whether a body has one of the faults that ParseBody looks for.
func faulty(body []byte) bool {
	if !utf8.Valid(body) || !json.Valid(body) || bytes.Contains(body, []byte(`\u0000`)) ||
		bytes.Contains(bytes.ToLower(body), []byte(`\ud`)) || bytes.TrimLeft(body, " \t\r\n")[0] != '{' {
		return true
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	type level struct {
		object bool
		keys   map[string]bool
		isKey  bool
	}
	var stack []level
	for {
		token, err := dec.Token()
		if err == io.EOF {
			return false
		}
		if d, ok := token.(json.Delim); ok && (d == '{' || d == '[') {
			stack = append(stack, level{object: d == '{', keys: map[string]bool{}, isKey: true})
			if len(stack) > input.MaxDepth {
				return true
			}
			continue
		} else if ok {
			stack = stack[:len(stack)-1]
		}
		if len(stack) == 0 {
			continue
		}
		top := &stack[len(stack)-1]
		if _, closed := token.(json.Delim); top.object && top.isKey && !closed {
			key, _ := token.(string)
			if top.keys[key] || len(top.keys) >= 64 {
				return true
			}
			top.keys[key] = true
			top.isKey = false
			continue
		}
		top.isKey = true
	}
}
