package tables

import (
	"context"

	"github.com/jackc/pgx/v5"

	"payledger/eventstore/catalog"
	"payledger/readmodels/persons"
	"payledger/readmodels/tables"
)

// Apply applies the events in order, and at an erasure empties what stands of the person's texts: rows of before, which it also forgets.
func (p *Projector) Apply(ctx context.Context, tx pgx.Tx, events []catalog.Event) error {
	return persons.SplitAtErasures(events, func(part []catalog.Event) error { return p.apply(ctx, tx, part) }, func(tenant, userID string) error {
		p.Reset()
		return tables.Erase(ctx, tx, tenant, userID)
	})
}
