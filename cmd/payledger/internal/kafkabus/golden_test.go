package kafkabus_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"payledger/cmd/payledger/internal/kafkabus"
	"payledger/commands"
	"payledger/internal/schematest"
	"payledger/projections/publisher"
	"payledger/readmodels"
)

var update = flag.Bool("update", false, "write the golden files")

// golden is a message as the golden files show it. What no two runs have in common is replaced by a word.
type golden struct {
	Key     string            `json:"key"`
	Headers map[string]string `json:"headers"`
	Value   json.RawMessage   `json:"value"`
}

// The messages of a fee that is assessed, partly paid, and waived: body and headers of every topic that has any.
func TestGoldenMessages(t *testing.T) {
	t.Parallel()
	w := newWorld(t, plain(t))
	w.foundAll(t)
	stop := w.publish(t)
	w.goldenCommands(t)
	w.published(t)
	require.NoError(t, stop())
	all := w.messages(t)
	slices.SortStableFunc(all, func(a, b kafkabus.Message) int { return int(positionOf(t, a) - positionOf(t, b)) })

	var files []string
	for _, topic := range publisher.Topics(w.names) {
		some := where(all, topic.Topic)
		if len(some) == 0 {
			require.True(t, topic.Action == "deleted" || topic.Object == "feePayment", "no command of this version causes %s", topic.Topic)
			continue
		}
		list := make([]golden, len(some))
		for i, m := range some {
			list[i] = w.golden(t, m)
		}
		printed, err := json.MarshalIndent(list, "", "  ")
		require.NoError(t, err)
		name := w.plainName(topic.Topic) + ".json"
		files = append(files, name)
		path := filepath.Join("testdata", "messages", name)
		if *update {
			require.NoError(t, os.WriteFile(path, append(printed, '\n'), 0o644))
		}
		want, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Equal(t, string(want), string(printed)+"\n", name)
	}
	entries, err := os.ReadDir(filepath.Join("testdata", "messages"))
	require.NoError(t, err)
	require.Len(t, entries, len(files), "a golden file without its topic")
}

func (w *world) goldenCommands(t testing.TB) {
	t.Helper()
	at := time.Date(2026, 3, 4, 5, 6, 7, 89_000_000, time.UTC)
	command := func(n byte, topic string) commands.Request {
		id := uuid.MustParse("01937b2a-0000-7000-8000-000000000000")
		id[12] = n
		return w.requestAs(id, at.Add(time.Duration(n)*time.Minute), topic)
	}
	const feeID = "01937b2a-0000-7000-8000-0000000000cc"
	_, err := w.service.AssessFee(t.Context(), command(1, "fee-created"), commands.NewFee{
		FeeID: feeID, UserID: userID, LoanID: loanID, Amount: usd(1999), Reason: "overdue",
	})
	require.NoError(t, err)
	pay := paymentOf(1200, share(feeID, 1000))
	pay.Note = ""
	_, err = w.service.RecordPayment(t.Context(), command(2, ""), pay)
	require.NoError(t, err)
	waived := readmodels.FeeWaived
	_, err = w.service.PatchFee(t.Context(), command(3, "fee-updated"), patchOf(feeID, &waived, ""))
	require.NoError(t, err)
}

func (w *world) golden(t testing.TB, m kafkabus.Message) golden {
	t.Helper()
	var compact bytes.Buffer
	require.NoError(t, json.Compact(&compact, m.Value))
	require.Equal(t, compact.String(), string(m.Value), "bodies have no white space")
	schematest.Message(t, w.plainName(m.Topic), m.Headers, m.Value)
	g := golden{Key: m.Key, Headers: map[string]string{}, Value: m.Value}
	for name, value := range m.Headers {
		g.Headers[name] = w.plainName(value)
	}
	_, err := time.Parse(time.RFC3339Nano, g.Headers["ce_time"])
	require.NoError(t, err)
	g.Headers["ce_time"] = "RECORDED"
	if hash, ok := g.Headers["ledger-hash"]; ok {
		require.Len(t, hash, 64)
		g.Headers["ledger-hash"] = "HASH"
		g.Headers["ledger-metadata"] = regexp.MustCompile(`"answerHash":"[0-9a-f]{64}"`).ReplaceAllString(g.Headers["ledger-metadata"], `"answerHash":"HASH"`)
	}
	return g
}

// A large answer goes out with its rows emptied; a command that changed nothing has a route event at the head's position.
func TestRouteEvents(t *testing.T) {
	t.Parallel()
	w := newWorld(t, plain(t))
	stop := w.publish(t)
	id := w.assess(t, 100)
	w.patch(t, id, readmodels.FeeWaived, "")
	w.patch(t, id, readmodels.FeeWaived, "")
	body := `{"status":"OK","dataName":"fees","fees":[{"note":"` + strings.Repeat("x", publisher.MaxRouteBody) + `"}],"filters":[]}`
	w.asSuperuser(t, `WITH h AS (UPDATE ledger.head SET route = route + 1 RETURNING route)
		INSERT INTO ledger.route_events SELECT h.route, r.commit_id, r.topic, 'large', '{"traceparent":""}', convert_to($$`+body+`$$, 'UTF8'), now()
		FROM h, ledger.route_events r WHERE r.number = 1`)
	w.foundAll(t)
	w.published(t)
	require.NoError(t, stop())
	all := w.messages(t)
	updated := where(all, w.names.Route("fee-updated"))
	require.Len(t, updated, 2)
	slices.SortFunc(updated, func(a, b kafkabus.Message) int { return strings.Compare(a.Key, b.Key) })
	require.Equal(t, "fee-"+id, updated[0].Headers["ledger-stream"])
	require.Equal(t, "2", updated[1].Headers["ledger-position"], "the head at which it was answered")
	require.NotContains(t, updated[1].Headers, "ledger-stream", "it has no event")
	created := where(all, w.names.Route("fee-created"))
	require.Len(t, created, 2)
	for _, m := range created {
		if m.Key != "large" {
			require.NotContains(t, m.Headers, "ledger-truncated")
			continue
		}
		require.Equal(t, "true", m.Headers["ledger-truncated"])
		require.Equal(t, strings.Replace(body, body[strings.Index(body, `[{`):strings.Index(body, `]`)+1], "[]", 1), string(m.Value))
		require.NotContains(t, m.Headers, "traceparent", "an empty header is none")
	}
}
