package commands

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"payledger/domain"
	"payledger/domain/claim"
	"payledger/domain/credit"
	"payledger/domain/customer"
	"payledger/domain/evidence"
	"payledger/domain/extension"
	"payledger/domain/fee"
	"payledger/domain/gateway"
	"payledger/domain/payment"
	"payledger/domain/person"
	"payledger/domain/policy"
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
	dates dates
}

// dates is when the events of a stream took effect.
type dates struct {
	began  time.Time // the first
	latest time.Time
	marks  []mark // of what may be taken back
}

type mark struct {
	id string
	at time.Time
}

// Fold returns the state of a stream after events. The errors are those of decoding, and of a log that holds what no decision made.
func (f Folder) Fold(ctx context.Context, keys eventstore.Keys, id eventstore.StreamID, value any, events []eventstore.Recorded) (any, error) {
	switch name := id.Name; {
	case strings.HasPrefix(name, fee.Stream("")):
		return fold(ctx, f.Catalog, keys, fee.Decider, value, events)
	case strings.HasPrefix(name, payment.Stream("")):
		return fold(ctx, f.Catalog, keys, payment.Decider, value, events)
	case strings.HasPrefix(name, credit.Stream("")):
		return fold(ctx, f.Catalog, keys, credit.Decider, value, events)
	case strings.HasPrefix(name, gateway.Stream("")):
		return fold(ctx, f.Catalog, keys, gateway.Decider, value, events)
	case strings.HasPrefix(name, customer.Stream("")):
		return fold(ctx, f.Catalog, keys, undecided[customer.Event](), value, events)
	case strings.HasPrefix(name, extensionPrefix):
		return fold(ctx, f.Catalog, keys, extension.Decider, value, events)
	case strings.HasPrefix(name, claimPrefix):
		return fold(ctx, f.Catalog, keys, claim.Decider, value, events)
	case strings.HasPrefix(name, evidence.ReportStream("")), strings.HasPrefix(name, evidence.ReadStream("")),
		strings.HasPrefix(name, evidence.RebuildStream("")):
		return fold(ctx, f.Catalog, keys, undecided[evidence.Event](), value, events)
	case strings.HasPrefix(name, person.Stream("")):
		return fold(ctx, f.Catalog, keys, person.Decider, value, events)
	case name == policy.Stream, name == policy.BooksStream:
		return fold(ctx, f.Catalog, keys, policy.Decider, value, events)
	}
	return nil, fmt.Errorf("%w: %s", readmodels.ErrUnknownStream, id)
}

// The beginnings of the names of streams whose names have two parts.
const (
	extensionPrefix = "extends-"
	claimPrefix     = "id-"
)

// undecided is the decider of streams that are folded for their rows alone: no command is about them.
func undecided[E any]() domain.Decider[struct{}, E, struct{}] {
	return domain.Decider[struct{}, E, struct{}]{
		Initial: func() struct{} { return struct{}{} },
		Evolve:  func(s struct{}, _ E) struct{} { return s },
	}
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
	return folded[S]{state: decider.Evolve(current.state, e), row: row, dates: current.dates.and(ev)}, nil
}

// when returns the dates of a stream's state, whichever it is; none for a stream without events.
func when(value any) dates {
	if v, ok := value.(interface{ when() dates }); ok {
		return v.when()
	}
	return dates{}
}

func (f folded[S]) when() dates { return f.dates }

func (f folded[S]) rows() any { return f.row }

// and returns the dates with one more event. The older value stays as it was.
func (d dates) and(ev catalog.Event) dates {
	if d.began.IsZero() {
		d.began = ev.EffectiveAt
	}
	if ev.EffectiveAt.After(d.latest) {
		d.latest = ev.EffectiveAt
	}
	if id := puts(ev.Data); id != "" {
		d.marks = append(slices.Clip(d.marks), mark{id, ev.EffectiveAt})
	}
	return d
}

// of returns when that took effect which an event takes back, the zero time for one that takes nothing back.
func (d dates) of(event any) time.Time {
	if id := takesBack(event); id != "" {
		for _, m := range d.marks {
			if m.id == id {
				return m.at
			}
		}
	}
	return time.Time{}
}

// A payment's capture is the only one of its stream.
const markCapture = "capture"

// puts names what an event brings that another may take back.
func puts(event any) string {
	switch e := event.(type) {
	case fee.Waived:
		return e.ReductionID
	case fee.WrittenOff:
		return e.ReductionID
	case fee.PaymentReserved:
		return "reserved " + e.AllocationID
	case fee.PaymentApplied:
		return e.AllocationID
	case fee.CreditApplied:
		return e.AllocationID
	case fee.NoteAdded:
		return "note " + e.NoteID
	case payment.Captured:
		return markCapture
	case credit.Granted:
		return e.CreditID
	case credit.Spent:
		return "spent " + e.AllocationID
	}
	return ""
}

// takesBack names what an event takes back, part or all of it, or uses up.
func takesBack(event any) string {
	switch e := event.(type) {
	case fee.WriteOffRecovered:
		return e.ReductionID
	case fee.RecoveryReversed:
		return e.AllocationID
	case fee.ReductionReleased:
		return e.ReductionID
	case fee.ReductionReversed:
		return e.ReductionID
	case fee.ReservationReleased:
		return "reserved " + e.AllocationID
	case fee.PaymentUnapplied:
		return e.AllocationID
	case fee.CreditUnapplied:
		return e.AllocationID
	case fee.NoteChanged:
		return "note " + e.NoteID
	case fee.NoteHidden:
		return "note " + e.NoteID
	case payment.Voided, payment.Reallocated:
		return markCapture
	case credit.Spent:
		return e.CreditID
	case credit.Returned:
		return "spent " + e.AllocationID
	case credit.Reversed:
		return e.CreditID
	}
	return ""
}
