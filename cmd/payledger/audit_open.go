package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"payledger/audit"
	"payledger/cmd/payledger/internal/config"
	"payledger/cmd/payledger/internal/httpapi/input"
	"payledger/commands"
	"payledger/eventstore"
	"payledger/eventstore/catalog"
)

// openAudit opens what an auditor's question needs. Without VAULT_KEY sealed texts stay sealed.
func (a *app) openAudit(ctx context.Context, cfg config.Config) (*ledger, error) {
	if cfg.App() == "" {
		return nil, usageError(errors.New("APP_DATABASE_URL (or DATABASE_URL) is required"))
	}
	log := a.logger(ctx, cfg)
	if cfg.VaultKey != "" {
		return openLedger(ctx, cfg, appRole(cfg).reading(), log, newRegistry(), a.now)
	}
	pool, err := connect(ctx, appRole(cfg).reading())
	if err != nil {
		return nil, err
	}
	return &ledger{cfg: cfg, log: log, now: a.now, pool: pool, reader: eventstore.NewReader(pool), catalog: catalog.New()}, nil
}

// audit answers questions from the log; without a vault it leaves texts about people out.
func (l *ledger) audit() audit.Reader {
	reader := audit.Reader{Log: l.reader, Catalog: l.catalog, Keys: audit.SealedKeys{}}
	if l.vault != nil {
		reader.Keys = l.vault
	}
	return reader
}

// keeping opens a store that reports are written down in; close ends it.
func (l *ledger) keeping(ctx context.Context) (keeper audit.Keeper, done func(), err error) {
	pool, err := connect(ctx, appRole(l.cfg)) // a question, or the projector, is connected as another role
	if err != nil {
		return audit.Keeper{}, nil, err
	}
	pool.Close()
	config := eventstore.Config{URL: l.cfg.App().Reveal(), Folder: commands.Folder{Catalog: l.catalog}, Logger: l.log, MaxConns: 1}
	if l.vault != nil { // not a nil pointer in an interface
		config.Keys = l.vault
	}
	store, err := eventstore.Open(ctx, config)
	if err != nil {
		return audit.Keeper{}, nil, err
	}
	return audit.Keeper{Store: store, Catalog: l.catalog, NewID: uuid.NewV7}, store.Close, nil
}

// operator is the actor of what is asked on the command line, where nobody shows a token.
func (l *ledger) operator(tenant string) audit.Asked {
	return audit.Asked{Tenant: tenant, Meta: catalog.Meta{
		Actor: catalog.Actor{Kind: "system", ID: "system:audit", Roles: []string{}}, At: l.now(), Channel: "job",
	}}
}

// boundFlags are the bounds of a question, as text.
type boundFlags struct {
	tenant, from, asOf string
	knownAt            int64
}

// add adds the flags that every question has.
func (f *boundFlags) add(cmd *cobra.Command, tenant string) {
	cmd.Flags().StringVar(&f.tenant, "tenant", "", tenant)
	cmd.Flags().StringVar(&f.asOf, "as-of", "", "RFC 3339 time, or a date: the end of that day in TIME_ZONE")
	cmd.Flags().Int64Var(&f.knownAt, "known-at", 0, "position; default the head")
}

// addFrom adds the beginning of a period.
func (f *boundFlags) addFrom(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.from, "from", "", "RFC 3339 time, or a date: the beginning of that day in TIME_ZONE")
}

// actorID returns an actor's id as it is kept: that of a person in lower case, another, such as system:audit, as it is.
func actorID(text string) string {
	if id, ok := input.ParseID(text); ok {
		return id
	}
	return text
}

// parsed are bounds as they were given; nil for what wasn't.
type parsed struct {
	from, asOf *time.Time
	knownAt    *int64
}

func (a *app) parse(cmd *cobra.Command, f boundFlags) (parsed, error) {
	var p parsed
	if cmd.Flags().Changed("known-at") {
		if f.knownAt < 1 {
			return p, usageError(fmt.Errorf("--known-at %d: positions begin at 1", f.knownAt))
		}
		p.knownAt = &f.knownAt
	}
	cfg, err := a.config()
	if err != nil {
		return p, err
	}
	if f.asOf != "" {
		at, err := parseInstant("--as-of", f.asOf, cfg.Zone(), true)
		if err != nil {
			return p, usageError(err)
		}
		p.asOf = &at
	}
	if f.from != "" {
		at, err := parseInstant("--from", f.from, cfg.Zone(), false)
		if err != nil {
			return p, usageError(err)
		}
		p.from = &at
	}
	return p, nil
}

// parseInstant reads an instant; a bare date is the first or the last microsecond of that day.
func parseInstant(flag, text string, zone *time.Location, end bool) (time.Time, error) {
	if day, err := time.Parse(time.DateOnly, text); err == nil {
		if end {
			return input.BeginningOfDay(day.AddDate(0, 0, 1), zone).Add(-time.Microsecond), nil
		}
		return input.BeginningOfDay(day, zone), nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}, fmt.Errorf("%s %q is neither an RFC 3339 time nor a date", flag, text)
	}
	return at, nil
}

// bounds fills in what wasn't given: all that is known now.
func (l *ledger) bounds(ctx context.Context, p parsed) (audit.Bounds, error) {
	knownAt, _, err := l.audit().Known(ctx, p.knownAt)
	if err != nil {
		return audit.Bounds{}, err
	}
	b := audit.Bounds{AsOf: l.now().UTC().Truncate(time.Microsecond), KnownAt: knownAt}
	if p.asOf != nil {
		b.AsOf = p.asOf.UTC()
	}
	if p.from != nil {
		b.From = p.from.UTC()
	}
	return b, nil
}

const (
	sqlTenants     = `SELECT coalesce(min(tenant), ''), coalesce(max(tenant), '') FROM ledger.streams`
	sqlKnowsTenant = `SELECT EXISTS (SELECT FROM ledger.streams WHERE tenant = $1)`
)

// onlyTenant returns the tenant that was given, else the only one that the log has: empty for an empty log. One that the log doesn't know
// is a slip of the hand: what was stored under it would make the log one of several tenants for ever.
func (l *ledger) onlyTenant(ctx context.Context, given string) (string, error) {
	if given != "" {
		known := false
		if err := l.pool.QueryRow(ctx, sqlKnowsTenant, given).Scan(&known); err != nil {
			return "", fmt.Errorf("look for tenant %s: %w", given, err)
		}
		if !known {
			return "", usageError(fmt.Errorf("the log knows no tenant %s", visible(given)))
		}
		return given, nil
	}
	var first, last string
	if err := l.pool.QueryRow(ctx, sqlTenants).Scan(&first, &last); err != nil {
		return "", fmt.Errorf("look for the tenants: %w", err)
	}
	if first != last {
		return "", usageError(errors.New("the log has several tenants: choose one with --tenant"))
	}
	return first, nil
}

// tenantOf returns the tenant that was given, checked as by onlyTenant, else the only one that has the id.
func (l *ledger) tenantOf(ctx context.Context, given, object, id string) (string, error) {
	if given != "" {
		return l.onlyTenant(ctx, given)
	}
	return l.findTenant(ctx, object, id)
}

// storingTenant is onlyTenant for what stores an event: an empty log has no tenant to store it under.
func (l *ledger) storingTenant(ctx context.Context, given string) (string, error) {
	tenant, err := l.onlyTenant(ctx, given)
	if err == nil && tenant == "" {
		err = usageError(errors.New("the log is empty: it knows no tenant yet"))
	}
	return tenant, err
}
