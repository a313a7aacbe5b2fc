package main

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"payledger/projections/rebuild"
)

// What differs is told without texts of persons, and can't steer the terminal.
func TestDifferencesAreToldWithoutTexts(t *testing.T) {
	t.Parallel()
	var talk bytes.Buffer
	a := newApp(nil, &bytes.Buffer{}, &talk)
	a.printDifference(rebuild.Difference{
		Table: "fees", Key: []string{"main", "a\x1b[2J"},
		Live:    map[string]any{"note": "annsecret", "card_holder_name": "annsecret", "reason": "\x1b]0;x\a", "amount": int64(5)},
		Rebuilt: map[string]any{"note": nil, "card_holder_name": nil, "reason": "goodwill", "amount": int64(7)},
	})
	require.Equal(t, `differs: fees main/a\x1b[2J: amount 5, rebuilt 7, card_holder_name (text), rebuilt (text), note (text), rebuilt (text), `+
		`reason \x1b]0;x\a, rebuilt goodwill`+"\n", talk.String())
}
