package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/pprof"
	"slices"
	"strings"
	"time"
)

// suite is a run: the servers that it has started so far and what it has measured.
type suite struct {
	options
	report report
	log    io.Writer
	dir    string // for keys, logs and the binary; removed at the end
	data   data

	postgres  *postgres
	storeMade bool     // whether storeDatabase exists
	library   *library // started by the first step that needs it
	stack     *stack   // likewise
}

// step measures the figures of these names.
type step struct {
	names []string
	run   func(context.Context, *suite) error
	// inProcess steps can be profiled.
	inProcess bool
}

// steps returns all steps in their order.
func (o options) steps() []step {
	all := []step{
		{names: []string{"rows.64"}, run: measureRows},
		{names: []string{"copy"}, run: measureCopy},
	}
	all = append(all, commitSteps()...)
	all = append(all, catchUpSteps()...)
	all = append(all, auditSteps()...)
	all = append(all, httpSteps()...)
	all = append(all, searchSteps()...)
	all = append(all, o.rebuildSteps()...)
	return append(all, o.growthStep())
}

// settleTime is the pause before each step, in which the servers finish what the step before left to do.
const settleTime = 300 * time.Millisecond

func newSuite(ctx context.Context, o options, log io.Writer) (*suite, error) {
	s := &suite{options: o, log: log, report: report{log: log}}
	var err error
	if s.data, err = newData(); err != nil {
		return nil, err
	}
	if s.dir, err = os.MkdirTemp("", "payledger-bench-"); err != nil {
		return nil, fmt.Errorf("make a folder for the run: %w", err)
	}
	if s.postgres, err = startPostgres(ctx); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

// run runs the steps that measure anything that was asked for.
func (s *suite) run(ctx context.Context) error {
	for _, step := range s.steps() {
		if !slices.ContainsFunc(step.names, s.only.MatchString) {
			continue
		}
		fmt.Fprintln(s.log, strings.Join(step.names, ", "))
		if err := sleep(ctx, settleTime); err != nil {
			return err
		}
		began, before := time.Now(), s.othersTime()
		if err := s.runStep(ctx, step); err != nil {
			return fmt.Errorf("%s: %w", step.names[0], err)
		}
		if after := s.othersTime(); after > 0 {
			s.report.add(step.names[0]+".others", (after-before).Seconds()/time.Since(began).Seconds(), cores, "")
		}
	}
	return nil
}

// othersTime returns the processor time that everybody else on the machine has used, 0 if that is not known: where it grows fast
// during a step, the step's rate says little.
func (s *suite) othersTime() time.Duration {
	others, known := machineTime()
	parts := []func() (time.Duration, bool){ownTime, s.postgres.processTime}
	if s.stack != nil {
		for _, p := range []*process{s.stack.broker, s.stack.api, s.stack.projector} {
			if p != nil {
				parts = append(parts, p.processTime)
			}
		}
	}
	for _, part := range parts {
		own, ok := part()
		others, known = others-own, known && ok
	}
	if !known {
		return 0
	}
	return others
}

func (s *suite) runStep(ctx context.Context, step step) error {
	if s.profiles == "" || !step.inProcess {
		return step.run(ctx, s)
	}
	if err := os.MkdirAll(s.profiles, 0o750); err != nil { //nolint:gosec // where the caller wants them
		return fmt.Errorf("profile: %w", err)
	}
	file, err := os.Create(filepath.Join(s.profiles, step.names[0]+".pprof")) //nolint:gosec // where the caller wants them
	if err != nil {
		return fmt.Errorf("profile: %w", err)
	}
	if err := pprof.StartCPUProfile(file); err != nil {
		return fmt.Errorf("profile: %w", err)
	}
	err = step.run(ctx, s)
	pprof.StopCPUProfile()
	return errors.Join(err, file.Close())
}

// close stops all servers, in the order in which they need each other.
func (s *suite) close() error {
	var errs []error
	if s.stack != nil {
		errs = append(errs, s.stack.close())
	}
	if s.library != nil {
		s.library.close()
	}
	if s.postgres != nil {
		errs = append(errs, s.postgres.close())
	}
	return errors.Join(append(errs, os.RemoveAll(s.dir))...) //nolint:gosec // our own folder
}
