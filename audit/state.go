package audit

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"payledger/eventstore/catalog"
	"payledger/readmodels"
)

// ErrUnknownObject refuses a question about what has no rows.
var ErrUnknownObject = errors.New("unknown kind of row")

// ErrNoStateThen says that events which had taken effect at a date build on one that took effect later: there is no such row. What
// was known at a position can always be told.
var ErrNoStateThen = errors.New("events as of this date build on a later one")

// Streams knows which stream a row is folded from; the rows themselves are folded from the log.
type Streams interface {
	StreamOf(ctx context.Context, tenant string, object readmodels.Object, id string) (string, error)
}

// Moment is what bounds a state: nil for everything.
type Moment struct {
	AsOf    *time.Time
	KnownAt *int64
}

// State is a row as it was.
type State struct {
	Object   readmodels.Object
	Row      readmodels.Row // one that was deleted has isActive false
	Position int64          // of the last event that changed it
	AsOf     *time.Time
	KnownAt  int64
}

// State returns the row of an object as of a moment, by the fold that the tables are made with. Errors: ErrUnknownObject,
// ErrNotFound for one that wasn't there then, ErrNoStateThen, and those of streams.
func (r Reader) State(ctx context.Context, streams Streams, tenant string, object readmodels.Object, id string, m Moment) (State, error) {
	if !slices.Contains(readmodels.Objects(), object) {
		return State{}, fmt.Errorf("%w: %q", ErrUnknownObject, object)
	}
	s := State{Object: object, AsOf: m.AsOf}
	name, err := streams.StreamOf(ctx, tenant, object, id)
	if err != nil {
		return s, err
	}
	if s.KnownAt, _, err = r.Known(ctx, m.KnownAt); err != nil {
		return s, fmt.Errorf("state of %s %s: %w", object, id, err)
	}
	events, err := r.stream(ctx, tenant, name, s.KnownAt)
	if err != nil {
		return s, fmt.Errorf("state of %s %s: %w", object, id, err)
	}
	var folded any
	for _, ev := range events {
		if m.AsOf != nil && ev.EffectiveAt.After(*m.AsOf) {
			continue
		}
		var changes []readmodels.Change
		if folded, changes, err = readmodels.Fold(folded, ev); err != nil {
			if m.AsOf != nil && errors.Is(err, readmodels.ErrUnexpectedEvent) {
				err = ErrNoStateThen
			}
			return s, fmt.Errorf("state of %s %s: %w", object, id, err)
		}
		for _, change := range changes {
			if change.Object == object && change.New.Key() == id {
				s.Row, s.Position = change.New, ev.Position
			}
		}
	}
	if s.Row == nil {
		return s, fmt.Errorf("state of %s %s: %w", object, id, ErrNotFound)
	}
	return s, nil
}

// stream returns the events of a stream up to a position, decoded.
func (r Reader) stream(ctx context.Context, tenant, name string, upTo int64) ([]catalog.Event, error) {
	return r.History().Read(ctx, tenant, upTo, name)
}

// AppendJSON appends the state as one JSON object.
func (s *State) AppendJSON(dst []byte) []byte {
	dst = append(append(append(dst, `{"object":"`...), s.Object...), `","asOf":`...)
	at := time.Time{}
	if s.AsOf != nil {
		at = *s.AsOf
	}
	dst = appendInstant(dst, at)
	dst = strconv.AppendInt(append(dst, `,"knownAt":`...), s.KnownAt, 10)
	dst = strconv.AppendInt(append(dst, `,"position":`...), s.Position, 10)
	return append(s.Row.AppendJSON(append(dst, `,"row":`...), true), '}')
}
