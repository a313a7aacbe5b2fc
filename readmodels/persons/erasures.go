package persons

import (
	"payledger/domain/person"
	"payledger/eventstore/catalog"
)

// SplitAtErasures hands the events over in order, in stretches without an erasure, and between them each erasure: apply gets a stretch,
// which may be empty, erase the person whose texts go. It ends with their first error.
func SplitAtErasures(events []catalog.Event, apply func([]catalog.Event) error, erase func(tenant, userID string) error) error {
	from := 0
	for i := range events {
		erased, ok := events[i].Data.(person.Erased)
		if !ok {
			continue
		}
		if err := apply(events[from:i]); err != nil {
			return err
		}
		if err := erase(events[i].Stream.Tenant, erased.UserID); err != nil {
			return err
		}
		from = i + 1
	}
	return apply(events[from:])
}
