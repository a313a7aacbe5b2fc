package main

import (
	"context"
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
	var profile string
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
			p, err := a.parse(cmd, flags)
			if err != nil {
				return err
			}
			return a.trialBalance(cmd.Context(), flags.tenant, policy.Profile(profile), p)
		},
	}
	flags.add(cmd, "whose books; needed only where the log has several tenants")
	cmd.Flags().StringVar(&profile, "profile", "", "accrual or cash; default what the tenant chose by then")
	return cmd
}

func (a *app) trialBalance(ctx context.Context, tenant string, profile policy.Profile, given parsed) error {
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
	balance, err := trialBalanceOf(state, profile)
	if err != nil {
		return err
	}
	return a.printTrialBalance(balance)
}

// trialBalance is the answer of `audit trial-balance`. Amounts are decimal text of the major unit, with the minor units beside them.
type trialBalance struct {
	Tenant   string         `json:"tenant"`
	Profile  policy.Profile `json:"profile"`
	AsOf     *time.Time     `json:"asOf"` // null: all that is known
	KnownAt  int64          `json:"knownAt"`
	HeadHash string         `json:"headHash"` // of the log at knownAt, hex
	Balances []trialLine    `json:"balances"`
	Totals   []trialLine    `json:"totals"`
}

// trialLine is an account with a debit or a credit balance, or the totals of a currency.
type trialLine struct {
	Account     int    `json:"account,omitzero"`
	Name        string `json:"name,omitzero"`
	FeeType     string `json:"feeType,omitzero"`
	Currency    string `json:"currency"`
	Debit       string `json:"debit"`
	Credit      string `json:"credit"`
	DebitMinor  int64  `json:"debitMinor"`
	CreditMinor int64  `json:"creditMinor"`
}

// trialBalanceOf reads the books in a profile, the tenant's own if none is given.
func trialBalanceOf(s books.State, profile policy.Profile) (trialBalance, error) {
	if profile == "" {
		profile = s.Profile
	}
	t := trialBalance{
		Tenant: s.Tenant, Profile: profile, AsOf: s.AsOf, KnownAt: s.KnownAt, HeadHash: fmt.Sprintf("%x", s.Hash), Balances: []trialLine{}, Totals: []trialLine{},
	}
	balances, err := books.Balances(s.Movements, profile)
	if err != nil {
		return t, err
	}
	for _, b := range balances {
		net := b.Net().Minor()
		line := sides(b.Currency, max(net, 0), max(-net, 0))
		line.Account, line.Name, line.FeeType = int(b.Account), b.Account.Name(), string(b.FeeType)
		t.Balances = append(t.Balances, line)
	}
	totals, err := books.Totals(balances)
	for _, total := range totals {
		t.Totals = append(t.Totals, sides(total.Currency, total.Debit, total.Credit))
	}
	return t, err
}

func sides(cur money.Currency, debit, credit int64) trialLine {
	return trialLine{
		Currency: cur.Code(), Debit: money.New(debit, cur).Decimal(), Credit: money.New(credit, cur).Decimal(), DebitMinor: debit, CreditMinor: credit,
	}
}

func (a *app) printTrialBalance(t trialBalance) error {
	if err := a.writeTrialBalance(t); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	for _, total := range t.Totals {
		if total.DebitMinor != total.CreditMinor {
			return &exitError{code: exitDamaged, err: errors.New("debits and credits differ in " + total.Currency)}
		}
	}
	return nil
}

func (a *app) writeTrialBalance(t trialBalance) error {
	if a.json {
		return a.printJSON(t)
	}
	asOf := "all that is known"
	if t.AsOf != nil {
		asOf = t.AsOf.Format(time.RFC3339Nano)
	}
	fmt.Fprintf(a.stdout, "Trial balance of %s, profile %s\nas of %s, known at position %d\nhead %s\n\n", t.Tenant, t.Profile, asOf, t.KnownAt, t.HeadHash)
	table := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "ACCOUNT\tNAME\tCURRENCY\tDEBIT\tCREDIT")
	for _, line := range t.Balances {
		name := line.Name
		if line.FeeType != "" {
			name += " (" + line.FeeType + ")"
		}
		fmt.Fprintln(table, strings.Join([]string{strconv.Itoa(line.Account), name, line.Currency, side(line.Debit, line.DebitMinor), side(line.Credit, line.CreditMinor)}, "\t"))
	}
	for _, total := range t.Totals {
		fmt.Fprintln(table, strings.Join([]string{"", "Total", total.Currency, total.Debit, total.Credit}, "\t"))
	}
	return table.Flush()
}

// side leaves the side empty that an account has no balance on.
func side(text string, minor int64) string {
	if minor == 0 {
		return ""
	}
	return text
}
