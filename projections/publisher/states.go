package publisher

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/google/uuid"
	"github.com/hashicorp/golang-lru/v2/simplelru"

	"payledger/eventstore"
	"payledger/eventstore/catalog"
	"payledger/projections"
	"payledger/readmodels"
)

// cacheSize bounds the streams, and the documents, whose state is remembered: some 30 MB at most.
const cacheSize = 32_768

// folded is an event with what it did to rows.
type folded struct {
	rec     *eventstore.Recorded
	ev      catalog.Event
	changes []readmodels.Change
}

// folder folds pages of the log. It remembers the state of streams; what it has forgotten, or never saw since the process
// started, it folds again from the stream's own events. It belongs to one goroutine.
type folder struct {
	reader  *eventstore.Reader
	catalog *catalog.Catalog
	keys    eventstore.Keys
	states  *simplelru.LRU[eventstore.StreamID, streamState]
	// forgotten is how often the keys had forgotten everything when states was empty; dropMore drops what is made of states.
	forgotten int64
	dropMore  func()
}

type streamState struct {
	version int64
	value   any // what readmodels.Fold made
}

func newFolder(c Source) *folder {
	return &folder{reader: c.Reader, catalog: c.Catalog, keys: c.Keys, states: newCache[eventstore.StreamID, streamState](), dropMore: func() {}}
}

// personErased is the event after which nothing may be known of what was opened before.
const personErased = "person.erased"

// untilErasure cuts a stretch of the log after its first erasure, and says whether it ends with one.
func untilErasure(recs []eventstore.Recorded) (part []eventstore.Recorded, erasure bool) {
	for i := range recs {
		if recs[i].Type == personErased {
			return recs[:i+1], true
		}
	}
	return recs, false
}

// forget drops what was folded from texts that may be gone, and the keys that opened them.
func (f *folder) forget(ctx context.Context) error {
	f.drop()
	return eventstore.RefreshKeys(ctx, f.keys)
}

func (f *folder) drop() {
	f.states.Purge()
	f.dropMore()
}

// keepUp drops what was folded from texts when the keys know of an erasure that the log was not read up to yet.
func (f *folder) keepUp(ctx context.Context) error {
	forgotten, err := eventstore.Forgotten(ctx, f.keys)
	if err == nil && forgotten != f.forgotten {
		f.drop()
		f.forgotten = forgotten
	}
	return err
}

func newCache[K comparable, V any]() *simplelru.LRU[K, V] {
	cache, err := simplelru.NewLRU[K, V](cacheSize, nil)
	if err != nil {
		panic(err) // only for a size that isn't positive
	}
	return cache
}

// page folds a stretch of the log. With an error come the events before the one that can't be folded.
func (f *folder) page(ctx context.Context, recs []eventstore.Recorded) ([]folded, error) {
	if err := f.keepUp(ctx); err != nil {
		return nil, halting(err, recs[0].Position, uuid.Nil)
	}
	states, err := f.before(ctx, recs)
	if err != nil {
		return nil, halting(err, recs[0].Position, uuid.Nil)
	}
	page := make([]folded, 0, len(recs))
	for i := range recs {
		rec := &recs[i]
		ev, changes, err := f.event(ctx, states, rec)
		if err != nil {
			return page, halting(err, rec.Position, rec.ID)
		}
		page = append(page, folded{rec, ev, changes})
	}
	return page, nil
}

// event folds one event onto states, and remembers the stream's new state.
func (f *folder) event(ctx context.Context, states map[eventstore.StreamID]streamState, rec *eventstore.Recorded) (_ catalog.Event, _ []readmodels.Change, err error) {
	defer recovered(&err)
	ev, err := f.catalog.Decode(ctx, f.keys, rec)
	if err != nil {
		return catalog.Event{}, nil, err
	}
	state := states[rec.Stream]
	if state.version != rec.Version-1 {
		return catalog.Event{}, nil, fmt.Errorf("stream %s goes from version %d to %d: %w", rec.Stream, state.version, rec.Version, eventstore.ErrGap)
	}
	value, changes, err := readmodels.Fold(state.value, ev)
	if err != nil {
		return catalog.Event{}, nil, err
	}
	state = streamState{rec.Version, value}
	states[rec.Stream] = state
	f.states.Add(rec.Stream, state)
	return ev, changes, nil
}

// before returns the states of the streams of a page as they are before it.
func (f *folder) before(ctx context.Context, recs []eventstore.Recorded) (map[eventstore.StreamID]streamState, error) {
	states := make(map[eventstore.StreamID]streamState, len(recs))
	var missing []eventstore.StreamID
	for i := range recs {
		id := recs[i].Stream
		if _, seen := states[id]; seen {
			continue
		}
		state, ok := f.states.Get(id)
		if !ok && recs[i].Version > 1 {
			missing = append(missing, id)
		}
		states[id] = state
	}
	if len(missing) == 0 {
		return states, nil
	}
	past, err := f.reader.ReadStreams(ctx, missing, recs[0].Position-1)
	if err != nil {
		return nil, err
	}
	for i := range past {
		if _, _, err := f.event(ctx, states, &past[i]); err != nil {
			return nil, err
		}
	}
	return states, nil
}

// all returns the events of streams wherever they stand, decoded, in order of position.
func (f *folder) all(ctx context.Context, ids []eventstore.StreamID) ([]catalog.Event, error) {
	recs, err := f.reader.ReadStreams(ctx, ids, math.MaxInt64)
	if err != nil {
		return nil, err
	}
	events := make([]catalog.Event, len(recs))
	for i := range recs {
		if events[i], err = f.catalog.Decode(ctx, f.keys, &recs[i]); err != nil {
			return nil, err
		}
	}
	return events, nil
}

// halting makes a halt of an error, unless it may pass.
func halting(err error, position int64, event uuid.UUID) error {
	if projections.Transient(err) || errors.Is(err, projections.ErrLeaseLost) {
		return err
	}
	return &projections.HaltedError{Projection: Name, Version: Version, Position: position, EventID: event, Err: err}
}

// recovered turns a panic into an error: it halts the publisher, not the process.
func recovered(err *error) {
	if v := recover(); v != nil {
		*err = fmt.Errorf("%w: %v", projections.ErrPanic, v)
	}
}
