package main

import (
	"bufio"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"payledger/cmd/payledger/internal/config"
	"payledger/eventstore"
	"payledger/proof"
	"payledger/readmodels/checkpoints"
	"payledger/readmodels/proofs"
)

// proofFlags choose a checkpoint.
type proofFlags struct{ checkpoint, keys string }

func (f *proofFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.checkpoint, "checkpoint", "", "file of signed checkpoints: the last one of it that will do; default the last one that was signed")
	cmd.Flags().StringVar(&f.keys, "keys", "", "file with public keys that checkpoints must be signed by; default those of CHECKPOINT_KEY, if it is set")
}

func (a *app) proveCommand() *cobra.Command {
	var flags proofFlags
	cmd := &cobra.Command{
		Use:   "prove EVENT_ID|POSITION",
		Short: "Print a proof that an event stands in the log",
		Long: "Prints a file that holds the event, its path in the Merkle tree and a signed checkpoint. Who has it and the public key can check it with\n" +
			"payledger-verify, without server or network.",
		Example: "  payledger audit prove 16 > proof.json\n  payledger-verify --keys checkpoint-key.pub proof.json",
		Args:    exactly(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withProver(cmd.Context(), func(ctx context.Context, l *ledger, p proofs.Prover) error {
				position, err := positionOf(ctx, p, args[0])
				if err != nil {
					return err
				}
				signed, err := l.checkpoint(ctx, p, flags, position)
				if err != nil {
					return err
				}
				file, err := p.Inclusion(ctx, position, signed.Checkpoint, signed.note)
				if err != nil {
					return proofError(err)
				}
				return a.printJSON(file)
			})
		},
	}
	flags.add(cmd)
	return cmd
}

func positionOf(ctx context.Context, p proofs.Prover, arg string) (int64, error) {
	if position, err := strconv.ParseInt(arg, 10, 64); err == nil && position > 0 {
		return position, nil
	}
	id, err := uuid.Parse(arg)
	if err != nil {
		return 0, usageError(fmt.Errorf("%q is neither the id of an event nor a position", arg))
	}
	position, err := p.Position(ctx, id)
	return position, proofError(err)
}

// withProver opens what a proof needs.
func (a *app) withProver(ctx context.Context, fn func(context.Context, *ledger, proofs.Prover) error) error {
	cfg, err := a.config()
	if err != nil {
		return err
	}
	cfg.VaultKey = "" // texts stay sealed
	l, err := a.openAudit(ctx, cfg)
	if err != nil {
		return err
	}
	defer l.close()
	return fn(ctx, l, proofs.Prover{DB: l.pool, Reader: l.reader})
}

// proofError gives the errors of proofs their exit codes.
func proofError(err error) error {
	switch {
	case errors.Is(err, proofs.ErrOtherTree), errors.Is(err, proof.ErrSignature), errors.Is(err, eventstore.ErrGap):
		return &exitError{code: exitDamaged, err: err}
	case errors.Is(err, proofs.ErrNotSigned), errors.Is(err, proofs.ErrNoCheckpoint):
		return &exitError{code: exitRefused, err: err}
	case errors.Is(err, checkpoints.ErrNotBuilt):
		return refused("nothing was signed yet: run `payledger project proofs` with CHECKPOINT_KEY or CHECKPOINT_KEY_FILE")
	}
	return err
}

// checkpoint returns the last checkpoint that covers a position: of a file, else of those that were signed here.
func (l *ledger) checkpoint(ctx context.Context, p proofs.Prover, flags proofFlags, position int64) (signedNote, error) {
	if flags.checkpoint != "" {
		keys, err := checkpointKeys(l.cfg, flags.keys)
		if err != nil {
			return signedNote{}, err
		}
		all, err := readCheckpoints(flags.checkpoint, keys)
		if err != nil {
			return signedNote{}, err
		}
		for _, note := range slices.Backward(all) {
			if note.Size >= position {
				return note, nil
			}
		}
		return signedNote{}, proofError(proofs.ErrNotSigned)
	}
	latest, err := proofs.Latest(ctx, p.DB)
	if err == nil && latest.Size < position {
		err = proofs.ErrNotSigned
	}
	if err != nil {
		return signedNote{}, proofError(err)
	}
	return signedNote{latest.Checkpoint, latest.Note}, l.known(flags.keys, latest.Note)
}

// known checks the signature of a stored checkpoint, where public keys are known.
func (l *ledger) known(path, note string) error {
	keys, err := checkpointKeys(l.cfg, path)
	if errors.Is(err, errNoKeys) {
		return nil // who checks the proof has them
	}
	if err != nil {
		return err
	}
	_, err = keys.Open([]byte(note))
	return proofError(err)
}

// compareWith returns the comparison with a file of signed checkpoints, nil if none is asked for.
func compareWith(cfg config.Config, signed proofFlags) (*proofs.Comparison, error) {
	if signed.checkpoint == "" {
		return nil, nil //nolint:nilnil // none is asked for
	}
	keys, err := checkpointKeys(cfg, signed.keys)
	if err != nil {
		return nil, err
	}
	notes, err := readCheckpoints(signed.checkpoint, keys)
	if err != nil {
		return nil, err
	}
	all := make([]proof.Checkpoint, len(notes))
	for i, note := range notes {
		all[i] = note.Checkpoint
	}
	return proofs.NewComparison(all), nil
}

// shownCheckpoint is a checkpoint as JSON.
type shownCheckpoint struct {
	Origin     string    `json:"origin"`
	Size       int64     `json:"size"`
	Root       string    `json:"root"` // base64, as in the note
	Epoch      int64     `json:"epoch"`
	Head       string    `json:"head"` // hash of the last event, hex
	SignedAt   time.Time `json:"signedAt"`
	Restored   int64     `json:"restored"`
	Checkpoint string    `json:"checkpoint"` // the signed note
}

func (a *app) checkpointCommand() *cobra.Command {
	var consistency bool
	var keys string
	cmd := &cobra.Command{
		Use:   "checkpoint [FROM TO]",
		Short: "Print the last signed checkpoint, or a proof that the log only grew between two",
		Long: "Prints the last checkpoint that was signed: keep it where nobody with access to this database can change it. With --consistency FROM TO it prints\n" +
			"a file which shows that the log of FROM events is the beginning of that of TO events; both are sizes of signed checkpoints.",
		Example: "  payledger audit checkpoint >> kept\n  payledger audit checkpoint --consistency 120 480 > grown.json",
		Args:    cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withProver(cmd.Context(), func(ctx context.Context, l *ledger, p proofs.Prover) error {
				if consistency {
					return a.consistency(ctx, p, args)
				}
				if err := exactly(0)(cmd, args); err != nil {
					return err
				}
				latest, err := proofs.Latest(ctx, p.DB)
				if err != nil {
					return proofError(err)
				}
				if err := l.known(keys, latest.Note); err != nil {
					return err
				}
				if !a.json {
					fmt.Fprint(a.stdout, latest.Note)
					return nil
				}
				return a.printJSON(shownCheckpoint{
					latest.Origin, latest.Size, latest.Root.String(), latest.Epoch, hex.EncodeToString(latest.Head[:]), latest.SignedAt, latest.Restored, latest.Note,
				})
			})
		},
	}
	cmd.Flags().BoolVar(&consistency, "consistency", false, "print a proof that the log only grew from FROM to TO events")
	cmd.Flags().StringVar(&keys, "keys", "", "file with public keys that the checkpoint must be signed by; default those of CHECKPOINT_KEY, if it is set")
	return cmd
}

func (a *app) consistency(ctx context.Context, p proofs.Prover, args []string) error {
	if len(args) != 2 {
		return usageError(errors.New("--consistency needs FROM and TO, sizes of signed checkpoints"))
	}
	var ends [2]proofs.Signed
	for i, arg := range args {
		size, err := strconv.ParseInt(arg, 10, 64)
		if err != nil {
			return usageError(fmt.Errorf("%q is no size of a checkpoint", arg))
		}
		if ends[i], err = proofs.OfSize(ctx, p.DB, size); err != nil {
			return proofError(fmt.Errorf("of %d events: %w", size, err))
		}
	}
	if ends[0].Size > ends[1].Size || ends[0].Size < 1 {
		return usageError(errors.New("FROM must be at least 1 and not beyond TO"))
	}
	file, err := p.Consistency(ctx, ends[0], ends[1])
	if err != nil {
		return proofError(err)
	}
	return a.printJSON(file)
}

func (a *app) exportCommand() *cobra.Command {
	var flags proofFlags
	var from, to int64
	cmd := &cobra.Command{
		Use:   "export",
		Short: "Print events as stored, with what shows that they are all and unchanged",
		Long: "Prints events as JSON Lines, for people and as the bytes that are hashed, and at the end the path of the last one and a signed checkpoint. Who has\n" +
			"the file and the public key can check with payledger-verify that no event is missing or was changed. Texts about persons stay sealed.",
		Example: "  payledger audit export > events.jsonl\n  payledger audit export --from 100 --to 200 > some.jsonl",
		Args:    exactly(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if from < 1 || cmd.Flags().Changed("to") && to < from {
				return usageError(errors.New("--from and --to are positions from 1, --to not before --from"))
			}
			return a.withProver(cmd.Context(), func(ctx context.Context, l *ledger, p proofs.Prover) error {
				signed, err := l.checkpoint(ctx, p, flags, max(from, to))
				if err != nil {
					return err
				}
				if to == 0 {
					to = signed.Size
				}
				out := bufio.NewWriter(a.stdout)
				if err := export(ctx, p, out, from, to, signed); err != nil {
					return proofError(err)
				}
				return out.Flush()
			})
		},
	}
	flags.add(cmd)
	cmd.Flags().Int64Var(&from, "from", 1, "first position")
	cmd.Flags().Int64Var(&to, "to", 0, "last position; default the last one of the checkpoint")
	return cmd
}

// export writes the events page by page: memory is bounded, however many they are.
func export(ctx context.Context, p proofs.Prover, out *bufio.Writer, from, to int64, signed signedNote) error {
	x, err := proof.NewExporter(out, from, to)
	if err != nil {
		return err
	}
	err = p.Each(ctx, from, to, x.Event)
	if err != nil {
		return err
	}
	path, err := p.Path(ctx, to, signed.Checkpoint)
	if err != nil {
		return err
	}
	return x.End(path, []byte(signed.note))
}
