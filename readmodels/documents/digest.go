package documents

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"payledger/domain/fee"
	"payledger/eventstore/catalog"
	"payledger/readmodels"
	"payledger/readmodels/checkpoints"
	"payledger/readmodels/digest"
)

const sqlAll = `SELECT tenant, id, position, body FROM documents_v1.documents`

// Digest sums up all documents and reads the checkpoint in one snapshot. checkpoints.ErrNotBuilt: there are no documents yet.
func Digest(ctx context.Context, pool *pgxpool.Pool) (digest.Stored, error) {
	var stored digest.Stored
	options := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	err := pgx.BeginTxFunc(ctx, pool, options, func(tx pgx.Tx) (err error) {
		if stored.Position, err = checkpoints.Read(ctx, tx, Projection()); err != nil {
			return err
		}
		rows, err := tx.Query(ctx, sqlAll)
		if err != nil {
			return err
		}
		var (
			row        digest.Row
			tenant, id string
			position   int64
			body       []byte
		)
		_, err = pgx.ForEachRow(rows, []any{&tenant, &id, &position, &body}, func() error {
			row = canonical(row[:0], tenant, id, position, body)
			stored.Sum.Add(row)
			return nil
		})
		return err
	})
	if err != nil {
		return digest.Stored{}, fmt.Errorf("digest of the documents: %w", checkpoints.NotBuilt(err))
	}
	return stored, nil
}

// Replay folds a log in memory into what the table should hold. The zero value is at the beginning.
type Replay struct {
	entries map[Key]*Entry
}

// Apply folds the next event.
func (r *Replay) Apply(ev catalog.Event) error {
	if r.entries == nil {
		r.entries = make(map[Key]*Entry)
	}
	var state any
	if id, isFee := strings.CutPrefix(ev.Stream.Name, fee.Stream("")); isFee {
		if e := r.entries[Key{Tenant: ev.Stream.Tenant, FeeID: id}]; e != nil && e.Document.Fee != nil {
			state = e.Document.Fee
		}
	}
	_, changes, err := readmodels.Fold(state, ev)
	if err != nil {
		return err
	}
	for _, c := range changes {
		key := Key{Tenant: ev.Stream.Tenant, FeeID: c.New.Root()}
		e := r.entries[key]
		if e == nil {
			e = &Entry{Key: key}
			r.entries[key] = e
		}
		e.Document = readmodels.FoldDocument(e.Document, c)
		e.Position, e.Epoch = ev.Position, ev.Epoch
	}
	return nil
}

// Sum returns the digest of the documents so far.
func (r *Replay) Sum() digest.Sum {
	var sum digest.Sum
	var row digest.Row
	for _, e := range r.entries {
		row = canonical(row[:0], e.Tenant, e.FeeID, e.Position, e.Indexed().Body)
		sum.Add(row)
	}
	return sum
}
