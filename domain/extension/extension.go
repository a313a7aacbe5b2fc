// Package extension decides about what other services add to search documents:
// named lists of elements, each with an id.
package extension

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"payledger/domain"
)

// Rejections.
var (
	// ErrDuplicateElement refuses two elements with one id.
	ErrDuplicateElement = errors.New("two elements with one id")
	// ErrTooLarge refuses elements that would make a list larger than MaxSize.
	ErrTooLarge = errors.New("list is too large")
)

// MaxSize is how large the elements of one list may be together, in bytes of JSON.
const MaxSize = 32_000

// Stream returns the name of the stream of a document's lists. Its subject is the
// person whom the document is about.
func Stream(object, id string) string { return "extends-" + object + "-" + id }

// Command asks for a change of a document's lists.
//
//sumtype:decl
type Command interface{ isExtensionCommand() }

// Add adds elements to a list, or replaces those with the same id.
type Add struct {
	Object, ID, Stream, Name string
	Elements                 []Element
}

func (Add) isExtensionCommand() {}

// State is the lists of a document by name. It is an immutable value.
type State struct{ lists map[string][]Element }

// List returns the elements of a list, in the order in which they were added.
func (s State) List(name string) []Element { return slices.Clone(s.lists[name]) }

// Decider holds the rules of lists.
var Decider = domain.Decider[Command, Event, State]{
	Initial: func() State { return State{} },
	Decide:  decide,
	Evolve:  evolve,
}

func decide(s State, c Command) ([]Event, error) {
	switch c := c.(type) {
	case Add:
		return add(s, c)
	}
	return nil, fmt.Errorf("%w: extension %T", domain.ErrUnknownCommand, c)
}

func add(s State, c Add) ([]Event, error) {
	var changed []Element
	for i, e := range c.Elements {
		if index(c.Elements[:i], e.ID) >= 0 {
			return nil, fmt.Errorf("%w: %q", ErrDuplicateElement, e.ID)
		}
		if !slices.Contains(s.lists[c.Name], e) {
			changed = append(changed, e)
		}
	}
	if len(changed) == 0 {
		return nil, nil
	}
	size := 0
	for _, e := range merge(s.lists[c.Name], changed) {
		size += len(e.Value)
	}
	if size > MaxSize {
		return nil, fmt.Errorf("%w: %d bytes", ErrTooLarge, size)
	}
	return []Event{Put{Object: c.Object, ID: c.ID, Stream: c.Stream, Name: c.Name, Elements: changed}}, nil
}

func evolve(s State, e Event) State {
	switch e := e.(type) {
	case Put:
		lists := maps.Clone(s.lists)
		if lists == nil {
			lists = make(map[string][]Element, 1)
		}
		lists[e.Name] = merge(lists[e.Name], e.Elements)
		s.lists = lists
	}
	return s
}

// merge returns a list with elements replaced and added.
func merge(list, with []Element) []Element {
	list = slices.Clone(list)
	for _, e := range with {
		if i := index(list, e.ID); i >= 0 {
			list[i] = e
		} else {
			list = append(list, e)
		}
	}
	return list
}

func index(list []Element, id string) int {
	return slices.IndexFunc(list, func(e Element) bool { return e.ID == id })
}
