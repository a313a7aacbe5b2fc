package domain_test

import (
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"payledger/domain/credit"
	"payledger/domain/fee"
	"payledger/domain/money"
	"payledger/domain/payment"
)

// check recomputes all sums from the events alone and demands the invariants, named
// I6 and so on in the list of invariants, of every stream and between streams.
func (m *machine) check(t *rapid.T) {
	applied := make(map[string]map[string]money.Amount) // by payment and allocation
	for id, s := range m.l.fees {
		if s.state().Exists {
			checkFee(t, s, applied)
			m.checkFinal(t, id, s.state().Status())
		}
	}
	lots := make(map[string]credit.Granted) // by payment
	for user, s := range m.l.credits {
		checkCredit(t, user, s, lots)
	}
	for id, s := range m.l.payments {
		checkPayment(t, s, applied[id], lots[id])
		delete(applied, id)
		delete(lots, id)
	}
	require.Empty(t, applied, "I22: money applied that no payment brought")
	require.Empty(t, lots, "I23: a lot without its payment")
}

// checkFinal demands that what is paid stays paid and what is canceled stays so.
func (m *machine) checkFinal(t *rapid.T, feeID string, now fee.Status) {
	before, known := m.statuses[feeID]
	if known && (before == fee.StatusPaid || before == fee.StatusCanceled) {
		require.Equal(t, before, now, "settled is final")
	}
	if before == fee.StatusWaived {
		require.Contains(t, []fee.Status{fee.StatusWaived, fee.StatusCanceled}, now)
	}
	m.statuses[feeID] = now
}

// sums are the sums of one fee, in minor units.
type sums struct {
	gross, reduced, allocated int64
	cancelled                 bool
}

func (s sums) owed() int64 { return s.gross - s.reduced - s.allocated }

func checkFee(t *rapid.T, s *feeStream, applied map[string]map[string]money.Amount) {
	var now sums
	cur := s.events[0].(fee.Assessed).Amount.Currency()
	for n, e := range s.events {
		before := now
		now = checkFeeEvent(t, before, e, cur, applied)
		require.GreaterOrEqual(t, now.gross, int64(0), "I6")
		require.GreaterOrEqual(t, now.owed(), int64(0), "I6")
		require.LessOrEqual(t, now.allocated, now.gross, "I7")
		require.LessOrEqual(t, now.reduced, now.gross, "I7")

		state := s.states[n+1]
		require.Equal(t, money.New(now.gross, cur), state.Gross, "I6")
		require.Equal(t, money.New(now.reduced, cur), state.Reduced(), "I6")
		require.Equal(t, money.New(now.allocated, cur), state.Allocated, "I6")
		require.Equal(t, money.New(now.owed(), cur), state.Outstanding(), "I6")
		require.Equal(t, cur, state.Currency, "I12")
		require.Equal(t, now.status(), state.Status(), "I9")
		require.Equal(t, now.settlement(), state.Settlement(), "I9")
	}
	if now.cancelled {
		require.Equal(t, sums{cancelled: true}, now, "I8")
	}
}

func checkFeeEvent(
	t *rapid.T, s sums, e fee.Event, cur money.Currency, applied map[string]map[string]money.Amount,
) sums {
	part := func(a money.Amount) int64 {
		require.Equal(t, cur, a.Currency(), "I12")
		require.True(t, a.IsPositive())
		return a.Minor()
	}
	before := s.owed()
	switch e := e.(type) {
	case fee.Assessed:
		s.gross += part(e.Amount)
	case fee.Waived:
		require.False(t, s.cancelled, "I8")
		s.reduced += part(e.Amount)
	case fee.ReductionReleased:
		s.reduced -= part(e.Amount)
	case fee.Cancelled:
		s.gross -= part(e.Amount)
		s.cancelled = true
	case fee.PaymentApplied:
		require.False(t, s.cancelled, "I7")
		s.allocated += part(e.Amount)
		if applied[e.PaymentID] == nil {
			applied[e.PaymentID] = make(map[string]money.Amount)
		}
		require.NotContains(t, applied[e.PaymentID], e.AllocationID, "I33")
		applied[e.PaymentID][e.AllocationID] = e.Amount
	case fee.Annotated:
	case fee.Adjusted, fee.WrittenOff, fee.ReductionReversed, fee.PaymentReserved, fee.ReservationReleased, fee.PaymentUnapplied,
		fee.CreditApplied, fee.CreditUnapplied, fee.NoteAdded, fee.NoteChanged, fee.NoteHidden:
		require.Fail(t, "no command makes it", "%T", e)
	}
	if s.owed() < before {
		switch e.(type) {
		case fee.PaymentApplied, fee.Waived, fee.Cancelled:
		default:
			require.Fail(t, "I13", "%T lowers what is owed", e)
		}
	}
	return s
}

func (s sums) status() fee.Status {
	switch {
	case s.gross == 0:
		return fee.StatusCanceled
	case s.owed() > 0:
		return fee.StatusUnpaid
	case s.allocated > 0:
		return fee.StatusPaid
	}
	return fee.StatusWaived
}

func (s sums) settlement() fee.Settlement {
	switch {
	case s.cancelled:
		return fee.SettlementCancelled
	case s.owed() > 0:
		return fee.SettlementOpen
	}
	return fee.SettlementSettled
}

func checkPayment(t *rapid.T, s *paymentStream, applied map[string]money.Amount, lot credit.Granted) {
	if len(s.events) == 0 {
		require.Empty(t, applied, "I22")
		return
	}
	require.Len(t, s.events, 1, "I15: captured once")
	p := s.events[0].(payment.Captured)
	require.True(t, len(p.Allocations) > 0 || p.CreditID != "", "I16")
	sum := p.Credit.Minor()
	require.Equal(t, p.Amount.Currency(), p.Credit.Currency(), "I12")
	for _, a := range p.Allocations {
		sum += a.Amount.Minor()
		require.Equal(t, p.Amount.Currency(), a.Amount.Currency(), "I12")
		require.Equal(t, a.Amount, applied[a.ID], "I22")
	}
	require.Equal(t, p.Amount.Minor(), sum, "I14")
	require.Len(t, applied, len(p.Allocations), "I22")
	require.Equal(t, p.CreditID, lot.CreditID, "I23: the lot's one source")
	if p.CreditID == "" {
		require.True(t, p.Credit.IsZero(), "I14")
		return
	}
	require.Equal(t, p.Credit, lot.Amount, "I23")
	require.Equal(t, p.UserID, lot.UserID, "I23")
}

func checkCredit(t *rapid.T, user string, s *creditStream, lots map[string]credit.Granted) {
	var want []credit.Lot
	for _, e := range s.events {
		g := e.(credit.Granted)
		require.True(t, g.Amount.IsPositive(), "I23")
		require.Equal(t, user, g.UserID, "I23")
		require.NotContains(t, lots, g.PaymentID, "I23")
		lots[g.PaymentID] = g
		want = append(want, credit.Lot{CreditID: g.CreditID, Remaining: g.Amount})
	}
	require.Equal(t, want, s.state().Lots, "I23")
}
