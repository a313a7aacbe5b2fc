package documents

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"payledger/domain/extension"
	"payledger/eventstore"
	"payledger/eventstore/catalog"
	"payledger/readmodels"
	"payledger/readmodels/checkpoints"
	"payledger/readmodels/digest"
)

const sqlAll = `SELECT tenant, object, id, position, body FROM documents_v2.documents`

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
			row      digest.Row
			key      Key
			position int64
			body     []byte
		)
		_, err = pgx.ForEachRow(rows, []any{&key.Tenant, &key.Object, &key.ID, &position, &body}, func() error {
			row = canonical(row[:0], key, position, body)
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

// Replay folds a log in memory into what the table should hold. It keeps these documents, and the states of streams that have begun and not ended.
// The zero value is at the beginning.
type Replay struct {
	states  map[eventstore.StreamID]any
	entries map[Key]*Entry
	order   []*Entry                      // as they began
	holds   func(tenant, key string) bool // which documents are kept; nil for all
}

// NewReplay returns a Replay of the documents of which holds says so, by tenant and key: a document belongs to several streams, so it is given all events.
func NewReplay(holds func(tenant, key string) bool) *Replay { return &Replay{holds: holds} }

// Apply folds the next event.
func (r *Replay) Apply(ev catalog.Event) error {
	if r.states == nil {
		r.states, r.entries = make(map[eventstore.StreamID]any), make(map[Key]*Entry)
	}
	state, changes, err := readmodels.Fold(r.states[ev.Stream], ev)
	if err != nil {
		return err
	}
	r.states[ev.Stream] = state
	for _, change := range changes {
		for _, ref := range change.Documents() {
			if e := r.entry(ev, ref); e != nil {
				e.Document = e.Document.Fold(ref, change)
			}
		}
	}
	if s, ok := state.(*readmodels.FeeState); ok {
		if e := r.entry(ev, readmodels.Ref{Object: readmodels.ObjectFee, ID: s.Fee.ID}); e != nil {
			e.Document = e.Document.With(s.Fee)
		}
	}
	if put, ok := ev.Data.(extension.Put); ok {
		if e := r.entry(ev, readmodels.ExtendedBy(put)); e != nil {
			e.Document, _ = e.Document.Extend(put)
		}
	}
	return nil
}

// entry returns the document that an event changes, nil if it isn't one that is kept.
func (r *Replay) entry(ev catalog.Event, ref readmodels.Ref) *Entry {
	key := Key{ev.Stream.Tenant, ref}
	e := r.entries[key]
	if e == nil {
		if r.holds != nil && !r.holds(key.Tenant, string(ref.Object)+"/"+ref.ID) {
			return nil
		}
		e = &Entry{Key: key}
		r.entries[key] = e
		r.order = append(r.order, e)
	}
	e.Position, e.Epoch = ev.Position, ev.Epoch
	return e
}

// End lets go of a stream, but not of its documents, of which no later event comes.
func (r *Replay) End(stream eventstore.StreamID) { delete(r.states, stream) }

// Sum returns the digest of the documents so far.
func (r *Replay) Sum() digest.Sum {
	var sum digest.Sum
	var row digest.Row
	for _, e := range r.entries {
		row = canonical(row[:0], e.Key, e.Position, e.Indexed().Body)
		sum.Add(row)
	}
	return sum
}
