package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"payledger/audit"
	"payledger/domain/evidence"
)

// reportFlags are what a report is made of, and where it goes.
type reportFlags struct {
	boundFlags
	by, eventType, tender, profile string
	format, out                    string
	dryRun                         bool
}

func (a *app) reportCommand() *cobra.Command {
	var flags reportFlags
	cmd := &cobra.Command{
		Use:   "report " + strings.Join(audit.KindNames(), "|"),
		Short: "Make a report, and store what it came to",
		Long: "Makes a report of the log, and stores its parameters, totals and digest in the log, so that `payledger audit reproduce` can make it again.\n" +
			"activity, staff, waivers, payments and rollforward are about the period --from to --as-of; aging, credits and accounts (the trial\n" +
			"balance) about the moment --as-of.",
		Example: "  payledger audit report aging --as-of 2026-10-31\n" +
			"  payledger audit report activity --from 2026-10-01 --as-of 2026-10-31 --format xlsx --out october.xlsx",
		Args: exactly(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := a.parse(cmd, flags.boundFlags)
			if err != nil {
				return err
			}
			return a.report(cmd.Context(), args[0], flags, p)
		},
	}
	flags.add(cmd, "whose report; needed only where the log has several tenants")
	flags.addFrom(cmd)
	cmd.Flags().StringVar(&flags.by, "by", "", "only what this person did (activity, staff, waivers)")
	cmd.Flags().StringVar(&flags.eventType, "type", "", "only events of this type, such as fee.waived (activity, staff)")
	cmd.Flags().StringVar(&flags.tender, "tender", "", "only cash, pos, check or other (payments)")
	cmd.Flags().StringVar(&flags.profile, "profile", "", "accrual or cash; default what the tenant chose by then (accounts)")
	cmd.Flags().StringVar(&flags.format, "format", "text", "text, "+strings.Join(audit.Formats(), ", ")+"; --json means jsonl")
	cmd.Flags().StringVar(&flags.out, "out", "", "file to write to; default standard output")
	cmd.Flags().BoolVar(&flags.dryRun, "dry-run", false, "store nothing: the report has no id then")
	return cmd
}

// filters are those that were given.
func (f reportFlags) filters() []evidence.Parameter {
	var list []evidence.Parameter
	for _, given := range []evidence.Parameter{
		{Name: "by", Value: actorID(f.by)}, {Name: "profile", Value: f.profile}, {Name: "tender", Value: f.tender}, {Name: "type", Value: f.eventType},
	} {
		if given.Value != "" {
			list = append(list, given)
		}
	}
	return list
}

func (a *app) report(ctx context.Context, name string, flags reportFlags, given parsed) error {
	kind, err := audit.KindOf(name)
	if err != nil {
		return usageError(err)
	}
	if a.json {
		flags.format = string(audit.JSONLines)
	}
	cfg, err := a.config()
	if err != nil {
		return err
	}
	l, err := a.openAudit(ctx, cfg)
	if err != nil {
		return err
	}
	defer l.close()
	choose := l.storingTenant
	if flags.dryRun {
		choose = l.onlyTenant
	}
	tenant, err := choose(ctx, flags.tenant)
	if err != nil {
		return err
	}
	bounds, err := l.bounds(ctx, given)
	if err != nil {
		return err
	}
	params := audit.Params{Tenant: tenant, Kind: name, Bounds: bounds, Filters: flags.filters()}
	to, finish, err := a.output(flags.out)
	if err != nil {
		return err
	}
	report, err := l.export(ctx, kind, params, flags, to)
	if err := finish(err); err != nil {
		if errors.Is(err, audit.ErrBadFilter) {
			return usageError(err)
		}
		return err
	}
	if flags.out == "" && (flags.format == "text" || a.json) {
		return nil // it was part of the output
	}
	about := a.stdout
	if flags.out == "" {
		about = a.stderr
	}
	if a.json {
		_, err := fmt.Fprintf(about, "%s\n", report.AppendJSON(nil))
		return err
	}
	return printLines(about, report.Lines())
}

// output opens where a report goes. A file takes its name, and the place of an older one, only once it is whole.
func (a *app) output(name string) (io.Writer, func(error) error, error) {
	if name == "" {
		return a.stdout, func(err error) error { return err }, nil
	}
	file, err := os.CreateTemp(filepath.Dir(name), ".payledger-report-")
	if err != nil {
		return nil, nil, usageError(fmt.Errorf("--out: %w", err))
	}
	return file, func(err error) error {
		if err = errors.Join(err, file.Close()); err == nil {
			err = os.Rename(file.Name(), name)
		}
		if err != nil {
			_ = os.Remove(file.Name()) // the error is told
		}
		return err
	}, nil
}

// export makes a report, writes it and, unless it is a dry run, stores what it came to.
func (l *ledger) export(ctx context.Context, kind audit.Kind, p audit.Params, flags reportFlags, to io.Writer) (audit.Report, error) {
	var out audit.Exporter = newTextTable(kind, to)
	if flags.format != "text" {
		var err error
		if out, err = audit.NewExporter(audit.Format(flags.format), kind, to); err != nil {
			return audit.Report{}, err
		}
	}
	report, err := l.audit().Make(ctx, p, out.Row)
	if err != nil {
		return report, err
	}
	if !flags.dryRun {
		keeper, done, err := l.keeping(ctx)
		if err != nil {
			return report, err
		}
		defer done()
		if report.ID, _, err = keeper.Report(ctx, l.operator(p.Tenant), report); err != nil {
			return report, err
		}
	}
	return report, out.Close(report)
}

// textTable prints a report for people.
type textTable struct {
	columns []audit.Column
	to      io.Writer
	table   *tabwriter.Writer
	rows    int
}

// aligned is how many rows are aligned together: those before are printed by then.
const aligned = 500

func newTextTable(kind audit.Kind, to io.Writer) *textTable {
	t := &textTable{columns: kind.Columns, to: to, table: tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)}
	heads := make([]string, len(t.columns))
	for i, c := range t.columns {
		heads[i] = strings.ToUpper(c.Name)
	}
	fmt.Fprintln(t.table, strings.Join(heads, "\t"))
	return t
}

// Row prints a row.
func (t *textTable) Row(row audit.Row) error {
	cells := make([]string, len(row))
	for i, c := range t.columns {
		switch v := row[i]; c.Kind {
		case audit.Text, audit.Note:
			cells[i] = visible(v.Text)
		case audit.Instant:
			if !v.At.IsZero() {
				cells[i] = v.At.UTC().Format(time.RFC3339)
			}
		case audit.Number:
			cells[i] = strconv.FormatInt(v.Number, 10)
		case audit.Money:
			if !v.None() {
				cells[i] = v.Amount.Decimal()
			}
		}
	}
	fmt.Fprintln(t.table, strings.Join(cells, "\t"))
	if t.rows++; t.rows%aligned == 0 {
		return t.table.Flush()
	}
	return nil
}

// Close prints what the report is made of and what it came to.
func (t *textTable) Close(report audit.Report) error {
	if err := t.table.Flush(); err != nil {
		return err
	}
	if _, err := fmt.Fprintln(t.to); err != nil {
		return err
	}
	return printLines(t.to, report.Lines())
}

// printLines prints pairs of a name and a value.
func printLines(to io.Writer, lines [][2]string) error {
	table := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	for _, line := range lines {
		fmt.Fprintf(table, "%s\t%s\n", line[0], visible(line[1]))
	}
	return table.Flush()
}
