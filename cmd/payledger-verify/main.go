// Command payledger-verify checks proofs, consistency proofs and exports of a payledger log, with public keys and nothing else: it needs no
// server and no network, and knows none of the ledger's code but package proof.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	"payledger/proof"
)

// The exit codes are those of payledger.
const (
	exitDone    = 0
	exitFailed  = 1
	exitUsage   = 2
	exitDamaged = 5
)

const usage = `payledger-verify checks files that payledger audit prove, checkpoint --consistency and export have made.

  payledger-verify --keys FILE [--kept FILE] [--json] FILE…

  --keys FILE  public keys of the log, one a line, as payledger audit key has printed them
  --kept FILE  signed checkpoints that you have kept: the files must be of the same history
  --json       print one JSON value per line

It ends with 0 if all files are intact, 5 if one is not, 2 for wrong usage, 1 if a file can't be read.
`

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// verifier is one run of the program.
type verifier struct {
	checker proof.Checker
	json    bool
	stdout  io.Writer
	stderr  io.Writer
}

func run(args []string, stdout, stderr io.Writer) int {
	v := verifier{stdout: stdout, stderr: stderr}
	flags := flag.NewFlagSet("payledger-verify", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	keys := flags.String("keys", "", "")
	kept := flags.String("kept", "", "")
	flags.BoolVar(&v.json, "json", false, "")
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(stdout, usage)
		return exitDone
	case err != nil:
		return v.misused(err)
	case flags.NArg() == 0:
		return v.misused(errors.New("no file is named"))
	case *keys == "":
		return v.misused(errors.New("--keys is required: nothing else says whose log it is"))
	}
	text, err := os.ReadFile(*keys)
	if err != nil {
		return v.misused(err)
	}
	if v.checker.Keys, err = proof.ParseKeys(string(text)); err != nil {
		return v.misused(fmt.Errorf("%s: %w", *keys, err))
	}
	if *kept != "" {
		if code := v.readKept(*kept); code != exitDone {
			return code
		}
	}
	worst := exitDone
	for _, path := range flags.Args() {
		worst = max(worst, v.verify(path))
	}
	return worst
}

func (v *verifier) misused(err error) int {
	fmt.Fprintf(v.stderr, "payledger-verify: %v\n\n%s", err, usage)
	return exitUsage
}

// readKept reads the reader's own checkpoints.
func (v *verifier) readKept(path string) int {
	text, err := os.ReadFile(path) //nolint:gosec // named by the user
	if err != nil {
		return v.misused(err)
	}
	notes, rest := proof.SplitNotes(text)
	if len(notes) == 0 || len(rest) > 0 {
		return v.misused(fmt.Errorf("%s: not a file of signed checkpoints", path))
	}
	for i, note := range notes {
		c, err := v.checker.Keys.Open(note)
		if err != nil {
			return v.report(verdict{File: path, Problem: fmt.Sprintf("checkpoint %d: %v", i+1, err)}, exitDamaged)
		}
		v.checker.Kept = append(v.checker.Kept, c)
	}
	return exitDone
}

// verdict is what is said of one file.
type verdict struct {
	File             string        `json:"file"`
	OK               bool          `json:"ok"`
	FirstBadPosition *int64        `json:"firstBadPosition"`
	Problem          string        `json:"problem"`
	Shown            *proof.Result `json:"shown"`
}

func (v *verifier) verify(path string) int {
	file, err := os.Open(path) //nolint:gosec // named by the user
	if err != nil {
		return v.report(verdict{File: path, Problem: err.Error()}, exitFailed)
	}
	defer func() { _ = file.Close() }()
	result, err := v.checker.Check(file)
	damage, damaged := errors.AsType[*proof.DamageError](err)
	switch {
	case damaged && damage.Position > 0:
		return v.report(verdict{File: path, Problem: damage.Problem, FirstBadPosition: &damage.Position}, exitDamaged)
	case damaged, errors.Is(err, proof.ErrFormat):
		return v.report(verdict{File: path, Problem: err.Error()}, exitDamaged)
	case err != nil:
		return v.report(verdict{File: path, Problem: err.Error()}, exitFailed)
	}
	return v.report(verdict{File: path, OK: true, Shown: &result}, exitDone)
}

// report prints a verdict and returns the exit code.
func (v *verifier) report(said verdict, code int) int {
	if v.json {
		encoder := json.NewEncoder(v.stdout)
		encoder.SetEscapeHTML(false)
		if err := encoder.Encode(said); err != nil {
			return exitFailed
		}
		return code
	}
	at := ""
	if said.FirstBadPosition != nil {
		at = fmt.Sprintf("position %d: ", *said.FirstBadPosition)
	}
	switch {
	case code == exitFailed:
		fmt.Fprintf(v.stderr, "payledger-verify: %s\n", said.Problem)
	case !said.OK:
		fmt.Fprintf(v.stdout, "%s: NOT INTACT: %s%s\n", said.File, at, said.Problem)
	default:
		fmt.Fprintf(v.stdout, "%s: intact: %s\n", said.File, inWords(said.Shown))
	}
	return code
}

func inWords(r *proof.Result) string {
	text := ""
	switch r.Format {
	case proof.FormatInclusion:
		text = fmt.Sprintf("event %d (%s of %s) is in the log %s", r.From, r.Event.Type, r.Event.Stream, r.Origin)
	case proof.FormatConsistency:
		text = fmt.Sprintf("the log %s of %d events is the beginning of that of %d", r.Origin, r.From, r.To)
	case proof.FormatExport:
		text = fmt.Sprintf("events %d to %d of the log %s, none missing", r.From, r.To, r.Origin)
	}
	c := r.Checkpoint
	text += fmt.Sprintf("; checkpoint of %d events, epoch %d, signed %s", c.Size, c.Epoch, c.SignedAt.Format("2006-01-02T15:04:05Z07:00"))
	if gone := r.TakenAway; gone != nil {
		text += fmt.Sprintf("; BUT a restore, with which epoch %d began, took away what was behind position %d: it is in the log no more", gone.Epoch, gone.After)
	}
	if r.Kept > 0 {
		text += fmt.Sprintf("; %d kept checkpoints agree", r.Kept)
	}
	return text
}
