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

// kind is a kind of streams: how their names begin, and what they are folded to.
type kind struct {
	prefix string
	fold   func(state any, ev catalog.Event) (any, []Change, error)
}

// kinds lists them all; none of the prefixes is the beginning of another.
var kinds = [...]kind{
	{fee.Stream(""), folding(FoldFee)},
	{payment.Stream(""), folding(FoldPayment)},
	{credit.Stream(""), folding(foldCredits)},
	{gateway.Stream(""), folding(foldGatewayPayment)},
	{customer.Stream(""), folding(foldCustomer)},
	{"policy-", withoutRows[policy.Event]},
	{"extends-", withoutRows[extension.Event]},
	{"id-", withoutRows[claim.Event]},
	{evidence.ReportStream(""), withoutRows[evidence.Event]},
	{evidence.ReadStream(""), withoutRows[evidence.Event]},
	{evidence.RebuildStream(""), withoutRows[evidence.Event]},
	{person.Stream(""), withoutRows[person.Event]},
}

// Fold returns the state of a stream after an event, and what the event did to rows: the one entry that all readers use.
// The state is a *FeeState, *Payment, *GatewayPayment, *CustomerState or *Credits, nil before the first event and for
// streams without rows. It is pure: the given state stays as it was. Its errors are ErrUnknownStream and ErrUnexpectedEvent.
func Fold(state any, ev catalog.Event) (any, []Change, error) {
	for i := range kinds {
		if strings.HasPrefix(ev.Stream.Name, kinds[i].prefix) {
			return kinds[i].fold(state, ev)
		}
	}
	return nil, nil, fmt.Errorf("fold event %s: %w: %s", ev.ID, ErrUnknownStream, ev.Stream)
}

// folding makes a fold of states of any type of one of states of type S.
func folding[S any](fold func(*S, catalog.Event) (*S, []Change, error)) func(any, catalog.Event) (any, []Change, error) {
	return func(state any, ev catalog.Event) (any, []Change, error) {
		current, _ := state.(*S)
		next, changes, err := fold(current, ev)
		if err != nil {
			return nil, nil, err
		}
		return next, changes, nil
	}
}

// withoutRows is the fold of streams whose events, of type E, change no row.
func withoutRows[E any](_ any, ev catalog.Event) (any, []Change, error) {
	if _, ok := ev.Data.(E); !ok {
		return nil, nil, unexpected(ev)
	}
	return nil, nil, nil
}

// updated is the change of a row that was there; one that is no longer active is deleted.
func updated(object Object, row, next Row) Change {
	action := ActionUpdated
	if !next.Active() {
		action = ActionDeleted
	}
	return Change{Object: object, Action: action, Old: row, New: next}
}

func unexpected(ev catalog.Event) error {
	return fmt.Errorf("fold event %s: %w: %s v%d as version %d of %s", ev.ID, ErrUnexpectedEvent, ev.Type, ev.Schema, ev.Version, ev.Stream)
}
