// Package e2e starts the built binary as its users do, and knows nothing of its insides: it speaks HTTP, reads what the
// command line prints, and kills processes.
package e2e

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Patience with processes: generous, since machines that run tests are busy.
const (
	startPatience = 90 * time.Second
	patience      = 60 * time.Second
	tick          = 20 * time.Millisecond
)

// binary is the path of the program under test.
var binary string

func TestMain(m *testing.M) { os.Exit(build(m)) }

func build(m *testing.M) int {
	dir, err := os.MkdirTemp("", "payledger-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	binary = filepath.Join(dir, "payledger")
	if out, err := exec.CommandContext(context.Background(), "go", "build", "-o", binary, "payledger/cmd/payledger").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// process is a running command.
type process struct {
	cmd    *exec.Cmd
	lines  chan string // of stdout
	stderr lockedBuffer
	ended  chan struct{}
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// start runs the binary with the environment given and nothing else of ours but PATH, HOME and TMPDIR.
func start(t *testing.T, env []string, args ...string) *process {
	t.Helper()
	p := &process{cmd: exec.CommandContext(context.Background(), binary, args...), lines: make(chan string, 1024), ended: make(chan struct{})}
	p.cmd.Env = append(surroundings(), env...)
	p.cmd.Stderr = &p.stderr
	stdout, err := p.cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, p.cmd.Start())
	go func() {
		defer close(p.ended)
		defer close(p.lines)
		scanner := bufio.NewScanner(stdout)
		scanner.Buffer(nil, 4<<20)
		for scanner.Scan() {
			p.lines <- scanner.Text()
		}
		_ = p.cmd.Wait() // ProcessState tells
	}()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		for range p.lines { // what nobody reads must not keep it from ending
		}
		if t.Failed() {
			t.Logf("stderr of payledger %v:\n%s", args, p.stderr.String())
		}
	})
	return p
}

func surroundings() []string {
	var env []string
	for _, name := range []string{"PATH", "HOME", "TMPDIR"} {
		if value, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+value)
		}
	}
	return env
}

// line returns the next line of stdout.
func (p *process) line(t *testing.T, wait time.Duration) string {
	t.Helper()
	select {
	case line, ok := <-p.lines:
		require.True(t, ok, "the process ended: %s", &p.stderr)
		return line
	case <-time.After(wait):
		require.FailNow(t, "the process says nothing", p.stderr.String())
	}
	return ""
}

// stop ends the process as an operator does, and returns its exit code.
func (p *process) stop(t *testing.T) int {
	t.Helper()
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGTERM))
	return p.wait(t)
}

func (p *process) wait(t *testing.T) int {
	t.Helper()
	deadline := time.After(patience)
	for {
		select {
		case <-p.lines:
			continue
		case <-p.ended:
			return p.cmd.ProcessState.ExitCode()
		case <-deadline:
			require.FailNow(t, "the process doesn't end", p.stderr.String())
		}
	}
}

// command runs the binary to its end and returns what it printed and its exit code.
func command(t *testing.T, env []string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Env = append(surroundings(), env...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	_ = cmd.Run() // ProcessState tells
	require.NotNil(t, cmd.ProcessState)
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// jsonLines decodes one value from each line.
func jsonLines[T any](t *testing.T, text string) []T {
	t.Helper()
	var values []T
	decoder := json.NewDecoder(bytes.NewBufferString(text))
	for decoder.More() {
		var v T
		require.NoError(t, decoder.Decode(&v), text)
		values = append(values, v)
	}
	return values
}
