package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/jackc/pgx/v5"
	"github.com/spf13/cobra"

	"payledger/cmd/payledger/internal/httpapi/input"
	"payledger/domain/evidence"
	"payledger/domain/fee"
	"payledger/domain/payment"
	"payledger/readmodels/history"
)

func (a *app) historyCommand() *cobra.Command {
	var flags boundFlags
	cmd := &cobra.Command{
		Use:   "history fee|payment|member ID",
		Short: "Tell what happened, in order",
		Long: "Tells what happened to a fee, a payment or a member, straight from the log.\n" +
			"--as-of leaves out what took effect later, --known-at what was recorded behind a position.",
		Example: "  payledger audit history fee 0197…\n  payledger audit history member 0197… --as-of 2026-10-31 --known-at 120000 --json",
		Args:    exactly(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			bounds, err := a.parse(cmd, flags)
			if err != nil {
				return err
			}
			return a.history(cmd.Context(), args[0], args[1], flags.tenant, history.Options{AsOf: bounds.asOf, KnownAt: bounds.knownAt})
		},
	}
	flags.add(cmd, "tenant of the id; needed only where several tenants have it")
	return cmd
}

func (a *app) history(ctx context.Context, object, id, tenant string, options history.Options) error {
	if !slices.Contains([]string{"fee", "payment", "member"}, object) {
		return usageError(fmt.Errorf("there is no history of a %q: ask for fee, payment or member", object))
	}
	id, ok := input.ParseID(id)
	if !ok {
		return usageError(errNoID)
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
	if tenant, err = l.tenantOf(ctx, tenant, object, id); err != nil {
		return err
	}
	reader := l.audit().History()
	if l.vault == nil {
		fmt.Fprintln(a.stderr, "VAULT_KEY is not set: notes stay sealed")
	}
	tell := map[string]func(context.Context, string, string, history.Options) (history.History, error){
		"fee": reader.Fee, "payment": reader.Payment, "member": reader.Member,
	}[object]
	told, err := tell(ctx, tenant, id, options)
	if err != nil {
		return err
	}
	return a.printHistory(told)
}

const (
	sqlTenantsOfStream  = `SELECT DISTINCT tenant FROM ledger.streams WHERE stream = $1 ORDER BY tenant`
	sqlTenantsOfSubject = `SELECT DISTINCT tenant FROM ledger.streams WHERE subject = $1 ORDER BY tenant`
)

// findTenant returns the one tenant that knows an id.
func (l *ledger) findTenant(ctx context.Context, object, id string) (string, error) {
	sql, name := sqlTenantsOfSubject, id
	switch object {
	case "fee":
		sql, name = sqlTenantsOfStream, fee.Stream(id)
	case "payment":
		sql, name = sqlTenantsOfStream, payment.Stream(id)
	case "report":
		sql, name = sqlTenantsOfStream, evidence.ReportStream(id)
	}
	rows, err := l.pool.Query(ctx, sql, name)
	if err != nil {
		return "", fmt.Errorf("look for %s %s: %w", object, id, err)
	}
	tenants, err := pgx.CollectRows(rows, pgx.RowTo[string])
	switch {
	case err != nil:
		return "", fmt.Errorf("look for %s %s: %w", object, id, err)
	case len(tenants) == 0:
		return "", fmt.Errorf("%s %s: %w", object, id, history.ErrNotFound)
	case len(tenants) > 1:
		return "", usageError(fmt.Errorf("%s %s is known to several tenants (%s): choose one with --tenant", object, id, strings.Join(tenants, ", ")))
	}
	return tenants[0], nil
}

func (a *app) printHistory(h history.History) error {
	if a.json {
		for i := range h.Entries {
			if _, err := fmt.Fprintf(a.stdout, "%s\n", h.Entries[i].AppendJSON(nil)); err != nil {
				return fmt.Errorf("print: %w", err)
			}
		}
		return nil
	}
	if err := a.printEntries(h.Entries); err != nil {
		return err
	}
	_, err := fmt.Fprintf(a.stdout, "known at position %d\n", h.KnownAt)
	return err
}

// about names the fee, else the payment, that an event is of; empty for others.
func about(e history.Entry) string {
	switch {
	case e.FeeID != "":
		return "fee " + e.FeeID
	case e.PaymentID != "":
		return "payment " + e.PaymentID
	}
	return ""
}

// printEntries prints events for people.
func (a *app) printEntries(entries []history.Entry) error {
	table := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "POSITION\tRECORDED\tEFFECTIVE\tEVENT\tABOUT\tACTOR\tAMOUNT\tOWED\tREASON\tNOTE")
	for _, e := range entries {
		amount, owed := "", ""
		if e.Amount != nil {
			amount = e.Amount.String()
		}
		if e.Outstanding != nil {
			owed = e.Outstanding.Decimal()
		}
		fmt.Fprintln(table, strings.Join([]string{
			strconv.FormatInt(e.Position, 10), e.RecordedAt.UTC().Format(time.RFC3339), e.EffectiveAt.UTC().Format(time.RFC3339),
			e.Type, about(e), visible(e.Actor.Kind + " " + e.Actor.ID), amount, owed, visible(e.Reason), visible(e.Note),
		}, "\t"))
	}
	if err := table.Flush(); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	return nil
}

// visible makes what people have written, and keys that somebody made up, one line that a terminal only shows: a line end could feign a further line of ours, and a control
// character could move the cursor or turn the order of letters around.
func visible(s string) string {
	var b strings.Builder
	for _, r := range s {
		if unicode.IsGraphic(r) {
			b.WriteRune(r)
		} else {
			b.WriteString(strings.Trim(strconv.QuoteRuneToASCII(r), "'"))
		}
	}
	return b.String()
}
