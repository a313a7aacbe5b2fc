package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/spf13/cobra"

	"payledger/cmd/payledger/internal/config"
	"payledger/eventstore"
	"payledger/projections/selfaudit"
	"payledger/readmodels/checkpoints"
	"payledger/readmodels/compare"
	"payledger/readmodels/search"
)

// healFlags say what is healed, as text.
type healFlags struct {
	projections []string
	tenant      string
	dryRun      bool
}

// healedKey is a line of the answer of `heal`.
type healedKey struct {
	Projection string          `json:"projection"`
	Tenant     string          `json:"tenant"`
	Key        string          `json:"key"`
	Stream     string          `json:"stream"`
	Position   int64           `json:"position"` // checkpoint that the row was folded to
	What       string          `json:"what"`
	Columns    []changedColumn `json:"columns"` // empty for a missing or an extra row
	Healed     bool            `json:"healed"`  // false for a dry run
}

// changedColumn is a column before and after, without texts of persons.
type changedColumn struct {
	Column string `json:"column"`
	Before string `json:"before"`
	After  string `json:"after"`
}

func (a *app) healCommand() *cobra.Command {
	var flags healFlags
	cmd := &cobra.Command{
		Use:   "heal KEY",
		Short: "Rewrite the rows of one key from the log",
		Long: "Folds one stream again and rewrites those of its rows, documents and postings that differ, in one transaction as of the projection's checkpoint;\n" +
			"with ELASTICSEARCH_URL also its documents there.\n" +
			"KEY is a stream (fee-0197…) or object/id (feePayment/0197…), as `payledger doctor` tells it. Projectors may go on; nothing is published.",
		Example: "  payledger heal fee-0197… --dry-run\n  payledger heal feeEvent/0197… --projection documents",
		Args:    exactly(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := a.config(config.NeedProjector)
			if err != nil {
				return err
			}
			return a.heal(cmd.Context(), cfg, args[0], flags)
		},
	}
	cmd.Flags().StringSliceVar(&flags.projections, "projection", nil, "tables, documents, books or search; may be repeated; default all that are configured")
	cmd.Flags().StringVar(&flags.tenant, "tenant", "", "tenant of the key; needed only where several tenants have it, or none")
	cmd.Flags().BoolVar(&flags.dryRun, "dry-run", false, "only say what would be rewritten")
	return cmd
}

func (a *app) heal(ctx context.Context, cfg config.Config, key string, flags healFlags) error {
	models, mirrored, err := chooseModels(cfg, flags.projections)
	if err != nil {
		return err
	}
	l, err := openLedger(ctx, cfg, projectorRole(cfg), a.logger(ctx, cfg), newRegistry(), a.now)
	if err != nil {
		return err
	}
	defer l.close()
	differing := 0
	told := func(projection string, healed selfaudit.Healed, err error) error {
		if errors.Is(err, checkpoints.ErrNotBuilt) {
			fmt.Fprintf(a.stderr, "%s: %v\n", projection, checkpoints.ErrNotBuilt)
			return nil
		}
		if errors.Is(err, search.ErrUnavailable) {
			return &exitError{code: exitUnreachable, err: err}
		}
		if err != nil {
			return err
		}
		differing += len(healed.Differences)
		return a.printHealed(projection, healed, !flags.dryRun)
	}
	for _, model := range models {
		healed, err := l.healModel(ctx, model, key, flags)
		if err := told(model.Projection.Name, healed, err); err != nil {
			return err
		}
	}
	if mirrored {
		healed, err := l.healMirror(ctx, key, flags)
		if err := told(search.Mirror().Name, healed, err); err != nil {
			return err
		}
	}
	if differing == 0 {
		fmt.Fprintf(a.stderr, "nothing differs from the log\n")
	}
	return nil
}

func (l *ledger) healModel(ctx context.Context, model selfaudit.Model, key string, flags healFlags) (selfaudit.Healed, error) {
	stream, place, err := l.findKey(ctx, model.Projection.Name, key, flags.tenant)
	if err != nil {
		return selfaudit.Healed{}, err
	}
	healing := selfaudit.Healing{Pool: l.pool, Log: l.auditLog(), Model: model, Stream: stream, DryRun: flags.dryRun, Failpoint: failpoint()}
	if place != (compare.Place{}) {
		healing.Also = []compare.Place{place}
		if healing.Stream, err = model.StreamOf(ctx, l.pool, place); err != nil {
			return selfaudit.Healed{}, err
		}
	}
	return selfaudit.Heal(ctx, healing)
}

func (l *ledger) healMirror(ctx context.Context, key string, flags healFlags) (selfaudit.Healed, error) {
	mirror, err := l.auditedMirror()
	if err != nil {
		return selfaudit.Healed{}, err
	}
	stream, place, err := l.findKey(ctx, search.Mirror().Name, key, flags.tenant)
	if err != nil {
		return selfaudit.Healed{}, err
	}
	streams, also := []eventstore.StreamID{stream}, []compare.Place(nil)
	if place != (compare.Place{}) {
		also = []compare.Place{place}
		if streams, err = mirror.StreamsOf(ctx, place); err != nil {
			return selfaudit.Healed{}, err
		}
	}
	return mirror.Heal(ctx, streams, also, flags.dryRun)
}

func (l *ledger) auditLog() selfaudit.Log {
	return selfaudit.Log{Reader: l.reader, Catalog: l.catalog, Keys: l.vault}
}

// auditedMirror is nil when no search server is configured.
func (l *ledger) auditedMirror() (*selfaudit.Mirror, error) {
	index, err := l.searchIndex()
	if err != nil || index == nil {
		return nil, err
	}
	return &selfaudit.Mirror{Pool: l.pool, Log: l.auditLog(), Index: index}, nil
}

func chooseModels(cfg config.Config, names []string) (chosen []selfaudit.Model, mirrored bool, err error) {
	all := selfaudit.Models()
	if len(names) == 0 {
		return all, cfg.ElasticsearchURL != "", nil
	}
	for _, name := range names {
		if name == search.Mirror().Name {
			if mirrored = true; cfg.ElasticsearchURL == "" {
				return nil, false, usageError(fmt.Errorf("--projection %s needs ELASTICSEARCH_URL", name))
			}
			continue
		}
		i := slices.IndexFunc(all, func(m selfaudit.Model) bool { return m.Projection.Name == name })
		if i < 0 {
			return nil, false, usageError(fmt.Errorf("--projection %q can't be healed: choose from tables, documents, books, search", name))
		}
		chosen = append(chosen, all[i])
	}
	return chosen, mirrored, nil
}

// findKey returns the stream or, for object/id, the place that a key is about.
func (l *ledger) findKey(ctx context.Context, projection, key, tenant string) (eventstore.StreamID, compare.Place, error) {
	object, id, isPlace := strings.Cut(key, "/")
	if tenant == "" {
		var err error
		if tenant, err = l.tenantOfKey(ctx, projection, object, id, isPlace); err != nil {
			return eventstore.StreamID{}, compare.Place{}, err
		}
	}
	if !isPlace {
		return eventstore.StreamID{Tenant: tenant, Name: key}, compare.Place{}, nil
	}
	return eventstore.StreamID{}, compare.Place{Tenant: tenant, Object: object, ID: id}, nil
}

const sqlTenantsOfDrift = `
SELECT DISTINCT tenant FROM selfaudit_v1.drift WHERE projection = $1 AND ($4 AND object = $2 AND id = $3 OR NOT $4 AND stream = $2) ORDER BY tenant`

// tenantOfKey returns the one tenant that has a key, in the log or where drift is known.
func (l *ledger) tenantOfKey(ctx context.Context, projection, object, id string, isPlace bool) (string, error) {
	stream := object
	if isPlace {
		stream = object + "-" + id // of fees and others that tell of one row
	}
	tenants, err := l.texts(ctx, sqlTenantsOfStream, stream)
	if err == nil && len(tenants) == 0 {
		tenants, err = l.texts(ctx, sqlTenantsOfDrift, projection, object, id, isPlace)
		if errors.Is(checkpoints.NotBuilt(err), checkpoints.ErrNotBuilt) {
			tenants, err = nil, nil
		}
	}
	switch {
	case err != nil:
		return "", fmt.Errorf("look for %s: %w", stream, err)
	case len(tenants) == 0:
		return "", fmt.Errorf("%s is neither a stream nor known to differ in %s: name its --tenant", stream, projection)
	case len(tenants) > 1:
		return "", usageError(fmt.Errorf("%s is known to several tenants (%s): choose one with --tenant", stream, strings.Join(tenants, ", ")))
	}
	return tenants[0], nil
}

// texts runs a query for one column of text.
func (l *ledger) texts(ctx context.Context, sql string, args ...any) ([]string, error) {
	rows, err := l.pool.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

func (a *app) printHealed(projection string, healed selfaudit.Healed, done bool) error {
	for _, d := range healed.Differences {
		line := healedKey{
			Projection: projection, Tenant: d.Tenant, Key: d.Key(), Stream: d.Stream.Name, Position: healed.Position, What: d.What,
			Columns: []changedColumn{}, Healed: done,
		}
		if d.Stored != nil && d.Wanted != nil {
			for _, name := range d.Wanted.Changed(*d.Stored) {
				line.Columns = append(line.Columns, changedColumn{name, d.Stored.Show(name), d.Wanted.Show(name)})
			}
		}
		if err := a.printHealedKey(line); err != nil {
			return err
		}
	}
	return nil
}

func (a *app) printHealedKey(line healedKey) error {
	if a.json {
		return a.printJSON(line)
	}
	word := "healed"
	if !line.Healed {
		word = "differs"
	}
	fmt.Fprintf(a.stdout, "%s %s of %s, at %d: %s\n", word, visible(line.Key), line.Projection, line.Position, line.What)
	for _, c := range line.Columns {
		fmt.Fprintf(a.stdout, "  %s: %s -> %s\n", c.Column, c.Before, c.After)
	}
	return nil
}
