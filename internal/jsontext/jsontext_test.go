package jsontext_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"payledger/internal/jsontext"
)

func TestAppendStringIsReadBack(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.OneOf(rapid.String(), rapid.StringMatching(`[\x00-\x7f]*`)).Draw(t, "s")
		var got string
		require.NoError(t, json.Unmarshal(jsontext.AppendString(nil, s), &got))
		require.Equal(t, s, got)
	})
}

func TestAppendString(t *testing.T) {
	t.Parallel()
	cases := map[string]string{
		"":               `""`,
		"<a> & b":        `"<a> & b"`,
		"\"\\\n\r\t\x01": `"\"\\\n\r\t\u0001"`,
		"Überfällig 💶":   `"Überfällig 💶"`,
		"a\xffb":         "\"a\ufffdb\"",
	}
	for in, want := range cases {
		require.Equal(t, want, string(jsontext.AppendString(nil, in)), "%q", in)
	}
	require.Equal(t, "null", string(jsontext.AppendStringOrNull(nil, "")))
	require.Equal(t, `"x"`, string(jsontext.AppendStringOrNull(nil, "x")))
}

func TestAppendTimeIsWhatTheStandardLibraryPrints(t *testing.T) {
	t.Parallel()
	from, to := time.Date(1900, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2200, 12, 31, 23, 59, 59, 999_999_999, time.UTC)
	rapid.Check(t, func(t *rapid.T) {
		at := time.Unix(rapid.Int64Range(from.Unix(), to.Unix()).Draw(t, "s"), rapid.Int64Range(0, 999_999_999).Draw(t, "ns"))
		at = at.In(time.FixedZone("", rapid.IntRange(-12, 14).Draw(t, "zone")*3600))
		want := at.UTC().Format("2006-01-02T15:04:05.000Z")
		require.Equal(t, want, strings.Trim(string(jsontext.AppendTime(nil, at)), `"`))
	})
	require.Equal(t, "null", string(jsontext.AppendTimeOrNull(nil, time.Time{})))
}
