package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"payledger/audit"
	"payledger/cmd/payledger/internal/httpapi/input"
	"payledger/readmodels"
	"payledger/readmodels/history"
	"payledger/readmodels/tables"
)

func (a *app) actionsCommand() *cobra.Command {
	var flags boundFlags
	var q audit.ActionQuery
	cmd := &cobra.Command{
		Use:   "actions",
		Short: "Tell who did what",
		Long: "Tells what somebody did, or who did something, in order of position, with the period and the bounds of --from, --as-of and --known-at.\n" +
			"Types: " + strings.Join(audit.ActionTypes(), ", ") + ".",
		Example: "  payledger audit actions --by 0197… --type waiver --from 2026-10-01 --as-of 2026-10-31\n  payledger audit actions --type void",
		Args:    exactly(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			p, err := a.parse(cmd, flags)
			if err != nil {
				return err
			}
			q.By = actorID(q.By)
			return a.withAudit(cmd.Context(), func(l *ledger) error { return a.actions(cmd.Context(), l, q, flags.tenant, p) })
		},
	}
	flags.add(cmd, "whose log; needed only where it has several tenants")
	flags.addFrom(cmd)
	cmd.Flags().StringVar(&q.By, "by", "", "id of who did it; default anybody")
	cmd.Flags().StringVar(&q.Type, "type", "", "one of the types; default every event")
	return cmd
}

// withAudit opens what a question needs, and closes it again.
func (a *app) withAudit(ctx context.Context, ask func(*ledger) error) error {
	cfg, err := a.config()
	if err != nil {
		return err
	}
	l, err := a.openAudit(ctx, cfg)
	if err != nil {
		return err
	}
	defer l.close()
	if l.vault == nil {
		fmt.Fprintln(a.stderr, "VAULT_KEY is not set: notes stay sealed")
	}
	return ask(l)
}

func (a *app) actions(ctx context.Context, l *ledger, q audit.ActionQuery, tenant string, given parsed) error {
	var err error
	if q.Tenant, err = l.onlyTenant(ctx, tenant); err != nil {
		return err
	}
	if q.Bounds, err = l.bounds(ctx, given); err != nil {
		return err
	}
	var page []history.Entry
	err = l.audit().Actions(ctx, q, func(e history.Entry) error {
		if a.json {
			_, err := fmt.Fprintf(a.stdout, "%s\n", e.AppendJSON(nil))
			return err
		}
		if page = append(page, e); len(page) < aligned {
			return nil
		}
		err := a.printEntries(page)
		page = page[:0]
		return err
	})
	if errors.Is(err, audit.ErrBadFilter) {
		return usageError(err)
	}
	if err != nil || a.json {
		return err
	}
	if err := a.printEntries(page); err != nil {
		return err
	}
	_, err = fmt.Fprintf(a.stdout, "known at position %d\n", q.KnownAt)
	return err
}

func (a *app) stateCommand() *cobra.Command {
	var flags boundFlags
	var objects []string
	for _, o := range readmodels.Objects() {
		objects = append(objects, string(o))
	}
	cmd := &cobra.Command{
		Use:   "state OBJECT ID",
		Short: "Show a row as it was",
		Long: "Shows a row as of an instant, or as it was known at a position, by the fold that the tables are made with.\n" +
			"Objects: " + strings.Join(objects, ", ") + ".",
		Example: "  payledger audit state fee 0197… --as-of 2026-10-31\n  payledger audit state feePayment 0197… --known-at 120000",
		Args:    exactly(2),
		RunE:    a.askedOf(&flags, a.state),
	}
	flags.add(cmd, "whose row; needed only where the log has several tenants")
	return cmd
}

// askedOf runs a question about one thing, OBJECT ID, of one tenant's log.
func (a *app) askedOf(flags *boundFlags, ask func(ctx context.Context, l *ledger, about subject) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		id, ok := input.ParseID(args[1])
		if !ok {
			return usageError(errNoID)
		}
		p, err := a.parse(cmd, *flags)
		if err != nil {
			return err
		}
		return a.withAudit(cmd.Context(), func(l *ledger) error {
			tenant, err := l.onlyTenant(cmd.Context(), flags.tenant)
			if err != nil {
				return err
			}
			return ask(cmd.Context(), l, subject{tenant, args[0], id, audit.Moment{AsOf: p.asOf, KnownAt: p.knownAt}})
		})
	}
}

// subject is what a question is about.
type subject struct {
	tenant, object, id string
	audit.Moment
}

func (a *app) state(ctx context.Context, l *ledger, about subject) error {
	s, err := l.audit().State(ctx, l, about.tenant, readmodels.Object(about.object), about.id, about.Moment)
	if err != nil {
		return asked(err)
	}
	if a.json {
		return a.printJSON(json.RawMessage(s.AppendJSON(nil)))
	}
	pretty, err := json.MarshalIndent(json.RawMessage(s.Row.AppendJSON(nil, false)), "", "  ")
	if err != nil {
		return fmt.Errorf("print: %w", err)
	}
	_, err = fmt.Fprintf(a.stdout, "%s\nchanged at position %d, known at position %d\n", pretty, s.Position, s.KnownAt)
	return err
}

// asked tells a question that makes no sense from one that can't be answered.
func asked(err error) error {
	switch {
	case errors.Is(err, audit.ErrUnknownObject):
		return usageError(err)
	case errors.Is(err, audit.ErrNoStateThen):
		return refused("%w", err)
	}
	return err
}

// StreamOf asks the tables which stream a row is folded from. What they don't know yet is told apart from what there isn't.
func (l *ledger) StreamOf(ctx context.Context, tenant string, object readmodels.Object, id string) (string, error) {
	res, err := tables.Queries{Pool: l.pool}.StreamOf(ctx, tenant, object, id)
	switch {
	case err != nil:
		return "", err
	case res.Row != "":
		return res.Row, nil
	case res.Checkpoint < res.Head:
		return "", fmt.Errorf("%s %s: the tables, which know its stream, are at %d of %d: try again when `payledger doctor` shows no lag", object, id, res.Checkpoint, res.Head)
	}
	return "", fmt.Errorf("%s %s: %w", object, id, audit.ErrNotFound)
}

func (a *app) explainCommand() *cobra.Command {
	var flags boundFlags
	cmd := &cobra.Command{
		Use:     "explain fee|credit|member ID",
		Short:   "Say in words how a balance came about",
		Long:    "Says what is owed on a fee, left of a credit, or both of a member, and every event that made it so: who, when, what, why, and the balance after it.",
		Example: "  payledger audit explain fee 0197…\n  payledger audit explain member 0197… --as-of 2026-10-31",
		Args:    exactly(2),
		RunE:    a.askedOf(&flags, a.explain),
	}
	flags.add(cmd, "whose balance; needed only where the log has several tenants")
	return cmd
}

func (a *app) explain(ctx context.Context, l *ledger, about subject) error {
	x, err := l.audit().Explain(ctx, l, about.tenant, about.object, about.id, about.Moment)
	if err != nil {
		return asked(err)
	}
	if a.json {
		return a.printJSON(json.RawMessage(x.AppendJSON(nil)))
	}
	for _, s := range x.Steps {
		left := s.Balance.Owed.String() + " owed"
		if about.object == audit.ObjectCredit {
			left = s.Balance.Credit.String() + " left"
		} else if about.object == audit.ObjectMember && !s.Balance.Credit.IsZero() {
			left += ", " + s.Balance.Credit.String() + " of credit"
		}
		if _, err := fmt.Fprintf(a.stdout, "%d  %s\n      %s\n", s.Position, visible(s.Sentence), left); err != nil {
			return fmt.Errorf("print: %w", err)
		}
	}
	_, err = fmt.Fprintln(a.stdout, x.Sentence)
	return err
}
