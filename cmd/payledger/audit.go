package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"payledger/cmd/payledger/internal/config"
	"payledger/eventstore"
	"payledger/projections"
	"payledger/projections/bulk"
	"payledger/readmodels/books"
	"payledger/readmodels/checkpoints"
	"payledger/readmodels/digest"
)

func (a *app) auditCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "audit",
		Short:   "Ask what happened, and whether the log is intact",
		Example: "  payledger audit history fee 0197…\n  payledger audit verify",
		Args:    cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usageError(fmt.Errorf("unknown question %q: see payledger audit --help", args[0]))
			}
			return cmd.Help()
		},
	}
	cmd.AddCommand(
		a.historyCommand(), a.actionsCommand(), a.stateCommand(), a.explainCommand(), a.reportCommand(), a.reproduceCommand(), a.trialBalanceCommand(),
		a.verifyCommand(), a.proveCommand(), a.checkpointCommand(), a.exportCommand(), a.keyCommand(),
	)
	return cmd
}

// verified is the answer of `audit verify`.
type verified struct {
	OK               bool   `json:"ok"`
	Events           int64  `json:"events"`
	Head             string `json:"head"` // hash of the last event, hex
	Position         int64  `json:"position"`
	FirstBadPosition *int64 `json:"firstBadPosition"`
	Problem          string `json:"problem"`
	// Projections are compared with a replay of the log, when the whole log is verified and VAULT_KEY opens its texts.
	Projections []comparedProjection `json:"projections"`
	// Answers counts the stored answers that are what their commands' events say, when the whole log is verified.
	Answers int64 `json:"answers"`
	// Checkpoints tells of those that the log was held against; absent without --checkpoints.
	Checkpoints *comparedCheckpoints `json:"checkpoints,omitempty"`
	// Drift is what the self-audit found and nobody has healed, at most 100.
	Drift []driftLine `json:"drift"`
}

// comparedCheckpoints counts signed checkpoints.
type comparedCheckpoints struct {
	Equal int `json:"equal"`
	Lost  int `json:"lost"` // of events that a restore took away, as was signed
}

// comparedProjection is a read model beside what the log says it should be.
type comparedProjection struct {
	Projection string `json:"projection"`
	Position   int64  `json:"position"`
	Rows       int64  `json:"rows"`
	Digest     string `json:"digest"`
	LogDigest  string `json:"logDigest"`
	Equal      bool   `json:"equal"`
}

func (a *app) verifyCommand() *cobra.Command {
	var options eventstore.VerifyOptions
	var signed proofFlags
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Recompute the hash chain and compare head, count and the projections' digests",
		Long: "Recomputes the hash chain from the stored bytes, compares it with the head, and each projection with a replay of the log.\n" +
			"The books have to balance, and their control accounts to be what fees and credits say, at every position.\n" +
			"Writers may go on meanwhile. Exit code 5 means that something is not as it was written. With --checkpoints the log is also held against checkpoints\n" +
			"that were signed earlier: a history that was replaced as a whole, with a chain of its own, shows only there.",
		Example: "  payledger audit verify\n  payledger audit verify --from 1 --to 100000 --json\n  payledger audit verify --checkpoints kept --keys checkpoint-key.pub",
		Args:    exactly(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := a.config()
			if err != nil {
				return err
			}
			if cmd.Flags().Changed("from") && options.From < 1 || cmd.Flags().Changed("to") && options.To < max(options.From, 1) {
				return usageError(errors.New("--from and --to are positions from 1, --to not before --from"))
			}
			if signed.checkpoint != "" && (options.From != 0 || options.To != 0) {
				return usageError(errors.New("--checkpoints needs the whole log, without --from and --to"))
			}
			return a.verify(cmd.Context(), cfg, options, signed)
		},
	}
	cmd.Flags().StringVar(&signed.checkpoint, "checkpoints", "", "file of checkpoints that were signed earlier; the log must be theirs")
	cmd.Flags().StringVar(&signed.keys, "keys", "", "file with the public keys that they must be signed by; default those of CHECKPOINT_KEY")
	cmd.Flags().Int64Var(&options.From, "from", 0, "first position; default the first of the log")
	cmd.Flags().Int64Var(&options.To, "to", 0, "last position; default the head")
	return cmd
}

func (a *app) verify(ctx context.Context, cfg config.Config, options eventstore.VerifyOptions, signed proofFlags) error {
	signedEarlier, err := compareWith(cfg, signed)
	if err != nil {
		return err
	}
	l, err := a.openAudit(ctx, cfg)
	if errors.Is(err, eventstore.ErrNoHead) { // the vault asks the head, before anything can be verified
		return a.tellVerified(verified{Problem: eventstore.ErrNoHead.Error(), Projections: []comparedProjection{}, Drift: []driftLine{}})
	}
	if err != nil {
		return err
	}
	defer l.close()
	if signedEarlier != nil {
		options.Each = signedEarlier.Add
	}
	report, err := eventstore.Verify(ctx, l.reader, options)
	if errors.Is(err, eventstore.ErrNotInLog) {
		return usageError(err)
	}
	if err != nil {
		return err
	}
	if signedEarlier != nil {
		if report, err = signedEarlier.Report(ctx, l.pool, l.reader, report); err != nil {
			return err
		}
	}
	answer := verified{
		OK: report.OK, Events: report.Events, Head: fmt.Sprintf("%x", report.Head.Hash), Position: report.Head.Position, Problem: report.Problem,
		Projections: []comparedProjection{}, Drift: []driftLine{},
	}
	if signedEarlier != nil {
		answer.Checkpoints = &comparedCheckpoints{Equal: signedEarlier.Compared, Lost: signedEarlier.Lost}
	}
	if report.FirstBadPosition > 0 {
		answer.FirstBadPosition = &report.FirstBadPosition
	}
	whole := options.From == 0 && options.To == 0
	switch {
	case !report.OK || !whole:
	case l.vault == nil:
		fmt.Fprintln(a.stderr, "VAULT_KEY is not set: texts stay sealed, and the projections are not compared")
	default:
		if err := l.compareProjections(ctx, &answer); err != nil {
			return err
		}
	}
	if report.OK && whole {
		if err := l.checkCheckpoints(ctx, &answer); err != nil {
			return err
		}
		if err := l.checkAnswers(ctx, &answer); err != nil {
			return err
		}
		if err := l.addDrift(ctx, &answer); err != nil {
			return err
		}
	}
	return a.tellVerified(answer)
}

// tellVerified prints the answer, and ends with 5 if anything isn't as it was written.
func (a *app) tellVerified(answer verified) error {
	if err := a.printVerified(answer); err != nil {
		return err
	}
	if !answer.OK {
		return &exitError{code: exitDamaged, err: errors.New("the data is not intact: " + answer.Problem)}
	}
	return nil
}

// compareProjections replays the log once up to each projection's checkpoint and compares digests.
func (l *ledger) compareProjections(ctx context.Context, answer *verified) error {
	for _, p := range projections.All() {
		stored, sum, err := l.compare(ctx, p)
		if errors.Is(err, checkpoints.ErrNotBuilt) {
			continue // it never ran
		}
		if short, ok := errors.AsType[*shorterLogError](err); ok {
			answer.OK, answer.Problem = false, fmt.Sprintf("projection %s stands at %d: %v", p.Projection.Name, short.checkpoint, err)
			if missing := short.end + 1; answer.FirstBadPosition == nil || *answer.FirstBadPosition > missing {
				answer.FirstBadPosition = &missing
			}
			continue
		}
		// A key that is gone without a tombstone, or was changed: VAULT_KEY has opened another one by now.
		if errors.Is(err, books.ErrOutOfBalance) || errors.Is(err, eventstore.ErrKeyUnknown) || errors.Is(err, eventstore.ErrMasterKey) {
			answer.OK, answer.Problem = false, err.Error()
			continue
		}
		if err != nil {
			return err
		}
		compared := comparedProjection{
			Projection: p.Projection.Name, Position: stored.Position, Rows: stored.Sum.Rows,
			Digest: stored.Sum.String(), LogDigest: sum.String(), Equal: stored.Sum == sum,
		}
		answer.Projections = append(answer.Projections, compared)
		if !compared.Equal {
			answer.OK = false
			answer.Problem = fmt.Sprintf("projection %s differs from the log at position %d", compared.Projection, compared.Position)
		}
	}
	return nil
}

// erasurePatience is how long a comparison waits for a projection to apply an erasure.
const erasurePatience = 30 * time.Second

// compare returns the digests of a stored read model and of a replay of the log up to its checkpoint. One that is behind an erasure may
// show texts that the log has no more: it is compared once it has applied that.
func (l *ledger) compare(ctx context.Context, p projections.Postgres) (stored digest.Stored, sum digest.Sum, err error) {
	for deadline := l.now().Add(erasurePatience); ; {
		if stored, err = p.Digest(ctx, l.pool); err != nil {
			return stored, sum, err
		}
		if sum, err = l.replayed(ctx, p, stored.Position, bulk.MaxMemory/max(1, p.Bulk.StreamSize)); err != nil || stored.Sum == sum {
			return stored, sum, err
		}
		erased, err := l.reader.LastErased(ctx)
		if err != nil || erased <= stored.Position {
			return stored, sum, err
		}
		if l.now().After(deadline) {
			return stored, sum, fmt.Errorf("projection %s stands at %d, before the erasure at %d: verify again when it has gone on",
				p.Projection.Name, stored.Position, erased)
		}
		projections.Wait(ctx, time.Second)
	}
}

func (a *app) printVerified(v verified) error {
	if a.json {
		return a.printJSON(v)
	}
	if v.OK {
		fmt.Fprintf(a.stdout, "intact: %d events, head %s at position %d\n", v.Events, v.Head, v.Position)
	} else {
		fmt.Fprintf(a.stdout, "NOT INTACT: %s\n", v.Problem)
	}
	if c := v.Checkpoints; c != nil {
		fmt.Fprintf(a.stdout, "checkpoints: %d equal the log, %d are of events that a restore took away\n", c.Equal, c.Lost)
	}
	for _, p := range v.Projections {
		word := "equals the log"
		if !p.Equal {
			word = "DIFFERS from the log"
		}
		fmt.Fprintf(a.stdout, "projection %s at %d: %d rows, %s (digest %s)\n", p.Projection, p.Position, p.Rows, word, p.Digest)
	}
	for _, d := range v.Drift {
		fmt.Fprintln(a.stdout, d.String())
	}
	return nil
}
