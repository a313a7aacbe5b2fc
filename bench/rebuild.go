package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"payledger/eventstore"
	"payledger/projections/bulk"
	tablesprojection "payledger/projections/tables"
	"payledger/readmodels/tables"
)

// rebuildSteps measure rebuilds of `tables` from logs of growing size, each a database of its own: what reading and decoding alone take, the
// rows of fees and their payments alone, those of feeEvents, COPY of the same rows, and `payledger rebuild tables` as a whole.
func (o options) rebuildSteps() []step {
	var all []step
	for _, size := range o.logs {
		r := rebuilding{size: size, base: o.logs[0]}
		var names []string
		for _, what := range []string{
			rebuildScan, rebuildDecode, rebuildFees, rebuildFees + ".scan", rebuildFees + ".copy", rebuildEvents, rebuildEvents + ".copy", rebuildTables,
		} {
			names = append(names, r.name(what))
		}
		all = append(all, step{names: names, run: r.measure, inProcess: true})
	}
	return all
}

// What is measured of a rebuild.
const (
	rebuildScan   = "rebuild.scan"
	rebuildDecode = "rebuild.decode"
	rebuildFees   = "rebuild.fees"
	rebuildEvents = "rebuild.fee_events"
	rebuildTables = "rebuild.tables"
)

// gcPercent is how payledger sets its collector.
const gcPercent = 300

// rebuilding is the measurement of one size of logs, in events.
type rebuilding struct {
	size, base int
	stack      *stack
	library    *library
	pool       *pgxpool.Pool // as the projector
}

// name is how a figure is called; the size stands last.
func (r *rebuilding) name(what string) string { return fmt.Sprintf("%s.%d", what, r.size) }

func (r *rebuilding) add(what string, value float64, unit, ratioTo string) {
	if ratioTo != "" {
		ratioTo = r.name(ratioTo)
	}
	r.stack.suite.report.add(r.name(what), value, unit, ratioTo)
}

// grown reports a figure beside that of the smallest log: with a ratio of 1 it grows as the log does.
func (r *rebuilding) grown(what string, value float64, unit string) {
	ratioTo := ""
	if r.size != r.base {
		ratioTo = fmt.Sprintf("%s.%d", what, r.base)
	}
	r.stack.suite.report.add(r.name(what), value, unit, ratioTo)
}

func (r *rebuilding) wanted(what string) bool { return r.stack.suite.only.MatchString(r.name(what)) }

// eventsOfMember is how many events the history of a member has.
const eventsOfMember = feesOfMember + 1 + paidFees

func (r rebuilding) measure(ctx context.Context, s *suite) (err error) {
	if r.library, err = s.newLibrary(ctx, fmt.Sprintf("rebuild_%d", r.size), (r.size+eventsOfMember-1)/eventsOfMember); err != nil {
		return err
	}
	defer debug.SetGCPercent(debug.SetGCPercent(gcPercent))
	r.stack = &stack{suite: s, library: r.library}
	defer func() {
		err = errors.Join(err, r.stack.close())
		r.library.close()
		if err == nil {
			err = s.postgres.drop(ctx, r.library.database)
		}
	}()
	if r.pool, err = pgxpool.New(ctx, s.postgres.url(r.library.database, roleProjector)); err != nil {
		return fmt.Errorf("connect as the projector: %w", err)
	}
	defer r.pool.Close()
	if err := errors.Join(r.stack.build(ctx), r.stack.configure(ctx)); err != nil {
		return err
	}
	if r.stack.projector, err = r.stack.role(ctx, "project", "project", "tables"); err != nil {
		return err
	}
	within := patience * time.Duration(1+r.library.events/buildStep)
	if _, err := climbTo(ctx, r.library.events, within, func() (int64, error) { return r.library.checkpoint(ctx, "tables") }); err != nil {
		return err
	}
	for _, part := range []struct {
		what string
		run  func(context.Context) error
	}{
		{rebuildScan, r.scan}, {rebuildDecode, r.decode}, {rebuildFees, r.fees}, {rebuildEvents, r.events}, {rebuildTables, r.whole},
	} {
		if !r.wanted(part.what) {
			continue
		}
		if err := part.run(ctx); err != nil {
			return fmt.Errorf("%s: %w", r.name(part.what), err)
		}
	}
	return nil
}

func (r *rebuilding) scan(ctx context.Context) error {
	_, err := r.scans(rebuildScan, "", func(l *library) (int64, error) { return bareScan(ctx, l) })
	return err
}

func (r *rebuilding) decode(ctx context.Context) error {
	_, err := r.scans(rebuildDecode, rebuildScan, func(l *library) (int64, error) { return r.stack.suite.decodeAll(ctx, l) })
	return err
}

// scans measures runs over the whole log, of which the first isn't counted.
func (r *rebuilding) scans(what, ratioTo string, scan func(*library) (int64, error)) (rate float64, err error) {
	if ratioTo != "" {
		ratioTo = r.name(ratioTo)
	}
	events := int64(0)
	err = r.spending(what, &events, func() (err error) {
		rate, err = r.stack.suite.scans(r.name(what), ratioTo, r.library, func(l *library) (int64, error) {
			n, err := scan(l)
			events += n
			return n, err
		})
		return err
	})
	return rate, err
}

// spending reports what of all processors a part takes for an event, in the bench and in Postgres: beside other programs that says more than
// its rate.
func (r *rebuilding) spending(what string, events *int64, part func() error) error {
	s := r.stack.suite
	postgres, measured := s.postgres.processTime()
	own, _ := ownTime()
	if err := part(); err != nil || !measured {
		return err
	}
	after, _ := s.postgres.processTime()
	ownAfter, _ := ownTime()
	ratioTo := ""
	if what != rebuildScan {
		ratioTo = rebuildScan + ".cpu"
	}
	r.add(what+".cpu", perCall(after-postgres+ownAfter-own, *events), microsecond, ratioTo)
	return nil
}

// fees measures the rows of fees and their payments alone: reading, decoding, folding and copying, without indexes.
func (r *rebuilding) fees(ctx context.Context) error {
	own := []string{"fees", "fee_payments"}
	rate, err := r.scans(rebuildFees, rebuildDecode, func(l *library) (int64, error) {
		_, err := r.replay(ctx, nil, own...)
		return l.events, err
	})
	if err != nil {
		return err
	}
	r.add(rebuildFees+".scan", rate, perSecond, rebuildScan) // the same rate beside the bare scan
	took, err := r.copy(ctx, rebuildFees+".copy", own...)
	if err == nil {
		r.add(rebuildFees+".copy", float64(r.library.events)/took.Seconds(), perSecond, rebuildScan)
	}
	return err
}

// events measures what the rows of feeEvents take more, and COPY of those.
func (r *rebuilding) events(ctx context.Context) error {
	without, err := r.replay(ctx, nil, "fees", "fee_payments")
	if err != nil {
		return err
	}
	with, err := r.replay(ctx, nil)
	if err != nil {
		return err
	}
	r.add(rebuildEvents, (with - without).Seconds(), seconds, rebuildEvents+".copy")
	if with, err = r.copy(ctx, rebuildEvents+".copy", "fee_events"); err == nil {
		r.add(rebuildEvents+".copy", with.Seconds(), seconds, "")
	}
	return err
}

// replay builds the rows of some tables, of all without names, as a rebuild does, and stops before the indexes. What is to be copied is also
// put into kept, unless that is nil: then it isn't copied.
func (r *rebuilding) replay(ctx context.Context, kept *[]write, only ...string) (took time.Duration, err error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	model := bulk.Model{
		Fold:  func(bulk.Share) bulk.Fold { return tables.NewBulk(only...) },
		Join:  func(to, from bulk.Fold) { to.(*tables.Bulk).Join(from.(*tables.Bulk)) }, //nolint:forcetypeassert // Fold made both
		Lanes: tables.Lanes, StreamSize: 1, Brief: 1,
	}
	if kept != nil {
		model.Fold, model.Join = func(bulk.Share) bulk.Fold { return keeping{tables.NewBulk(only...), kept} }, nil
	}
	began := time.Now()
	_, err = bulk.Build(ctx, bulk.Config{
		Pool: r.pool, Reader: eventstore.NewReader(r.pool), Catalog: r.stack.suite.data.catalog, Keys: eventstore.OpenVault(r.pool, [32]byte{}),
		Projector: tablesprojection.New(), Code: strconv.FormatInt(began.UnixNano(), 10), // another one each time: nothing is gone on with
		Model: model,
		Failpoint: func(point string) {
			if point == "replayed" {
				took = time.Since(began)
				stop()
			}
		},
	})
	if took == 0 || !errors.Is(err, context.Canceled) {
		return 0, fmt.Errorf("replay: %w", errors.Join(err, errRebuild))
	}
	return took, nil
}

// write copies rows.
type write = func(context.Context, pgx.Tx) error

// keeping is a fold whose rows are kept instead of copied.
type keeping struct {
	bulk.Fold
	kept *[]write
}

// Next implements bulk.Fold.
func (k keeping) Next(end bool) []write {
	lanes := k.Fold.Next(end)
	for n := range lanes {
		*k.kept = append(*k.kept, lanes[n])
		lanes[n] = func(context.Context, pgx.Tx) error { return nil }
	}
	return lanes
}

const (
	copiedSchema  = "copied"
	sqlCopyingFor = `SET LOCAL synchronous_commit = off` // as a rebuild does
)

// copy measures COPY of the rows of some tables alone: they are ready in memory, in the parts in which a rebuild copies them.
func (r *rebuilding) copy(ctx context.Context, what string, only ...string) (took time.Duration, err error) {
	var parts []write
	if _, err := r.replay(ctx, &parts, only...); err != nil {
		return 0, err
	}
	live := bulk.SchemaOf(tablesprojection.New())
	var sql strings.Builder
	sql.WriteString("CREATE SCHEMA " + copiedSchema)
	for _, table := range only {
		fmt.Fprintf(&sql, "; CREATE TABLE %[1]s.%[2]s (LIKE %[3]s.%[2]s) WITH (fillfactor = 80)", copiedSchema, table, live)
	}
	if _, err := r.library.pool.Exec(ctx, sql.String()); err != nil {
		return 0, fmt.Errorf("copy: %w", err)
	}
	err = r.spending(what, &r.library.events, func() error {
		began := time.Now()
		for _, rows := range parts {
			err := pgx.BeginFunc(ctx, r.library.pool, func(tx pgx.Tx) error {
				if _, err := tx.Exec(ctx, sqlCopyingFor); err != nil {
					return err
				}
				return rows(ctx, bulk.InSchema(tx, live, copiedSchema))
			})
			if err != nil {
				return err
			}
		}
		took = time.Since(began)
		return nil
	})
	if err != nil {
		return 0, err
	}
	_, err = r.library.pool.Exec(ctx, "DROP SCHEMA "+copiedSchema+" CASCADE")
	return took, err
}

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

// whole measures `payledger rebuild tables` beside its running projector, whole and by stages: all rows, all indexes, the comparison, the swap
// and the certificate, and what its process holds in memory at most.
func (r *rebuilding) whole(ctx context.Context) (err error) {
	began := time.Now()
	postgres, measured := r.stack.suite.postgres.processTime()
	p, err := r.stack.role(ctx, "rebuild", "rebuild", "tables", "--json")
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
				r.add(rebuildTables+"."+stage, time.Since(since).Seconds(), seconds, "")
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
			r.add(rebuildTables+".peak", float64(peak)/1e6, megabytes, "")
		}
		if own, ok := p.processTime(); ok && measured {
			after, _ := r.stack.suite.postgres.processTime()
			r.grown(rebuildTables+".cpu", perCall(after-postgres+own, line.Events), microsecond)
		}
		r.grown(rebuildTables, float64(line.Events)/time.Since(began).Seconds(), perSecond)
		return nil
	}
}
