package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"payledger/audit"
	"payledger/internal/ledgertest"
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

// A period that ends before it begins is a slip: no empty list says that nobody did anything.
func TestPeriodThatEndsBeforeItBegins(t *testing.T) {
	t.Parallel()
	l := ledgertest.Open(t, 64)
	run := asking(t, l.DB)
	l.Assess(t, l.Users[0], 500)
	l.Flush(t)
	for _, question := range [][]string{{"report", "activity", "--dry-run"}, {"actions"}} {
		out, errs, code := run(append(append([]string{"audit"}, question...), "--from", "2026-03-02", "--as-of", "2026-03-01")...)
		require.Equal(t, exitUsage, code, "%v: %s%s", question, out, errs)
		require.Contains(t, errs, "from is later than as of", question)
		require.Empty(t, out, question)
	}
}

// Ids are kept in lower case, and asked for in either.
func TestByInUpperCase(t *testing.T) {
	t.Parallel()
	l := ledgertest.Open(t, 65)
	run := asking(t, l.DB)
	l.Assess(t, l.Users[0], 500)
	l.Flush(t)
	for _, question := range [][]string{{"report", "activity", "--dry-run"}, {"actions"}} {
		ask := func(by string) string {
			out, errs, code := run(append(append([]string{"audit"}, question...), "--as-of", "2026-03-01", "--json", "--by", by)...)
			require.Equal(t, exitDone, code, errs)
			return out
		}
		require.Contains(t, ask(l.Users[0]), "fee.assessed", question)
		require.Equal(t, ask(l.Users[0]), ask(strings.ToUpper(l.Users[0])), question)
	}
}
