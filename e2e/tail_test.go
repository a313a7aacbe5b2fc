package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"
)

// TestForgedMessageIsTold does so with the broker of dev.
func TestForgedMessageIsTold(t *testing.T) {
	t.Parallel()
	p, s := devWith(t, []string{"SELFAUDIT_RATE=1000"}, t.TempDir())
	s.forgeMessage(t)
	require.Zero(t, p.stop(t))
}

// forgeMessage puts a message on a topic that the log doesn't lead to: doctor and verify end with 5 and name the command that puts it right, and
// after it all is well.
func (s *system) forgeMessage(t *testing.T) {
	t.Helper()
	a := s.call(t, "staff", http.MethodPost, "/fees", fmt.Sprintf(`{"id":%q,"userId":%q,"amount":"1.00","reason":"overdue"}`, uuid.NewString(), s.users["member"]))
	require.Equal(t, http.StatusCreated, a.status, "%s", a.body)
	topic := s.service + "-dbevent-fee-created"
	tail := start(t, s.env, "tail", "--topic", topic, "--from", "1", "--json")
	var m message
	require.NoError(t, json.Unmarshal([]byte(tail.line(t, patience)), &m))
	require.Zero(t, tail.stop(t))

	require.Eventually(t, func() bool { // while all is right
		_, _, code := command(t, s.env, "doctor")
		return code == 0
	}, patience, 10*tick)

	forged := &kgo.Record{Topic: topic, Key: []byte(m.Key), Value: []byte(strings.Replace(string(m.Value), `"amount":1`, `"amount":9`, 1))}
	for name, value := range m.Headers {
		forged.Headers = append(forged.Headers, kgo.RecordHeader{Key: name, Value: []byte(value)})
	}
	elsewhere := *forged // where the publisher would not put it, and the cure doesn't either
	elsewhere.Partition = 1
	client, err := kgo.NewClient(kgo.SeedBrokers(s.brokers(t)), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	require.NoError(t, err)
	require.NoError(t, client.ProduceSync(t.Context(), forged, &elsewhere).FirstErr())
	client.Close()

	cure := "payledger republish --to " + topic + " --from 1 --until 1"
	var out string
	require.Eventually(t, func() bool {
		out, _, _ = command(t, s.env, "doctor")
		return strings.Contains(out, cure)
	}, patience, 10*tick)
	require.Contains(t, out, "drift in kafka")
	require.Contains(t, out, "changed: value")
	out, _, code := command(t, s.env, "audit", "verify", "--json")
	require.Equal(t, 5, code)
	require.Contains(t, out, `"drift":[{"projection":"kafka","tenant":"demo","key":"`+topic)

	_, errs, code := command(t, s.env, strings.Fields(cure)[1:]...)
	require.Zero(t, code, errs)
	require.Eventually(t, func() bool {
		_, _, code := command(t, s.env, "doctor")
		return code == 0
	}, patience, 10*tick)
}

// brokers returns the address of the broker.
func (s *system) brokers(t *testing.T) string {
	t.Helper()
	for _, line := range s.env {
		if address, ok := strings.CutPrefix(line, "KAFKA_BROKERS="); ok {
			return address
		}
	}
	require.FailNow(t, "no KAFKA_BROKERS")
	return ""
}
