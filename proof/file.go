package proof

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"golang.org/x/mod/sumdb/tlog"
)

// The formats of files, as they name themselves.
const (
	FormatInclusion   = "payledger-proof-v1"
	FormatConsistency = "payledger-consistency-v1"
	FormatExport      = "payledger-export-v1"
)

// ErrFormat says that a file is none of ours.
var ErrFormat = errors.New("not a proof, a consistency proof or an export of payledger")

// DamageError says that a file doesn't show what it claims.
type DamageError struct {
	Position int64 // of the first event that is wrong; 0 where none can be named
	Problem  string
}

// Error tells the problem.
func (e *DamageError) Error() string {
	if e.Position == 0 {
		return e.Problem
	}
	return fmt.Sprintf("position %d: %s", e.Position, e.Problem)
}

func damaged(position int64, format string, args ...any) error {
	return &DamageError{Position: position, Problem: fmt.Sprintf(format, args...)}
}

// Inclusion is a proof file: one event, and that it stands in the log that a checkpoint is of.
type Inclusion struct {
	Format string `json:"format"`
	Entry
	Path       []tlog.Hash `json:"path"` // from the leaf to the root
	Checkpoint string      `json:"checkpoint"`
}

// Consistency is a file that shows of two checkpoints that the log only grew from one to the other.
type Consistency struct {
	Format string      `json:"format"`
	From   string      `json:"from"`
	To     string      `json:"to"`
	Path   []tlog.Hash `json:"path"`
}

// ExportHead is the first line of an export: the positions of its events. A line for each event follows, an Entry.
type ExportHead struct {
	Format string `json:"format"`
	From   int64  `json:"from"`
	To     int64  `json:"to"`
}

// ExportEnd is the last line of an export: that its last event stands in the log. By the chain, all before it do.
type ExportEnd struct {
	Path       []tlog.Hash `json:"path"`
	Checkpoint string      `json:"checkpoint"`
}

// Result says what a file has shown.
type Result struct {
	Format string `json:"format"`
	Origin string `json:"origin"`
	From   int64  `json:"from"` // position of the first event shown; of a consistency proof the smaller size
	To     int64  `json:"to"`   // of the last
	Whole  bool   `json:"whole"`
	Kept   int    `json:"kept"` // checkpoints of the reader's own that were compared
	// TakenAway says which of the events shown were in the log once and aren't any more, as a checkpoint of the reader's own says; nil: none.
	TakenAway  *Restore   `json:"takenAway"`
	Event      *Event     `json:"-"` // of a proof
	Checkpoint Checkpoint `json:"-"` // that the file ends with
}

// Restore is one that took events away.
type Restore struct {
	After int64 `json:"after"` // position behind which all were
	Epoch int64 `json:"epoch"` // that began with it
}

// Checker checks files.
type Checker struct {
	Keys Keys
	// Kept are checkpoints that the reader has kept since earlier: only they show that history was not replaced as a whole by somebody
	// who has the key.
	Kept []Checkpoint
}

// Check reads a file of any format to its end. ErrFormat: it is none. *DamageError: it doesn't show what it claims.
func (c Checker) Check(r io.Reader) (Result, error) {
	d := json.NewDecoder(r)
	var first json.RawMessage
	if err := d.Decode(&first); err != nil {
		return Result{}, readError(err)
	}
	var file struct {
		Format string `json:"format"`
	}
	if err := json.Unmarshal(first, &file); err != nil {
		return Result{}, ErrFormat
	}
	var result Result
	var err error
	switch file.Format {
	case FormatInclusion:
		result, err = c.inclusion(first)
	case FormatConsistency:
		result, err = c.consistency(first)
	case FormatExport:
		result, err = c.export(first, d)
	default:
		return Result{}, ErrFormat
	}
	if err != nil {
		return Result{}, err
	}
	if err := d.Decode(new(json.RawMessage)); !errors.Is(err, io.EOF) {
		return Result{}, damaged(0, "something stands behind its end")
	}
	result.Format, result.TakenAway = file.Format, c.takenAway(result)
	return result, nil
}

// readError keeps the errors of reading apart from those of what was read.
func readError(err error) error {
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return ErrFormat
	}
	return fmt.Errorf("read: %w", err)
}

// readExactly reports whether a value is what we would have written, up to white space: a second field of the same name could show
// people something else than what is checked.
func readExactly(raw json.RawMessage, value any) bool {
	if json.Unmarshal(raw, value) != nil {
		return false
	}
	want, err := compactJSON(value)
	var told bytes.Buffer
	return err == nil && json.Compact(&told, raw) == nil && bytes.Equal(told.Bytes(), want)
}

// compactJSON prints a value in one line, with no more escapes than JSON needs.
func compactJSON(value any) ([]byte, error) {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return nil, fmt.Errorf("print: %w", err)
	}
	return bytes.TrimSuffix(text.Bytes(), []byte("\n")), nil
}

func (c Checker) open(signed string) (Checkpoint, error) {
	checkpoint, err := c.Keys.Open([]byte(signed))
	if err != nil {
		return Checkpoint{}, damaged(0, "the checkpoint is %v", err)
	}
	return checkpoint, nil
}

func (c Checker) inclusion(raw json.RawMessage) (Result, error) {
	var file Inclusion
	if !readExactly(raw, &file) {
		return Result{}, damaged(0, "it has other fields than a file of its format")
	}
	event, err := file.Open()
	if err != nil {
		return Result{}, damaged(event.Position, "%v", err)
	}
	checkpoint, err := c.open(file.Checkpoint)
	if err != nil {
		return Result{}, err
	}
	if err := Included(file.Path, checkpoint, event.Position, Leaf(file.Bytes)); err != nil {
		return Result{}, err
	}
	kept := c.kept(checkpoint)
	for _, k := range kept {
		if err := k.agrees(checkpoint); err != nil {
			return Result{}, err
		}
		if err := k.agreesAt(event.Position, event.Epoch, HashOf(file.Bytes)); err != nil {
			return Result{}, err
		}
	}
	return Result{
		Origin: checkpoint.Origin, From: event.Position, To: event.Position, Event: &event, Checkpoint: checkpoint,
		Kept: count(kept, func(k Checkpoint) bool { return k.Size == checkpoint.Size || k.Size == event.Position }),
	}, nil
}

// Included checks that the event of these bytes stands in the log of a checkpoint, at its position. *DamageError if not.
func Included(path []tlog.Hash, c Checkpoint, position int64, leaf tlog.Hash) error {
	if position < 1 || position > c.Size {
		return damaged(position, "the checkpoint is of %d events", c.Size)
	}
	if tlog.CheckRecord(path, c.Size, c.Root, position-1, leaf) != nil {
		return damaged(position, "the event doesn't stand in the log of the checkpoint")
	}
	return nil
}

func (c Checker) consistency(raw json.RawMessage) (Result, error) {
	var file Consistency
	if !readExactly(raw, &file) {
		return Result{}, damaged(0, "it has other fields than a file of its format")
	}
	from, err := c.open(file.From)
	if err != nil {
		return Result{}, err
	}
	to, err := c.open(file.To)
	if err != nil {
		return Result{}, err
	}
	if from.Origin != to.Origin {
		return Result{}, damaged(0, "the checkpoints are of two logs, %s and %s", from.Origin, to.Origin)
	}
	if from.Size > to.Size || from.Epoch > to.Epoch || from.Size < 1 {
		return Result{}, damaged(0, "the first checkpoint (size %d, epoch %d) is not the earlier one (%d, %d)", from.Size, from.Epoch, to.Size, to.Epoch)
	}
	if err := Grown(file.Path, from, to); err != nil {
		return Result{}, err
	}
	compared := 0
	for _, end := range []Checkpoint{from, to} {
		kept := c.kept(end)
		compared += count(kept, func(k Checkpoint) bool { return k.Size == end.Size })
		for _, k := range kept {
			if err := k.agrees(end); err != nil {
				return Result{}, err
			}
		}
	}
	return Result{Origin: to.Origin, From: from.Size, To: to.Size, Kept: compared, Checkpoint: to}, nil
}

// Grown checks that the log of one checkpoint is the beginning of that of another. *DamageError if not.
func Grown(path []tlog.Hash, from, to Checkpoint) error {
	if from.Size == to.Size {
		if from.Root != to.Root || len(path) > 0 {
			return damaged(0, "two logs of %d events", from.Size)
		}
		return nil
	}
	if tlog.CheckTree(path, to.Size, to.Root, from.Size, from.Root) != nil {
		return damaged(0, "the log of %d events is not the beginning of that of %d", from.Size, to.Size)
	}
	return nil
}

// takenAway returns the restore that took most of what a file shows, nil for none.
func (c Checker) takenAway(shown Result) *Restore {
	var by *Restore
	for _, k := range c.Kept {
		if k.Origin == shown.Origin && k.takes(shown.Checkpoint) && k.Size < shown.To && (by == nil || k.Size < by.After) {
			by = &Restore{After: k.Size, Epoch: k.Epoch}
		}
	}
	return by
}

// before returns those of checkpoints that tell of the same history as one whose events a restore took away: what was signed after that
// restore does so up to where the old history ends, and what an earlier restore took away doesn't.
func before(all []Checkpoint, of Checkpoint) []Checkpoint {
	return slices.DeleteFunc(slices.Clone(all), func(k Checkpoint) bool {
		return slices.ContainsFunc(all, func(by Checkpoint) bool {
			return by.takes(of) && by.Epoch <= k.Epoch && by.Size < k.Size || by.takes(k) && by.Epoch <= of.Epoch
		})
	})
}

// kept returns the reader's own checkpoints of the same log that must still hold.
func (c Checker) kept(of Checkpoint) []Checkpoint {
	all := []Checkpoint{of}
	for _, k := range c.Kept {
		if k.Origin == of.Origin {
			all = append(all, k)
		}
	}
	if slices.ContainsFunc(all[1:], func(by Checkpoint) bool { return by.takes(of) }) {
		return before(all[1:], of)
	}
	standing, _ := Standing(all[1:])
	if of.Restored > 0 {
		standing, _ = Standing(all)
	}
	return standing
}

// agrees checks a kept checkpoint against another one of the same size.
func (c Checkpoint) agrees(with Checkpoint) error {
	if c.Size == with.Size && (c.Root != with.Root || c.Head != with.Head) {
		return damaged(c.Size, "another log than that of the kept checkpoint of %d events%s", c.Size, c.overtaken(with.Epoch))
	}
	return nil
}

// agreesAt checks a kept checkpoint against the event at a position.
func (c Checkpoint) agreesAt(position, epoch int64, hash [32]byte) error {
	if c.Size == position && c.Head != hash {
		return damaged(position, "another event than that of the kept checkpoint of %d events%s", c.Size, c.overtaken(epoch))
	}
	return nil
}

// overtaken says of a checkpoint that doesn't fit what has come of its epoch, if the log is in another one by now.
func (c Checkpoint) overtaken(epoch int64) string {
	if epoch <= c.Epoch {
		return ""
	}
	return fmt.Sprintf(", epoch %d, and of epoch %d: if a restore took that future away, the checkpoint that was signed after it says so, which is not among the kept ones", c.Epoch, epoch)
}

func count(list []Checkpoint, of func(Checkpoint) bool) int {
	n := 0
	for _, c := range list {
		if of(c) {
			n++
		}
	}
	return n
}
