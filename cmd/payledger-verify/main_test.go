package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/tlog"

	"payledger/proof"
)

// build makes the program, and files of a log of five events in a folder that holds nothing else.
func build(t *testing.T) (dir string, run func(args ...string) (code int, stdout, stderr string)) {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "payledger-verify")
	out, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, ".").CombinedOutput()
	require.NoError(t, err, "%s", out)
	dir = t.TempDir()
	writeFiles(t, dir)
	return dir, func(args ...string) (int, string, string) {
		var stdout, stderr bytes.Buffer
		cmd := exec.CommandContext(t.Context(), binary, args...)
		cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = dir, []string{}, &stdout, &stderr
		err := cmd.Run()
		if cmd.ProcessState == nil {
			require.NoError(t, err)
		}
		return cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()
	}
}

func writeFiles(t *testing.T, dir string) {
	t.Helper()
	write := func(name string, content []byte) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), content, 0o600))
	}
	private, public, err := proof.NewKey("ledger.example.org/library")
	require.NoError(t, err)
	signers, err := proof.ParseSigners(private)
	require.NoError(t, err)
	_, other, err := proof.NewKey("ledger.example.org/library")
	require.NoError(t, err)
	write("keys", []byte(public+"\n"))
	write("otherkeys", []byte(other+"\n"))
	write("nokeys", []byte("x\n"))

	tiles := map[[2]int64][]byte{}
	read := func(level int, index int64) ([]byte, error) { return tiles[[2]int64{int64(level), index}], nil }
	tree, err := proof.LoadTree(0, read)
	require.NoError(t, err)
	var encoded [][]byte
	var before [32]byte
	var notes []string
	for i := range int64(5) {
		e := proof.Event{Before: before, Position: i + 1, Epoch: 1, Tenant: "main", Stream: "fee-1", Version: i + 1, Type: "fee.assessed", Schema: 1, Data: []byte("{}"), Metadata: []byte("{}")}
		b := e.Encode()
		before, encoded = proof.HashOf(b), append(encoded, b)
		tree.Append(proof.Leaf(b))
		for _, tile := range tree.Take() {
			tiles[[2]int64{int64(tile.Level), tile.Index}] = bytes.Clone(tile.Hashes)
		}
		note, err := signers.Sign(proof.Checkpoint{Origin: signers.Origin(), Size: i + 1, Root: tree.Root(), Epoch: 1, Head: before, SignedAt: time.Unix(1_700_000_000, 0)})
		require.NoError(t, err)
		notes = append(notes, string(note))
	}
	entry, err := proof.NewEntry(encoded[1])
	require.NoError(t, err)
	path, err := tlog.ProveRecord(5, 1, proof.Hashes(read))
	require.NoError(t, err)
	inclusion, err := json.Marshal(proof.Inclusion{Format: proof.FormatInclusion, Entry: entry, Path: path, Checkpoint: notes[4]})
	require.NoError(t, err)
	write("proof.json", inclusion)
	write("forged.json", bytes.Replace(inclusion, []byte(`"fee-1"`), []byte(`"fee-2"`), 1))
	growth, err := tlog.ProveTree(5, 3, proof.Hashes(read))
	require.NoError(t, err)
	consistency, err := json.Marshal(proof.Consistency{Format: proof.FormatConsistency, From: notes[2], To: notes[4], Path: growth})
	require.NoError(t, err)
	write("grown.json", consistency)

	var export bytes.Buffer
	x, err := proof.NewExporter(&export, 1, 5)
	require.NoError(t, err)
	for _, b := range encoded {
		require.NoError(t, x.Event(b))
	}
	path, err = tlog.ProveRecord(5, 4, proof.Hashes(read))
	require.NoError(t, err)
	require.NoError(t, x.End(path, []byte(notes[4])))
	write("events.jsonl", export.Bytes())
	lines := bytes.SplitAfter(export.Bytes(), []byte("\n"))
	write("holed.jsonl", bytes.Join(append(append([][]byte{}, lines[:3]...), lines[4:]...), nil))
	write("kept", []byte(notes[0]+"\n"+notes[2]))
	replaced, err := signers.Sign(proof.Checkpoint{Origin: signers.Origin(), Size: 3, Root: tlog.Hash{1}, Epoch: 1, SignedAt: time.Unix(1_700_000_000, 0)})
	require.NoError(t, err)
	write("keptofothers", replaced)
	write("torn", []byte(notes[0][:50]))
}

// Everything happens in a folder that holds only the files, without any environment.
func TestChecksFilesWithNothingElse(t *testing.T) {
	t.Parallel()
	_, run := build(t)
	for _, tt := range []struct {
		args string
		code int
		word string
	}{
		{"--keys keys proof.json", 0, "proof.json: intact: event 2 (fee.assessed of fee-1) is in the log ledger.example.org/library; checkpoint of 5 events, epoch 1, signed 2023-11-14T22:13:20Z\n"},
		{"--keys keys grown.json", 0, "grown.json: intact: the log ledger.example.org/library of 3 events is the beginning of that of 5;"},
		{"--keys keys events.jsonl", 0, "events.jsonl: intact: events 1 to 5 of the log ledger.example.org/library, none missing;"},
		{"--keys keys --kept kept events.jsonl", 0, "; 2 kept checkpoints agree\n"},
		{"--keys keys --json grown.json", 0, `{"file":"grown.json","ok":true,"firstBadPosition":null,"problem":"","shown":{"format":"payledger-consistency-v1","origin":"ledger.example.org/library","from":3,"to":5,"whole":false,"kept":0,"takenAway":null}}` + "\n"},
		{"--help", 0, "--keys FILE"},
		{"--keys keys forged.json", 5, "forged.json: NOT INTACT: the fields of event 2 are not what its bytes say\n"},
		{"--keys keys holed.jsonl", 5, "holed.jsonl: NOT INTACT: position 3: the event is missing, the next one is at 4\n"},
		{"--keys keys --json holed.jsonl", 5, `{"file":"holed.jsonl","ok":false,"firstBadPosition":3,"problem":"the event is missing, the next one is at 4","shown":null}` + "\n"},
		{"--keys otherkeys proof.json", 5, "not signed by a known key"},
		{"--keys keys --kept keptofothers events.jsonl", 5, "position 3: another event than that of the kept checkpoint of 3 events"},
		{"--keys otherkeys --kept kept events.jsonl", 5, "kept: NOT INTACT: checkpoint 1: not signed by a known key"},
		{"--keys keys proof.json holed.jsonl grown.json", 5, "grown.json: intact"},
		{"--keys keys keys", 5, "not a proof"},
	} {
		code, stdout, stderr := run(strings.Fields(tt.args)...)
		require.Equal(t, tt.code, code, "%s: %s%s", tt.args, stdout, stderr)
		require.Contains(t, stdout, tt.word)
		require.Empty(t, stderr)
	}
	for _, tt := range []struct {
		args string
		code int
		word string
	}{
		{"", 2, "no file is named"},
		{"proof.json", 2, "--keys is required"},
		{"--keys nokeys proof.json", 2, "not a key"},
		{"--keys none proof.json", 2, "none"},
		{"--keys keys --kept none proof.json", 2, "none"},
		{"--keys keys --kept torn proof.json", 2, "not a file of signed checkpoints"},
		{"--what", 2, "--keys FILE"},
		{"--keys keys none", 1, "none"},
	} {
		code, stdout, stderr := run(strings.Fields(tt.args)...)
		require.Equal(t, tt.code, code, "%s: %s%s", tt.args, stdout, stderr)
		require.Contains(t, stderr, tt.word)
		require.Empty(t, stdout)
	}
}

// Who trusts the program need not trust the ledger's code, nor any that talks to a network.
func TestNothingElseIsLinkedIn(t *testing.T) {
	t.Parallel()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", ".").Output()
	require.NoError(t, err)
	packages := strings.Fields(string(out))
	require.Contains(t, packages, "payledger/proof")
	for _, name := range packages {
		require.NotEqual(t, "net", name)
		require.False(t, strings.HasPrefix(name, "payledger/") && name != "payledger/proof" && name != "payledger/cmd/payledger-verify", name)
		require.False(t, strings.HasPrefix(name, "github.com/"), name)
	}
}
