package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"payledger/audit"
	"payledger/cmd/payledger/internal/httpapi/input"
)

func (a *app) reproduceCommand() *cobra.Command {
	var tenant string
	cmd := &cobra.Command{
		Use:   "reproduce REPORT_ID",
		Short: "Make a stored report again, and say what was learnt since",
		Long: "Makes a stored report again by what was known then, and says whether it is identical: rows, totals, and the hash of the log at its position.\n" +
			"Notes about people aren't stored with a report: it is identical except erased text where it showed some that can't be read any more.\n" +
			"Then it lists what was recorded since and counts as of the report's date, and what the totals are by what is known today.\n" +
			"Exit code 5 means that it is not identical: the log isn't what it was.",
		Example: "  payledger audit reproduce 0197…",
		Args:    exactly(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, ok := input.ParseID(args[0])
			if !ok {
				return usageError(errNoID)
			}
			return a.reproduce(cmd.Context(), id, tenant)
		},
	}
	cmd.Flags().StringVar(&tenant, "tenant", "", "tenant of the report; needed only where several tenants have its id")
	return cmd
}

var errNoID = errors.New("an id is a UUID or 24 hexadecimal digits")

func (a *app) reproduce(ctx context.Context, id, tenant string) error {
	cfg, err := a.config()
	if err != nil {
		return err
	}
	l, err := a.openAudit(ctx, cfg)
	if err != nil {
		return err
	}
	defer l.close()
	if tenant, err = l.tenantOf(ctx, tenant, "report", id); err != nil {
		return err
	}
	res, err := l.audit().Reproduce(ctx, tenant, id)
	if errors.Is(err, audit.ErrOtherForm) {
		return refused("%w", err)
	}
	if err != nil {
		return err
	}
	if err := a.printReproduction(&res); err != nil {
		return err
	}
	if !res.Identical {
		return &exitError{code: exitDamaged, err: fmt.Errorf("report %s can't be made again as it was", id)}
	}
	return nil
}

func (a *app) printReproduction(res *audit.Reproduction) error {
	if a.json {
		return a.printJSON(json.RawMessage(res.AppendJSON(nil)))
	}
	switch {
	case res.Gone > 0 && res.Identical:
		why := "any more"
		if res.Sealed {
			why = "without VAULT_KEY"
		}
		fmt.Fprintf(a.stdout, "%s: %d of %d notes that it showed can't be read %s\n", res.Answer(), res.Gone, res.Stored.Shown, why)
	case res.Identical:
		fmt.Fprintln(a.stdout, res.Answer())
	default:
		fmt.Fprintf(a.stdout, "%s: made again it is\n", res.Answer())
		if err := printLines(a.stdout, res.Again.Lines()); err != nil {
			return err
		}
		fmt.Fprintln(a.stdout, "\nwhile it was")
	}
	if err := printLines(a.stdout, res.Stored.Lines()); err != nil {
		return err
	}
	if res.Count == 0 {
		_, err := fmt.Fprintf(a.stdout, "\nnothing that counts was recorded between its position and %d\n", res.Head)
		return err
	}
	fmt.Fprintf(a.stdout, "\n%d events that count were recorded since, up to position %d:\n", res.Count, res.Head)
	if err := a.printEntries(res.Learnt); err != nil {
		return err
	}
	fmt.Fprintln(a.stdout, "\nby what is known today it is")
	return printLines(a.stdout, res.Today.Lines())
}
