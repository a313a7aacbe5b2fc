package domain_test

import (
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"payledger/domain/credit"
	"payledger/domain/fee"
	"payledger/domain/money"
	"payledger/domain/payment"
)

// tallies are sums over all streams, made of the events alone, in minor units.
type tallies struct {
	applied  map[string]map[string]int64 // of payments on fees, live, by payment and allocation
	reserved map[string]map[string]int64 // the same of reservations
	// What of the applied money recovered write-offs, live, by payment and allocation.
	recovered  map[string]map[string]int64
	writtenOff map[string]bool             // ids of write-offs
	spent      map[string]map[string]int64 // of credits on fees, live, by credit and allocation
	lots       map[string]lot              // by credit
}

// lot is one credit.
type lot struct {
	user, paymentID string
	left            int64
	reversed        bool
	spent           map[string]int64 // live, by allocation
}

func add(sums map[string]map[string]int64, id, part string, minor int64) {
	if sums[id] == nil {
		sums[id] = make(map[string]int64)
	}
	if sums[id][part] += minor; sums[id][part] == 0 {
		delete(sums[id], part)
	}
}

// check recomputes all sums from the events alone and demands the invariants, named
// I6 and so on in the list of invariants, of every stream and between streams.
func (m *machine) check(t *rapid.T) {
	b := tallies{
		applied: make(map[string]map[string]int64), reserved: make(map[string]map[string]int64),
		spent: make(map[string]map[string]int64), lots: make(map[string]lot),
		recovered: make(map[string]map[string]int64), writtenOff: make(map[string]bool),
	}
	for _, s := range m.l.fees {
		if s.state().Exists {
			b.checkFee(t, s)
		}
	}
	for user, s := range m.l.credits {
		b.checkCredit(t, user, s)
	}
	for id, parts := range b.recovered {
		for allocation, minor := range parts {
			require.LessOrEqual(t, minor, b.applied[id][allocation], "what was recovered is on the fee")
		}
	}
	for id, l := range b.lots {
		require.Equal(t, len(l.spent) > 0, len(b.spent[id]) > 0, "I23")
		for allocation, minor := range l.spent {
			require.Equal(t, minor, b.spent[id][allocation], "I23: spent is on the fee")
		}
		delete(b.spent, id)
	}
	for id, parts := range b.spent {
		require.Empty(t, parts, "I23: on a fee, but not of credit %s", id)
	}
	for id, s := range m.l.payments {
		b.checkPayment(t, s, id)
		delete(b.applied, id)
		delete(b.reserved, id)
	}
	for _, sums := range []map[string]map[string]int64{b.applied, b.reserved} {
		for id, parts := range sums {
			require.Empty(t, parts, "I22: money of payment %s, which isn't there", id)
		}
	}
	for id, l := range b.lots {
		if l.paymentID != "" {
			require.NotNil(t, m.l.payments[l.paymentID], "I23: lot %s without its payment", id)
			require.Equal(t, l.user, m.l.payments[l.paymentID].state().UserID, "I23")
		}
	}
}

// sums are the sums of one fee, in minor units.
type sums struct {
	gross, reduced, allocated, reserved int64
	cancelled                           bool
}

func (s sums) owed() int64 { return s.gross - s.reduced - s.allocated }

func (b *tallies) checkFee(t *rapid.T, s *feeStream) {
	var now sums
	cur := s.events[0].(fee.Assessed).Amount.Currency()
	live := make(map[string]int64) // reductions
	for n, e := range s.events {
		before := now
		now = b.checkFeeEvent(t, before, e, cur, live)
		require.GreaterOrEqual(t, now.gross, int64(0), "I6")
		require.GreaterOrEqual(t, now.owed(), int64(0), "I6")
		require.True(t, 0 <= now.allocated && now.allocated <= now.gross, "I7")
		require.True(t, 0 <= now.reduced && now.reduced <= now.gross, "I7")

		state := s.states[n+1]
		require.Equal(t, money.New(now.gross, cur), state.Gross, "I6")
		require.Equal(t, money.New(now.reduced, cur), state.Reduced(), "I6")
		require.Equal(t, money.New(now.allocated, cur), state.Allocated, "I6")
		require.Equal(t, money.New(now.owed(), cur), state.Outstanding(), "I6")
		require.Equal(t, money.New(now.reserved, cur), state.Reserved(), "I21")
		require.Equal(t, cur, state.Currency, "I12")
		require.Equal(t, now.status(), state.Status(), "I9")
		require.Equal(t, now.settlement(), state.Settlement(), "I9")
	}
	if now.cancelled {
		require.Equal(t, sums{cancelled: true}, now, "I8")
	}
}

func (b *tallies) checkFeeEvent(t *rapid.T, s sums, e fee.Event, cur money.Currency, live map[string]int64) sums {
	part := func(a money.Amount) int64 {
		require.Equal(t, cur, a.Currency(), "I12")
		require.True(t, a.IsPositive())
		return a.Minor()
	}
	reduce := func(id string, minor int64) {
		live[id] += minor
		s.reduced += minor
		require.GreaterOrEqual(t, live[id], int64(0), "I7: more taken back than was forgiven")
	}
	before := s
	lowers, raises := false, false
	switch e := e.(type) {
	case fee.Assessed:
		s.gross, raises = part(e.Amount), true
	case fee.Adjusted:
		require.False(t, s.cancelled, "I8")
		if raises = e.Direction == fee.DirectionIncrease; raises {
			s.gross += part(e.Amount)
		} else {
			s.gross, lowers = s.gross-part(e.Amount), true
		}
	case fee.Waived:
		require.False(t, s.cancelled, "I8")
		reduce(e.ReductionID, part(e.Amount))
		lowers = true
	case fee.WrittenOff:
		b.writtenOff[e.ReductionID] = true
		require.False(t, s.cancelled, "I8")
		reduce(e.ReductionID, part(e.Amount))
		lowers = true
	case fee.ReductionReleased:
		reduce(e.ReductionID, -part(e.Amount))
		raises = true
	case fee.ReductionReversed:
		reduce(e.ReductionID, -part(e.Amount))
		require.Zero(t, live[e.ReductionID])
		raises = true
	case fee.WriteOffRecovered:
		require.True(t, b.writtenOff[e.ReductionID], "only what was written off is recovered")
		reduce(e.ReductionID, -part(e.Amount))
		raises = true
		add(b.recovered, e.PaymentID, e.AllocationID, e.Amount.Minor())
	case fee.RecoveryReversed:
		reduce(e.ReductionID, part(e.Amount))
		lowers = true
		add(b.recovered, e.PaymentID, e.AllocationID, -e.Amount.Minor())
		require.GreaterOrEqual(t, b.recovered[e.PaymentID][e.AllocationID], int64(0), "no more than was recovered")
	case fee.Cancelled:
		require.Equal(t, s.gross, e.Amount.Minor(), "I8")
		s.gross, s.cancelled, lowers = 0, true, true
	case fee.PaymentReserved:
		s.reserved += part(e.Amount)
		require.LessOrEqual(t, s.reserved, s.owed(), "I21")
		add(b.reserved, e.PaymentID, e.AllocationID, e.Amount.Minor())
	case fee.ReservationReleased:
		s.reserved -= part(e.Amount)
		add(b.reserved, e.PaymentID, e.AllocationID, -e.Amount.Minor())
		require.NotContains(t, b.reserved[e.PaymentID], e.AllocationID, "I21: all of it")
	case fee.PaymentApplied:
		require.False(t, s.cancelled, "I7")
		require.NotContains(t, b.applied[e.PaymentID], e.AllocationID, "I33")
		s.allocated, lowers = s.allocated+part(e.Amount), true
		add(b.applied, e.PaymentID, e.AllocationID, e.Amount.Minor())
	case fee.PaymentUnapplied:
		s.allocated, raises = s.allocated-part(e.Amount), true
		add(b.applied, e.PaymentID, e.AllocationID, -e.Amount.Minor())
		require.GreaterOrEqual(t, b.applied[e.PaymentID][e.AllocationID], int64(0), "I22")
	case fee.CreditApplied:
		require.False(t, s.cancelled, "I7")
		s.allocated, lowers = s.allocated+part(e.Amount), true
		add(b.spent, e.CreditID, e.AllocationID, e.Amount.Minor())
	case fee.CreditUnapplied:
		s.allocated, raises = s.allocated-part(e.Amount), true
		add(b.spent, e.CreditID, e.AllocationID, -e.Amount.Minor())
		require.GreaterOrEqual(t, b.spent[e.CreditID][e.AllocationID], int64(0), "I23")
	case fee.Annotated, fee.NoteAdded, fee.NoteChanged, fee.NoteHidden:
	}
	switch e.(type) {
	case fee.PaymentApplied, fee.CreditApplied, fee.Waived, fee.WrittenOff:
		require.LessOrEqual(t, s.reserved, s.owed(), "I21: %T takes what is reserved", e)
	default:
	}
	require.False(t, s.owed() < before.owed() && !lowers, "I13: %T lowers what is owed", e)
	require.False(t, s.owed() > before.owed() && !raises, "%T raises what is owed", e)
	return s
}

func (s sums) status() fee.Status {
	switch {
	case s.gross == 0:
		return fee.StatusCanceled
	case s.owed() > 0 && s.reserved > 0:
		return fee.StatusPaymentInProgress
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

// checkPayment compares what a payment says of its money with what fees and credits say.
func (b *tallies) checkPayment(t *rapid.T, s *paymentStream, id string) {
	live, started, credits := make(map[string]int64), make(map[string]bool), int64(0)
	captured, voided := int64(0), int64(0)
	for n, e := range s.events {
		switch e := e.(type) {
		case payment.Started:
			require.Zero(t, n)
			for _, a := range e.Allocations {
				started[a.ID] = true
			}
		case payment.Captured:
			require.Zero(t, captured, "I15: captured once")
			require.True(t, n == 0 || len(started) > 0)
			captured, credits = e.Amount.Minor(), e.Credit.Minor()
			require.True(t, len(e.Allocations) > 0 || e.CreditID != "", "I16")
			require.Equal(t, e.CreditID == "", e.Credit.IsZero(), "I14")
			for _, a := range e.Allocations {
				require.Equal(t, e.Amount.Currency(), a.Amount.Currency(), "I12")
				require.True(t, n == 0 || started[a.ID], "an allocation that didn't start")
				live[a.ID] = a.Amount.Minor()
			}
		case payment.Failed, payment.Cancelled:
			require.Equal(t, 1, n, "I19: ends what started")
			require.Len(t, s.events, 2, "I19: ended is final")
		case payment.Voided:
			require.Zero(t, voided, "I15")
			require.Len(t, s.events, n+1, "I15: void is final")
			voided, credits = e.Amount.Minor(), 0
			clear(live)
		case payment.Reallocated:
			for _, part := range e.Taken {
				live[part.AllocationID] -= part.Amount.Minor()
				require.GreaterOrEqual(t, live[part.AllocationID], int64(0), "I14")
			}
			for _, a := range e.Given {
				live[a.ID] += a.Amount.Minor()
			}
			credits += e.Credit.Minor()
		case payment.Annotated:
		}
	}
	sum := credits
	for allocation, minor := range live {
		sum += minor
		require.Equal(t, minor, b.applied[id][allocation], "I22")
	}
	require.Equal(t, captured-voided, sum, "I14")
	applied := int64(0)
	for _, minor := range b.applied[id] {
		applied += minor
	}
	require.Equal(t, sum-credits, applied, "I22")
	if s.state().Phase != payment.PhaseStarted {
		require.Empty(t, b.reserved[id], "I21: ended, but reserves")
	}
	for _, l := range b.lots {
		if l.paymentID == id && !l.reversed {
			credits -= l.granted()
		}
	}
	require.Zero(t, credits, "I23: the lots of a payment are its credits")
}

func (l lot) granted() int64 {
	sum := l.left
	for _, minor := range l.spent {
		sum += minor
	}
	return sum
}

func (b *tallies) checkCredit(t *rapid.T, user string, s *creditStream) {
	for _, e := range s.events {
		switch e := e.(type) {
		case credit.Granted:
			require.True(t, e.Amount.IsPositive(), "I23")
			require.Equal(t, user, e.UserID, "I23")
			require.NotContains(t, b.lots, e.CreditID, "I23: one source")
			require.Equal(t, e.Source == credit.SourceGoodwill, e.PaymentID == "", "I23")
			b.lots[e.CreditID] = lot{user: user, paymentID: e.PaymentID, left: e.Amount.Minor(), spent: make(map[string]int64)}
		case credit.Spent:
			b.move(t, e.CreditID, e.AllocationID, e.Amount)
		case credit.Returned:
			b.move(t, e.CreditID, e.AllocationID, money.New(-e.Amount.Minor(), e.Amount.Currency()))
		case credit.Reversed:
			l := b.lots[e.CreditID]
			require.Equal(t, l.left, e.Amount.Minor(), "I23")
			require.Empty(t, l.spent, "I23")
			l.left, l.reversed = 0, true
			b.lots[e.CreditID] = l
		}
	}
	for _, kept := range s.state().Lots {
		require.Equal(t, b.lots[kept.CreditID].left, kept.Remaining.Minor(), "I23")
		require.Equal(t, b.lots[kept.CreditID].reversed, kept.Reversed, "I23")
	}
}

// move takes money of a lot for an allocation.
func (b *tallies) move(t *rapid.T, creditID, allocationID string, amount money.Amount) {
	require.Contains(t, b.lots, creditID, "I23")
	l := b.lots[creditID]
	require.False(t, l.reversed, "I23")
	l.left -= amount.Minor()
	require.GreaterOrEqual(t, l.left, int64(0), "I23")
	if l.spent[allocationID] += amount.Minor(); l.spent[allocationID] == 0 {
		delete(l.spent, allocationID)
	}
	b.lots[creditID] = l
}
