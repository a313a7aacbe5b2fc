package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"payledger/domain/money"
	"payledger/domain/policy"
	"payledger/readmodels/books"
)

func (a *app) trialBalanceCommand() *cobra.Command {
	var flags boundFlags
	var profile, code string
	cmd := &cobra.Command{
		Use:   "trial-balance",
		Short: "Print the balance of every account of the books",
		Long: "Prints the balance of every account of a tenant's books, and their totals, which are equal. --as-of leaves out what took effect later,\n" +
			"--known-at what was recorded behind a position: any position, without a rebuild. Exit code 5 means that the totals differ.",
		Example: "  payledger audit trial-balance\n  payledger audit trial-balance --as-of 2026-10-31 --known-at 120000 --profile cash --json",
		Args:    exactly(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if profile != "" && !slices.Contains(policy.Profiles(), policy.Profile(profile)) {
				return usageError(fmt.Errorf("--profile %q is neither accrual nor cash", profile))
			}
			var only money.Currency
			if code != "" {
				var err error
				if only, err = money.ParseCurrency(code); err != nil {
					return usageError(fmt.Errorf("--currency: %w", err))
				}
			}
			p, err := a.parse(cmd, flags)
			if err != nil {
				return err
			}
			return a.trialBalance(cmd.Context(), flags.tenant, policy.Profile(profile), only, p)
		},
	}
	flags.add(cmd, "whose books; needed only where the log has several tenants")
	cmd.Flags().StringVar(&profile, "profile", "", "accrual or cash; default what the tenant chose by then")
	cmd.Flags().StringVar(&code, "currency", "", "only accounts of this one, such as USD; default all")
	return cmd
}

func (a *app) trialBalance(ctx context.Context, tenant string, profile policy.Profile, only money.Currency, given parsed) error {
	cfg, err := a.config()
	if err != nil {
		return err
	}
	l, err := a.openAudit(ctx, cfg)
	if err != nil {
		return err
	}
	defer l.close()
	if tenant, err = l.onlyTenant(ctx, tenant); err != nil {
		return err
	}
	bounds := books.Bounds{Tenant: tenant, AsOf: given.asOf}
	head, _, err := l.audit().Known(ctx, given.knownAt)
	if err != nil {
		return err
	}
	if given.knownAt != nil {
		bounds.KnownAt = &head
	}
	state, err := books.Queries{Pool: l.pool}.State(ctx, bounds)
	if err != nil {
		return err
	}
	if state.KnownAt < head {
		fmt.Fprintf(a.stderr, "the books are at %d of %d\n", state.KnownAt, head)
	}
	balance, err := books.TrialBalanceOf(state, profile, only)
	if err != nil {
		return err
	}
	return a.printTrialBalance(balance)
}

func (a *app) printTrialBalance(t books.TrialBalance) error {
	if err := a.writeTrialBalance(t); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	if !t.Balanced() {
		return &exitError{code: exitDamaged, err: errors.New("debits and credits differ")}
	}
	return nil
}

func (a *app) writeTrialBalance(t books.TrialBalance) error {
	if a.json {
		return a.printJSON(json.RawMessage(t.AppendJSON(nil)))
	}
	asOf := "all that is known"
	if t.AsOf != nil {
		asOf = t.AsOf.UTC().Format(time.RFC3339Nano)
	}
	fmt.Fprintf(a.stdout, "Trial balance of %s, profile %s\nas of %s, known at position %d\nhead %x\n\n", t.Tenant, t.Profile, asOf, t.KnownAt, t.Hash)
	table := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "ACCOUNT\tNAME\tCURRENCY\tDEBIT\tCREDIT")
	for _, b := range t.Balances {
		name := b.Account.Name()
		if b.FeeType != "" {
			name += " (" + string(b.FeeType) + ")"
		}
		debit, credit := b.Sides()
		fmt.Fprintln(table, strings.Join([]string{strconv.Itoa(int(b.Account)), name, b.Currency.Code(), side(debit), side(credit)}, "\t"))
	}
	for _, total := range t.Totals {
		debit, credit := total.Sides()
		fmt.Fprintln(table, strings.Join([]string{"", "Total", total.Currency.Code(), debit.Decimal(), credit.Decimal()}, "\t"))
	}
	return table.Flush()
}

// side leaves the side empty that an account has no balance on.
func side(a money.Amount) string {
	if a.IsZero() {
		return ""
	}
	return a.Decimal()
}
