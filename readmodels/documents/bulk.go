package documents

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"payledger/eventstore"
	"payledger/eventstore/catalog"
	"payledger/readmodels"
	"payledger/readmodels/digest"
)

// bulkDocuments is how many documents Bulk hands over at a time: few enough for short transactions.
const bulkDocuments = 4096

// Bulk folds the whole log in memory, as Replay does, into the documents that it holds. It belongs to one goroutine.
type Bulk struct {
	replay   Replay
	versions map[eventstore.StreamID]int64
	next     int
}

// NewBulk returns a Bulk at the beginning of the log. A document belongs to several streams, so each Bulk is given all events and keeps the
// documents of which holds says so, by tenant and key, and the states of all streams that have begun and not ended.
func NewBulk(holds func(tenant, key string) bool) *Bulk {
	return &Bulk{replay: Replay{holds: holds}, versions: make(map[eventstore.StreamID]int64)}
}

// Apply folds the next event; with last it is the last of its stream, but not of its documents. Its errors are those of readmodels.Fold.
func (b *Bulk) Apply(ev *catalog.Event, last bool) error {
	if before := b.versions[ev.Stream]; ev.Version != before+1 {
		return fmt.Errorf("%w: version %d of %s after version %d", readmodels.ErrUnexpectedEvent, ev.Version, ev.Stream, before)
	}
	if err := b.replay.Apply(*ev); err != nil {
		return err
	}
	if last {
		delete(b.versions, ev.Stream)
		delete(b.replay.states, ev.Stream)
	} else {
		b.versions[ev.Stream] = ev.Version
	}
	return nil
}

// Next returns nil until the end, as any event may change any document; then functions that insert all documents step by step, in the order in
// which they began, and nil when there are no more.
func (b *Bulk) Next(end bool) []func(context.Context, pgx.Tx) error {
	order := b.replay.order
	if !end || b.next == len(order) {
		return nil
	}
	entries := make([]Entry, 0, bulkDocuments)
	for ; b.next < len(order) && len(entries) < bulkDocuments; b.next++ {
		entries = append(entries, *order[b.next])
		order[b.next] = nil
	}
	b.replay.entries, b.replay.states = nil, nil
	return []func(context.Context, pgx.Tx) error{func(ctx context.Context, tx pgx.Tx) error { return write(ctx, tx, sqlInsert, entries) }}
}

// Shapes says how documents are told apart and compared. Which streams a document is folded from its row doesn't tell.
func Shapes() []digest.Shape {
	return []digest.Shape{{
		Table: "documents", Key: []string{"tenant", "object", "id"}, Columns: []string{"tenant", "object", "id", "position", "body"},
	}}
}
