package faulttest

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"payledger/eventstore"
)

// patience bounds every wait on a process or a server.
const patience = time.Minute

// attempt is one commit as its caller saw it.
type attempt struct {
	events      int64
	acked       bool
	first, last int64
}

// history is what callers intended and what they were told.
type history struct {
	mu       sync.Mutex
	attempts map[uuid.UUID]*attempt
	refused  []string
	acks     chan struct{} // one for each acknowledgement
}

func newHistory() *history {
	return &history{attempts: make(map[uuid.UUID]*attempt), acks: make(chan struct{}, 1<<20)}
}

func (h *history) intend(id uuid.UUID, events int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.attempts[id] = &attempt{events: events}
}

func (h *history) acknowledge(id uuid.UUID, first, last int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	a := h.attempts[id]
	a.acked, a.first, a.last = true, first, last
	h.acks <- struct{}{}
}

func (h *history) refuse(text string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.refused = append(h.refused, text)
}

// awaitAcks waits for n further acknowledgements.
func (h *history) awaitAcks(t *testing.T, n int) {
	t.Helper()
	limit := time.After(patience)
	for range n {
		select {
		case <-h.acks:
		case <-limit:
			require.FailNow(t, "too few commits were acknowledged in time")
		}
	}
}

// commit commits and writes down what became of it.
func (h *history) commit(ctx context.Context, store *eventstore.Store, commit eventstore.Commit) (eventstore.Result, error) {
	h.intend(commit.ID, int64(len(commit.Streams)))
	result, err := store.Commit(ctx, commit)
	if err != nil {
		h.refuse(err.Error())
		return result, err
	}
	h.acknowledge(commit.ID, result.First, result.Last)
	return result, nil
}

// unacknowledged returns the commits whose callers never heard of them again.
func (h *history) unacknowledged() []uuid.UUID {
	h.mu.Lock()
	defer h.mu.Unlock()
	var ids []uuid.UUID
	for id, a := range h.attempts {
		if !a.acked {
			ids = append(ids, id)
		}
	}
	return ids
}

// child is a process that writes to a log.
type child struct {
	history *history
	cmd     *exec.Cmd
	stdin   io.WriteCloser
	ready   chan struct{}
	read    sync.WaitGroup
	stderr  strings.Builder
	stats   int64 // decisions that it made again; known after its end
}

// startChild starts a process of this test binary and waits until its store is open. What it says goes into h.
func startChild(t *testing.T, h *history, p plan) *child {
	t.Helper()
	text, err := json.Marshal(p)
	require.NoError(t, err)
	self, err := os.Executable()
	require.NoError(t, err)
	c := &child{history: h, cmd: exec.CommandContext(t.Context(), self), ready: make(chan struct{})}
	c.cmd.Env = append(os.Environ(), envChild+"="+string(text))
	c.cmd.Stderr = &c.stderr
	stdout, err := c.cmd.StdoutPipe()
	require.NoError(t, err)
	c.stdin, err = c.cmd.StdinPipe()
	require.NoError(t, err)
	require.NoError(t, c.cmd.Start())
	t.Cleanup(func() { _ = c.cmd.Process.Kill() }) // it may be stopped
	c.read.Go(func() { c.listen(stdout) })
	select {
	case <-c.ready:
	case <-time.After(patience):
		require.FailNow(t, "the child didn't get ready")
	}
	return c
}

func (c *child) listen(stdout io.Reader) {
	for lines := bufio.NewScanner(stdout); lines.Scan(); {
		line := lines.Text()
		word, rest, _ := strings.Cut(line, " ")
		var id uuid.UUID
		var a, b int64
		switch word {
		case "ready":
			close(c.ready)
		case "intent":
			_, _ = fmt.Sscan(rest, &scanUUID{&id}, &a)
			c.history.intend(id, a)
		case "ack":
			_, _ = fmt.Sscan(rest, &scanUUID{&id}, &a, &b)
			c.history.acknowledge(id, a, b)
		case "stats":
			_, _ = fmt.Sscan(rest, &c.stats)
		default:
			c.history.refuse(line)
		}
	}
}

// scanUUID lets fmt read an id.
type scanUUID struct{ id *uuid.UUID }

func (s *scanUUID) Scan(state fmt.ScanState, _ rune) error {
	word, err := state.Token(true, nil)
	if err == nil {
		err = s.id.UnmarshalText(word)
	}
	return err
}

func (c *child) begin(t *testing.T) {
	t.Helper()
	_, err := io.WriteString(c.stdin, "go\n")
	require.NoError(t, err)
}

// end asks the workers to stop, if they haven't by themselves, and waits for a clean end of the process.
func (c *child) end(t *testing.T) {
	t.Helper()
	_ = c.stdin.Close()
	c.read.Wait()
	require.NoError(t, c.cmd.Wait(), c.stderr.String())
}

// awaitKill waits until the process has died of SIGKILL, and of nothing else.
func (c *child) awaitKill(t *testing.T) {
	t.Helper()
	limit := time.AfterFunc(patience, func() { _ = c.cmd.Process.Signal(syscall.SIGTERM) })
	defer limit.Stop()
	c.read.Wait()
	err := c.cmd.Wait()
	require.Error(t, err, "the process went on to its end: the failpoint was not passed")
	status, ok := c.cmd.ProcessState.Sys().(syscall.WaitStatus)
	require.True(t, ok)
	require.True(t, status.Signaled() && status.Signal() == syscall.SIGKILL, "%v: %s", err, c.stderr.String())
}
