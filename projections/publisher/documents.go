package publisher

import (
	"cmp"
	"context"
	"maps"
	"slices"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"payledger/domain/extension"
	"payledger/domain/fee"
	"payledger/domain/payment"
	"payledger/eventstore"
	"payledger/eventstore/catalog"
	"payledger/readmodels"
)

// MaxDocument is the size in bytes above which a document goes out without its extends and with header ledger-truncated.
const MaxDocument = 7_000_000

const (
	actionCreated  = string(readmodels.ActionCreated)
	actionUpdated  = string(readmodels.ActionUpdated)
	actionDeleted  = string(readmodels.ActionDeleted)
	actionExtended = "extended"
)

// root is the identity of a document.
type root struct {
	tenant string
	readmodels.Ref
}

// docChange is what one event did to one document.
type docChange struct {
	root      root
	action    string
	body      []byte
	truncated bool
}

// indexed is an event with what it did to documents.
type indexed struct {
	folded
	changed []docChange
}

// documents folds pages of the log into document changes. It remembers documents of fees; what else it needs it folds again
// from the streams.
type documents struct {
	fold  *folder
	cache *simplelru.LRU[root, *readmodels.Document]
}

func newDocuments(c Source) *documents {
	d := &documents{fold: newFolder(c), cache: newCache[root, *readmodels.Document]()}
	d.fold.dropMore = d.cache.Purge
	return d
}

func (d *documents) page(ctx context.Context, recs []eventstore.Recorded) ([]indexed, error) {
	folds, fault := d.fold.page(ctx, recs)
	docs, err := d.before(ctx, folds, recs[0].Position-1)
	if err != nil {
		return nil, halting(err, recs[0].Position, noEvent)
	}
	page := make([]indexed, len(folds))
	for i := range folds {
		page[i].folded = folds[i]
		for _, at := range folds[i].roots() {
			c, doc := folds[i].change(at, docs[at])
			docs[at] = doc
			if at.Object == readmodels.ObjectFee {
				d.cache.Add(at, doc)
			}
			if c.action != "" {
				page[i].changed = append(page[i].changed, c)
			}
		}
	}
	return page, fault
}

// roots returns the documents that an event changes, each once.
func (f *folded) roots() []root {
	var all []root
	add := func(ref readmodels.Ref) {
		if at := (root{f.ev.Stream.Tenant, ref}); !slices.Contains(all, at) {
			all = append(all, at)
		}
	}
	for _, c := range f.changes {
		for _, ref := range c.Documents() {
			add(ref)
		}
	}
	if put, ok := f.ev.Data.(extension.Put); ok {
		add(readmodels.ExtendedBy(put))
	}
	return all
}

// change applies what an event did to one document. New children alone are extended; whatever else happens below the root is an
// update. What happens to a tombstone changes nothing that could be found: no action.
func (f *folded) change(at root, old *readmodels.Document) (docChange, *readmodels.Document) {
	c, doc := docChange{root: at, action: actionExtended}, old
	var added readmodels.Document
	for _, change := range f.changes {
		if !slices.Contains(change.Documents(), at.Ref) {
			continue
		}
		doc = doc.Fold(at.Ref, change)
		switch {
		case change.Object == at.Object:
			c.action = string(change.Action)
		case change.Action == readmodels.ActionCreated:
			added = *added.Fold(at.Ref, change)
		case c.action == actionExtended:
			c.action = actionUpdated
		}
	}
	if put, ok := f.ev.Data.(extension.Put); ok {
		var elements []extension.Element
		doc, elements = doc.Extend(put)
		if len(elements) < len(put.Elements) {
			c.action = actionUpdated
		}
		added.Extensions = []readmodels.Extension{{Name: put.Name, Elements: elements}}
	}
	if doc.Row == nil || old != nil && old.Row != nil && !old.Row.Active() {
		c.action = ""
		return c, doc
	}
	c.print(old, doc, added)
	return c, doc
}

// print makes the body: of a deleted document as it was before.
func (c *docChange) print(old, doc *readmodels.Document, added readmodels.Document) {
	switch c.action {
	case actionExtended:
		c.body = doc.AppendExtended(nil, c.root.ID, added)
		return
	case actionDeleted:
		doc = old
	}
	c.body = doc.AppendJSON(make([]byte, 0, bodySize))
	if len(c.body) > MaxDocument {
		c.body, c.truncated = (&readmodels.Document{Row: doc.Row}).AppendJSON(nil), true
	}
}

// before returns the documents that a page changes as they are after a position, which is the one before the page.
func (d *documents) before(ctx context.Context, page []folded, after int64) (map[root]*readmodels.Document, error) {
	docs := make(map[root]*readmodels.Document, len(page))
	missing := make(map[root]bool)
	var streams []eventstore.StreamID
	for i := range page {
		f := &page[i]
		for _, at := range f.roots() {
			if _, seen := docs[at]; seen {
				continue
			}
			doc, ok := d.cache.Get(at)
			old, isNew := f.before(at)
			if docs[at] = doc; ok || isNew {
				continue
			}
			missing[at] = true
			streams = append(streams, eventstore.StreamID{Tenant: at.tenant, Name: extension.Stream(string(at.Object), at.ID)})
			if at.Object == readmodels.ObjectFee {
				streams = append(streams, eventstore.StreamID{Tenant: at.tenant, Name: fee.Stream(at.ID)})
			} else if put, ok := f.ev.Data.(extension.Put); ok {
				streams = append(streams, eventstore.StreamID{Tenant: at.tenant, Name: put.Stream})
			} else {
				docs[at] = docs[at].With(old)
			}
		}
	}
	if len(missing) == 0 {
		return docs, nil
	}
	return docs, d.load(ctx, docs, missing, streams, after)
}

// before returns the row of a document as it was before the event, and whether it is new by it.
func (f *folded) before(at root) (old readmodels.Row, isNew bool) {
	for _, c := range f.changes {
		if c.Object == at.Object && c.New.Key() == at.ID {
			return c.Old, c.Action == readmodels.ActionCreated
		}
	}
	return nil, false
}

// load folds documents up to a position, from the streams of their rows and of what belongs to them. A payment may stand at it whose
// application to the fee comes right after: so the payments are looked for in the whole stream of the fee.
func (d *documents) load(
	ctx context.Context, docs map[root]*readmodels.Document, wanted map[root]bool, streams []eventstore.StreamID, after int64,
) error {
	streams = distinct(streams)
	events, err := d.fold.all(ctx, streams)
	if err != nil {
		return err
	}
	paid, err := d.fold.all(ctx, slices.DeleteFunc(paymentStreams(events), func(id eventstore.StreamID) bool { return slices.Contains(streams, id) }))
	if err != nil {
		return err
	}
	events = append(events, paid...)
	slices.SortFunc(events, func(a, b catalog.Event) int { return cmp.Compare(a.Position, b.Position) })
	states := make(map[eventstore.StreamID]any)
	for i := range events {
		ev := events[i]
		if ev.Position > after {
			return nil
		}
		state, changes, err := readmodels.Fold(states[ev.Stream], ev)
		if err != nil {
			return err
		}
		states[ev.Stream] = state
		f := folded{ev: ev, changes: changes}
		for _, at := range f.roots() {
			if wanted[at] {
				_, docs[at] = f.change(at, docs[at])
			}
		}
	}
	return nil
}

func distinct(ids []eventstore.StreamID) []eventstore.StreamID {
	seen := make(map[eventstore.StreamID]bool, len(ids))
	return slices.DeleteFunc(ids, func(id eventstore.StreamID) bool {
		defer func() { seen[id] = true }()
		return seen[id]
	})
}

// paymentStreams returns the streams of the payments that events of fees name.
func paymentStreams(events []catalog.Event) []eventstore.StreamID {
	seen := make(map[eventstore.StreamID]bool)
	for i := range events {
		paymentID := ""
		switch e := events[i].Data.(type) {
		case fee.PaymentReserved:
			paymentID = e.PaymentID
		case fee.PaymentApplied:
			paymentID = e.PaymentID
		}
		if paymentID != "" {
			seen[eventstore.StreamID{Tenant: events[i].Stream.Tenant, Name: payment.Stream(paymentID)}] = true
		}
	}
	return slices.Collect(maps.Keys(seen))
}
