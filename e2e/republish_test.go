package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

// replayLine is a line of `republish --json`: one of progress, or the last.
type replayLine struct {
	Stage    string `json:"stage"`
	Topic    string `json:"topic"`
	Position int64  `json:"position"`
	Messages int64  `json:"messages"`
	Done     any    `json:"done"` // of progress a number
}

func replayLines(t *testing.T, out string) []replayLine {
	t.Helper()
	lines := jsonLines[replayLine](t, out)
	require.NotEmpty(t, lines)
	return lines
}

// TestRepublish sends messages again while all runs: to a topic that must be asked for, killed and gone on with, and to a topic of ours.
func TestRepublish(t *testing.T) {
	t.Parallel()
	p, s := dev(t, t.TempDir())
	for range 20 {
		a := s.call(t, "staff", http.MethodPost, "/fees", fmt.Sprintf(`{"id":%q,"userId":%q,"amount":"1.00","reason":"overdue"}`, uuid.NewString(), s.users["member"]))
		require.Equal(t, http.StatusCreated, a.status, "%s", a.body)
	}
	require.Eventually(t, func() bool { return s.projectionsAt(t) }, patience, 10*tick)

	_, errs, code := command(t, s.env, "republish", "--to", "replay", "--from", "1")
	require.Equal(t, 4, code)
	require.Contains(t, errs, "there is no topic replay: look at the name, or let --create make it")
	_, errs, code = command(t, s.env, "republish", "--to", "replay", "--from", "999")
	require.Equal(t, 2, code)
	require.Contains(t, errs, "the log ends at position 20")
	_, errs, code = command(t, s.env, "republish", "--to", "replay", "--create", "--from", "1", "--filter", "tenant=nobody")
	require.Equal(t, 2, code)
	require.Contains(t, errs, "tenant=nobody: must be one that the log knows")
	_, errs, code = command(t, s.env, "republish", "--to", s.service+"-journal", "--from", "1", "--filter", "topic="+s.service+"-dbevent-fee-created")
	require.Equal(t, 2, code)
	require.Contains(t, errs, "takes its own messages only")

	out, _, code := command(t, append([]string{"PAYLEDGER_KILL_AT=acknowledged:30"}, s.env...), "republish", "--to", "replay", "--create", "--from", "1", "--json")
	require.Equal(t, -1, code, "killed")
	from := int64(1)
	if strings.TrimSpace(out) != "" {
		lines := replayLines(t, out)
		from = lines[len(lines)-1].Position + 1
	}
	out, errs, code = command(t, s.env, "republish", "--to", "replay", "--from", fmt.Sprint(from), "--json")
	require.Zero(t, code, errs)
	lines := replayLines(t, out)
	last := lines[len(lines)-1]
	require.Equal(t, replayLine{Topic: "replay", Position: 20, Messages: last.Messages, Done: true}, last)

	_, errs, code = command(t, s.env, "tail", "--topic", "replai")
	require.Equal(t, 2, code)
	require.Contains(t, errs, `there is no topic "replai"`)
	shown := start(t, s.env, "tail", "--topic", "replay", "--from", "1", "--json")
	var replayed message
	require.NoError(t, json.Unmarshal([]byte(shown.line(t, patience)), &replayed))
	require.Equal(t, []string{"replay", "true"}, []string{replayed.Topic, replayed.Headers["x-replay"]})
	require.Zero(t, shown.stop(t))

	out, errs, code = command(t, s.env, "republish", "--to", s.service+"-dbevent-fee-created", "--from", "20")
	require.Zero(t, code, errs)
	require.Equal(t, "1 messages of positions 20 to 20 sent to "+s.service+"-dbevent-fee-created\n", out)
	tail := start(t, s.env, "tail", "--topic", s.service+"-dbevent-fee-created", "--from", "20", "--json")
	var first, again message
	require.NoError(t, json.Unmarshal([]byte(tail.line(t, patience)), &first))
	require.NoError(t, json.Unmarshal([]byte(tail.line(t, patience)), &again))
	require.Equal(t, "true", again.Headers["x-replay"])
	require.Equal(t, string(first.Value), string(again.Value))
	require.Equal(t, first.Headers["ce_id"], again.Headers["ce_id"])
	require.Zero(t, tail.stop(t))
	require.Zero(t, p.stop(t))

	_, errs, code = command(t, append(s.env, "DATABASE_URL=postgres://localhost:1/none", "PROJECTOR_DATABASE_URL=postgres://localhost:1/none"), "republish", "--to", "replay", "--from", "1")
	require.Equal(t, 3, code, errs)
}
