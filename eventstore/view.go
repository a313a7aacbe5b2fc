package eventstore

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// smallView is the number of streams up to which a linear search beats a map.
const smallView = 8

// view is the View of one commit: the streams it knows and the states that its decision was made on.
type view struct {
	ids     []StreamID
	states  []StreamState
	index   map[StreamID]int // of all ids, once there are more than smallView
	watched []StreamID       // those of ids that Commit.Watch found, in order of name
}

var _ View = (*view)(nil)

// Stream returns the state of a stream that the commit named.
func (v *view) Stream(id StreamID) StreamState {
	i := v.find(id)
	if i < 0 {
		panic(fmt.Sprintf("decision asks for stream %s, which its commit does not name", id))
	}
	return v.states[i]
}

// Has reports whether the view knows a stream.
func (v *view) Has(id StreamID) bool { return v.find(id) >= 0 }

// Watched returns the streams that Commit.Watch found.
func (v *view) Watched() []StreamID { return v.watched }

func (v *view) find(id StreamID) int {
	if v.index == nil {
		return slices.Index(v.ids, id)
	}
	if i, ok := v.index[id]; ok {
		return i
	}
	return -1
}

// add names further streams, with the zero state, and leaves out those that are named already. It returns the number of new ones.
func (v *view) add(ids ...StreamID) int {
	before := len(v.ids)
	for _, id := range ids {
		if v.find(id) >= 0 {
			continue
		}
		v.ids = append(v.ids, id)
		v.states = append(v.states, StreamState{})
		if v.index != nil {
			v.index[id] = len(v.ids) - 1
		} else if len(v.ids) > smallView {
			v.index = make(map[StreamID]int, 2*len(v.ids))
			for i, id := range v.ids {
				v.index[id] = i
			}
		}
	}
	return len(v.ids) - before
}

// watch adds a stream to those that were found.
func (v *view) watch(id StreamID) {
	if i, known := slices.BinarySearchFunc(v.watched, id, compareNames); !known {
		v.watched = slices.Insert(v.watched, i, id)
		v.add(id)
	}
}

// watches says whether a stream is among those that were found.
func (v *view) watches(id StreamID) bool {
	_, known := slices.BinarySearchFunc(v.watched, id, compareNames)
	return known
}

func compareNames(a, b StreamID) int { return strings.Compare(a.Name, b.Name) }

// copy returns a view that can be widened and shown other states without changing v.
func (v *view) copy() *view {
	return &view{ids: slices.Clone(v.ids), states: slices.Clone(v.states), index: maps.Clone(v.index), watched: slices.Clone(v.watched)}
}
