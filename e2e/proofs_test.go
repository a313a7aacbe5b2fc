package e2e

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestProofs goes the way of docs/proofs.md: a key, a kept checkpoint, a proof, an export, a proof of growth; all are checked in a folder that
// holds nothing but the files, by the small program. Then somebody changes history.
func TestProofs(t *testing.T) {
	t.Parallel()
	data, auditor := t.TempDir(), t.TempDir()
	verifier := filepath.Join(t.TempDir(), "payledger-verify")
	out, err := exec.CommandContext(t.Context(), "go", "build", "-o", verifier, "payledger/cmd/payledger-verify").CombinedOutput()
	require.NoError(t, err, "%s", out)
	verify := func(args ...string) (string, int) {
		cmd := exec.CommandContext(t.Context(), verifier, args...)
		cmd.Dir, cmd.Env = auditor, []string{}
		out, _ := cmd.CombinedOutput() // ProcessState tells
		return string(out), cmd.ProcessState.ExitCode()
	}
	keep := func(name, content string) {
		require.NoError(t, os.WriteFile(filepath.Join(auditor, name), []byte(content), 0o600))
	}

	_, s := devWith(t, []string{"CHECKPOINT_INTERVAL=50ms"}, data)
	ask := func(code int, args ...string) string {
		out, errs, got := command(t, s.env, append([]string{"audit"}, args...)...)
		require.Equal(t, code, got, "%v: %s%s", args, out, errs)
		return out + errs
	}
	type signed struct {
		Size       int64  `json:"size"`
		Checkpoint string `json:"checkpoint"`
	}
	assess := func(n int) signed {
		for range n {
			body := fmt.Sprintf(`{"userId":%q,"amount":4.50,"currency":"USD","reason":"overdue","note":"Brontë, Villette"}`, s.users["member"])
			require.Equal(t, http.StatusCreated, s.call(t, "staff", http.MethodPost, "/fees", body).status)
		}
		head := jsonLines[struct {
			Events int64 `json:"events"`
		}](t, ask(0, "verify", "--json"))[0].Events
		var last signed
		require.Eventually(t, func() bool {
			out, _, code := command(t, s.env, "audit", "checkpoint", "--json")
			if code != 0 {
				return false
			}
			last = jsonLines[signed](t, out)[0]
			return last.Size == head
		}, patience, 10*tick)
		return last
	}
	public, err := os.ReadFile(filepath.Join(data, "checkpoint-key.pub"))
	require.NoError(t, err)
	keep("keys", string(public))
	first := assess(3)
	keep("kept", first.Checkpoint)
	second := assess(2)
	keep("proof.json", ask(0, "prove", "2"))
	keep("old.json", ask(0, "prove", "2", "--checkpoint", filepath.Join(auditor, "kept"), "--keys", filepath.Join(auditor, "keys")))
	keep("events.jsonl", ask(0, "export"))
	keep("grown.json", ask(0, "checkpoint", "--consistency", fmt.Sprint(first.Size), fmt.Sprint(second.Size)))
	said, code := verify("--keys", "keys", "--kept", "kept", "proof.json", "old.json", "events.jsonl", "grown.json")
	require.Zero(t, code, said)
	require.Equal(t, 4, strings.Count(said, ": intact: "), said)
	require.Contains(t, said, fmt.Sprintf("events 1 to %d of the log payledger.dev/demo, none missing", second.Size))
	require.NotContains(t, ask(0, "export"), "Villette", "texts about persons stay sealed")

	file, err := os.ReadFile(filepath.Join(data, "checkpoints"))
	require.NoError(t, err)
	require.Contains(t, string(file), second.Checkpoint)
	keep("all", string(file))
	require.Contains(t, ask(0, "verify", "--checkpoints", filepath.Join(auditor, "all")), "equal the log, 0 are of events")
	require.Contains(t, ask(4, "prove", "9999"), "no checkpoint covers the event yet")
	require.Contains(t, ask(4, "checkpoint", "--consistency", "1", "9999"), "no such checkpoint")
	require.Contains(t, ask(2, "prove", "x"), "neither")
	require.Contains(t, ask(2, "verify", "--to", "2", "--checkpoints", "x"), "needs the whole log")
	out2, _, code := command(t, s.env, "doctor", "--json")
	require.Zero(t, code, out2)
	require.Contains(t, out2, fmt.Sprintf("the last one is of %d events, 0 behind", second.Size))

	other := ask(0, "key", "payledger.dev/demo", "--out", filepath.Join(auditor, "otherkey"))
	keep("otherkeys", other)
	require.Contains(t, ask(4, "key", "payledger.dev/demo", "--out", filepath.Join(auditor, "otherkey")), "never overwritten")
	require.Contains(t, ask(5, "verify", "--checkpoints", filepath.Join(auditor, "all"), "--keys", filepath.Join(auditor, "otherkeys")), "not signed by a known key")
	said, code = verify("--keys", "otherkeys", "proof.json")
	require.Equal(t, 5, code, said)
}
