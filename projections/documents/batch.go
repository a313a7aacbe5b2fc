package documents

import (
	"fmt"

	"payledger/domain/extension"
	"payledger/eventstore"
	"payledger/eventstore/catalog"
	"payledger/readmodels"
	"payledger/readmodels/documents"
)

// batch is the states of streams, and the documents that change, of the events of one transaction.
type batch struct {
	states  map[eventstore.StreamID]any            // as they are by now; nil before a stream's first event
	folded  []folded                               // by the index of the event
	loaded  map[documents.Key]*readmodels.Document // as they are before the batch
	entries map[documents.Key]*documents.Entry
	order   []*documents.Entry     // as they were named first
	isNew   map[documents.Key]bool // rows that are made here
}

// folded is what an event came to.
type folded struct {
	state   any
	changes []readmodels.Change
}

func newBatch(n int) *batch {
	return &batch{
		states: make(map[eventstore.StreamID]any, n), folded: make([]folded, n),
		loaded: make(map[documents.Key]*readmodels.Document, n), isNew: make(map[documents.Key]bool, n),
		entries: make(map[documents.Key]*documents.Entry, 2*n), order: make([]*documents.Entry, 0, 2*n),
	}
}

// foldStreams folds each event on the state of its stream, and names the documents that change by it.
func (b *batch) foldStreams(events []catalog.Event) error {
	for i := range events {
		ev := &events[i]
		state := b.states[ev.Stream]
		if err := inStep(state, ev); err != nil {
			return err
		}
		state, changes, err := readmodels.Fold(state, *ev)
		if err != nil {
			return err
		}
		b.states[ev.Stream], b.folded[i] = state, folded{state, changes}
		if s, ok := state.(*readmodels.FeeState); ok {
			b.entry(ev.Stream.Tenant, readmodels.Ref{Object: readmodels.ObjectFee, ID: s.Fee.ID})
		}
		for _, c := range changes {
			for _, ref := range c.Documents() {
				b.entry(ev.Stream.Tenant, ref)
			}
			if c.Action == readmodels.ActionCreated && c.Object != readmodels.ObjectFee {
				b.isNew[documents.Key{Tenant: ev.Stream.Tenant, Ref: readmodels.Ref{Object: c.Object, ID: c.New.Key()}}] = true
			}
		}
		if put, ok := ev.Data.(extension.Put); ok {
			b.entry(ev.Stream.Tenant, readmodels.ExtendedBy(put))
		}
	}
	return nil
}

// inStep compares an event with the state that it is to be folded onto: a fee knows its place in its stream, of other streams
// the documents know at least whether they had begun.
func inStep(state any, ev *catalog.Event) error {
	version := int64(0)
	switch s := state.(type) {
	case *readmodels.FeeState:
		version = s.Fee.StreamVersion
	case nil:
		if _, ok := ev.Data.(extension.Put); ok {
			return nil
		}
	default:
		version = max(ev.Version-1, 1)
	}
	if ev.Version != version+1 {
		return fmt.Errorf("%w: version %d of %s on documents of version %d", readmodels.ErrUnexpectedEvent, ev.Version, ev.Stream, version)
	}
	return nil
}

// entry returns the entry of a document, a new one if need be.
func (b *batch) entry(tenant string, ref readmodels.Ref) *documents.Entry {
	key := documents.Key{Tenant: tenant, Ref: ref}
	e, ok := b.entries[key]
	if !ok {
		e = &documents.Entry{Key: key}
		b.entries[key] = e
		b.order = append(b.order, e)
	}
	return e
}

// foldDocuments applies what the events came to, in order, and returns the documents in the order in which they were named.
func (b *batch) foldDocuments(events []catalog.Event) ([]documents.Entry, error) {
	for i := range events {
		ev := &events[i]
		for _, c := range b.folded[i].changes {
			for _, ref := range c.Documents() {
				e := b.entry(ev.Stream.Tenant, ref)
				if c.Old == nil && ref.Object == c.Object && rowOf(e.Document) != nil {
					return nil, fmt.Errorf("%w: version %d of %s makes %s %s again", readmodels.ErrUnexpectedEvent, ev.Version, ev.Stream, ref.Object, ref.ID)
				}
				e.Document = e.Document.Fold(ref, c)
				e.Position, e.Epoch = ev.Position, ev.Epoch
			}
		}
		if put, ok := ev.Data.(extension.Put); ok {
			e := b.entry(ev.Stream.Tenant, readmodels.ExtendedBy(put))
			e.Document, _ = e.Document.Extend(put)
			e.Position, e.Epoch = ev.Position, ev.Epoch
		}
		if s, ok := b.folded[i].state.(*readmodels.FeeState); ok {
			e := b.entry(ev.Stream.Tenant, readmodels.Ref{Object: readmodels.ObjectFee, ID: s.Fee.ID})
			e.Document = e.Document.With(s.Fee)
			e.Position, e.Epoch = ev.Position, ev.Epoch
		}
	}
	entries := make([]documents.Entry, len(b.order))
	for i, e := range b.order {
		entries[i] = *e
	}
	return entries, nil
}
