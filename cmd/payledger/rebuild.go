package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"payledger/cmd/payledger/internal/config"
	"payledger/domain/evidence"
	"payledger/projections"
	"payledger/projections/bulk"
	"payledger/projections/rebuild"
	mirror "payledger/projections/search"
	"payledger/readmodels/compare"
	"payledger/readmodels/search"
)

func (a *app) rebuildCommand() *cobra.Command {
	var o rebuild.Config
	var flags rebuildFlags
	names := rebuildable()
	cmd := &cobra.Command{
		Use:   "rebuild " + strings.Join(names, "|"),
		Short: "Build a projection anew beside the live one, compare, swap",
		Long: "Builds a read model anew from the log, beside the live one, compares the two row by row at the same position and swaps them. Callers and projectors\n" +
			"go on meanwhile. Stopped or killed at any place the live one is whole, and the next run goes on. Exit code 5 means that the two differ: nothing is swapped then.\n" +
			"A rebuild that has swapped is certified by an event of the log, projection.rebuilt.",
		Example: "  PROJECTOR_DATABASE_URL=postgres://… APP_DATABASE_URL=postgres://… VAULT_KEY=… payledger rebuild tables\n  payledger rebuild tables --rollback",
		Args:    exactly(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !slices.Contains(names, args[0]) {
				return usageError(fmt.Errorf("%q can't be rebuilt: choose from %s", args[0], strings.Join(names, ", ")))
			}
			cfg, err := a.config(config.NeedProjector, config.NeedApp)
			if err != nil {
				return err
			}
			return a.rebuild(cmd.Context(), cfg, args[0], o, flags)
		},
	}
	cmd.Flags().BoolVar(&o.NoSwap, "no-swap", false, "build and compare only; the next run goes on with what was built")
	cmd.Flags().BoolVar(&o.VerifyOnly, "verify-only", false, "build and compare only, and drop what was built")
	cmd.Flags().BoolVar(&o.AcceptChanges, "accept-changes", false, "swap although the two differ")
	cmd.Flags().BoolVar(&flags.rollBack, "rollback", false, "swap back to what was live before the last rebuild")
	cmd.Flags().BoolVar(&flags.dropOld, "drop-old", false, "only drop what was live before the last rebuild")
	cmd.Flags().StringVar(&flags.tenant, "tenant", "", "in whose log the certificate stands; needed only where the log has several tenants")
	cmd.MarkFlagsMutuallyExclusive("no-swap", "verify-only", "rollback", "drop-old")
	cmd.MarkFlagsMutuallyExclusive("accept-changes", "verify-only", "rollback", "drop-old")
	return cmd
}

// rebuildFlags are the flags of `rebuild` that rebuild.Config doesn't have.
type rebuildFlags struct {
	rollBack, dropOld bool
	tenant            string
}

// rebuildable names the projections that can be rebuilt.
func rebuildable() []string {
	var names []string
	for _, p := range projections.All() {
		names = append(names, p.Projection.Name)
	}
	return append(names, search.Mirror().Name)
}

// rebuilt is the last line of a rebuild.
type rebuilt struct {
	Projection string      `json:"projection"`
	Position   int64       `json:"position"`
	Events     int64       `json:"events"`
	Seconds    json.Number `json:"seconds"`
	Digest     string      `json:"digest"`     // empty for a rollback, which compares nothing, and where nobody could take it
	LiveDigest string      `json:"liveDigest"` // likewise
	Equal      bool        `json:"equal"`
	Swapped    bool        `json:"swapped"`
	// RebuildID and CertifiedAt, a position, are of the certificate: empty and 0 for a rollback and for what wasn't swapped.
	RebuildID   string `json:"rebuildId"`
	CertifiedAt int64  `json:"certifiedAt"`
}

func (a *app) rebuild(ctx context.Context, cfg config.Config, name string, o rebuild.Config, flags rebuildFlags) error {
	l, err := openLedger(ctx, cfg, projectorRole(cfg), a.logger(ctx, cfg), newRegistry(), a.now)
	if err != nil {
		return err
	}
	defer l.close()
	if l.pool.Config().MaxConns < rebuild.MinConns {
		return usageError(fmt.Errorf("a rebuild needs %d connections: pool_max_conns is too small", rebuild.MinConns))
	}
	choose := l.storingTenant
	if o.NoSwap || o.VerifyOnly || flags.rollBack || flags.dropOld { // no certificate
		choose = l.onlyTenant
	}
	tenant, err := choose(ctx, flags.tenant)
	if err != nil {
		return err
	}
	keeper, done, err := l.keeping(ctx)
	if err != nil {
		return err
	}
	defer done()
	o.Certify = func(ctx context.Context, c evidence.Rebuilt) (int64, error) {
		by := l.operator(tenant)
		by.Meta.Actor.ID = "system:rebuild"
		return keeper.Rebuilt(ctx, by, c)
	}
	o.Pool, o.Reader, o.Catalog, o.Keys, o.Code, o.Now, o.Failpoint = l.pool, l.reader, l.catalog, l.vault, codeVersion(), a.now, failpoint()
	bar := a.newBar()
	o.Progress, o.Differs = bar.show, a.printDifference
	operation, err := l.rebuilding(name, o)
	if err != nil {
		return err
	}
	if flags.dropOld {
		return rebuildError(operation.dropOld(ctx))
	}
	run := operation.run
	if flags.rollBack {
		run = operation.rollBack
	}
	result, err := run(ctx)
	bar.end()
	if err != nil && !errors.Is(err, rebuild.ErrDiffers) {
		return rebuildError(err)
	}
	answer := rebuilt{
		Projection: name, Position: result.Position, Events: result.Events, Seconds: json.Number(fmt.Sprintf("%.3f", result.Elapsed.Seconds())),
		Digest: result.Digest, LiveDigest: result.LiveDigest, Equal: result.Equal, Swapped: result.Swapped,
		RebuildID: result.RebuildID, CertifiedAt: result.CertifiedAt,
	}
	return errors.Join(a.printRebuilt(answer), rebuildError(err))
}

// operation is what can be done to one projection.
type operation struct {
	run, rollBack func(context.Context) (rebuild.Result, error)
	dropOld       func(context.Context) error
}

// rebuilding returns how a projection is rebuilt.
func (l *ledger) rebuilding(name string, o rebuild.Config) (operation, error) {
	if name != search.Mirror().Name {
		all := projections.All()
		o.Projection = all[slices.IndexFunc(all, func(p projections.Postgres) bool { return p.Projection.Name == name })]
		return operation{
			run:      func(ctx context.Context) (rebuild.Result, error) { return rebuild.Run(ctx, o) },
			rollBack: func(ctx context.Context) (rebuild.Result, error) { return rebuild.RollBack(ctx, o) },
			dropOld:  func(ctx context.Context) error { return rebuild.DropOld(ctx, o) },
		}, nil
	}
	index, err := l.searchIndex()
	if err != nil {
		return operation{}, err
	}
	if index == nil {
		return operation{}, usageError(errors.New("ELASTICSEARCH_URL is required"))
	}
	c := mirror.RebuildConfig{Config: o, Live: index, New: index.New(), Old: index.Old(), Swap: index.Swap}
	return operation{
		run:      func(ctx context.Context) (rebuild.Result, error) { return mirror.Rebuild(ctx, c) },
		rollBack: func(ctx context.Context) (rebuild.Result, error) { return mirror.RollBack(ctx, c) },
		dropOld:  func(ctx context.Context) error { return mirror.DropOld(ctx, c) },
	}, nil
}

// rebuildError gives an error of a rebuild its exit code.
func rebuildError(err error) error {
	switch {
	case errors.Is(err, rebuild.ErrDiffers):
		return &exitError{code: exitDamaged, err: fmt.Errorf("%w: look at the rows named above; --accept-changes swaps all the same", err)}
	case errors.Is(err, rebuild.ErrNotBuilt), errors.Is(err, rebuild.ErrNothingToRollBack), errors.Is(err, rebuild.ErrBusy), errors.Is(err, bulk.ErrRunning),
		errors.Is(err, rebuild.ErrErasing):
		return &exitError{code: exitRefused, err: err}
	}
	return err
}

func (a *app) printRebuilt(r rebuilt) error {
	if a.json {
		return a.printJSON(r)
	}
	word := "not swapped"
	if r.Swapped {
		word = "swapped"
	}
	if _, err := fmt.Fprintf(a.stdout, "%s at position %d: %s, %d events in %s s\n", r.Projection, r.Position, word, r.Events, r.Seconds); err != nil {
		return err
	}
	if r.Digest == "" && r.CertifiedAt == 0 {
		return nil
	}
	word = "DIFFERS from"
	if r.Equal {
		word = "equals"
	}
	_, err := fmt.Fprintf(a.stdout, "the rebuilt one %s the live one: digests %s, %s\n", word, cmp.Or(r.Digest, "none"), cmp.Or(r.LiveDigest, "none"))
	if err == nil && r.CertifiedAt > 0 {
		_, err = fmt.Fprintf(a.stdout, "certified at position %d, rebuild %s\n", r.CertifiedAt, r.RebuildID)
	}
	return err
}

// printDifference tells of a row that isn't the same in both, without texts of persons.
func (a *app) printDifference(d rebuild.Difference) {
	fmt.Fprintf(a.stderr, "differs: %s %s: ", d.Table, visible(strings.Join(d.Key, "/")))
	switch {
	case d.Live == nil:
		fmt.Fprint(a.stderr, "missing in the live one")
	case d.Rebuilt == nil:
		fmt.Fprint(a.stderr, "only in the live one")
	default:
		for i, column := range slices.Sorted(maps.Keys(d.Live)) {
			if i > 0 {
				fmt.Fprint(a.stderr, ", ")
			}
			fmt.Fprintf(a.stderr, "%s %s, rebuilt %s", column, visible(compare.Show(column, d.Live[column])), visible(compare.Show(column, d.Rebuilt[column])))
		}
	}
	if !d.Explained {
		fmt.Fprintln(a.stderr)
		return
	}
	if d.Position == 0 {
		fmt.Fprintln(a.stderr, "; no event makes it so")
		return
	}
	fmt.Fprintf(a.stderr, "; they part at position %d (%s, event %s)\n", d.Position, d.Type, d.EventID)
}

// bar shows how far a command has come: as a bar on a terminal, as JSON lines with --json, otherwise not at all.
type bar struct {
	a        *app
	terminal bool
	every    time.Duration
	stage    string
	position int64     // told in JSON unless 0: where to go on
	began    time.Time // the stage
	shown    time.Time
}

func (a *app) newBar() *bar {
	b := &bar{a: a, every: time.Second}
	if file, ok := a.stderr.(*os.File); ok && !a.json {
		info, err := file.Stat()
		b.terminal = err == nil && info.Mode()&os.ModeCharDevice != 0
		b.every = time.Second / 10
	}
	return b
}

// progressed is a line of progress. Rate is in units of total per second, Eta in seconds until the stage ends.
type progressed struct {
	Stage string `json:"stage"`
	Done  int64  `json:"done"`
	Total int64  `json:"total"`
	Rate  int64  `json:"rate"`
	Eta   int64  `json:"eta"`

	Position int64 `json:"position,omitempty"` // of a replay: up to here all is acknowledged
}

func (b *bar) show(p bulk.Progress) {
	if !b.a.json && !b.terminal {
		return
	}
	now := b.a.now()
	if p.Stage != b.stage {
		b.end()
		b.stage, b.began, b.shown = p.Stage, now, time.Time{}
	}
	if now.Sub(b.shown) < b.every && p.Done < p.Total {
		return
	}
	b.shown = now
	line := progressed{Stage: p.Stage, Done: p.Done, Total: p.Total, Position: b.position}
	if ms := now.Sub(b.began).Milliseconds(); ms > 0 {
		line.Rate = p.Done * 1000 / ms
	}
	if line.Rate > 0 {
		line.Eta = (p.Total - p.Done) / line.Rate
	}
	if b.a.json {
		_ = b.a.printJSON(line) // the last line tells when nobody reads any more
		return
	}
	const width = 30
	filled := int(width * p.Done / max(1, p.Total))
	fmt.Fprintf(b.a.stderr, "\r%-8s [%s%s] %d/%d  %d/s  %s left \x1b[K", p.Stage, strings.Repeat("#", filled), strings.Repeat(".", width-filled), p.Done, p.Total, line.Rate,
		time.Duration(line.Eta)*time.Second)
}

// end leaves the line of a bar.
func (b *bar) end() {
	if b.terminal && b.stage != "" {
		fmt.Fprintln(b.a.stderr)
	}
}
