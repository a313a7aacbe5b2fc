package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// rebuildLine is a line of `payledger rebuild --json`: of progress, or the last one.
type rebuildLine struct {
	Stage      string `json:"stage"`
	Done       int64  `json:"done"`
	Projection string `json:"projection"`
	Events     int64  `json:"events"`
	Equal      bool   `json:"equal"`
	Swapped    bool   `json:"swapped"`
}

// errRebuild: a rebuild didn't end as it should.
var errRebuild = errors.New("the rebuilt read model wasn't swapped in")

// measureRebuild measures `payledger rebuild tables` beside its running projector, whole and by stages: rows of fees, of their payments and of
// their events, all indexes, the comparison and the swap.
func measureRebuild(ctx context.Context, s *suite) (err error) {
	const projection = "tables"
	st, err := s.useStack(ctx)
	if err != nil {
		return err
	}
	live, err := st.role(ctx, projection, "project", projection)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, live.stop()) }()
	if _, err := climbTo(ctx, s.library.events, patience, func() (int64, error) { return s.library.checkpoint(ctx, projection) }); err != nil {
		return err
	}
	began := time.Now()
	p, err := st.role(ctx, "rebuild", "rebuild", projection, "--json")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.stop()) }()
	stage, since, peak := "", began, int64(0)
	for {
		text, err := p.line()
		if err != nil {
			return err
		}
		peak = max(peak, residentPeak(p.cmd.Process.Pid))
		var line rebuildLine
		if err := json.Unmarshal(text, &line); err != nil {
			return fmt.Errorf("rebuild said %q: %w", text, err)
		}
		if line.Stage != stage {
			if stage != "" {
				s.report.add("rebuild.tables."+stage, time.Since(since).Seconds(), seconds, "")
			}
			stage, since = line.Stage, time.Now()
		}
		if line.Projection == "" {
			continue
		}
		if !line.Equal || !line.Swapped {
			return fmt.Errorf("%w: %s", errRebuild, text)
		}
		if peak > 0 {
			s.report.add("rebuild.tables.peak", float64(peak)/1e6, megabytes, "")
		}
		s.report.add("rebuild.tables", float64(line.Events)/time.Since(began).Seconds(), perSecond, "scan.decode")
		return nil
	}
}
