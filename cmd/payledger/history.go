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

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/spf13/cobra"

	"payledger/cmd/payledger/internal/httpapi/input"
	"payledger/domain/fee"
	"payledger/domain/payment"
	"payledger/eventstore"
	"payledger/readmodels/history"
)

// historyFlags are the bounds of a question, as text.
type historyFlags struct {
	tenant, asOf string
	knownAt      int64
}

func (a *app) historyCommand() *cobra.Command {
	var flags historyFlags
	cmd := &cobra.Command{
		Use:   "history fee|payment|member ID",
		Short: "Tell what happened, in order",
		Long: "Tells what happened to a fee, a payment or a member, straight from the log.\n" +
			"--as-of leaves out what took effect later, --known-at what was recorded behind a position.",
		Example: "  payledger audit history fee 0197…\n  payledger audit history member 0197… --as-of 2026-10-31 --known-at 120000 --json",
		Args:    exactly(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			options, err := a.historyOptions(cmd, flags)
			if err != nil {
				return usageError(err)
			}
			return a.history(cmd.Context(), args[0], args[1], flags.tenant, options)
		},
	}
	cmd.Flags().StringVar(&flags.tenant, "tenant", "", "tenant of the id; needed only where several tenants have it")
	cmd.Flags().StringVar(&flags.asOf, "as-of", "", "RFC 3339 time, or a date: the end of that day in TIME_ZONE")
	cmd.Flags().Int64Var(&flags.knownAt, "known-at", 0, "position; default the head")
	return cmd
}

func (a *app) historyOptions(cmd *cobra.Command, flags historyFlags) (history.Options, error) {
	var options history.Options
	if cmd.Flags().Changed("known-at") {
		if flags.knownAt < 1 {
			return options, fmt.Errorf("--known-at %d: positions begin at 1", flags.knownAt)
		}
		options.KnownAt = &flags.knownAt
	}
	if flags.asOf == "" {
		return options, nil
	}
	cfg, err := a.config()
	if err != nil {
		return options, err
	}
	at, err := parseAsOf(flags.asOf, cfg.Zone())
	if err != nil {
		return options, err
	}
	options.AsOf = &at
	return options, nil
}

// parseAsOf reads an instant; a bare date is the last microsecond of that day.
func parseAsOf(text string, zone *time.Location) (time.Time, error) {
	if day, err := time.ParseInLocation(time.DateOnly, text, zone); err == nil {
		return day.AddDate(0, 0, 1).Add(-time.Microsecond), nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}, fmt.Errorf("--as-of %q is neither an RFC 3339 time nor a date", text)
	}
	return at, nil
}

func (a *app) history(ctx context.Context, object, id, tenant string, options history.Options) error {
	if !slices.Contains([]string{"fee", "payment", "member"}, object) {
		return usageError(fmt.Errorf("there is no history of a %q: ask for fee, payment or member", object))
	}
	id, ok := input.ParseID(id)
	if !ok {
		return usageError(errors.New("an id is a UUID or 24 hexadecimal digits"))
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
	if tenant == "" {
		if tenant, err = l.findTenant(ctx, object, id); err != nil {
			return err
		}
	}
	reader := history.Reader{Log: l.reader, Catalog: l.catalog, Keys: sealedKeys{}}
	if l.vault != nil {
		reader.Keys = l.vault
	} else {
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

// sealedKeys opens nothing.
type sealedKeys struct{}

// Key implements eventstore.Keys.
func (sealedKeys) Key(context.Context, uuid.UUID) (eventstore.Key, error) {
	return eventstore.Key{}, eventstore.ErrKeyDestroyed
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
	table := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "POSITION\tRECORDED\tEFFECTIVE\tEVENT\tACTOR\tAMOUNT\tOWED\tREASON\tNOTE")
	for _, e := range h.Entries {
		amount, owed := "", ""
		if e.Amount != nil {
			amount = e.Amount.String()
		}
		if e.Outstanding != nil {
			owed = e.Outstanding.Decimal()
		}
		fmt.Fprintln(table, strings.Join([]string{
			strconv.FormatInt(e.Position, 10), e.RecordedAt.UTC().Format(time.RFC3339), e.EffectiveAt.UTC().Format(time.RFC3339),
			e.Type, e.Actor.Kind + " " + e.Actor.ID, amount, owed, e.Reason, e.Note,
		}, "\t"))
	}
	if err := table.Flush(); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	_, err := fmt.Fprintf(a.stdout, "known at position %d\n", h.KnownAt)
	return err
}
