package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"payledger/audit"
)

// What a row doesn't have is empty for people, too: no year 1, no zero.
func TestTextShowsNothingWhereNothingIs(t *testing.T) {
	t.Parallel()
	kind := audit.Kind{Columns: []audit.Column{{Name: "at", Kind: audit.Instant}, {Name: "none", Kind: audit.Instant}, {Name: "amount", Kind: audit.Money}, {Name: "end", Kind: audit.Text}}}
	var out bytes.Buffer
	table := newTextTable(kind, &out)
	require.NoError(t, table.Row(audit.Row{{At: time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)}, {}, {}, {Text: "x"}}))
	require.NoError(t, table.Close(audit.Report{}))
	require.Equal(t, []string{"2026-03-04T05:06:07Z", "x"}, strings.Fields(strings.Split(out.String(), "\n")[1]))
}
