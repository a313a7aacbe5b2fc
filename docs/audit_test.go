package docs_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"payledger/audit"
)

func TestEveryReportIsDocumented(t *testing.T) {
	t.Parallel()
	var told []string
	for _, row := range rows(section(t, read(t, "audit.md"), "## Reports")) {
		told = append(told, row[0])
		kind, err := audit.KindOf(row[0])
		require.NoError(t, err)
		require.Equal(t, map[bool]string{true: "a period", false: "a moment"}[kind.Period], row[1], row[0])
	}
	require.Equal(t, audit.KindNames(), told)
}
