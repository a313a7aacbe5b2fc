package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"payledger/cmd/payledger/internal/config"
	"payledger/proof"
)

// checkpointSigners reads the keys that sign checkpoints.
func checkpointSigners(cfg config.Config) (proof.Signers, error) {
	text := cfg.CheckpointKey.Reveal()
	if cfg.CheckpointKeyFile != "" {
		file, err := os.ReadFile(cfg.CheckpointKeyFile)
		if err != nil {
			return proof.Signers{}, usageError(fmt.Errorf("CHECKPOINT_KEY_FILE: %w", err))
		}
		text = string(file)
	}
	signers, err := proof.ParseSigners(text)
	if err != nil {
		return proof.Signers{}, usageError(fmt.Errorf("CHECKPOINT_KEY: %w", err))
	}
	return signers, nil
}

// errNoKeys says where public keys come from.
var errNoKeys = errors.New("no public key is known: give --keys FILE with what `payledger audit key` has printed")

// checkpointKeys reads the public keys of a file; without one they are those of the keys that sign.
func checkpointKeys(cfg config.Config, path string) (proof.Keys, error) {
	if path == "" {
		if cfg.CheckpointKey == "" && cfg.CheckpointKeyFile == "" {
			return proof.Keys{}, usageError(errNoKeys)
		}
		signers, err := checkpointSigners(cfg)
		return signers.Keys(), err
	}
	text, err := os.ReadFile(path) //nolint:gosec // named by the user
	if err != nil {
		return proof.Keys{}, usageError(err)
	}
	keys, err := proof.ParseKeys(string(text))
	return keys, usageError(err)
}

func (a *app) keyCommand() *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use:   "key ORIGIN",
		Short: "Make a key that signs checkpoints",
		Long: "Makes an Ed25519 key for the log of that name, a URL without scheme. The private half goes to a file that only its owner can read, never to\n" +
			"the terminal; the public half is printed: auditors need it.",
		Example: "  payledger audit key ledger.example.org/library --out checkpoint-key\n  CHECKPOINT_KEY_FILE=checkpoint-key payledger project",
		Args:    exactly(1),
		RunE: func(_ *cobra.Command, args []string) error {
			if out == "" {
				return usageError(errors.New("--out is required: the file for the private key"))
			}
			public, err := makeCheckpointKey(args[0], out)
			if err != nil {
				return err
			}
			if a.json {
				return a.printJSON(map[string]string{"key": public})
			}
			fmt.Fprintln(a.stdout, public)
			return nil
		},
	}
	cmd.Flags().StringVar(&out, "out", "", "file for the private key; it must not exist")
	return cmd
}

// makeCheckpointKey writes a new private key to a file that must not exist, and returns the public one.
func makeCheckpointKey(origin, path string) (public string, err error) {
	private, public, err := proof.NewKey(origin)
	if err != nil {
		return "", usageError(err)
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600) //nolint:gosec // named by the user
	if errors.Is(err, os.ErrExist) {
		return "", refused("%s exists: a key is never overwritten", path)
	}
	if err != nil {
		return "", fmt.Errorf("write the private key: %w", err)
	}
	_, err = file.WriteString(private + "\n")
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
		return "", fmt.Errorf("write the private key: %w", err)
	}
	return public, nil
}

// readCheckpoints reads a file of signed checkpoints, all of which a known key must have signed. A note at its end that was cut
// off is passed over.
func readCheckpoints(path string, keys proof.Keys) ([]signedNote, error) {
	text, err := os.ReadFile(path) //nolint:gosec // named by the user
	if err != nil {
		return nil, usageError(err)
	}
	notes, _ := proof.SplitNotes(text)
	all := make([]signedNote, len(notes))
	for i, note := range notes {
		c, err := keys.Open(note)
		if err != nil {
			return nil, &exitError{code: exitDamaged, err: fmt.Errorf("checkpoint %d of %s: %w", i+1, path, err)}
		}
		all[i] = signedNote{c, string(note)}
	}
	if len(all) == 0 {
		return nil, usageError(fmt.Errorf("%s holds no checkpoint", path))
	}
	return all, nil
}

// signedNote is a checkpoint with the note that it was read from.
type signedNote struct {
	proof.Checkpoint
	note string
}
