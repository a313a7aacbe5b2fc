package audit

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"payledger/eventstore/catalog"
	"payledger/readmodels/history"
)

// actionTypes are the words for what people do, and the event that says so.
var actionTypes = map[string]string{
	"assessment": "fee.assessed", "adjustment": "fee.adjusted", "waiver": "fee.waived", "write-off": "fee.written_off",
	"reversal": "fee.reduction_reversed", "cancellation": "fee.cancelled", "note": "fee.note_added",
	"payment": "payment.captured", "void": "payment.voided", "reallocation": "payment.reallocated",
	"credit": "credit.granted", "reasons": "policy.reasons_set", "report": "report.made", "read": "audit.read",
	"rebuild": "projection.rebuilt",
	"erasure": "person.erased",
}

// ActionTypes returns the words, sorted.
func ActionTypes() []string { return slices.Sorted(maps.Keys(actionTypes)) }

// ActionQuery asks who did what.
type ActionQuery struct {
	Tenant string
	By     string // id of the actor; empty: anybody
	Type   string // one of ActionTypes; empty: every event
	Bounds
	After int64 // position behind which to begin
	Limit int   // how many at most; 0: all
}

// errEnough ends a scan that has found what was asked for.
var errEnough = errors.New("enough")

// Actions hands over the events that the query asks for, in order of position; an error of each ends it. Errors: ErrBadFilter.
func (r Reader) Actions(ctx context.Context, q ActionQuery, each func(history.Entry) error) error {
	only, known := actionTypes[q.Type]
	if !known && q.Type != "" {
		return badFilter(filterType, q.Type, ActionTypes())
	}
	if err := q.check(); err != nil {
		return err
	}
	want := func(eventType string) bool { return only == "" || eventType == only }
	found := 0
	err := r.eachPage(ctx, q.Tenant, q.After, q.KnownAt, want, func(events []catalog.Event) error {
		for _, ev := range events {
			if q.By != "" && ev.Meta.Actor.ID != q.By || !q.within(ev.EffectiveAt) {
				continue
			}
			if err := each(history.EntryOf(ev)); err != nil {
				return err
			}
			if found++; found == q.Limit {
				return errEnough
			}
		}
		return nil
	})
	if err != nil && !errors.Is(err, errEnough) {
		return fmt.Errorf("actions: %w", err)
	}
	return nil
}
