package search

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"payledger/domain/payment"
	"payledger/projections"
	"payledger/readmodels/documents"
	"payledger/readmodels/persons"
	"payledger/readmodels/search"
)

// All documents of one position are in one page, so that a checkpoint never stands between them. A document that changes
// while this is read shows up again, under its new position.
const sqlPage = `
SELECT tenant, object, id, owner, status, reason, amount, currency, created_at, updated_at, tsvector_to_array(words), deleted, position, epoch, body
FROM documents_v2.documents WHERE position > $1 AND position < $3 ORDER BY position FETCH FIRST $2 ROWS WITH TIES`

// An erasure changes documents, but not what they are folded from: they keep their positions. It is mirrored by itself, when its turn
// comes, with the person's documents of before, at the erasure's place: that is later than what the server has of them.
const (
	sqlNextErasure = `SELECT position, epoch, tenant, subject FROM ledger.erasures WHERE position > $1 AND position <= $2 ORDER BY position LIMIT 1`

	sqlErasedPage = `
SELECT tenant, object, id, owner, status, reason, amount, currency, created_at, updated_at, tsvector_to_array(words), deleted, $2::bigint,
    $3::bigint, body
FROM documents_v2.documents AS d WHERE d.tenant = $1 AND d.position < $2 AND (
    (d.object, d.id) IN (SELECT * FROM unnest($4::text[], $5::text[])) OR d.stream = ANY ($6::text[]))`
)

// The documents are there or not in the snapshot in which the checkpoint is read.
const sqlEnd = `
SELECT position, hash FROM ledger.checkpoints
WHERE projection = $1 AND version = $2 AND to_regclass('documents_v2.documents') IS NOT NULL`

const sqlEvent = `SELECT id, hash FROM ledger.events WHERE position = $1`

// read returns the next page and the checkpoint to which it leads: that of the documents when the page isn't full.
func (m *mirror) read(ctx context.Context, after int64) (page []search.Document, to projections.Checkpoint, err error) {
	err = pgx.BeginTxFunc(ctx, m.Pool, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		var hash []byte
		p := documents.Projection()
		err := tx.QueryRow(ctx, sqlEnd, p.Name, p.Version).Scan(&to.Position, &hash)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		// The documents may be behind the mirror, while they are built anew.
		if err != nil || to.Position <= after {
			return err
		}
		end := to.Position
		if page, to.Position, err = m.page(ctx, tx, after, end); err != nil {
			return err
		}
		if to.Position < end {
			if err := tx.QueryRow(ctx, sqlEvent, to.Position).Scan(nil, &hash); err != nil {
				return fmt.Errorf("event %d: %w", to.Position, err)
			}
		}
		to.Hash = [32]byte(hash)
		return nil
	})
	if err != nil {
		return nil, projections.Checkpoint{}, fmt.Errorf("read changed documents: %w", err)
	}
	return page, to, nil
}

// erasure is one that isn't mirrored yet.
type erasure struct {
	position, epoch int64
	tenant, userID  string
}

// page returns the next page and the position to which it leads: end at most, and no further than to before the next erasure, unless that
// is what comes next.
func (m *mirror) page(ctx context.Context, tx pgx.Tx, after, end int64) (page []search.Document, to int64, err error) {
	var next erasure
	err = tx.QueryRow(ctx, sqlNextErasure, after, end).Scan(&next.position, &next.epoch, &next.tenant, &next.userID)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		next.position = end + 1
	case err != nil:
		return nil, 0, err
	case next.position == after+1:
		page, err = next.page(ctx, tx)
		return page, next.position, err
	}
	rows, err := tx.Query(ctx, sqlPage, after, m.PageSize, next.position)
	if err != nil {
		return nil, 0, err
	}
	if page, err = pgx.CollectRows(rows, scanDocument); err != nil {
		return nil, 0, err
	}
	if len(page) >= m.PageSize {
		return page, page[len(page)-1].Position, nil
	}
	return page, next.position - 1, nil
}

// page returns the documents of the person whose rows may have had texts, but for those that come later anyway.
func (e erasure) page(ctx context.Context, tx pgx.Tx) ([]search.Document, error) {
	found, err := persons.Find(ctx, tx, e.tenant, e.userID)
	if err != nil {
		return nil, err
	}
	objects, ids := found.Documents()
	var streams []string
	for _, id := range found.Payments {
		streams = append(streams, payment.Stream(id))
	}
	rows, err := tx.Query(ctx, sqlErasedPage, e.tenant, e.position, e.epoch, objects, ids, streams)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, scanDocument)
}

func scanDocument(row pgx.CollectableRow) (search.Document, error) {
	var d search.Document
	var body []byte
	err := row.Scan(&d.Tenant, &d.Object, &d.ID, &d.Owner, &d.Status, &d.Reason, &d.Amount, &d.Currency, &d.CreatedAt, &d.UpdatedAt,
		&d.Words, &d.Deleted, &d.Position, &d.Epoch, &body)
	d.Body = body
	return d, err
}

// event returns the id of an event, and the checkpoint at it.
func (m *mirror) event(ctx context.Context, position int64) (uuid.UUID, projections.Checkpoint, error) {
	var id uuid.UUID
	var hash []byte
	if err := m.Pool.QueryRow(ctx, sqlEvent, position).Scan(&id, &hash); err != nil {
		return id, projections.Checkpoint{}, fmt.Errorf("read event %d: %w", position, err)
	}
	return id, projections.Checkpoint{Position: position, Hash: [32]byte(hash)}, nil
}

// checkLog compares the event at the checkpoint with the log: after a restore it may be another one, or none.
func (m *mirror) checkLog(ctx context.Context, at projections.Checkpoint) error {
	if at.Position == 0 {
		return nil
	}
	_, found, err := m.event(ctx, at.Position)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return err
	}
	if found != at {
		return halted(projections.ErrOtherLog, at.Position, uuid.Nil)
	}
	return nil
}
