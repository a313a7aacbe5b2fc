package readmodels

import (
	"slices"

	"payledger/domain/credit"
	"payledger/domain/customer"
	"payledger/domain/gateway"
	"payledger/domain/money"
	"payledger/eventstore/catalog"
)

// foldGatewayPayment returns the row of a gateway payment after an event of its stream; row is nil before the first.
func foldGatewayPayment(row *GatewayPayment, ev *catalog.Event) (*GatewayPayment, []Change, error) {
	e, ok := ev.Data.(gateway.Event)
	if recorded, first := e.(gateway.Recorded); first {
		return recordGatewayPayment(row, recorded, ev)
	}
	if !ok || row == nil || !row.IsActive {
		return nil, nil, unexpected(ev)
	}
	next := *row
	next.RecordVersion++
	next.UpdatedAt, next.Position = ev.Meta.At, ev.Position
	switch e := e.(type) {
	case gateway.Recorded:
	case gateway.Updated:
		next.PaymentID, next.PaymentStatus, next.StatusLiteral, next.RedirectURL = e.PaymentID, e.PaymentStatus, e.StatusLiteral, e.RedirectURL
	case gateway.Deleted:
		next.IsActive = false
	}
	return &next, []Change{updated(ObjectGatewayPayment, row, &next)}, nil
}

func recordGatewayPayment(row *GatewayPayment, e gateway.Recorded, ev *catalog.Event) (*GatewayPayment, []Change, error) {
	if row != nil {
		return nil, nil, unexpected(ev)
	}
	next := &GatewayPayment{
		Tenant: ev.Stream.Tenant, ID: e.ID, OwnerID: e.OwnerID, OrderID: e.OrderID, PaymentID: e.PaymentID, PaymentStatus: e.PaymentStatus,
		StatusLiteral: e.StatusLiteral, RedirectURL: e.RedirectURL, IsActive: true, CreatedAt: ev.Meta.At, UpdatedAt: ev.Meta.At, Position: ev.Position,
	}
	return next, []Change{{Object: ObjectGatewayPayment, Action: ActionCreated, New: next}}, nil
}

// foldCustomer returns a person's customers and cards after an event of their stream; s is nil before the first.
func foldCustomer(s *CustomerState, ev *catalog.Event) (*CustomerState, []Change, error) {
	e, ok := ev.Data.(customer.Event)
	if !ok {
		return nil, nil, unexpected(ev)
	}
	next := &CustomerState{}
	if s != nil {
		*next = *s
	}
	var c Change
	switch e := e.(type) {
	case customer.Linked:
		c = next.link(e, ev)
	case customer.MethodAttached:
		c, ok = next.attach(e, ev)
	case customer.MethodDetached:
		c, ok = next.detach(e, ev)
	}
	if !ok {
		return nil, nil, unexpected(ev)
	}
	return next, []Change{c}, nil
}

// link adds a customer, or gives one another id with its platform.
func (s *CustomerState) link(e customer.Linked, ev *catalog.Event) Change {
	row := &PaymentCustomer{
		Tenant: ev.Stream.Tenant, ID: e.ID, UserID: e.UserID, CustomerID: e.CustomerID, Platform: e.Platform, IsActive: true,
		CreatedAt: ev.Meta.At, UpdatedAt: ev.Meta.At, Position: ev.Position,
	}
	i := slices.IndexFunc(s.Customers, func(c *PaymentCustomer) bool { return c.ID == e.ID })
	if i < 0 {
		s.Customers = append(slices.Clip(s.Customers), row)
		return Change{Object: ObjectPaymentCustomer, Action: ActionCreated, New: row}
	}
	old := s.Customers[i]
	row.RecordVersion, row.CreatedAt = old.RecordVersion+1, old.CreatedAt
	s.Customers = slices.Clone(s.Customers)
	s.Customers[i] = row
	return updated(ObjectPaymentCustomer, old, row)
}

func (s *CustomerState) attach(e customer.MethodAttached, ev *catalog.Event) (Change, bool) {
	if slices.ContainsFunc(s.Methods, func(m *PaymentMethod) bool { return m.ID == e.ID }) {
		return Change{}, false
	}
	row := &PaymentMethod{
		Tenant: ev.Stream.Tenant, ID: e.ID, PaymentMethodID: e.PaymentMethodID, UserID: e.UserID, CustomerID: e.CustomerID,
		CardHolderName: e.CardHolderName, CardHolderZip: e.CardHolderZip, Platform: e.Platform,
		Card:     Card{Brand: e.Card.Brand, Last4: e.Card.Last4, ExpMonth: e.Card.ExpMonth, ExpYear: e.Card.ExpYear},
		IsActive: true, CreatedAt: ev.Meta.At, UpdatedAt: ev.Meta.At, Position: ev.Position,
	}
	s.Methods = append(slices.Clip(s.Methods), row)
	return Change{Object: ObjectPaymentMethod, Action: ActionCreated, New: row}, true
}

func (s *CustomerState) detach(e customer.MethodDetached, ev *catalog.Event) (Change, bool) {
	i := slices.IndexFunc(s.Methods, func(m *PaymentMethod) bool { return m.ID == e.ID && m.IsActive })
	if i < 0 {
		return Change{}, false
	}
	old, next := s.Methods[i], *s.Methods[i]
	next.IsActive = false
	next.RecordVersion++
	next.UpdatedAt, next.Position = ev.Meta.At, ev.Position
	s.Methods = slices.Clone(s.Methods)
	s.Methods[i] = &next
	return updated(ObjectPaymentMethod, old, &next), true
}

// foldCredits returns a person's credits after an event of their stream; c is nil before the first. No row of the contract
// changes by it.
func foldCredits(c *Credits, ev *catalog.Event) (*Credits, error) {
	e, ok := ev.Data.(credit.Event)
	if !ok {
		return nil, unexpected(ev)
	}
	next := &Credits{}
	if c != nil {
		next.Lots = slices.Clone(c.Lots)
	}
	switch e := e.(type) {
	case credit.Granted:
		ok = !slices.ContainsFunc(next.Lots, func(l CreditLot) bool { return l.ID == e.CreditID })
		next.Lots = append(next.Lots, CreditLot{
			Tenant: ev.Stream.Tenant, ID: e.CreditID, UserID: e.UserID, Source: string(e.Source), PaymentID: e.PaymentID, Granted: e.Amount,
			Remaining: e.Amount, GrantedAt: e.GrantedAt, CreatedAt: ev.Meta.At, UpdatedAt: ev.Meta.At, Position: ev.Position,
		})
	case credit.Spent:
		ok = next.move(e.CreditID, ev, func(left money.Amount) (money.Amount, error) { return left.Sub(e.Amount) })
	case credit.Returned:
		ok = next.move(e.CreditID, ev, func(left money.Amount) (money.Amount, error) { return left.Add(e.Amount) })
	case credit.Reversed:
		ok = next.move(e.CreditID, ev, func(left money.Amount) (money.Amount, error) { return left.Sub(e.Amount) })
	}
	if !ok {
		return nil, unexpected(ev)
	}
	return next, nil
}

// move changes what is left of a lot, and reports whether there is such a lot and such an amount.
func (c *Credits) move(id string, ev *catalog.Event, to func(money.Amount) (money.Amount, error)) bool {
	i := slices.IndexFunc(c.Lots, func(l CreditLot) bool { return l.ID == id })
	if i < 0 {
		return false
	}
	lot := &c.Lots[i]
	left, err := to(lot.Remaining)
	lot.Remaining, lot.UpdatedAt, lot.Position = left, ev.Meta.At, ev.Position
	return err == nil && !left.IsNegative()
}
