package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSummary(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, in string
		last     string
		contains string
		code     int
	}{
		{
			name: "a test with subtests counts as its subtests",
			in: `{"Action":"run","Package":"p","Test":"A"}
				{"Action":"run","Package":"p","Test":"A/x"}
				{"Action":"run","Package":"p","Test":"A/y"}
				{"Action":"pass","Package":"p","Test":"A/x"}
				{"Action":"pass","Package":"p","Test":"A/y"}
				{"Action":"pass","Package":"p","Test":"A"}
				{"Action":"pass","Package":"p","Elapsed":0.5}`,
			last: "2 passed, 0 failed",
		},
		{
			name: "a failure is printed in full",
			in: `{"Action":"run","Package":"p","Test":"A"}
				{"Action":"output","Package":"p","Test":"A","Output":"want 1, got 2\n"}
				{"Action":"fail","Package":"p","Test":"A"}
				{"Action":"fail","Package":"p","Elapsed":0.5}`,
			last: "0 passed, 1 failed", contains: "want 1, got 2", code: 1,
		},
		{
			name: "a skip is counted and says why",
			in: `{"Action":"run","Package":"p","Test":"A"}
				{"Action":"output","Package":"p","Test":"A","Output":"not on this system\n"}
				{"Action":"skip","Package":"p","Test":"A"}
				{"Action":"run","Package":"p","Test":"B"}
				{"Action":"pass","Package":"p","Test":"B"}
				{"Action":"pass","Package":"p"}`,
			last: "1 passed, 0 failed, 1 skipped", contains: "not on this system",
		},
		{
			name: "a test that never ends has failed",
			in: `{"Action":"run","Package":"p","Test":"A"}
				{"Action":"output","Package":"p","Test":"A","Output":"panic: test timed out\n"}
				{"Action":"fail","Package":"p"}`,
			last: "0 passed, 1 failed", contains: "timed out", code: 1,
		},
		{
			name: "a package that doesn't build fails the run",
			in: `{"Action":"run","Package":"p","Test":"A"}
				{"Action":"pass","Package":"p","Test":"A"}
				{"Action":"pass","Package":"p"}
				{"ImportPath":"q","Action":"build-output","Output":"undefined: x\n"}
				{"ImportPath":"q","Action":"build-fail"}
				{"Action":"fail","Package":"q"}`,
			last: "1 passed, 0 failed", contains: "undefined: x", code: 1,
		},
		{
			name: "a test that fails once in several runs has failed",
			in: `{"Action":"run","Package":"p","Test":"A"}
				{"Action":"fail","Package":"p","Test":"A"}
				{"Action":"run","Package":"p","Test":"A"}
				{"Action":"pass","Package":"p","Test":"A"}
				{"Action":"fail","Package":"p"}`,
			last: "1 passed, 1 failed", code: 1,
		},
		{name: "nothing ran", last: "0 passed, 0 failed", code: 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			var out, errOut bytes.Buffer
			require.Equal(t, tc.code, run(strings.NewReader(tc.in), &out, &errOut))
			require.Empty(t, errOut.String())
			lines := strings.Split(strings.TrimSpace(out.String()), "\n")
			require.Equal(t, tc.last, lines[len(lines)-1])
			require.Contains(t, out.String(), tc.contains)
		})
	}
}
