package readmodels_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"payledger/domain/credit"
	"payledger/domain/customer"
	"payledger/domain/fee"
	"payledger/domain/gateway"
	"payledger/domain/money"
	"payledger/domain/payment"
	"payledger/eventstore/catalog"
	"payledger/readmodels"
)

// Which events of a fee are a feeEvent, and which one.
func TestFeeEventsOfAFee(t *testing.T) {
	t.Parallel()
	ten := amount(t, "10", "USD")
	happened := map[string]fee.Event{
		"paymentAttempt":  fee.PaymentReserved{Amount: ten},
		"paymentSuccess":  fee.PaymentApplied{Amount: ten},
		"paymentSuccess ": fee.CreditApplied{Amount: ten},
		"paymentFail":     fee.ReservationReleased{Amount: ten, Cause: fee.ReleaseFailed},
		"waived":          fee.Waived{Amount: ten, Note: "a note"},
		"waived ":         fee.WrittenOff{Amount: ten, Note: "a note"},
		"canceled":        fee.Cancelled{Amount: amount(t, "12.50", "USD"), Note: "a note"},
		"note":            fee.NoteAdded{NoteID: uuid.UUID{15: 2}.String(), Note: "a note"},
	}
	for word, e := range happened {
		_, changes := foldFee(t, assessed(t), e)
		changes = of(readmodels.ObjectFeeEvent, changes)
		require.Len(t, changes, 2, word)
		require.Equal(t, readmodels.ActionCreated, changes[1].Action)
		row := changes[1].New.(*readmodels.FeeEvent)
		at := start().Add(2 * time.Minute)
		want := &readmodels.FeeEvent{
			Tenant: "main", ID: uuid.UUID{15: 2}.String(), FeeID: feeID, UserID: userID, EventType: row.EventType, EventDate: at.Add(-time.Second),
			ActorUserID: deskID, Note: row.Note, IsActive: true, CreatedAt: at, UpdatedAt: at, Position: 102,
		}
		require.Empty(t, cmp.Diff(want, row), word)
		require.Equal(t, strings.TrimSpace(word), row.EventType.String())
		require.Equal(t, strings.HasPrefix(word, "payment"), row.Note == "", word)
	}
	for _, e := range []fee.Event{
		fee.Adjusted{Amount: ten},
		fee.ReductionReleased{Amount: ten},
		fee.ReductionReversed{Amount: ten},
		fee.WriteOffRecovered{Amount: ten},
		fee.RecoveryReversed{Amount: ten},
		fee.PaymentUnapplied{Amount: ten},
		fee.CreditUnapplied{Amount: ten},
		fee.Annotated{Note: "x"},
		fee.ReservationReleased{Amount: ten, Cause: fee.ReleaseCaptured},
		fee.ReservationReleased{Amount: ten, Cause: fee.ReleaseCanceled},
	} {
		_, changes := foldFee(t, assessed(t), e)
		require.Len(t, of(readmodels.ObjectFeeEvent, changes), 1, "%T", e)
	}
}

func TestNobodyButAPersonIsAnActor(t *testing.T) {
	t.Parallel()
	ev := recorded(fee.Stream(feeID), 1, assessed(t))
	ev.Meta.Actor = catalog.Actor{Kind: "system", ID: "system:fines"}
	_, changes, err := readmodels.FoldFee(nil, ev)
	require.NoError(t, err)
	require.Empty(t, changes[1].New.(*readmodels.FeeEvent).ActorUserID)
}

func TestNotesOfAFee(t *testing.T) {
	t.Parallel()
	state, all := foldFee(t, assessed(t), fee.NoteAdded{NoteID: allocA, Visibility: fee.VisibilityPatron, Note: "first"},
		fee.NoteAdded{NoteID: allocB, Visibility: fee.VisibilityStaff, Note: "second"}, fee.NoteChanged{NoteID: allocA, Note: "first, put right"},
		fee.NoteHidden{NoteID: allocB}, fee.Annotated{Note: "the fee's own"})
	require.Len(t, of(readmodels.ObjectFee, all), 2, "notes change no fee")
	require.Equal(t, int64(1), state.Fee.RecordVersion)
	require.Equal(t, int64(6), state.Fee.StreamVersion)
	require.Equal(t, "the fee's own", state.Fee.Note)

	changes := of(readmodels.ObjectFeeEvent, all)[1:]
	require.Equal(t, []readmodels.Action{readmodels.ActionCreated, readmodels.ActionCreated, readmodels.ActionUpdated, readmodels.ActionDeleted},
		[]readmodels.Action{changes[0].Action, changes[1].Action, changes[2].Action, changes[3].Action})
	first := *changes[0].New.(*readmodels.FeeEvent)
	require.False(t, first.StaffOnly)
	require.Same(t, changes[0].New, changes[2].Old)
	next := first
	next.Note, next.RecordVersion, next.UpdatedAt, next.Position = "first, put right", 1, start().Add(4*time.Minute), 104
	require.Empty(t, cmp.Diff(&next, changes[2].New))
	hidden := *changes[1].New.(*readmodels.FeeEvent)
	require.True(t, hidden.StaffOnly)
	require.Same(t, changes[1].New, changes[3].Old)
	hidden.IsActive, hidden.RecordVersion, hidden.UpdatedAt, hidden.Position = false, 1, start().Add(5*time.Minute), 105
	require.Empty(t, cmp.Diff(&hidden, changes[3].New))
	require.Empty(t, cmp.Diff([]*readmodels.FeeEvent{&next, &hidden}, state.Notes))
	for _, again := range []fee.Event{fee.NoteHidden{NoteID: allocB}, fee.NoteChanged{NoteID: allocB}, fee.NoteAdded{NoteID: allocB}} {
		_, _, err := readmodels.FoldFee(state, recorded(fee.Stream(feeID), 7, again))
		require.ErrorIs(t, err, readmodels.ErrUnexpectedEvent)
	}
}

// A hidden fee is canceled and gone; the message of it is the row as it was, inactive.
func TestHiddenFee(t *testing.T) {
	t.Parallel()
	state, all := foldFee(t, assessed(t), fee.Cancelled{Amount: amount(t, "12.50", "USD"), Cause: fee.CauseError, Hidden: true})
	c := of(readmodels.ObjectFee, all)[1]
	require.Equal(t, readmodels.ActionDeleted, c.Action)
	require.False(t, state.Fee.IsActive)
	require.Equal(t, readmodels.FeeCanceled, state.Fee.Status)
	require.Equal(t, int64(1), state.Fee.RecordVersion)
	last := *c.Old.(*readmodels.Fee)
	require.True(t, last.IsActive)
	last.IsActive = false
	require.Empty(t, cmp.Diff(&last, c.Old.Deleted()))
}

// told is what the tests look at in a row of a payment.
type told struct {
	action  readmodels.Action
	id      string
	amount  string
	status  string
	note    string
	active  bool
	version int64
}

func foldPayment(t *testing.T, data ...any) (*readmodels.Payment, [][]told) {
	t.Helper()
	var p *readmodels.Payment
	var all [][]told
	for i, d := range data {
		before, copied := p, readmodels.Payment{}
		if p != nil {
			copied = *p
			copied.Rows = append([]readmodels.FeePayment(nil), p.Rows...)
		}
		next, changes, err := readmodels.FoldPayment(p, recorded(payment.Stream(payID), int64(i+1), d))
		require.NoError(t, err)
		if before != nil {
			require.Empty(t, cmp.Diff(&copied, before), "the state before stays as it was")
		}
		p = next
		var list []told
		for _, c := range changes {
			row := c.New.(*readmodels.FeePayment)
			list = append(list, told{c.Action, row.ID, row.AmountPaid.Number(), row.PaymentStatus.String(), row.Note, row.IsActive, row.RecordVersion})
			if c.Old != nil {
				require.Equal(t, row.RecordVersion-1, c.Old.Version())
				require.True(t, c.Old.Active())
			}
			require.Equal(t, start().Add(time.Duration(i+1)*time.Minute), row.UpdatedAt)
		}
		all = append(all, list)
	}
	return p, all
}

const (
	isNew   = readmodels.ActionCreated
	changed = readmodels.ActionUpdated
	gone    = readmodels.ActionDeleted
)

func TestPendingPayments(t *testing.T) {
	t.Parallel()
	allocations := captured(t, payment.TenderCash).Allocations
	started := payment.Started{
		PaymentID: payID, UserID: userID, Tender: payment.TenderCash, Amount: amount(t, "17.50", "USD"), HandledBy: deskID, Allocations: allocations, Note: "soon",
	}
	part := captured(t, payment.TenderCash)
	part.Allocations = []payment.Allocation{{ID: allocA, FeeID: feeID, Amount: amount(t, "10", "USD")}}
	pending := []told{{isNew, allocA, "12.5", "pending", "soon", true, 0}, {isNew, allocB, "5", "pending", "soon", true, 0}}
	for name, c := range map[string]struct {
		then payment.Event
		want []told
	}{
		"captured":  {captured(t, payment.TenderCash), []told{{changed, allocA, "12.5", "complete", "in coins", true, 1}, {changed, allocB, "5", "complete", "in coins", true, 1}}},
		"in part":   {part, []told{{changed, allocA, "10", "complete", "in coins", true, 1}, {changed, allocB, "5", "canceled", "soon", true, 1}}},
		"failed":    {payment.Failed{Note: "declined"}, []told{{changed, allocA, "12.5", "failed", "declined", true, 1}, {changed, allocB, "5", "failed", "declined", true, 1}}},
		"cancelled": {payment.Cancelled{}, []told{{changed, allocA, "12.5", "canceled", "soon", true, 1}, {changed, allocB, "5", "canceled", "soon", true, 1}}},
		"hidden":    {payment.Cancelled{Hidden: true}, []told{{gone, allocA, "12.5", "canceled", "soon", false, 1}, {gone, allocB, "5", "canceled", "soon", false, 1}}},
	} {
		_, got := foldPayment(t, started, c.then)
		require.Equal(t, [][]told{pending, c.want}, got, name)
	}
}

func TestVoidedPayments(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		void payment.Voided
		want []told
	}{
		"failed":   {payment.Voided{Outcome: payment.OutcomeFailed}, []told{{changed, allocA, "12.5", "failed", "in coins", true, 1}, {changed, allocB, "5", "failed", "in coins", true, 1}}},
		"canceled": {payment.Voided{Outcome: payment.OutcomeCanceled, Note: "typo"}, []told{{changed, allocA, "12.5", "canceled", "typo", true, 1}, {changed, allocB, "5", "canceled", "typo", true, 1}}},
		"hidden":   {payment.Voided{Outcome: payment.OutcomeCanceled, Hidden: true}, []told{{gone, allocA, "12.5", "canceled", "in coins", false, 1}, {gone, allocB, "5", "canceled", "in coins", false, 1}}},
	} {
		p, got := foldPayment(t, captured(t, payment.TenderCash), c.void)
		require.Equal(t, c.want, got[1], name)
		require.JSONEq(t, `{"id":"`+payID+`","userId":"`+userID+`","tender":"cash","amount":20,"currency":"USD","allocations":[],"credit":0}`, string(p.AppendJSON(nil)))
	}
}

// With its payment goes what had lost its money before.
func TestHiddenPayment(t *testing.T) {
	t.Parallel()
	p, got := foldPayment(t, captured(t, payment.TenderCash), payment.Reallocated{
		Taken: []payment.Taken{{AllocationID: allocB, FeeID: loanID, Amount: amount(t, "5", "USD")}}, CreditID: "c", Credit: amount(t, "5", "USD"),
	}, payment.Voided{Outcome: payment.OutcomeFailed, Hidden: true, Note: "typo"})
	require.Equal(t, []told{{gone, allocA, "12.5", "failed", "typo", false, 1}, {gone, allocB, "5", "canceled", "in coins", false, 2}}, got[2])
	for _, row := range p.Rows {
		require.False(t, row.IsActive, row.ID)
	}
}

func TestReallocatedPayments(t *testing.T) {
	t.Parallel()
	usd := func(text string) money.Amount { return amount(t, text, "USD") }
	p, got := foldPayment(t, captured(t, payment.TenderPOS), payment.Annotated{AllocationID: allocB, Note: "one note"}, payment.Reallocated{
		Taken:    []payment.Taken{{AllocationID: allocA, FeeID: feeID, Amount: usd("2.5")}, {AllocationID: allocB, FeeID: loanID, Amount: usd("5")}},
		Given:    []payment.Allocation{{ID: deskID, FeeID: userID, Amount: usd("7")}},
		CreditID: "c", Credit: usd("0.5"), Cause: payment.CauseReallocation,
	}, payment.Voided{Outcome: payment.OutcomeCanceled})
	require.Equal(t, [][]told{
		{{changed, allocB, "5", "complete", "one note", true, 1}},
		{{changed, allocA, "10", "complete", "in coins", true, 1}, {changed, allocB, "5", "canceled", "one note", true, 2}, {isNew, deskID, "7", "complete", "one note", true, 0}},
		{{changed, allocA, "10", "canceled", "in coins", true, 2}, {changed, deskID, "7", "canceled", "one note", true, 1}},
	}, got[1:])
	given := p.Rows[2]
	require.Equal(t, userID, given.FeeID)
	require.Equal(t, readmodels.PaidByPOS, given.PaymentMethod)
	require.Equal(t, deskID, given.HandledByUserID)
	require.Equal(t, start().Add(3*time.Minute), given.CreatedAt)
	require.Equal(t, start().Add(3*time.Minute-time.Second), given.PaymentDate)

	p, _ = foldPayment(t, captured(t, payment.TenderPOS), payment.Reallocated{
		Taken: []payment.Taken{{AllocationID: allocB, FeeID: loanID, Amount: usd("5")}}, CreditID: "c", Credit: usd("5"), Cause: payment.CauseAdjustment,
	})
	require.JSONEq(t, `{"id":"`+payID+`","userId":"`+userID+`","tender":"pos","amount":20,"currency":"USD",
		"allocations":[{"id":"`+allocA+`","feeId":"`+feeID+`","amount":12.5}],"credit":7.5}`, string(p.AppendJSON(nil)))
}

// What the tables know of a payment is enough to fold on.
func TestPaymentOfItsRows(t *testing.T) {
	t.Parallel()
	whole, _ := foldPayment(t, captured(t, payment.TenderPOS))
	known := readmodels.PaymentOf("main", payID, []*readmodels.FeePayment{&whole.Rows[0], &whole.Rows[1]})
	for _, e := range []payment.Event{
		payment.Voided{Amount: amount(t, "20", "USD"), Outcome: payment.OutcomeCanceled},
		payment.Annotated{AllocationID: allocA, Note: "n"},
		payment.Reallocated{
			Taken: []payment.Taken{{AllocationID: allocB, Amount: amount(t, "5", "USD")}}, CreditID: "c", Credit: amount(t, "5", "USD"),
		},
	} {
		ev := recorded(payment.Stream(payID), 2, e)
		_, want, err := readmodels.FoldPayment(whole, ev)
		require.NoError(t, err)
		_, got, err := readmodels.FoldPayment(known, ev)
		require.NoError(t, err)
		require.Empty(t, cmp.Diff(want, got))
	}
	_, changes, err := readmodels.FoldPayment(readmodels.PaymentOf("main", payID, nil), recorded(payment.Stream(payID), 2, payment.Voided{Amount: amount(t, "20", "USD")}))
	require.NoError(t, err)
	require.Empty(t, changes, "all of it had become a credit")
}

func TestGatewayPaymentRows(t *testing.T) {
	t.Parallel()
	row := goldenGatewayPayment(t)
	state, changes, err := readmodels.Fold(row, recorded(gateway.Stream(payID), 2, gateway.Updated{PaymentID: "pi_2", PaymentStatus: "succeeded", StatusLiteral: "success"}))
	require.NoError(t, err)
	next := *row
	next.PaymentID, next.PaymentStatus, next.StatusLiteral, next.RedirectURL = "pi_2", "succeeded", "success", ""
	next.RecordVersion, next.UpdatedAt, next.Position = 1, start().Add(2*time.Minute), 102
	require.Empty(t, cmp.Diff([]readmodels.Change{{Object: readmodels.ObjectGatewayPayment, Action: changed, Old: row, New: &next}}, changes))
	state, changes, err = readmodels.Fold(state, recorded(gateway.Stream(payID), 3, gateway.Deleted{ID: payID}))
	require.NoError(t, err)
	require.Equal(t, gone, changes[0].Action)
	require.False(t, state.(*readmodels.GatewayPayment).IsActive)
	require.Equal(t, userID, row.Owner())
}

func TestCustomerRows(t *testing.T) {
	t.Parallel()
	before := goldenCustomer(t)
	state, changes, err := readmodels.Fold(before, recorded(customer.Stream(userID), 3, customer.Linked{ID: allocA, UserID: userID, CustomerID: "cus_2", Platform: "stripe"}))
	require.NoError(t, err)
	linked := *before.Customers[0]
	linked.CustomerID, linked.RecordVersion, linked.UpdatedAt, linked.Position = "cus_2", 1, start().Add(3*time.Minute), 103
	require.Empty(t, cmp.Diff([]readmodels.Change{{Object: readmodels.ObjectPaymentCustomer, Action: changed, Old: before.Customers[0], New: &linked}}, changes))
	state, changes, err = readmodels.Fold(state, recorded(customer.Stream(userID), 4, customer.Linked{ID: deskID, UserID: userID, CustomerID: "x", Platform: "other"}))
	require.NoError(t, err)
	require.Equal(t, isNew, changes[0].Action)
	state, changes, err = readmodels.Fold(state, recorded(customer.Stream(userID), 5, customer.MethodDetached{ID: allocB, Cause: "user"}))
	require.NoError(t, err)
	require.Equal(t, gone, changes[0].Action)
	require.Same(t, before.Methods[0], changes[0].Old)
	after := state.(*readmodels.CustomerState)
	require.Len(t, after.Customers, 2)
	require.False(t, after.Methods[0].IsActive)
	require.True(t, before.Methods[0].IsActive)
	_, _, err = readmodels.Fold(state, recorded(customer.Stream(userID), 6, customer.MethodDetached{ID: allocB}))
	require.ErrorIs(t, err, readmodels.ErrUnexpectedEvent)
	_, _, err = readmodels.Fold(state, recorded(customer.Stream(userID), 6, customer.MethodAttached{ID: allocB}))
	require.ErrorIs(t, err, readmodels.ErrUnexpectedEvent)
}

func TestCredits(t *testing.T) {
	t.Parallel()
	usd := func(text string) money.Amount { return amount(t, text, "USD") }
	granted := credit.Granted{CreditID: "a", UserID: userID, Amount: usd("5"), Source: credit.SourceGoodwill, GrantedAt: start()}
	var state any
	for i, c := range []struct {
		e    credit.Event
		left string
	}{
		{granted, "5"},
		{credit.Spent{CreditID: "a", Amount: usd("3")}, "2"},
		{credit.Returned{CreditID: "a", Amount: usd("1.5")}, "3.5"},
		{credit.Reversed{CreditID: "a", Amount: usd("3.5")}, "0"},
	} {
		next, changes, err := readmodels.Fold(state, recorded(credit.Stream(userID), int64(i+1), c.e))
		require.NoError(t, err)
		require.Empty(t, changes, "no row of the contract")
		state = next
		lot := state.(*readmodels.Credits).Lot("a")
		require.Equal(t, c.left, lot.Remaining.Number())
		require.Equal(t, "5", lot.Granted.Number())
		require.Equal(t, int64(101+i), lot.Position)
	}
	for _, e := range []credit.Event{granted, credit.Spent{CreditID: "a", Amount: usd("1")}, credit.Returned{CreditID: "b", Amount: usd("1")}} {
		_, _, err := readmodels.Fold(state, recorded(credit.Stream(userID), 5, e))
		require.ErrorIs(t, err, readmodels.ErrUnexpectedEvent)
	}
}
