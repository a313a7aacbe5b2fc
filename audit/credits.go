package audit

import (
	"context"

	"payledger/domain/credit"
	"payledger/eventstore"
	"payledger/eventstore/catalog"
)

// creditsDue are the credits that the library owes to people: one row for each lot of which something is left. Together
// they are account 2100, whatever the bounds: as of a date a lot may have less than nothing left, where what it got back counts later.
func creditsDue() Kind {
	return Kind{
		Name: "credits", Title: "Credits due", form: 3, fold: foldCredits, earlier: map[int]int{2: 9},
		Columns: []Column{
			{"creditId", Text},
			{"memberId", Text},
			{"source", Text},
			{"paymentId", Text},
			{"grantedAt", Instant},
			{"ageDays", Number},
			{"currency", Text},
			{"granted", Money},
			{"remaining", Money},
			{"tender", Text}, // by which the money had come
		},
	}
}

func foldCredits(ctx context.Context, r Reader, p Params, t *table) error {
	return r.eachStreams(ctx, p.Tenant, credit.Stream(""), p.KnownAt, func(page [][]catalog.Event) error {
		var due []*lot
		var paid []eventstore.StreamID
		for _, events := range page {
			for _, lot := range lotsAsOf(events, p.AsOf).list {
				if lot.left != 0 {
					due = append(due, lot)
					paid = append(paid, paymentStream(p.Tenant, lot.granted.PaymentID))
				}
			}
		}
		begun, err := r.firsts(ctx, paid)
		if err != nil {
			return err
		}
		for _, lot := range due {
			g, remaining := lot.granted, lot.remaining()
			tender := tenderOf(begun[paymentStream(p.Tenant, g.PaymentID)].Data)
			err := t.row(text(g.CreditID), text(g.UserID), text(string(g.Source)), text(g.PaymentID), instant(g.GrantedAt),
				number(int64(p.AsOf.Sub(g.GrantedAt)/day)), text(remaining.Currency().Code()), amount(g.Amount), amount(remaining), text(tender))
			if err != nil {
				return err
			}
			if err := t.total(string(g.Source), 1, remaining); err != nil {
				return err
			}
		}
		return nil
	})
}
