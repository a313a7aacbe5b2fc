package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

func TestIDsAreTheSameInEveryRunAndNeverTwice(t *testing.T) {
	t.Parallel()
	require.Equal(t, uuid.Version(7), newID(idFee, 5).Version())
	require.Equal(t, uuid.RFC4122, newID(idFee, 5).Variant())
	seen := map[uuid.UUID]bool{}
	for n := range int64(70_000) {
		for _, kind := range []byte{idEvent, idFee} {
			id := newID(kind, n)
			require.False(t, seen[id], "%d of kind %d", n, kind)
			seen[id] = true
		}
	}
}

func TestRatiosAreOfTheSameRun(t *testing.T) {
	t.Parallel()
	r := report{log: new(bytes.Buffer)}
	r.add("scan", 200, perSecond, "")
	r.add("verify", 50, perSecond, "scan")
	r.add("commit.1", 50, perSecond, "copy")
	r.relate()
	path := filepath.Join(t.TempDir(), "out", "bench.json")
	require.NoError(t, r.write(path))
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	require.JSONEq(t, `[
		{"name":"scan","value":200,"unit":"1/s","ratioTo":null,"ratio":null},
		{"name":"verify","value":50,"unit":"1/s","ratioTo":"scan","ratio":0.25},
		{"name":"commit.1","value":50,"unit":"1/s","ratioTo":"copy","ratio":null}
	]`, string(text))
}

func TestLoadStopsAtItsLimitsAndAtTheFirstError(t *testing.T) {
	t.Parallel()
	all := func(context.Context, int, int64) error { return nil }
	got, err := load{clients: 4, duration: time.Hour, limit: 100}.run(t.Context(), all)
	require.NoError(t, err)
	require.EqualValues(t, 100, got.calls)
	require.Len(t, got.taken, 100)

	got, err = load{clients: 2, duration: 50 * time.Millisecond, rate: 200}.run(t.Context(), all)
	require.NoError(t, err)
	require.EqualValues(t, 10, got.calls, "as many as were due")

	got, err = load{clients: 2, duration: time.Hour}.run(t.Context(), func(_ context.Context, _ int, n int64) error {
		if n >= 5 {
			return errNoMore
		}
		return nil
	})
	require.NoError(t, err)
	require.EqualValues(t, 5, got.calls)

	failed := errors.New("failed")
	_, err = load{clients: 2, duration: time.Hour}.run(t.Context(), func(context.Context, int, int64) error { return failed })
	require.ErrorIs(t, err, failed)
}

func TestPercentile(t *testing.T) {
	t.Parallel()
	require.Zero(t, percentile(nil, 0.5))
	taken := []time.Duration{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}
	require.Equal(t, time.Duration(6), percentile(taken, 0.5))
	require.Equal(t, time.Duration(10), percentile(taken, 0.99))
	require.Equal(t, time.Duration(10), percentile(taken, 1))
}

func TestTurnsAddUp(t *testing.T) {
	t.Parallel()
	got := sample{calls: 2, elapsed: 1, taken: []time.Duration{3, 5}}.and(sample{calls: 1, elapsed: 2, taken: []time.Duration{4}})
	require.Equal(t, sample{calls: 3, elapsed: 3, taken: []time.Duration{3, 4, 5}}, got)
}

func TestClientReadsAnswers(t *testing.T) {
	t.Parallel()
	ours, theirs := net.Pipe()
	c := client{conn: ours, in: bufio.NewReader(ours), address: "host", token: "t"}
	requests := make(chan string, 2)
	go func() {
		defer theirs.Close()
		in := bufio.NewReader(theirs)
		for _, answer := range []string{"HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\n{}", "HTTP/1.1 409 Conflict\r\nETag: x\r\nContent-Length: 5\r\n\r\ninUse"} {
			var request strings.Builder
			for !strings.HasSuffix(request.String(), "body") {
				b, err := in.ReadByte()
				if err != nil {
					return
				}
				request.WriteByte(b)
			}
			requests <- request.String()
			if _, err := theirs.Write([]byte(answer)); err != nil {
				return
			}
		}
	}()
	require.NoError(t, c.post("/fees", "k1", []byte("body")))
	require.Equal(t, "POST /fees HTTP/1.1\r\nHost: host\r\nAuthorization: Bearer t\r\nContent-Type: application/json\r\n"+
		"Idempotency-Key: k1\r\nContent-Length: 4\r\n\r\nbody", <-requests)
	err := c.post("/fees", "k1", []byte("body"))
	require.ErrorIs(t, err, errStatus)
	require.ErrorContains(t, err, "409 inUse")
}

func TestGateHoldsAndLetsGo(t *testing.T) {
	t.Parallel()
	var g gate
	require.NoError(t, g.pass(t.Context()))
	g.set(false)
	passed := make(chan error, 1)
	go func() { passed <- g.pass(context.Background()) }()
	select {
	case <-passed:
		require.Fail(t, "the gate was shut")
	case <-time.After(10 * time.Millisecond):
	}
	g.set(true)
	require.NoError(t, <-passed)
}

// TestSmoke measures something of every part that needs no broker.
func TestSmoke(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "bench.json")
	var stdout, stderr bytes.Buffer
	code := run([]string{"-quick", "-only", `^(copy|commit\.64|scan|verify)$`, "-out", path}, strings.NewReader(""), &stdout, &stderr)
	require.Zero(t, code, stderr.String())
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	var got []measure
	require.NoError(t, json.Unmarshal(text, &got))
	values := map[string]float64{}
	for _, m := range got {
		values[m.Name] = m.Value
		require.Contains(t, stdout.String(), m.Name)
	}
	for _, name := range []string{"copy", "commit.64", "scan", "verify"} {
		require.Positive(t, values[name], name)
	}
	require.NotContains(t, values, "rows.64")
}

func TestWrongUsage(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"-only", "("}, {"more"}, {"-members", "0"}, {"-sizes", "many"}, {"-sizes", "5"}, {"-what"}} {
		var stderr bytes.Buffer
		require.Equal(t, 2, run(args, strings.NewReader(""), new(bytes.Buffer), &stderr))
		require.NotEmpty(t, stderr.String())
	}
}
