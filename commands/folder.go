package commands

import (
	"context"
	"fmt"
	"strings"

	"payledger/domain"
	"payledger/domain/credit"
	"payledger/domain/fee"
	"payledger/domain/payment"
	"payledger/eventstore"
	"payledger/eventstore/catalog"
	"payledger/readmodels"
)

// Folder makes the states that commands decide on out of stored events; it is the eventstore.Folder of every store.
type Folder struct{ Catalog *catalog.Catalog }

var _ eventstore.Folder = Folder{}

// folded is the state of a stream: what its decider knows and what its rows show, of the same version.
type folded[S any] struct {
	state S
	row   any // *readmodels.FeeState, *readmodels.Payment and so on, or nil, as readmodels.Fold made it
}

// Fold returns the state of a stream after events. The errors are those of decoding, and of a log that holds what no decision made.
func (f Folder) Fold(ctx context.Context, keys eventstore.Keys, id eventstore.StreamID, value any, events []eventstore.Recorded) (any, error) {
	switch {
	case strings.HasPrefix(id.Name, fee.Stream("")):
		return fold(ctx, f.Catalog, keys, fee.Decider, value, events)
	case strings.HasPrefix(id.Name, payment.Stream("")):
		return fold(ctx, f.Catalog, keys, payment.Decider, value, events)
	case strings.HasPrefix(id.Name, credit.Stream("")):
		return fold(ctx, f.Catalog, keys, credit.Decider, value, events)
	}
	return nil, fmt.Errorf("%w: %s", readmodels.ErrUnknownStream, id)
}

func fold[C, E, S any](
	ctx context.Context, c *catalog.Catalog, keys eventstore.Keys, decider domain.Decider[C, E, S], value any, events []eventstore.Recorded,
) (any, error) {
	current := as(decider, value)
	for i := range events {
		ev, err := c.Decode(ctx, keys, &events[i])
		if err != nil {
			return nil, err
		}
		if current, err = evolve(decider, current, ev); err != nil {
			return nil, err
		}
	}
	return current, nil
}

// as returns a stream's state as the Folder made it, the initial one for a stream without events.
func as[C, E, S any](decider domain.Decider[C, E, S], value any) folded[S] {
	if value == nil {
		return folded[S]{state: decider.Initial()}
	}
	return value.(folded[S]) //nolint:forcetypeassert // the name of the stream decides both types
}

// evolve folds state and rows on by one event.
func evolve[C, E, S any](decider domain.Decider[C, E, S], current folded[S], ev catalog.Event) (folded[S], error) {
	row, _, err := readmodels.Fold(current.row, ev)
	if err != nil {
		return current, err
	}
	e, ok := ev.Data.(E)
	if !ok {
		return current, fmt.Errorf("fold event %s: %w: %T on %s", ev.ID, readmodels.ErrUnexpectedEvent, ev.Data, ev.Stream)
	}
	return folded[S]{state: decider.Evolve(current.state, e), row: row}, nil
}
