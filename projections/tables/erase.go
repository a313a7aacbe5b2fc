package tables

import (
	"context"

	"github.com/jackc/pgx/v5"

	"payledger/domain/person"
	"payledger/eventstore/catalog"
	"payledger/readmodels/tables"
)

// Apply applies the events in order, and at an erasure empties what stands of the person's texts: rows of before, which it also forgets.
func (p *Projector) Apply(ctx context.Context, tx pgx.Tx, events []catalog.Event) error {
	from := 0
	for i := range events {
		erased, ok := events[i].Data.(person.Erased)
		if !ok {
			continue
		}
		if err := p.apply(ctx, tx, events[from:i]); err != nil {
			return err
		}
		if err := tables.Erase(ctx, tx, events[i].Stream.Tenant, erased.UserID); err != nil {
			return err
		}
		p.Reset()
		from = i + 1
	}
	return p.apply(ctx, tx, events[from:])
}
