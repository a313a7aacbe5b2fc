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

// books adds up the money of a log: payments by what they say themselves, and by what fees and credits say of them.
type books struct {
	applied, allocated map[string]int64 // by payment: on fee streams, on the payment's own
	credited, granted  map[string]int64
	fees               map[string]*readmodels.Fee
}

// requireSound checks the invariants of the log that span streams: I6 to I8, I14, I16, I22, I23, I33.
func (d *desk) requireSound() books {
	d.t.Helper()
	b := books{map[string]int64{}, map[string]int64{}, map[string]int64{}, map[string]int64{}, map[string]*readmodels.Fee{}}
	states, last := map[eventstore.StreamID]any{}, map[uuid.UUID]string{}
	var order []uuid.UUID
	for _, ev := range d.events() {
		next, _, err := readmodels.Fold(states[ev.Stream], ev)
		require.NoError(d.t, err)
		states[ev.Stream] = next
		switch e := ev.Data.(type) {
		case fee.PaymentApplied:
			b.applied[e.PaymentID] += e.Amount.Minor()
		case credit.Granted:
			b.granted[e.PaymentID] += e.Amount.Minor()
			require.Equal(d.t, ev.Stream.Name, credit.Stream(e.UserID))
		case payment.Captured:
			rest := e.Amount.Minor()
			for _, a := range e.Allocations {
				b.allocated[e.PaymentID] += a.Amount.Minor()
				rest -= a.Amount.Minor()
			}
			require.Equal(d.t, rest, e.Credit.Minor())
			if rest > 0 {
				b.credited[e.PaymentID] = rest
			}
		}
		if row, ok := next.(*readmodels.Fee); ok {
			require.GreaterOrEqual(d.t, row.Outstanding().Minor(), int64(0), row.ID)
			require.False(d.t, row.Cancelled && (row.Amount.Minor() != 0 || row.Paid.Minor() != 0 || row.Reduced.Minor() != 0))
			b.fees[strings.TrimPrefix(ev.Stream.Name, "fee-")] = row
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
	require.Equal(d.t, b.allocated, b.applied)
	require.Equal(d.t, b.credited, b.granted)
	return b
}
