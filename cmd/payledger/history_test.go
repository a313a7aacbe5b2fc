package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"payledger/domain/money"
	"payledger/readmodels/history"
)

// What people write stays on its line, and a terminal shows it and does nothing else with it.
func TestTextsCantFeignLines(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"Dvořák's score, p. 7 👍":    "Dvořák's score, p. 7 👍",
		"paid\n      USD 0.00 owed": `paid\n      USD 0.00 owed`,
		"\x1b[2Jx\r\ty\x00":         `\x1b[2Jx\r\ty\x00`,
		"\u202etxt.exe\u2066":       `\u202etxt.exe\u2066`,
		"a\u2028b\u0085c":           `a\u2028b\u0085c`,
		`it's "so"`:                 `it's "so"`,
		"bad \xff byte":             "bad � byte",
		"no\u00a0break":             "no\u00a0break",
	} {
		require.Equal(t, want, visible(text))
	}

	var out bytes.Buffer
	a := newApp(nil, &out, nil)
	usd, err := money.ParseCurrency("USD")
	require.NoError(t, err)
	amount := money.New(100, usd)
	require.NoError(t, a.printEntries([]history.Entry{{Position: 1, Amount: &amount, Reason: "a\nb", Note: "x\n2\tfee.waived\x1b[0m"}}))
	require.Equal(t, 2, strings.Count(out.String(), "\n"))
	require.NotContains(t, out.String(), "\x1b")
}
