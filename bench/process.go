package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// stopTimeout is what a process gets to end after it was asked to.
const stopTimeout = 15 * time.Second

// process is a process of its own: a role of Payledger, or the broker.
type process struct {
	name  string
	cmd   *exec.Cmd
	out   *bufio.Reader
	stdin io.Closer
	log   *os.File
}

// start starts a process whose talk goes to a file in dir.
func start(ctx context.Context, dir, name, path string, args, env []string) (*process, error) {
	log, err := os.Create(filepath.Join(dir, name+".log")) //nolint:gosec // in our own folder
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	//nolint:gosec // our own binaries
	cmd := exec.CommandContext(context.WithoutCancel(ctx), path, args...)
	cmd.Env, cmd.Stderr = append(os.Environ(), env...), log
	// A group of its own: Ctrl-C in a terminal must reach us first, who stop it after those that need it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	p := &process{name: name, cmd: cmd, log: log}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	p.stdin, p.out = stdin, bufio.NewReader(stdout)
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	return p, nil
}

// line returns the next line of the process's output, which says that it is ready.
func (p *process) line() ([]byte, error) {
	line, err := p.out.ReadBytes('\n')
	if err != nil {
		return nil, fmt.Errorf("%s ended before it was ready: %w\n%s", p.name, err, p.tail())
	}
	return line, nil
}

// processTime returns the processor time of the process.
func (p *process) processTime() (time.Duration, bool) { return processTime(p.cmd.Process.Pid) }

// stop asks the process to end, and kills it if it doesn't.
func (p *process) stop() error {
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	late := time.AfterFunc(stopTimeout, func() { _ = p.cmd.Process.Kill() })
	defer late.Stop()
	err := errors.Join(p.stdin.Close(), p.cmd.Wait())
	if err != nil {
		err = fmt.Errorf("%s: %w\n%s", p.name, err, p.tail())
	}
	return errors.Join(err, p.log.Close())
}

// tail returns what the process said last.
func (p *process) tail() []byte {
	text, _ := os.ReadFile(p.log.Name()) //nolint:gosec // our own file
	return text[max(0, len(text)-2000):]
}
