package readmodels

import (
	"errors"
	"fmt"
	"strings"

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
	"payledger/eventstore/catalog"
)

var (
	// ErrUnknownStream reports a stream whose name begins like none that rows are folded from or that is known to have none.
	ErrUnknownStream = errors.New("unknown kind of stream")
	// ErrUnexpectedEvent reports an event that stands where it can't, such as a payment on a fee that was never assessed. The log is damaged.
	ErrUnexpectedEvent = errors.New("event doesn't fit its stream")
)

// Fold returns the state of a stream after an event, and what the event did to rows: the one entry that all readers use.
// The state is a *FeeState, *Payment, *GatewayPayment, *CustomerState or *Credits, nil before the first event and for
// streams without rows. It is pure: the given state stays as it was. Its errors are ErrUnknownStream and ErrUnexpectedEvent.
func Fold(state any, ev catalog.Event) (any, []Change, error) { return fold(state, &ev) }

// Advance returns the state that Fold returns, in half the time: it may change the given state, which is of no use any more, even after an
// error. Of the changes it tells only a feeEvent that isn't a note, in made, unless that is nil.
func Advance(state any, ev *catalog.Event, made *FeeEvent) (next any, isMade bool, err error) {
	if !strings.HasPrefix(ev.Stream.Name, feePrefix) {
		next, _, err = fold(state, ev)
		return next, false, err
	}
	s, _, err := advanceFee(as[FeeState](state), ev)
	if err != nil {
		return nil, false, err
	}
	return s, made != nil && happened(made, s.Fee, ev), nil
}

// The prefixes of the streams that rows are folded from, and of those that have none. None is the beginning of another.
var (
	feePrefix, paymentPrefix, creditPrefix = fee.Stream(""), payment.Stream(""), credit.Stream("")
	gatewayPrefix, customerPrefix          = gateway.Stream(""), customer.Stream("")

	withoutRows = []struct {
		prefix string
		fits   func(data any) bool
	}{
		{"policy-", is[policy.Event]},
		{"extends-", is[extension.Event]},
		{"id-", is[claim.Event]},
		{evidence.ReportStream(""), is[evidence.Event]},
		{evidence.ReadStream(""), is[evidence.Event]},
		{evidence.RebuildStream(""), is[evidence.Event]},
		{person.Stream(""), is[person.Event]},
	}
)

func is[E any](data any) bool {
	_, ok := data.(E)
	return ok
}

// fold is Fold. Calls by name keep the event off the heap.
func fold(state any, ev *catalog.Event) (any, []Change, error) {
	switch name := ev.Stream.Name; {
	case strings.HasPrefix(name, feePrefix):
		return folded(foldFee(as[FeeState](state), ev))
	case strings.HasPrefix(name, paymentPrefix):
		return folded(foldPayment(as[Payment](state), ev))
	case strings.HasPrefix(name, creditPrefix):
		next, err := foldCredits(as[Credits](state), ev)
		return folded(next, nil, err)
	case strings.HasPrefix(name, gatewayPrefix):
		return folded(foldGatewayPayment(as[GatewayPayment](state), ev))
	case strings.HasPrefix(name, customerPrefix):
		return folded(foldCustomer(as[CustomerState](state), ev))
	}
	for i := range withoutRows {
		if strings.HasPrefix(ev.Stream.Name, withoutRows[i].prefix) {
			if !withoutRows[i].fits(ev.Data) {
				return nil, nil, unexpected(ev)
			}
			return nil, nil, nil
		}
	}
	return nil, nil, fmt.Errorf("fold event %s: %w: %s", ev.ID, ErrUnknownStream, ev.Stream)
}

// as returns the state of a stream, nil before its first event.
func as[S any](state any) *S {
	s, _ := state.(*S)
	return s
}

// folded makes a fold of any state of one of states of type S: no state is nil, not a nil *S.
func folded[S any](next *S, changes []Change, err error) (any, []Change, error) {
	if err != nil {
		return nil, nil, err
	}
	return next, changes, nil
}

// updated is the change of a row that was there; one that is no longer active is deleted.
func updated(object Object, row, next Row) Change {
	action := ActionUpdated
	if !next.Active() {
		action = ActionDeleted
	}
	return Change{Object: object, Action: action, Old: row, New: next}
}

func unexpected(ev *catalog.Event) error {
	return fmt.Errorf("fold event %s: %w: %s v%d as version %d of %s", ev.ID, ErrUnexpectedEvent, ev.Type, ev.Schema, ev.Version, ev.Stream)
}
