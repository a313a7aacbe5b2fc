package main

import (
	"bytes"
	"net/url"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"payledger/internal/ledgertest"
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

// TestRebuildNeedsConnections: with fewer it would wait for itself.
func TestRebuildNeedsConnections(t *testing.T) {
	t.Parallel()
	l := ledgertest.Open(t, 61)
	at, err := url.Parse(l.DB.ProjectorURL)
	require.NoError(t, err)
	settings := at.Query()
	settings.Set("pool_max_conns", strconv.Itoa(rebuild.MinConns-1))
	at.RawQuery = settings.Encode()
	few := *l.DB
	few.ProjectorURL = at.String()
	out, errs, code := asking(t, &few)("rebuild", "tables")
	require.Equal(t, exitUsage, code, "%s%s", out, errs)
	require.Contains(t, errs, "pool_max_conns")
}
