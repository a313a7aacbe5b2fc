package publisher

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"payledger/domain/fee"
	"payledger/domain/payment"
	"payledger/eventstore"
	"payledger/eventstore/catalog"
	"payledger/projections"
	"payledger/readmodels"
)

// MaxDocument is the size in bytes above which a document goes out without its extends and with header ledger-truncated.
const MaxDocument = 7_000_000

// boundTimeout is how long one look for the search's checkpoint waits.
const boundTimeout = time.Second

// pumpIndex sends the index events, each after the search has reached its position: the document can be found by then.
func (s *session) pumpIndex(ctx context.Context) error {
	docs := &documents{fold: newFolder(s), cache: newCache[root, *readmodels.Document]()}
	after := s.from.index
	for {
		if err := s.seen.beyond(ctx, after); err != nil {
			return err
		}
		began := s.Now()
		bound, err := s.Checkpoints.Wait(ctx, s.IndexAfter, after+1, boundTimeout)
		if err != nil {
			return err
		}
		if bound <= after {
			continue
		}
		recs, err := s.Reader.ReadAll(ctx, after, int(min(pageSize, bound-after)))
		if err != nil {
			return halting(err, after+1, noEvent)
		}
		if len(recs) > 0 {
			if err := s.sendIndex(ctx, docs, recs); err != nil {
				return err
			}
			after = recs[len(recs)-1].Position
		}
		if len(recs) < pageSize {
			projections.Wait(ctx, s.Interval-s.Now().Sub(began))
		}
	}
}

func (s *session) sendIndex(ctx context.Context, docs *documents, recs []eventstore.Recorded) error {
	page, fault := docs.page(ctx, recs)
	for i := range page {
		var out []outgoing
		for _, c := range page[i].changed {
			out = append(out, s.indexMessages(&page[i].ev, c)...)
		}
		if err := s.index.put(ctx, markOf(page[i].rec), out); err != nil {
			return err
		}
	}
	return fault
}

// indexMessages returns the message of a document change; for an update also the copy on the -created topic.
func (s *session) indexMessages(ev *catalog.Event, c docChange) []outgoing {
	about := subject{topic: s.topics.documents[c.action], key: c.root.id, schema: string(readmodels.ObjectFee), action: c.action}
	msg := s.envelope(ev, about, c.body)
	if c.truncated {
		msg.Metadata[headerTruncated] = "true"
	}
	lane := "index " + c.root.tenant + "/" + c.root.id
	out := []outgoing{{kind: KindIndex, topic: about.topic, lane: lane, msg: msg}}
	if c.action == actionUpdated && s.IndexUpdatedOnCreatedTopic {
		out = append(out, outgoing{kind: KindIndex, topic: s.topics.documents[actionCreated], lane: lane, msg: msg})
	}
	return out
}

const (
	actionCreated  = string(readmodels.ActionCreated)
	actionUpdated  = string(readmodels.ActionUpdated)
	actionDeleted  = string(readmodels.ActionDeleted)
	actionExtended = "extended"
)

// root is the identity of a document.
type root struct {
	tenant, id string
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

// documents folds pages of the log into document changes. It remembers documents; the others it folds again from the fee's
// own stream and the payment streams named there.
type documents struct {
	fold  *folder
	cache *simplelru.LRU[root, *readmodels.Document]
}

func (d *documents) page(ctx context.Context, recs []eventstore.Recorded) ([]indexed, error) {
	folds, fault := d.fold.page(ctx, recs)
	docs, err := d.before(ctx, folds, recs[0].Position-1)
	if err != nil {
		return nil, halting(err, recs[0].Position, noEvent)
	}
	page := make([]indexed, len(folds))
	for i, f := range folds {
		page[i].folded = f
		for len(f.changes) > 0 {
			at := rootOf(&f.ev, f.changes[0])
			n := 1
			for n < len(f.changes) && rootOf(&f.ev, f.changes[n]) == at {
				n++
			}
			change, doc := changeDocument(at, docs[at], f.changes[:n])
			docs[at] = doc
			d.cache.Add(at, doc)
			page[i].changed = append(page[i].changed, change)
			f.changes = f.changes[n:]
		}
	}
	return page, fault
}

func rootOf(ev *catalog.Event, c readmodels.Change) root { return root{ev.Stream.Tenant, c.New.Root()} }

// changeDocument applies what one event did to the rows of one document. New children alone are extended; whatever else
// happens below the root is an update.
func changeDocument(at root, old *readmodels.Document, changes []readmodels.Change) (docChange, *readmodels.Document) {
	c, doc := docChange{root: at, action: actionExtended}, old
	var added []*readmodels.FeePayment
	for _, change := range changes {
		doc = readmodels.FoldDocument(doc, change)
		row, child := change.New.(*readmodels.FeePayment)
		switch {
		case child && change.Action == readmodels.ActionCreated:
			added = append(added, row)
		case child:
			c.action = actionUpdated
		default:
			c.action = string(change.Action)
		}
	}
	switch c.action {
	case actionExtended:
		c.body = doc.AppendExtended(nil, added)
	case actionDeleted:
		c.body = old.AppendJSON(nil)
	default:
		c.body = doc.AppendJSON(make([]byte, 0, bodySize))
	}
	if len(c.body) > MaxDocument && c.action != actionExtended {
		c.body, c.truncated = (&readmodels.Document{Fee: doc.Fee}).AppendJSON(nil), true
	}
	return c, doc
}

// before returns the documents that a page changes as they are after a position.
func (d *documents) before(ctx context.Context, page []folded, after int64) (map[root]*readmodels.Document, error) {
	docs := make(map[root]*readmodels.Document, len(page))
	var missing []root
	for i := range page {
		for _, c := range page[i].changes {
			at := rootOf(&page[i].ev, c)
			if _, seen := docs[at]; seen {
				continue
			}
			doc, ok := d.cache.Get(at)
			if !ok && (c.Object != readmodels.ObjectFee || c.Action != readmodels.ActionCreated) {
				missing = append(missing, at)
			}
			docs[at] = doc
		}
	}
	if len(missing) == 0 {
		return docs, nil
	}
	return docs, d.load(ctx, docs, missing, after)
}

// load folds documents up to a position. A payment may stand at it whose application to the fee comes right after: so the
// payments are looked for in the whole stream of the fee.
func (d *documents) load(ctx context.Context, docs map[root]*readmodels.Document, missing []root, after int64) error {
	fees := make([]eventstore.StreamID, len(missing))
	wanted := make(map[root]bool, len(missing))
	for i, at := range missing {
		fees[i] = eventstore.StreamID{Tenant: at.tenant, Name: fee.Stream(at.id)}
		wanted[at] = true
	}
	events, err := d.fold.all(ctx, fees)
	if err != nil {
		return err
	}
	paid, err := d.fold.all(ctx, paymentStreams(events))
	if err != nil {
		return err
	}
	events = append(events, paid...)
	slices.SortFunc(events, func(a, b catalog.Event) int { return cmp.Compare(a.Position, b.Position) })
	states := make(map[eventstore.StreamID]any, len(missing))
	for i := range events {
		ev := &events[i]
		if ev.Position > after {
			return nil
		}
		state, changes, err := readmodels.Fold(states[ev.Stream], *ev)
		if err != nil {
			return err
		}
		states[ev.Stream] = state
		for _, c := range changes {
			if at := rootOf(ev, c); wanted[at] {
				docs[at] = readmodels.FoldDocument(docs[at], c)
			}
		}
	}
	return nil
}

// paymentStreams returns the streams of the payments that events of fees name.
func paymentStreams(events []catalog.Event) []eventstore.StreamID {
	seen := make(map[eventstore.StreamID]bool)
	var ids []eventstore.StreamID
	for i := range events {
		applied, ok := events[i].Data.(fee.PaymentApplied)
		if !ok {
			continue
		}
		id := eventstore.StreamID{Tenant: events[i].Stream.Tenant, Name: payment.Stream(applied.PaymentID)}
		if !seen[id] {
			seen[id] = true
			ids = append(ids, id)
		}
	}
	return ids
}
