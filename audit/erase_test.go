package audit_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"payledger/audit"
	"payledger/domain/fee"
	"payledger/internal/sqltest"
)

// No report holds a text about a person: what is written about the member of the story, and erased later, is in no row of any kind, and each
// report comes to the same as before.
func TestErasureChangesNoReport(t *testing.T) {
	t.Parallel()
	s := tell(t)
	s.Change(t, book, fee.AddNote{NoteID: "n", Visibility: fee.VisibilityPatron, Note: "told us at length", At: s.Now()})
	head := s.Flush(t)
	before := map[string]audit.Report{}
	made := func(kind string) audit.Report {
		rows, report := s.made(t, audit.Params{Kind: kind, Bounds: audit.Bounds{AsOf: s.end(30), KnownAt: head}})
		for _, row := range rows {
			require.NotContains(t, row, "told us at length")
		}
		require.NotZero(t, report.Digest)
		return report
	}
	for _, kind := range audit.KindNames() {
		before[kind] = made(kind)
	}
	s.Erase(t, s.member)
	for _, ev := range s.Events(t, 0, int(head)) {
		if waived, ok := ev.Data.(fee.Waived); ok {
			require.Empty(t, waived.Note, "erased")
		}
	}
	for _, kind := range audit.KindNames() {
		require.Equal(t, before[kind], made(kind), kind)
	}
	require.Empty(t, sqltest.Grep(t, s.DB.SuperURL, "told us at length"))
}
