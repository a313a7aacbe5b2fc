package proofs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/mod/sumdb/tlog"

	"payledger/projections"
	"payledger/proof"
	"payledger/readmodels/proofs"
)

// lastSigned learns what was signed last: the later of what the database and the file hold. After a restore the file knows more.
func (b *builder) lastSigned(ctx context.Context) error {
	stored, err := proofs.Latest(ctx, b.Pool)
	switch {
	case err == nil:
		b.signed = &stored.Checkpoint
	case !errors.Is(err, proofs.ErrNoCheckpoint):
		return err
	}
	if b.File == "" {
		return nil
	}
	filed, err := lastOfFile(b.File)
	if err != nil {
		return err
	}
	if filed != nil && (b.signed == nil || filed.After(*b.signed)) {
		b.signed = filed
	}
	return b.fill(ctx, filed)
}

// fill appends to the file what it lacks, as after a crash between storing and appending.
func (b *builder) fill(ctx context.Context, filed *proof.Checkpoint) error {
	if filed == nil {
		filed = &proof.Checkpoint{}
	}
	lacking, err := proofs.After(ctx, b.Pool, *filed)
	if err != nil {
		return err
	}
	for _, s := range lacking {
		if err := appendToFile(b.File, s.Note); err != nil {
			return err
		}
	}
	return nil
}

// unsigned reports whether the tree is another one than was signed last.
func (b *builder) unsigned() bool {
	if b.signed == nil {
		return b.tree.Size() > 0
	}
	return b.tree.Size() > b.signed.Size || b.epoch > b.signed.Epoch
}

// sign signs the tree if that is due. Before the first time, what was signed earlier is held against the log.
func (b *builder) sign(ctx context.Context, lease *projections.Lease) error {
	if !b.known {
		if err := b.compare(ctx, lease); err != nil {
			return err
		}
		b.known = true
	}
	if !b.unsigned() || b.Now().Before(b.signAt) {
		return nil
	}
	return b.issue(ctx, lease, proof.Checkpoint{Size: b.tree.Size(), Root: b.tree.Root(), Head: b.hash})
}

// compare makes sure that the log continues the one that was signed last. If a new epoch says that it was restored, and events
// that had been signed are gone, this is signed first: a checkpoint of what is left, marked by what is lost.
func (b *builder) compare(ctx context.Context, lease *projections.Lease) error {
	last := b.signed
	if last == nil {
		return nil
	}
	if b.epoch < last.Epoch {
		return fmt.Errorf("%w: it is in epoch %d, what was signed is of epoch %d", ErrOtherHistory, b.epoch, last.Epoch)
	}
	if same, err := b.bears(ctx, *last); same || err != nil {
		return err
	}
	left, err := b.lastOfEpoch(ctx, last.Epoch)
	if err != nil {
		return err
	}
	if b.epoch == last.Epoch || last.Size <= left {
		return fmt.Errorf("%w: %d events, epoch %d", ErrOtherHistory, last.Size, last.Epoch)
	}
	earlier, err := proofs.LatestBefore(ctx, b.Pool, left)
	if err == nil {
		var same bool
		if same, err = b.bears(ctx, earlier.Checkpoint); err == nil && !same {
			err = fmt.Errorf("%w: %d events, epoch %d", ErrOtherHistory, earlier.Size, earlier.Epoch)
		}
	}
	if err != nil && !errors.Is(err, proofs.ErrNoCheckpoint) {
		return err
	}
	b.Logger.WarnContext(ctx, "the log was restored, events that had been signed are gone", slog.Int64("position", left), slog.Int64("signed", last.Size))
	fork := proof.Checkpoint{Size: left, Restored: last.Size}
	if fork.Root, fork.Head, err = b.at(ctx, left); err != nil {
		return err
	}
	return b.issue(ctx, lease, fork)
}

// bears reports whether the log is, up to its size, that of a checkpoint.
func (b *builder) bears(ctx context.Context, c proof.Checkpoint) (bool, error) {
	if c.Size > b.tree.Size() {
		return false, nil
	}
	root, head, err := b.at(ctx, c.Size)
	return root == c.Root && head == c.Head, err
}

// at returns root and last hash of the log as it was with so many events.
func (b *builder) at(ctx context.Context, size int64) (root tlog.Hash, head [32]byte, err error) {
	if root, err = tlog.TreeHash(size, proof.Hashes(proofs.Tiles(ctx, b.Pool))); err != nil || size == 0 {
		return root, head, err
	}
	events, err := b.Reader.ReadAll(ctx, size-1, 1)
	if err != nil {
		return root, head, err
	}
	if len(events) == 0 {
		return root, head, projections.ErrOtherLog
	}
	return root, events[0].Hash, nil
}

// Epochs never go back, so the search from the end passes the events of later epochs only.
const sqlLastOfEpoch = `SELECT coalesce((SELECT position FROM ledger.events WHERE epoch <= $1 ORDER BY position DESC LIMIT 1), 0)`

func (b *builder) lastOfEpoch(ctx context.Context, epoch int64) (position int64, err error) {
	err = b.Pool.QueryRow(ctx, sqlLastOfEpoch, epoch).Scan(&position)
	return position, err
}

// issue signs a checkpoint and stores it, then appends it to the file. What a crash in between leaves out of the file, the next start
// appends.
func (b *builder) issue(ctx context.Context, lease *projections.Lease, c proof.Checkpoint) error {
	c.Origin, c.Epoch, c.SignedAt = b.Signers.Origin(), b.epoch, b.Now().UTC().Truncate(time.Second)
	note, err := b.Signers.Sign(c)
	if err != nil {
		return err
	}
	err = pgx.BeginFunc(ctx, b.Pool, func(tx pgx.Tx) error {
		if err := lease.RenewIn(ctx, tx); err != nil {
			return err
		}
		_, err := proofs.AddCheckpoint(ctx, tx, c, note)
		return err
	})
	if err != nil {
		return err
	}
	b.signed, b.signAt = &c, b.Now().Add(b.SignEvery)
	if b.File == "" {
		return nil
	}
	return appendToFile(b.File, string(note))
}
