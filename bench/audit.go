package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"payledger/audit"
	"payledger/domain/fee"
	"payledger/eventstore/catalog"
	"payledger/readmodels"
	"payledger/readmodels/history"
)

// megabytes is the unit of a process's peak of resident memory.
const megabytes = "MB"

// auditSteps measure the questions of auditors on the library, whose log is all that they read.
func auditSteps() []step {
	all := []step{{
		names: []string{"audit.history.p50", "audit.history.p99", "audit.state.p50", "audit.state.p99", "audit.explain.p50", "audit.explain.p99"},
		run:   measureQuestions,
	}}
	for _, kind := range audit.KindNames() {
		all = append(all, exportStep("audit.report."+kind, kind, audit.CSV))
	}
	for _, format := range []audit.Format{audit.JSONLines, audit.XLSX} {
		all = append(all, exportStep("audit.file."+string(format), "activity", format))
	}
	return all
}

// exportStep measures `payledger audit report` into a file: how long it takes, what it may hold in memory at most, and how large the file is.
func exportStep(name, kind string, format audit.Format) step {
	return step{names: []string{name, name + ".rss", name + ".size"}, run: func(ctx context.Context, s *suite) error {
		st, err := s.useStack(ctx)
		if err != nil {
			return err
		}
		file := filepath.Join(s.dir, "report")
		defer os.Remove(file) // it is ours
		began := time.Now()
		p, err := st.role(ctx, "report", "audit", "report", kind, "--format", string(format), "--out", file, "--dry-run")
		if err != nil {
			return err
		}
		ended := make(chan error, 1)
		go func() {
			_, err := io.Copy(io.Discard, p.out)
			ended <- err
		}()
		peak := int64(0)
		for running := true; running; {
			select {
			case err = <-ended:
				running = false
			case <-time.After(peakTick):
				peak = max(peak, residentPeak(p.cmd.Process.Pid))
			}
		}
		elapsed := time.Since(began)
		if err = errors.Join(err, p.stop()); err != nil {
			return err
		}
		info, err := os.Stat(file) //nolint:gosec // in our own folder
		if err != nil {
			return fmt.Errorf("measure %s: %w", name, err)
		}
		s.report.add(name, elapsed.Seconds(), seconds, "")
		if peak > 0 {
			s.report.add(name+".rss", float64(peak)/1e6, megabytes, "")
		}
		s.report.add(name+".size", float64(info.Size())/1e6, megabytes, "")
		return nil
	}}
}

// peakTick is how often the memory of a process is looked at.
const peakTick = 50 * time.Millisecond

// residentPeak returns the most resident memory that a running process has had so far, in bytes; 0 where the system doesn't tell. What
// the system says of it once it has ended includes the process that started it.
func residentPeak(pid int) int64 {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	kilobytes := int64(0)
	_, _ = fmt.Sscan(rest, &kilobytes) // 0 without the line
	return kilobytes * 1024
}

// measureQuestions measures what an auditor asks about one fee or person, one after the other.
func measureQuestions(ctx context.Context, s *suite) error {
	l, err := s.useLibrary(ctx)
	if err != nil {
		return err
	}
	reader := audit.Reader{Log: l.reader, Catalog: catalog.New(), Keys: audit.SealedKeys{}}
	feeID := func(n int64) string { return newID(idFee, n*7919%int64(l.members*feesOfMember)).String() }
	for _, question := range []struct {
		name string
		ask  func(context.Context, int64) error
	}{
		{"audit.history", func(ctx context.Context, n int64) error {
			_, err := reader.History().Fee(ctx, tenant, feeID(n), history.Options{})
			return err
		}},
		{"audit.state", func(ctx context.Context, n int64) error {
			_, err := reader.State(ctx, feeStreams{}, tenant, readmodels.ObjectFee, feeID(n), audit.Moment{})
			return err
		}},
		{"audit.explain", func(ctx context.Context, n int64) error {
			_, err := reader.Explain(ctx, feeStreams{}, tenant, audit.ObjectMember, newID(idMember, n*7919%int64(l.members)).String(), audit.Moment{})
			return err
		}},
	} {
		got, err := load{clients: 1, duration: s.duration}.run(ctx, func(ctx context.Context, _ int, n int64) error { return question.ask(ctx, n) })
		if err != nil {
			return err
		}
		s.report.add(question.name+".p50", got.percentile(0.5), millisecond, "")
		s.report.add(question.name+".p99", got.percentile(0.99), millisecond, "")
	}
	return nil
}

// feeStreams knows the stream of a fee, as the tables do.
type feeStreams struct{}

// StreamOf implements audit.Streams.
func (feeStreams) StreamOf(_ context.Context, _ string, _ readmodels.Object, id string) (string, error) {
	return fee.Stream(id), nil
}
