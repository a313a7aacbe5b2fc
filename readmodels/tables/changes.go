package tables

import (
	"payledger/domain/credit"
	"payledger/eventstore/catalog"
	"payledger/readmodels"
)

// Changes is what events change in the tables, in order.
type Changes struct {
	Fees             []Change[*readmodels.Fee]
	FeePayments      []Change[*readmodels.FeePayment]
	FeeEvents        []Change[*readmodels.FeeEvent]
	GatewayPayments  []Change[*readmodels.GatewayPayment]
	PaymentCustomers []Change[*readmodels.PaymentCustomer]
	PaymentMethods   []Change[*readmodels.PaymentMethod]
	Credits          []Change[*readmodels.CreditLot]
}

// Change is a row before and after an event; Old is nil for a new one.
type Change[R any] struct {
	Old, New R
	IsNew    bool
}

// Fold returns the state of a stream after an event, as readmodels.Fold does, and appends what changes in the tables: the rows
// of the contract, and beside them what the state says of a fee's place in its stream and of credits.
func (c *Changes) Fold(state any, ev catalog.Event) (any, error) {
	next, changes, err := readmodels.Fold(state, ev)
	if err != nil {
		return nil, err
	}
	if s, ok := next.(*readmodels.FeeState); ok {
		old, _ := state.(*readmodels.FeeState)
		c.Fees = append(c.Fees, Change[*readmodels.Fee]{feeOf(old), s.Fee, old == nil})
	}
	if s, ok := next.(*readmodels.Credits); ok {
		old, _ := state.(*readmodels.Credits)
		c.lot(old, s, ev)
	}
	for _, change := range changes {
		switch row := change.New.(type) {
		case *readmodels.FeePayment:
			c.FeePayments = appendChange(c.FeePayments, change.Old, row)
		case *readmodels.FeeEvent:
			c.FeeEvents = appendChange(c.FeeEvents, change.Old, row)
		case *readmodels.GatewayPayment:
			c.GatewayPayments = appendChange(c.GatewayPayments, change.Old, row)
		case *readmodels.PaymentCustomer:
			c.PaymentCustomers = appendChange(c.PaymentCustomers, change.Old, row)
		case *readmodels.PaymentMethod:
			c.PaymentMethods = appendChange(c.PaymentMethods, change.Old, row)
		}
	}
	return next, nil
}

func feeOf(s *readmodels.FeeState) *readmodels.Fee {
	if s == nil {
		return nil
	}
	return s.Fee
}

func appendChange[R readmodels.Row](list []Change[R], old readmodels.Row, row R) []Change[R] {
	before, _ := old.(R)
	return append(list, Change[R]{before, row, old == nil})
}

// lot appends the change of the one lot that an event is about.
func (c *Changes) lot(old, next *readmodels.Credits, ev catalog.Event) {
	id := ""
	switch e := ev.Data.(type) {
	case credit.Granted:
		id = e.CreditID
	case credit.Spent:
		id = e.CreditID
	case credit.Returned:
		id = e.CreditID
	case credit.Reversed:
		id = e.CreditID
	}
	before := old.Lot(id)
	c.Credits = append(c.Credits, Change[*readmodels.CreditLot]{before, next.Lot(id), before == nil})
}

// Reset empties the lists.
func (c *Changes) Reset() {
	*c = Changes{
		c.Fees[:0], c.FeePayments[:0], c.FeeEvents[:0], c.GatewayPayments[:0], c.PaymentCustomers[:0], c.PaymentMethods[:0], c.Credits[:0],
	}
}
