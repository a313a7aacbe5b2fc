package eventstore

import (
	"fmt"

	lru "github.com/hashicorp/golang-lru/v2"
)

// cache keeps the folded states of the streams used last. Every entry is true for its version; it may be behind the log, never
// ahead, because states are put in only after their COMMIT is known. So nothing depends on it but speed.
type cache struct {
	states *lru.Cache[StreamID, cached]
}

// cached is a state and the generation of the store's knowledge in which it was read: a restored log may hold another event at the same
// version, and after an erasure a state may show what is gone.
type cached struct {
	StreamState
	generation int64
}

func newCache(size int) (cache, error) {
	states, err := lru.New[StreamID, cached](size)
	if err != nil {
		return cache{}, fmt.Errorf("make a cache of %d streams: %w", size, err)
	}
	return cache{states: states}, nil
}

// get returns what is known of a stream. Known may also be that it has no events.
func (c cache) get(id StreamID, generation int64) (state StreamState, known bool) {
	if hit, ok := c.states.Get(id); ok && hit.generation == generation {
		return hit.StreamState, true
	}
	return StreamState{}, false
}

// put keeps a state unless a later one is kept already.
func (c cache) put(id StreamID, generation int64, state StreamState) {
	if hit, ok := c.states.Peek(id); ok && hit.generation == generation && hit.Version >= state.Version {
		return
	}
	c.states.Add(id, cached{StreamState: state, generation: generation})
}
