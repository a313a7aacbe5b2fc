package main

import (
	"context"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"payledger/cmd/payledger/internal/config"
	"payledger/cmd/payledger/internal/kafkabus"
	"payledger/eventstore"
	proofsprojection "payledger/projections/proofs"
)

func (a *app) migrateCommand() *cobra.Command {
	var status, newEpoch bool
	cmd := &cobra.Command{
		Use:   "migrate",
		Short: "Bring the schema of the log up to date",
		Long: "Brings the schema of the log up to date and makes the roles payledger_app and payledger_projector if they are absent.\n" +
			"--new-epoch follows a restore of the database, with everything else stopped. The epoch is a number that was never used: the hours since 2026 began, or\n" +
			"one more than the greatest in the database, CHECKPOINT_FILE and, with KAFKA_BROKERS, the end of the journal topic.",
		Example: "  DATABASE_URL=postgres://… payledger migrate\n  DATABASE_URL=postgres://… payledger migrate --status",
		Args:    exactly(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := a.config(config.NeedOwner)
			if err != nil {
				return err
			}
			ctx, url := cmd.Context(), cfg.DatabaseURL.Reveal()
			var known int64
			if newEpoch {
				if known, err = a.knownEpoch(ctx, cfg); err != nil {
					return err
				}
			}
			if !status {
				if err := eventstore.Migrate(ctx, url); err != nil {
					return err
				}
			}
			if newEpoch {
				change, err := eventstore.NewEpoch(ctx, url, eventstore.LeastEpoch(a.now(), known))
				if err != nil {
					return err
				}
				fmt.Fprintf(a.stderr, "epoch %d; built anew: %s; cursors lowered: %s\n", change.Epoch, list(change.Emptied), list(change.Lowered))
			}
			steps, err := eventstore.Status(ctx, url)
			if err != nil {
				return err
			}
			return a.printMigrations(steps)
		},
	}
	cmd.Flags().BoolVar(&status, "status", false, "only say where the schema stands")
	cmd.Flags().BoolVar(&newEpoch, "new-epoch", false, "begin a new epoch after a restore")
	cmd.MarkFlagsMutuallyExclusive("status", "new-epoch")
	return cmd
}

// knownEpoch returns the greatest epoch that a place outside the database tells of: a restore has taken back what the database knew.
func (a *app) knownEpoch(ctx context.Context, cfg config.Config) (known int64, err error) {
	if cfg.CheckpointFile != "" {
		if known, err = proofsprojection.LastEpoch(cfg.CheckpointFile); err != nil {
			return 0, err
		}
	}
	if len(cfg.KafkaBrokers) == 0 {
		return known, nil
	}
	kafka := kafkaConfig(cfg)
	if err := reachKafka(ctx, kafka); err != nil {
		return 0, err
	}
	// What began earlier is below the hour's number.
	sent, err := kafkabus.LastEpoch(ctx, kafka, topicConfig(cfg).Journal(), a.now().Add(-time.Hour))
	if err != nil {
		return 0, &exitError{code: exitUnreachable, err: err}
	}
	return max(known, sent), nil
}

func (a *app) printMigrations(steps []eventstore.Migration) error {
	table := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
	for _, step := range steps {
		if a.json {
			if err := a.printJSON(map[string]any{"version": step.Version, "name": step.Name, "applied": step.Applied}); err != nil {
				return err
			}
			continue
		}
		state := "to do"
		if step.Applied {
			state = "applied " + step.AppliedAt.UTC().Format(time.RFC3339)
		}
		fmt.Fprintf(table, "%d\t%s\t%s\n", step.Version, step.Name, state)
	}
	return table.Flush()
}

func list(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}
