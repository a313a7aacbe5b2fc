package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"payledger/eventstore"
)

// catchUpSteps read the whole log of the library, bare at first, then into read models and topics.
func catchUpSteps() []step {
	return []step{
		{names: []string{"scan"}, run: measureScan, inProcess: true},
		{names: []string{"scan.decode"}, run: measureDecode, inProcess: true},
		{names: []string{"verify.chain"}, run: func(ctx context.Context, s *suite) error { return s.measureVerify(ctx, "verify.chain", false) }, inProcess: true},
		{names: []string{"verify"}, run: func(ctx context.Context, s *suite) error { return s.measureVerify(ctx, "verify", true) }, inProcess: true},
		{names: []string{"tables.catchup"}, run: func(ctx context.Context, s *suite) error { return s.measureCatchUp(ctx, "tables") }},
		{names: []string{"documents.catchup"}, run: func(ctx context.Context, s *suite) error { return s.measureCatchUp(ctx, "documents") }},
		{names: []string{"publish.rate"}, run: measurePublishing},
	}
}

const sqlScan = `SELECT position, epoch, id, commit_id, tenant, stream, version, type, schema, data, metadata, effective_at, recorded_at, hash
FROM ledger.events ORDER BY position`

// measureScan measures the bare scan: all events in order, taken from the wire and left alone.
func measureScan(ctx context.Context, s *suite) error {
	return s.scanning(ctx, "scan", "", func(l *library) (int64, error) { return bareScan(ctx, l) })
}

func bareScan(ctx context.Context, l *library) (n int64, err error) {
	rows, err := l.pool.Query(ctx, sqlScan, pgx.QueryResultFormats{pgx.BinaryFormatCode})
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	for rows.Next() {
		n++
	}
	return n, rows.Err()
}

// scanPage is how many events are read at a time, as projections do.
const scanPage = 4096

// measureDecode measures the scan with every event decoded, which is where each projection begins.
func measureDecode(ctx context.Context, s *suite) error {
	return s.scanning(ctx, "scan.decode", "scan", func(l *library) (int64, error) { return s.decodeAll(ctx, l) })
}

func (s *suite) decodeAll(ctx context.Context, l *library) (after int64, err error) {
	for {
		events, err := l.reader.ReadAll(ctx, after, scanPage)
		if err != nil {
			return 0, err
		}
		for i := range events {
			if _, err := s.data.catalog.Decode(ctx, nil, &events[i]); err != nil {
				return 0, err
			}
		}
		after += int64(len(events))
		if len(events) < scanPage {
			return after, nil
		}
	}
}

// measureVerify measures the recomputation of the hash chain, alone or with the tables that are compared with it.
func (s *suite) measureVerify(ctx context.Context, name string, tables bool) error {
	return s.scanning(ctx, name, "scan", func(l *library) (int64, error) {
		var options eventstore.VerifyOptions
		if !tables {
			head, err := l.reader.Head(ctx)
			if err != nil {
				return 0, err
			}
			options.To = head.Position
		}
		report, err := eventstore.Verify(ctx, l.reader, options)
		if err == nil && !report.OK {
			err = fmt.Errorf("the log is damaged at %d: %s", report.FirstBadPosition, report.Problem)
		}
		return report.Events, err
	})
}

// scanning measures runs over the whole log of the suite's library.
func (s *suite) scanning(ctx context.Context, name, ratioTo string, scan func(*library) (int64, error)) error {
	l, err := s.useLibrary(ctx)
	if err != nil {
		return err
	}
	_, err = s.scans(name, ratioTo, l, scan)
	return err
}

// scans measures runs over the whole log of a library, as many as there is time for after one that doesn't count.
func (s *suite) scans(name, ratioTo string, l *library, scan func(*library) (int64, error)) (rate float64, err error) {
	if _, err := scan(l); err != nil {
		return 0, err
	}
	var total int64
	began := time.Now()
	for time.Since(began) < s.duration/2 {
		n, err := scan(l)
		if err != nil {
			return 0, err
		}
		total += n
	}
	rate = float64(total) / time.Since(began).Seconds()
	s.report.add(name, rate, perSecond, ratioTo)
	return rate, nil
}

// patience bounds the wait for read models and topics to catch up.
const patience = 3 * time.Minute

// errBehind: a projection halted, or is slower than anybody would wait for.
var errBehind = errors.New("a projection doesn't catch up")

// measureCatchUp measures how fast a projection builds its read model from the whole log, in a process of its own.
func (s *suite) measureCatchUp(ctx context.Context, projection string) (err error) {
	st, err := s.useStack(ctx)
	if err != nil {
		return err
	}
	watched := func() (int64, error) { return s.library.checkpoint(ctx, projection) }
	before, measured := s.postgres.processTime()
	p, err := st.role(ctx, projection, "project", projection)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.stop()) }()
	climb, err := climbTo(ctx, s.library.events, patience, watched)
	if err != nil {
		return err
	}
	s.report.add(projection+".catchup", climb.perSecond(), perSecond, "scan")
	own, _ := p.processTime()
	if after, _ := s.postgres.processTime(); measured {
		s.report.add(projection+".catchup.cpu", perCall(own, climb.to), microsecond, "")
		s.report.add(projection+".catchup.cpu_postgres", perCall(after-before, climb.to), microsecond, "")
	}
	return nil
}

// climb is how long a position took to its goal.
type climb struct {
	to      int64
	elapsed time.Duration
}

func (c climb) perSecond() float64 { return float64(c.to) / c.elapsed.Seconds() }

// climbTo watches a position until it reaches its goal within a time, from when it is first seen not to be negative: what a process needs to
// start doesn't count.
func climbTo(ctx context.Context, goal int64, within time.Duration, watched func() (int64, error)) (climb, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, within, errBehind)
	defer cancel()
	var began time.Time
	for {
		at, err := watched()
		if err != nil {
			return climb{}, err
		}
		if at >= 0 && began.IsZero() {
			began = time.Now()
		}
		if at >= goal {
			return climb{to: at, elapsed: time.Since(began)}, nil
		}
		if err := sleep(ctx, 2*time.Millisecond); err != nil {
			return climb{}, err
		}
	}
}

const sqlCheckpoint = `SELECT coalesce(max(position), -1) FROM ledger.checkpoints WHERE projection = $1`

// checkpoint returns how far a projection has come, -1 before it first ran.
func (l *library) checkpoint(ctx context.Context, projection string) (int64, error) {
	var at int64
	if err := l.pool.QueryRow(ctx, sqlCheckpoint, projection).Scan(&at); err != nil {
		return 0, fmt.Errorf("read the checkpoint of %s: %w", projection, err)
	}
	return at, nil
}
