package proofs

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"golang.org/x/mod/sumdb/tlog"

	"payledger/eventstore"
	"payledger/proof"
)

// Errors of proofs.
var (
	// ErrNoEvent: the log has no such event.
	ErrNoEvent = errors.New("the log has no such event")
	// ErrNotSigned: no checkpoint covers the event yet.
	ErrNotSigned = errors.New("no checkpoint covers the event yet")
	// ErrOtherTree: log, stored tree and checkpoint don't agree. One of them was changed.
	ErrOtherTree = errors.New("the log is not the one that was signed")
)

// Prover makes proofs of a log, and checks each before it hands it out.
type Prover struct {
	DB     DB
	Reader *eventstore.Reader
}

// There is no index for it: who asks for a proof knows the position, or can wait.
const sqlPositionOf = `SELECT position FROM ledger.events WHERE id = $1`

// Position returns where an event stands. ErrNoEvent.
func (p Prover) Position(ctx context.Context, id uuid.UUID) (position int64, err error) {
	err = p.DB.QueryRow(ctx, sqlPositionOf, id).Scan(&position)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, ErrNoEvent
	}
	return position, err
}

// Inclusion proves that the event at a position stands in the log of a checkpoint. ErrNoEvent, ErrNotSigned, ErrOtherTree.
func (p Prover) Inclusion(ctx context.Context, position int64, c proof.Checkpoint, note string) (proof.Inclusion, error) {
	if position > c.Size {
		return proof.Inclusion{}, fmt.Errorf("the checkpoint is of %d events: %w", c.Size, ErrNotSigned)
	}
	encoded, err := p.encoded(ctx, position)
	if err != nil {
		return proof.Inclusion{}, err
	}
	file := proof.Inclusion{Format: proof.FormatInclusion, Checkpoint: note}
	if file.Entry, err = proof.NewEntry(encoded); err != nil {
		return proof.Inclusion{}, err
	}
	if file.Path, err = p.Path(ctx, position, c); err != nil {
		return proof.Inclusion{}, err
	}
	if err := proof.Included(file.Path, c, position, proof.Leaf(encoded)); err != nil {
		return proof.Inclusion{}, fmt.Errorf("%w: %w", ErrOtherTree, err)
	}
	return file, nil
}

// Path returns the path of an event's leaf in the tree of a checkpoint, unchecked.
func (p Prover) Path(ctx context.Context, position int64, c proof.Checkpoint) ([]tlog.Hash, error) {
	path, err := tlog.ProveRecord(c.Size, position-1, proof.Hashes(Tiles(ctx, p.DB)))
	return path, treeError(err)
}

// Consistency proves that the log only grew from one checkpoint to another. ErrOtherTree.
func (p Prover) Consistency(ctx context.Context, from, to Signed) (proof.Consistency, error) {
	if from.Size < 1 || from.Size > to.Size {
		return proof.Consistency{}, fmt.Errorf("the checkpoint of %d events is not before that of %d", from.Size, to.Size)
	}
	path, err := tlog.ProveTree(to.Size, from.Size, proof.Hashes(Tiles(ctx, p.DB)))
	if err != nil {
		return proof.Consistency{}, treeError(err)
	}
	if err := proof.Grown(path, from.Checkpoint, to.Checkpoint); err != nil {
		return proof.Consistency{}, fmt.Errorf("%w: %w", ErrOtherTree, err)
	}
	return proof.Consistency{Format: proof.FormatConsistency, From: from.Note, To: to.Note, Path: path}, nil
}

func treeError(err error) error {
	if errors.Is(err, proof.ErrTile) {
		return fmt.Errorf("%w: %w", ErrOtherTree, err)
	}
	return err
}

// encoded returns the bytes of the event at a position, as they are hashed.
func (p Prover) encoded(ctx context.Context, position int64) (encoded []byte, err error) {
	err = p.Each(ctx, position, position, func(b []byte) error {
		encoded = bytes.Clone(b)
		return nil
	})
	return encoded, err
}

// eachPage is the number of events that are read at once.
const eachPage = 1024

// Each calls fn with the bytes of events from one position to another, both included; they are good until fn returns. ErrNoEvent if the
// log ends before, ErrOtherTree if an event isn't what was hashed.
func (p Prover) Each(ctx context.Context, from, to int64, fn func(encoded []byte) error) error {
	if from < 1 {
		return ErrNoEvent
	}
	var encoded []byte
	var prev [32]byte
	for after := max(from-2, 0); after < to; {
		events, err := p.Reader.ReadAll(ctx, after, int(min(eachPage, to-after)))
		if err != nil {
			return err
		}
		if len(events) == 0 {
			return ErrNoEvent
		}
		for i := range events {
			e := &events[i]
			if after = e.Position; after >= from {
				encoded = eventstore.AppendHashed(encoded[:0], prev, e)
				if proof.HashOf(encoded) != e.Hash {
					return fmt.Errorf("%w: event %d is not what was hashed", ErrOtherTree, after)
				}
				if err := fn(encoded); err != nil {
					return err
				}
			}
			prev = e.Hash
		}
	}
	return nil
}
