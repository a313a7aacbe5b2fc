package eventstore

import (
	"cmp"
	"fmt"

	lru "github.com/hashicorp/golang-lru/v2"
)

// cache keeps the states of the streams used last. Every entry is true for its version; it may be behind the log, never
// ahead, because states are put in only after their COMMIT is known. So nothing depends on it but speed.
type cache struct {
	states *lru.Cache[StreamID, cached]
}

// cached is a state, the events that follow it, which are folded when they are asked for, since most streams never are, and the
// generation of the store's knowledge in which it was read: a restored log may hold another event at the same version, and after an
// erasure a state may show what is gone.
type cached struct {
	StreamState
	news       []Recorded
	generation int64
}

// version is that of the last event.
func (c *cached) version() int64 { return c.Version + int64(len(c.news)) }

func newCache(size int) (cache, error) {
	states, err := lru.New[StreamID, cached](size)
	if err != nil {
		return cache{}, fmt.Errorf("make a cache of %d streams: %w", size, err)
	}
	return cache{states: states}, nil
}

// get returns what is known of a stream. Known may also be that it has no events.
func (c cache) get(id StreamID, generation int64) (hit cached, known bool) {
	hit, ok := c.states.Get(id)
	if !ok || hit.generation != generation {
		return cached{}, false
	}
	return hit, true
}

// put keeps a state and the events that follow it, unless what is kept already is later, or folded as far.
func (c cache) put(id StreamID, state cached) {
	if hit, ok := c.states.Peek(id); ok && hit.generation == state.generation {
		if later := cmp.Compare(hit.version(), state.version()); later > 0 || later == 0 && hit.Version >= state.Version {
			return
		}
	}
	c.states.Add(id, state)
}
