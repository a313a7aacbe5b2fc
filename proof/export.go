package proof

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"golang.org/x/mod/sumdb/tlog"
)

// Exporter writes an export: JSON Lines.
type Exporter struct {
	out *json.Encoder
}

// NewExporter writes the first line of an export of positions from to to, both included.
func NewExporter(w io.Writer, from, to int64) (*Exporter, error) {
	x := &Exporter{out: json.NewEncoder(w)}
	x.out.SetEscapeHTML(false)
	return x, x.line(ExportHead{Format: FormatExport, From: from, To: to})
}

// Event writes the next event.
func (x *Exporter) Event(encoded []byte) error {
	entry, err := NewEntry(encoded)
	if err != nil {
		return err
	}
	return x.line(entry)
}

// End writes the last line: the path of the last event in the tree of a signed checkpoint.
func (x *Exporter) End(path []tlog.Hash, signed []byte) error {
	return x.line(ExportEnd{Path: path, Checkpoint: string(signed)})
}

func (x *Exporter) line(value any) error {
	if err := x.out.Encode(value); err != nil {
		return fmt.Errorf("write the export: %w", err)
	}
	return nil
}

// exported is what a reader of an export remembers.
type exported struct {
	head  ExportHead
	at    int64 // position of the last event
	last  [32]byte
	leaf  tlog.Hash
	tree  Tree // if it begins at 1
	epoch int64
	heads map[int64]Checkpoint // what it says at the sizes of kept checkpoints
}

func (c Checker) export(first json.RawMessage, d *json.Decoder) (Result, error) {
	var head ExportHead
	if !readExactly(first, &head) {
		return Result{}, damaged(0, "the first line is not that of an export")
	}
	if head.From < 1 || head.To < head.From {
		return Result{}, damaged(0, "it says to hold positions %d to %d", head.From, head.To)
	}
	x := exported{head: head, at: head.From - 1, heads: make(map[int64]Checkpoint)}
	for x.at < head.To {
		var line json.RawMessage
		if err := d.Decode(&line); err != nil {
			return Result{}, cutOff(x.at+1, err)
		}
		var entry Entry
		if !readExactly(line, &entry) {
			return Result{}, damaged(x.at+1, "the line is not that of an event")
		}
		if err := x.add(entry); err != nil {
			return Result{}, err
		}
		if slices.ContainsFunc(c.Kept, func(k Checkpoint) bool { return k.Size == x.at }) {
			x.heads[x.at] = Checkpoint{Size: x.at, Root: x.tree.Root(), Head: x.last, Epoch: x.epoch}
		}
	}
	var line json.RawMessage
	if err := d.Decode(&line); err != nil {
		return Result{}, cutOff(head.To, err)
	}
	var end ExportEnd
	if !readExactly(line, &end) {
		return Result{}, damaged(head.To, "the last line is not that of an export")
	}
	return c.exportEnd(&x, end)
}

func cutOff(position int64, err error) error {
	if err := readError(err); !errors.Is(err, ErrFormat) {
		return err
	}
	return damaged(position, "the export is cut off or can't be read from here on")
}

// add takes the next event, which must follow the one before.
func (x *exported) add(entry Entry) error {
	want := x.at + 1
	e, err := entry.Open()
	switch {
	case err != nil:
		return damaged(want, "%v", err)
	case e.Position != want:
		return damaged(want, "the event is missing, the next one is at %d", e.Position)
	case want == x.head.From && want > 1: // what is before it isn't here
	case e.Before != x.last:
		return damaged(max(want-1, 1), "this event is not the one that the next one follows")
	}
	x.at, x.epoch, x.last, x.leaf = want, e.Epoch, HashOf(entry.Bytes), Leaf(entry.Bytes)
	if x.head.From == 1 {
		x.tree.Append(x.leaf)
	}
	return nil
}

// exportEnd holds what was read against the checkpoint at the end, and against those that the reader has kept.
func (c Checker) exportEnd(x *exported, end ExportEnd) (Result, error) {
	checkpoint, err := c.open(end.Checkpoint)
	if err != nil {
		return Result{}, err
	}
	result := Result{
		Origin: checkpoint.Origin, From: x.head.From, To: x.at, Checkpoint: checkpoint, Whole: x.head.From == 1 && x.at == checkpoint.Size,
	}
	kept := c.kept(checkpoint)
	for _, k := range kept { // in order of size: the first that differs tells most
		if err := k.agrees(checkpoint); err != nil {
			return Result{}, err
		}
		told, ok := x.heads[k.Size]
		if !ok {
			continue
		}
		if err := k.agreesAt(k.Size, told.Epoch, told.Head); err != nil {
			return Result{}, err
		}
		if x.head.From == 1 {
			if err := k.agrees(told); err != nil {
				return Result{}, err
			}
		}
	}
	result.Kept = count(kept, func(k Checkpoint) bool { _, ok := x.heads[k.Size]; return ok || k.Size == checkpoint.Size })
	if err := checkpoint.agreesAt(x.at, x.epoch, x.last); err != nil {
		return Result{}, damaged(x.at, "another event than that of the checkpoint")
	}
	if result.Whole && x.tree.Root() != checkpoint.Root {
		return Result{}, damaged(x.at, "another log than that of the checkpoint")
	}
	return result, Included(end.Path, checkpoint, x.at, x.leaf)
}
