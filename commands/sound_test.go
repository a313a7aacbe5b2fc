package commands_test

import (
	"strings"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"payledger/domain/credit"
	"payledger/domain/fee"
	"payledger/domain/payment"
	"payledger/eventstore"
	"payledger/readmodels"
)

// part is money of a payment or credit on a fee: an allocation.
type part struct{ from, allocationID string }

// books adds up the money of a log: payments and credits by what they say themselves, and by what fees say of them.
type books struct {
	applied, allocated map[part]int64   // of payments: on fee streams, on the payment's own
	used, spent        map[part]int64   // of credits: on fee streams, on the person's
	credited, granted  map[string]int64 // by payment: on its stream, on the person's
	captured           map[string]int64 // by payment, without what is void
	left               map[string]int64 // by credit
	fees               map[string]*readmodels.Fee
}

// requireSound checks the invariants of the log that span streams: I6 to I8, I14, I16, I22, I23, I33.
func (d *desk) requireSound() books {
	d.t.Helper()
	b := books{
		applied: map[part]int64{}, allocated: map[part]int64{}, used: map[part]int64{}, spent: map[part]int64{}, credited: map[string]int64{},
		granted: map[string]int64{}, captured: map[string]int64{}, left: map[string]int64{}, fees: map[string]*readmodels.Fee{},
	}
	states, decided, last := map[eventstore.StreamID]any{}, map[string]fee.State{}, map[uuid.UUID]string{}
	var order []uuid.UUID
	paidBy := map[string]string{} // payments by credit
	for _, ev := range d.events() {
		next, _, err := readmodels.Fold(states[ev.Stream], ev)
		require.NoError(d.t, err)
		states[ev.Stream] = next
		b.addFee(ev.Data)
		b.addPayment(strings.TrimPrefix(ev.Stream.Name, payment.Stream("")), ev.Data)
		b.addCredit(ev.Data, paidBy)
		if rows, ok := next.(*readmodels.FeeState); ok {
			row := rows.Fee
			require.GreaterOrEqual(d.t, row.Outstanding().Minor(), int64(0), row.ID)
			require.False(d.t, row.Cancelled && (row.Amount.Minor() != 0 || row.Paid.Minor() != 0 || row.Reduced.Minor() != 0))
			b.fees[row.ID] = row
			decided[row.ID] = fee.Decider.Evolve(decided[row.ID], ev.Data.(fee.Event))
			d.requireSame(decided[row.ID], row)
		}
		if _, seen := last[ev.CommitID]; !seen {
			order = append(order, ev.CommitID)
		}
		require.Equal(d.t, order[len(order)-1], ev.CommitID, "the events of a commit stand together, and once")
		require.Empty(d.t, last[ev.CommitID], "only the last event of a command has the answer's hash")
		last[ev.CommitID] = ev.Meta.AnswerHash
	}
	for id, hash := range last {
		require.Len(d.t, hash, 64, "commit %s", id)
	}
	require.Equal(d.t, live(b.allocated), live(b.applied), "I22")
	require.Equal(d.t, live(b.spent), live(b.used), "I23")
	require.Equal(d.t, live(b.credited), live(b.granted), "I23")
	for id, value := range states {
		if p, ok := value.(*readmodels.Payment); ok {
			for _, row := range p.Rows { // a row says complete while it has money
				paid := int64(0)
				if row.PaymentStatus == readmodels.PaymentComplete {
					paid = row.AmountPaid.Minor()
				}
				require.Equal(d.t, b.allocated[part{strings.TrimPrefix(id.Name, payment.Stream("")), row.ID}], paid, "row %s", row.ID)
			}
		}
	}
	for p, minor := range b.allocated {
		b.captured[p.from] -= minor
	}
	for id, minor := range b.captured {
		require.Equal(d.t, b.credited[id], minor, "I14: payment %s", id)
	}
	for id, minor := range b.left {
		require.GreaterOrEqual(d.t, minor, int64(0), "I23: credit %s", id)
	}
	return b
}

// requireSame demands that what commands decide on is what rows show (I9).
func (d *desk) requireSame(s fee.State, row *readmodels.Fee) {
	d.t.Helper()
	words := map[fee.Status]readmodels.FeeStatus{
		fee.StatusUnpaid: readmodels.FeeUnpaid, fee.StatusPaymentInProgress: readmodels.FeePaymentInProgress, fee.StatusPaid: readmodels.FeePaid,
		fee.StatusWaived: readmodels.FeeWaived, fee.StatusCanceled: readmodels.FeeCanceled,
	}
	require.Equal(d.t, words[s.Status()], row.Status, "I9")
	require.Equal(d.t, []any{s.Gross, s.Reduced(), s.Allocated, s.Reserved(), s.Note, s.Hidden}, []any{row.Amount, row.Reduced, row.Paid, row.Reserved, row.Note, !row.IsActive})
}

func (b *books) addFee(event any) {
	switch e := event.(type) {
	case fee.PaymentApplied:
		b.applied[part{e.PaymentID, e.AllocationID}] += e.Amount.Minor()
	case fee.PaymentUnapplied:
		b.applied[part{e.PaymentID, e.AllocationID}] -= e.Amount.Minor()
	case fee.CreditApplied:
		b.used[part{e.CreditID, e.AllocationID}] += e.Amount.Minor()
	case fee.CreditUnapplied:
		b.used[part{e.CreditID, e.AllocationID}] -= e.Amount.Minor()
	}
}

func (b *books) addPayment(id string, event any) {
	switch e := event.(type) {
	case payment.Captured:
		for _, a := range e.Allocations {
			b.allocated[part{id, a.ID}] += a.Amount.Minor()
		}
		b.captured[id] += e.Amount.Minor()
		b.credited[id] += e.Credit.Minor()
	case payment.Reallocated:
		for _, t := range e.Taken {
			b.allocated[part{id, t.AllocationID}] -= t.Amount.Minor()
		}
		for _, a := range e.Given {
			b.allocated[part{id, a.ID}] += a.Amount.Minor()
		}
		b.credited[id] += e.Credit.Minor()
	case payment.Voided:
		for p := range b.allocated {
			if p.from == id {
				delete(b.allocated, p)
			}
		}
		delete(b.captured, id)
		delete(b.credited, id)
	}
}

func (b *books) addCredit(event any, paidBy map[string]string) {
	switch e := event.(type) {
	case credit.Granted:
		b.left[e.CreditID] += e.Amount.Minor()
		if paidBy[e.CreditID] = e.PaymentID; e.PaymentID != "" {
			b.granted[e.PaymentID] += e.Amount.Minor()
		}
	case credit.Spent:
		b.left[e.CreditID] -= e.Amount.Minor()
		b.spent[part{e.CreditID, e.AllocationID}] += e.Amount.Minor()
	case credit.Returned:
		b.left[e.CreditID] += e.Amount.Minor()
		b.spent[part{e.CreditID, e.AllocationID}] -= e.Amount.Minor()
	case credit.Reversed:
		b.left[e.CreditID] -= e.Amount.Minor()
		b.granted[paidBy[e.CreditID]] -= e.Amount.Minor()
	}
}

// live leaves out what is nothing.
func live[K comparable](sums map[K]int64) map[K]int64 {
	left := map[K]int64{}
	for k, minor := range sums {
		if minor != 0 {
			left[k] = minor
		}
	}
	return left
}
