package proofs

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/mod/sumdb/tlog"

	"payledger/eventstore"
	"payledger/proof"
	"payledger/readmodels/checkpoints"
)

// Comparison holds a log against checkpoints that were signed of it earlier. Add is given the log from its first event on, as
// eventstore.Verify reads it (VerifyOptions.Each).
type Comparison struct {
	standing []proof.Checkpoint // in order of size
	Lost     int                // checkpoints of events that a restore took away, as was signed
	Compared int                // that agreed
	tree     proof.Tree
	good     int64             // size of the largest one that agrees
	bad      *proof.Checkpoint // the first that doesn't
}

// NewComparison returns a comparison with all checkpoints of one log.
func NewComparison(all []proof.Checkpoint) *Comparison {
	standing, lost := proof.Standing(all)
	c := &Comparison{standing: standing, Lost: len(lost)}
	c.compare([32]byte{})
	return c
}

// Add takes the next event of the log, as it is hashed.
func (c *Comparison) Add(_ int64, encoded []byte) {
	if c.bad != nil || len(c.standing) == 0 {
		return
	}
	c.tree.Append(proof.Leaf(encoded))
	if c.standing[0].Size == c.tree.Size() {
		c.compare(proof.HashOf(encoded))
	}
}

// compare compares the checkpoints of the size that was reached.
func (c *Comparison) compare(head [32]byte) {
	for len(c.standing) > 0 && c.standing[0].Size == c.tree.Size() {
		if next := c.standing[0]; next.Root != c.tree.Root() || next.Head != head {
			c.bad = &next
			return
		}
		c.good = c.standing[0].Size
		c.standing = c.standing[1:]
		c.Compared++
	}
}

// Report adds to what eventstore.Verify found of the whole log where it parts from what was signed: the lower position of both is told. The
// stored tiles name the very event, unless they were changed too: only what the signed root vouches for is believed.
func (c *Comparison) Report(ctx context.Context, db DB, reader *eventstore.Reader, report eventstore.VerifyReport) (eventstore.VerifyReport, error) {
	if len(c.standing) > 0 {
		fork, err := forkBefore(ctx, reader, c.standing[0], report)
		if err != nil {
			return report, err
		}
		if fork != nil {
			return c.reportFork(ctx, db, reader, report, *fork)
		}
	}
	switch {
	case c.bad != nil:
		position, err := c.part(ctx, db, reader, *c.bad, c.bad.Size)
		if err != nil {
			return report, err
		}
		if position == 0 {
			return told(report, c.good+1, "the log is not that of the signed checkpoint of %d events: one from %d to %d is another one", c.bad.Size, c.good+1, c.bad.Size), nil
		}
		return told(report, position, "the event is another one than in the signed checkpoint of %d events", c.bad.Size), nil
	case len(c.standing) == 0:
		return report, nil
	}
	// The log ends, or its chain is broken, before the next checkpoint. What stands before that may be changed all the same.
	upTo := c.tree.Size()
	if !report.OK {
		upTo = min(upTo, report.FirstBadPosition-1)
	}
	position, err := c.part(ctx, db, reader, c.standing[0], upTo)
	switch {
	case err != nil:
		return report, err
	case position > 0:
		return told(report, position, "the event is another one than in the signed checkpoint of %d events", c.standing[0].Size), nil
	case report.OK:
		return told(report, c.tree.Size()+1, "the log ends before the %d events of a signed checkpoint: the tail is cut off", c.standing[0].Size), nil
	}
	return report, nil
}

// reportFork tells of a checkpoint of a future that a restore took away, which no checkpoint among those that are compared says was signed
// away: that is no proof that there was one.
func (c *Comparison) reportFork(
	ctx context.Context, db DB, reader *eventstore.Reader, report eventstore.VerifyReport, fork proof.Restore,
) (eventstore.VerifyReport, error) {
	signed, upTo := c.standing[0], fork.After
	if !report.OK {
		upTo = min(upTo, report.FirstBadPosition-1)
	}
	position, err := c.part(ctx, db, reader, signed, upTo)
	switch {
	case err != nil:
		return report, err
	case position > 0:
		return told(report, position, "the event is another one than in the signed checkpoint of %d events", signed.Size), nil
	}
	return told(report, fork.After+1, "the signed checkpoint of %d events, epoch %d, is of a future that a restore took away: the log forked behind position %d, where epoch %d begins; "+
		"no checkpoint that was signed after that restore is among these and says so", signed.Size, signed.Epoch, fork.After, fork.Epoch), nil
}

// forkBefore returns where the log left the epoch of a checkpoint before all of its events had come, nil if it didn't as far as it is whole.
func forkBefore(ctx context.Context, reader *eventstore.Reader, signed proof.Checkpoint, report eventstore.VerifyReport) (*proof.Restore, error) {
	if report.Head.Epoch <= signed.Epoch {
		return nil, nil
	}
	whole := report.Head.Position
	if !report.OK {
		whole = report.FirstBadPosition - 1
	}
	fork := proof.Restore{After: whole, Epoch: report.Head.Epoch}
	for low := int64(0); low < fork.After; { // epochs only grow
		middle := low + (fork.After-low)/2
		events, err := reader.ReadAll(ctx, middle, 1)
		switch {
		case err != nil:
			return nil, err
		case len(events) == 0:
			return nil, nil
		case events[0].Epoch > signed.Epoch:
			fork = proof.Restore{After: middle, Epoch: events[0].Epoch}
		default:
			low = middle + 1
		}
	}
	if fork.After >= signed.Size || !report.OK && fork.After == whole {
		return nil, nil
	}
	return &fork, nil
}

// told puts a finding into a report, unless that knows of something at a lower position, or at the same.
func told(report eventstore.VerifyReport, position int64, format string, args ...any) eventstore.VerifyReport {
	if report.OK || report.FirstBadPosition > position {
		report.OK, report.FirstBadPosition, report.Problem = false, position, fmt.Sprintf(format, args...)
	}
	return report
}

// part returns the first event up to a position that differs from the leaves that a checkpoint vouches for; 0 if there is none, or if
// the leaves can't be had.
func (c *Comparison) part(ctx context.Context, db DB, reader *eventstore.Reader, signed proof.Checkpoint, upTo int64) (int64, error) {
	tiles := &signedTiles{read: Tiles(ctx, db)}
	hashes := tlog.TileHashReader(tlog.Tree{N: signed.Size, Hash: signed.Root}, tiles)
	var prev [32]byte
	for after := max(c.good-1, 0); after < upTo; {
		events, err := reader.ReadAll(ctx, after, int(min(partPage, upTo-after)))
		if err != nil {
			return 0, err
		}
		indexes := make([]int64, len(events))
		for i := range events {
			indexes[i] = tlog.StoredHashIndex(0, events[i].Position-1)
		}
		leaves, err := hashes.ReadHashes(indexes)
		if tiles.failed != nil {
			return 0, tiles.failed
		}
		if err != nil || len(events) == 0 {
			return 0, nil //nolint:nilerr // tiles that the signed root doesn't vouch for name nothing
		}
		for i := range events {
			after = events[i].Position
			leaf := proof.Leaf(eventstore.AppendHashed(nil, prev, &events[i]))
			if after > c.good && leaf != leaves[i] {
				return after, nil
			}
			prev = events[i].Hash
		}
	}
	return 0, nil
}

// partPage is how many events are compared at a time: as many as a tile has leaves.
const partPage = 256

// signedTiles makes stored tiles tlog's, which checks them against the signed root.
type signedTiles struct {
	read   func(level int, index int64) ([]byte, error)
	failed error // of the database, if it isn't that there are no tiles
}

var errShort = errors.New("tile is too short")

// Height implements tlog.TileReader.
func (*signedTiles) Height() int { return 8 }

// ReadTiles implements tlog.TileReader.
func (s *signedTiles) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	all := make([][]byte, len(tiles))
	for i, tile := range tiles {
		hashes, err := s.read(tile.L, tile.N)
		if err != nil && !errors.Is(err, checkpoints.ErrNotBuilt) {
			s.failed = err
		}
		if err != nil {
			return nil, err
		}
		if len(hashes) < tile.W*tlog.HashSize {
			return nil, errShort
		}
		all[i] = slices.Clip(hashes[:tile.W*tlog.HashSize])
	}
	return all, nil
}

// SaveTiles implements tlog.TileReader: there is nothing to save.
func (*signedTiles) SaveTiles([]tlog.Tile, [][]byte) {}
