package tables

import (
	"fmt"

	"payledger/eventstore"
	"payledger/eventstore/catalog"
	"payledger/readmodels"
	"payledger/readmodels/tables"
)

// batch is the states of streams, and the rows that change, of the events of one transaction.
type batch struct {
	states  map[eventstore.StreamID]any // as they are by now; nil before a stream's first event
	changes tables.Changes              // of one event

	fees             collected[*readmodels.Fee]
	feePayments      collected[*readmodels.FeePayment]
	feeEvents        collected[*readmodels.FeeEvent]
	gatewayPayments  collected[*readmodels.GatewayPayment]
	paymentCustomers collected[*readmodels.PaymentCustomer]
	paymentMethods   collected[*readmodels.PaymentMethod]
	credits          collected[*readmodels.CreditLot]
}

func newBatch(n int) *batch {
	return &batch{
		states:           make(map[eventstore.StreamID]any, n),
		fees:             collect(n, tables.FeeKey),
		feePayments:      collect(n, tables.FeePaymentKey),
		feeEvents:        collect(n, tables.FeeEventKey),
		gatewayPayments:  collect(0, tables.GatewayPaymentKey),
		paymentCustomers: collect(0, tables.PaymentCustomerKey),
		paymentMethods:   collect(0, tables.PaymentMethodKey),
		credits:          collect(0, tables.CreditKey),
	}
}

// fold applies one event.
func (b *batch) fold(ev catalog.Event) error {
	state := b.states[ev.Stream]
	if err := inStep(state, ev); err != nil {
		return err
	}
	b.changes.Reset()
	next, err := b.changes.Fold(state, ev)
	if err != nil {
		return err
	}
	b.states[ev.Stream] = next
	c := &b.changes
	b.fees.put(c.Fees)
	b.feePayments.put(c.FeePayments)
	b.feeEvents.put(c.FeeEvents)
	b.gatewayPayments.put(c.GatewayPayments)
	b.paymentCustomers.put(c.PaymentCustomers)
	b.paymentMethods.put(c.PaymentMethods)
	b.credits.put(c.Credits)
	return nil
}

// inStep compares an event with the state that it is to be folded onto: a fee knows its place in its stream, of other streams
// the tables know at least whether they had begun.
func inStep(state any, ev catalog.Event) error {
	version := int64(0)
	switch s := state.(type) {
	case nil:
	case *readmodels.FeeState:
		version = s.Fee.StreamVersion
	default:
		version = max(ev.Version-1, 1)
	}
	if ev.Version != version+1 {
		return fmt.Errorf("%w: version %d of %s on rows of version %d", readmodels.ErrUnexpectedEvent, ev.Version, ev.Stream, version)
	}
	return nil
}

func (b *batch) rows() tables.Rows {
	return tables.Rows{
		Fees: b.fees.set(), FeePayments: b.feePayments.set(), FeeEvents: b.feeEvents.set(), GatewayPayments: b.gatewayPayments.set(),
		PaymentCustomers: b.paymentCustomers.set(), PaymentMethods: b.paymentMethods.set(), Credits: b.credits.set(),
	}
}

// collected is the changed rows of one table, each as it is by now, in the order in which they changed first.
type collected[R any] struct {
	key   func(R) tables.Key
	rows  []R
	isNew []bool // whether the table has none of it yet
	index map[tables.Key]int
}

func collect[R any](n int, key func(R) tables.Key) collected[R] {
	return collected[R]{key: key, rows: make([]R, 0, n), isNew: make([]bool, 0, n), index: make(map[tables.Key]int, n)}
}

func (c *collected[R]) put(changes []tables.Change[R]) {
	for _, change := range changes {
		key := c.key(change.New)
		if i, again := c.index[key]; again {
			c.rows[i] = change.New
			continue
		}
		c.index[key] = len(c.rows)
		c.rows, c.isNew = append(c.rows, change.New), append(c.isNew, change.IsNew)
	}
}

func (c *collected[R]) set() tables.Set[R] {
	var set tables.Set[R]
	for i, row := range c.rows {
		if c.isNew[i] {
			set.New = append(set.New, row)
		} else {
			set.Changed = append(set.Changed, row)
		}
	}
	return set
}
