package main

import (
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"
)

// The command that doctor prints can be given to a shell, whatever key somebody has made up, and what it prints doesn't steer the terminal.
func TestCuresOfMadeUpKeys(t *testing.T) {
	t.Parallel()
	for _, key := range []string{"made up", "$(touch x)", "it's", `a"b\c`, "\x1b[2Jgone", "`id`", "line\nline", "ключ", "a;b&c|d"} {
		d := driftLine{Projection: "search", Tenant: "x'y", Key: "fee/" + key, Stream: "fee-" + key}
		out, err := exec.CommandContext(t.Context(), "bash", "-c", "payledger() { printf '%s|' \"$@\"; }; "+d.cure()).Output()
		require.NoError(t, err, d.cure())
		require.Equal(t, "heal|fee-"+key+"|--projection|search|--tenant|x'y|", string(out))
		require.NotContains(t, d.String()+d.cure(), "\x1b")
		require.NotContains(t, d.String()+d.cure(), "\n")
	}
	require.Equal(t, "payledger heal fee-1 --projection tables --tenant main", driftLine{Projection: "tables", Tenant: "main", Stream: "fee-1"}.cure())
}
