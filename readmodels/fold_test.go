package readmodels_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"payledger/domain/claim"
	"payledger/domain/credit"
	"payledger/domain/customer"
	"payledger/domain/evidence"
	"payledger/domain/extension"
	"payledger/domain/fee"
	"payledger/domain/gateway"
	"payledger/domain/money"
	"payledger/domain/payment"
	"payledger/domain/policy"
	"payledger/eventstore"
	"payledger/eventstore/catalog"
	"payledger/readmodels"
)

const (
	feeID  = "01937b2a-0000-7000-8000-000000000001"
	userID = "01937b2a-0000-7000-8000-000000000002"
	loanID = "5f43a1b2c3d4e5f6a7b8c9d0"
	payID  = "01937b2a-0000-7000-8000-000000000003"
	allocA = "01937b2a-0000-7000-8000-000000000004"
	allocB = "01937b2a-0000-7000-8000-000000000005"
	deskID = "01937b2a-0000-7000-8000-000000000006"
)

func start() time.Time { return time.Date(2026, 3, 4, 5, 6, 7, 89_000_000, time.UTC) }

func amount(t require.TestingT, text, code string) money.Amount {
	cur, err := money.ParseCurrency(code)
	require.NoError(t, err)
	a, err := money.Parse(text, cur)
	require.NoError(t, err)
	return a
}

// recorded is the n-th event of a stream: recorded n minutes after start, effective a second before.
func recorded(stream string, n int64, data any) catalog.Event {
	at := start().Add(time.Duration(n) * time.Minute)
	return catalog.Event{
		ID: uuid.UUID{15: byte(n)}, Stream: eventstore.StreamID{Tenant: "main", Name: stream}, Version: n, Position: 100 + n, Epoch: 1,
		EffectiveAt: at.Add(-time.Second), RecordedAt: at.Add(time.Hour), Meta: catalog.Meta{At: at, Actor: catalog.Actor{Kind: "staff", ID: deskID}}, Data: data,
	}
}

func foldFee(t require.TestingT, data ...any) (*readmodels.FeeState, []readmodels.Change) {
	var state *readmodels.FeeState
	var all []readmodels.Change
	for i, d := range data {
		next, changes, err := readmodels.FoldFee(state, recorded(fee.Stream(feeID), int64(i+1), d))
		require.NoError(t, err)
		state, all = next, append(all, changes...)
	}
	return state, all
}

// of returns the changes of one object.
func of(object readmodels.Object, changes []readmodels.Change) []readmodels.Change {
	return slices.DeleteFunc(slices.Clone(changes), func(c readmodels.Change) bool { return c.Object != object })
}

func assessed(t require.TestingT) fee.Assessed {
	return fee.Assessed{
		FeeID: feeID, UserID: userID, LoanID: loanID, Amount: amount(t, "12.50", "USD"), Reason: "overdue", Note: "3 weeks", AssessedAt: start(),
	}
}

func TestFeeRowOfAFirstEvent(t *testing.T) {
	t.Parallel()
	state, changes := foldFee(t, assessed(t))
	at := start().Add(time.Minute)
	zero := amount(t, "0", "USD")
	want := &readmodels.Fee{
		Tenant: "main", ID: feeID, UserID: userID, LoanID: loanID, Amount: amount(t, "12.50", "USD"), Status: readmodels.FeeUnpaid,
		StatusUpdateDate: at.Add(-time.Second), Reason: "overdue", Note: "3 weeks", IsActive: true, RecordVersion: 0,
		CreatedAt: at, UpdatedAt: at, Paid: zero, Reduced: zero, Reserved: zero, StreamVersion: 1, Position: 101,
	}
	happened := &readmodels.FeeEvent{
		Tenant: "main", ID: uuid.UUID{15: 1}.String(), FeeID: feeID, UserID: userID, EventType: readmodels.EventAssessed,
		EventDate: at.Add(-time.Second), ActorUserID: deskID, Note: "3 weeks", IsActive: true, CreatedAt: at, UpdatedAt: at, Position: 101,
	}
	require.Empty(t, cmp.Diff(&readmodels.FeeState{Fee: want}, state))
	require.Empty(t, cmp.Diff([]readmodels.Change{
		{Object: readmodels.ObjectFee, Action: readmodels.ActionCreated, New: want},
		{Object: readmodels.ObjectFeeEvent, Action: readmodels.ActionCreated, New: happened},
	}, changes))
}

func TestFeeRowThroughItsLife(t *testing.T) {
	t.Parallel()
	usd := func(text string) money.Amount { return amount(t, text, "USD") }
	cases := []struct {
		name       string
		then       []any
		status     readmodels.FeeStatus
		amount     string
		note       string
		statusSeen int64 // number of the event that gave the status
	}{
		{"waived", []any{fee.Waived{Amount: usd("12.5"), Note: "goodwill"}}, readmodels.FeeWaived, "12.5", "goodwill", 2},
		{"waived in part", []any{fee.Waived{Amount: usd("2.5")}}, readmodels.FeeUnpaid, "12.5", "3 weeks", 1},
		{"paid", []any{fee.PaymentApplied{Amount: usd("12.5")}}, readmodels.FeePaid, "12.5", "3 weeks", 2},
		{"paid in part", []any{fee.PaymentApplied{Amount: usd("12")}}, readmodels.FeeUnpaid, "12.5", "3 weeks", 1},
		{"paid and waived", []any{fee.PaymentApplied{Amount: usd("12")}, fee.Waived{Amount: usd("0.5")}}, readmodels.FeePaid, "12.5", "3 weeks", 3},
		{"cancelled", []any{fee.Cancelled{Amount: usd("12.5"), Cause: fee.CauseError}}, readmodels.FeeCanceled, "0", "3 weeks", 2},
		{"waived, then cancelled", []any{
			fee.Waived{Amount: usd("12.5")}, fee.ReductionReleased{Amount: usd("12.5")}, fee.Cancelled{Amount: usd("12.5"), Note: "wrong patron"},
		}, readmodels.FeeCanceled, "0", "wrong patron", 4},
		{"charged more", []any{fee.Adjusted{Direction: fee.DirectionIncrease, Amount: usd("2"), Note: "also the bag"}}, readmodels.FeeUnpaid, "14.5", "also the bag", 1},
		{"charged less", []any{fee.Adjusted{Direction: fee.DirectionDecrease, Amount: usd("2")}}, readmodels.FeeUnpaid, "10.5", "3 weeks", 1},
		{"charged nothing", []any{fee.Adjusted{Direction: fee.DirectionDecrease, Amount: usd("12.5")}}, readmodels.FeeCanceled, "0", "3 weeks", 2},
		{"written off", []any{fee.WrittenOff{Amount: usd("12.5"), Note: "moved away"}}, readmodels.FeeWaived, "12.5", "moved away", 2},
		{"written off, then paid after all", []any{
			fee.WrittenOff{Amount: usd("12.5")}, fee.WriteOffRecovered{Amount: usd("12.5")}, fee.PaymentApplied{Amount: usd("12.5")},
		}, readmodels.FeePaid, "12.5", "3 weeks", 4},
		{"written off, then paid in part", []any{
			fee.WrittenOff{Amount: usd("12.5")}, fee.WriteOffRecovered{Amount: usd("1")}, fee.PaymentApplied{Amount: usd("1")},
		}, readmodels.FeePaid, "12.5", "3 weeks", 4},
		{"written off again", []any{
			fee.WrittenOff{Amount: usd("12.5")},
			fee.WriteOffRecovered{Amount: usd("1")},
			fee.PaymentApplied{Amount: usd("1")},
			fee.PaymentUnapplied{Amount: usd("1")},
			fee.RecoveryReversed{Amount: usd("1")},
		}, readmodels.FeeWaived, "12.5", "3 weeks", 6},
		{"waived, then owed again", []any{fee.Waived{Amount: usd("12.5")}, fee.ReductionReversed{Amount: usd("12.5"), Note: "wrong fee"}}, readmodels.FeeUnpaid, "12.5", "wrong fee", 3},
		{"being paid", []any{fee.PaymentReserved{Amount: usd("2.5")}}, readmodels.FeePaymentInProgress, "12.5", "3 weeks", 2},
		{"not paid after all", []any{
			fee.PaymentReserved{Amount: usd("2.5")}, fee.ReservationReleased{Amount: usd("2.5"), Cause: fee.ReleaseFailed},
		}, readmodels.FeeUnpaid, "12.5", "3 weeks", 3},
		{"one of two payments ends", []any{
			fee.PaymentReserved{Amount: usd("2.5")}, fee.PaymentReserved{Amount: usd("1")}, fee.ReservationReleased{Amount: usd("1"), Cause: fee.ReleaseFailed},
		}, readmodels.FeePaymentInProgress, "12.5", "3 weeks", 2},
		{"waived while being paid", []any{fee.PaymentReserved{Amount: usd("2.5")}, fee.Waived{Amount: usd("12.5")}}, readmodels.FeeWaived, "12.5", "3 weeks", 3},
		{"paid by a credit", []any{fee.CreditApplied{Amount: usd("12.5")}}, readmodels.FeePaid, "12.5", "3 weeks", 2},
		{"credit taken off", []any{fee.CreditApplied{Amount: usd("12.5")}, fee.CreditUnapplied{Amount: usd("0.5")}}, readmodels.FeeUnpaid, "12.5", "3 weeks", 3},
		{"payment taken off", []any{fee.PaymentApplied{Amount: usd("12.5")}, fee.PaymentUnapplied{Amount: usd("12.5")}}, readmodels.FeeUnpaid, "12.5", "3 weeks", 3},
		{"annotated", []any{fee.Annotated{Note: "spoke"}}, readmodels.FeeUnpaid, "12.5", "spoke", 1},
		{"annotation removed", []any{fee.Annotated{}}, readmodels.FeeUnpaid, "12.5", "", 1},
	}
	for _, c := range cases {
		state, all := foldFee(t, append([]any{assessed(t)}, c.then...)...)
		row, changes := state.Fee, of(readmodels.ObjectFee, all)
		require.Equal(t, c.status, row.Status, c.name)
		require.Equal(t, c.amount, row.Amount.Number(), c.name)
		require.Equal(t, c.note, row.Note, c.name)
		require.Equal(t, start().Add(time.Duration(c.statusSeen)*time.Minute-time.Second), row.StatusUpdateDate, c.name)
		require.Equal(t, int64(len(c.then)), row.RecordVersion, c.name)
		require.Equal(t, start().Add(time.Minute), row.CreatedAt, c.name)
		require.Equal(t, start().Add(time.Duration(len(c.then)+1)*time.Minute), row.UpdatedAt, c.name)
		require.Len(t, changes, len(c.then)+1, c.name)
		for i, change := range changes[1:] {
			require.Equal(t, readmodels.ActionUpdated, change.Action, c.name)
			require.Same(t, changes[i].New, change.Old, c.name)
		}
	}
}

func captured(t require.TestingT, tender payment.Tender) payment.Captured {
	return payment.Captured{
		PaymentID: payID, UserID: userID, Tender: tender, Amount: amount(t, "20", "USD"), HandledBy: deskID,
		Allocations: []payment.Allocation{
			{ID: allocA, FeeID: feeID, Amount: amount(t, "12.50", "USD")}, {ID: allocB, FeeID: loanID, Amount: amount(t, "5", "USD")},
		},
		CreditID: deskID, Credit: amount(t, "2.5", "USD"), Note: "in coins",
	}
}

func TestPaymentRows(t *testing.T) {
	t.Parallel()
	p, changes, err := readmodels.FoldPayment(nil, recorded(payment.Stream(payID), 1, captured(t, payment.TenderCash)))
	require.NoError(t, err)
	at := start().Add(time.Minute)
	row := readmodels.FeePayment{
		Tenant: "main", ID: allocA, PaymentID: payID, FeeID: feeID, AmountPaid: amount(t, "12.50", "USD"), UserID: userID,
		PaymentMethod: readmodels.PaidByCash, PaymentStatus: readmodels.PaymentComplete, PaymentDate: at.Add(-time.Second),
		HandledByUserID: deskID, Note: "in coins", IsActive: true, CreatedAt: at, UpdatedAt: at, Position: 101,
	}
	other := row
	other.ID, other.FeeID, other.AmountPaid = allocB, loanID, amount(t, "5", "USD")
	require.Empty(t, cmp.Diff([]readmodels.FeePayment{row, other}, p.Rows))
	require.Empty(t, cmp.Diff([]readmodels.Change{
		{Object: readmodels.ObjectFeePayment, Action: readmodels.ActionCreated, New: &row},
		{Object: readmodels.ObjectFeePayment, Action: readmodels.ActionCreated, New: &other},
	}, changes))
	require.Equal(t, "2.5", p.Credit.Number())
	require.Equal(t, feeID, row.Parent())
}

func TestTendersAsPaymentMethods(t *testing.T) {
	t.Parallel()
	for tender, want := range map[payment.Tender]string{
		payment.TenderCash: "cash", payment.TenderPOS: "pos", payment.TenderCheck: "other", payment.TenderOther: "other",
	} {
		p, _, err := readmodels.FoldPayment(nil, recorded(payment.Stream(payID), 1, captured(t, tender)))
		require.NoError(t, err)
		require.Equal(t, want, p.Rows[0].PaymentMethod.String())
		require.Equal(t, string(tender), p.Tender)
	}
}

func TestFoldGoesByTheStream(t *testing.T) {
	t.Parallel()
	state, changes, err := readmodels.Fold(nil, recorded(fee.Stream(feeID), 1, assessed(t)))
	require.NoError(t, err)
	require.IsType(t, (*readmodels.FeeState)(nil), state)
	require.Len(t, changes, 2)
	state, _, err = readmodels.Fold(state, recorded(fee.Stream(feeID), 2, fee.Annotated{Note: "x"}))
	require.NoError(t, err)
	require.Equal(t, "x", state.(*readmodels.FeeState).Fee.Note)

	state, changes, err = readmodels.Fold(nil, recorded(payment.Stream(payID), 1, captured(t, payment.TenderCash)))
	require.NoError(t, err)
	require.IsType(t, (*readmodels.Payment)(nil), state)
	require.Len(t, changes, 2)

	for _, ev := range []catalog.Event{
		recorded(policy.Stream, 1, policy.ReasonsSet{}), recorded(policy.BooksStream, 1, policy.ProfileSet{}), recorded(extension.Stream("fee", feeID), 1, extension.Put{}),
		recorded(claim.Stream("fee", feeID), 1, claim.Claimed{}),
		recorded(evidence.ReportStream(feeID), 1, evidence.ReportMade{}), recorded(evidence.ReadStream(feeID), 1, evidence.Read{}),
		recorded(evidence.RebuildStream(feeID), 1, evidence.Rebuilt{}),
	} {
		state, changes, err = readmodels.Fold(nil, ev)
		require.NoError(t, err)
		require.Nil(t, state)
		require.Empty(t, changes)
	}
}

func TestFoldHaltsOnDamage(t *testing.T) {
	t.Parallel()
	row, _ := foldFee(t, assessed(t))
	paid, _, err := readmodels.FoldPayment(nil, recorded(payment.Stream(payID), 1, captured(t, payment.TenderCash)))
	require.NoError(t, err)
	cases := map[string]struct {
		state  any
		stream string
		data   any
		want   error
	}{
		"unknown stream":        {nil, "loan-1", assessed(t), readmodels.ErrUnknownStream},
		"no such fee":           {nil, "fee-1", fee.Annotated{}, readmodels.ErrUnexpectedEvent},
		"assessed twice":        {row, "fee-1", assessed(t), readmodels.ErrUnexpectedEvent},
		"payment on a fee":      {row, "fee-1", captured(t, payment.TenderCash), readmodels.ErrUnexpectedEvent},
		"another currency":      {row, "fee-1", fee.PaymentApplied{Amount: amount(t, "1", "EUR")}, readmodels.ErrUnexpectedEvent},
		"fee without an amount": {nil, "fee-1", fee.Assessed{}, readmodels.ErrUnexpectedEvent},
		"captured twice":        {paid, "payment-1", captured(t, payment.TenderCash), readmodels.ErrUnexpectedEvent},
		"fee on a payment":      {nil, "payment-1", assessed(t), readmodels.ErrUnexpectedEvent},
		"fee on a credit":       {nil, "credit-1", assessed(t), readmodels.ErrUnexpectedEvent},
		"fee on a customer":     {nil, "customer-1", assessed(t), readmodels.ErrUnexpectedEvent},
		"fee on a gateway's":    {nil, "gatewaypayment-1", assessed(t), readmodels.ErrUnexpectedEvent},
		"fee on a policy":       {nil, policy.Stream, assessed(t), readmodels.ErrUnexpectedEvent},
		"fee on an extension":   {nil, "extends-fee-1", assessed(t), readmodels.ErrUnexpectedEvent},
		"fee on a claim":        {nil, "id-fee-1", assessed(t), readmodels.ErrUnexpectedEvent},
		"note that isn't there": {row, "fee-1", fee.NoteChanged{NoteID: "n"}, readmodels.ErrUnexpectedEvent},
		"note to be hidden":     {row, "fee-1", fee.NoteHidden{NoteID: "n"}, readmodels.ErrUnexpectedEvent},
		"started twice":         {paid, "payment-1", payment.Started{}, readmodels.ErrUnexpectedEvent},
		"ended after capture":   {paid, "payment-1", payment.Failed{}, readmodels.ErrUnexpectedEvent},
		"cancelled after that":  {paid, "payment-1", payment.Cancelled{}, readmodels.ErrUnexpectedEvent},
		"void of nothing":       {nil, "payment-1", payment.Voided{}, readmodels.ErrUnexpectedEvent},
		"no such allocation":    {paid, "payment-1", payment.Annotated{AllocationID: "x"}, readmodels.ErrUnexpectedEvent},
		"taken from nowhere":    {paid, "payment-1", payment.Reallocated{Taken: []payment.Taken{{AllocationID: "x"}}}, readmodels.ErrUnexpectedEvent},
		"taken too much": {paid, "payment-1", payment.Reallocated{Taken: []payment.Taken{{
			AllocationID: allocA, Amount: amount(t, "13", "USD"),
		}}}, readmodels.ErrUnexpectedEvent},
		"nothing taken":        {paid, "payment-1", payment.Reallocated{}, readmodels.ErrUnexpectedEvent},
		"no such credit":       {nil, "credit-1", credit.Spent{CreditID: "x"}, readmodels.ErrUnexpectedEvent},
		"no such card":         {nil, "customer-1", customer.MethodDetached{ID: "x"}, readmodels.ErrUnexpectedEvent},
		"no such gateway's":    {nil, "gatewaypayment-1", gateway.Updated{}, readmodels.ErrUnexpectedEvent},
		"recorded twice":       {&readmodels.GatewayPayment{IsActive: true}, "gatewaypayment-1", gateway.Recorded{}, readmodels.ErrUnexpectedEvent},
		"updated once deleted": {&readmodels.GatewayPayment{}, "gatewaypayment-1", gateway.Updated{}, readmodels.ErrUnexpectedEvent},
	}
	for name, c := range cases {
		_, _, err := readmodels.Fold(c.state, recorded(c.stream, 2, c.data))
		require.ErrorIs(t, err, c.want, name)
	}
}

// Over any legal life of a fee: the row's status is the decider's (I9), its sums are the decider's, folding on from a
// row is folding from the start, and no row ever changes afterwards.
func TestFeeRowAgreesWithTheDecider(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		state, n := fee.Decider.Initial(), int64(0)
		var rows *readmodels.FeeState
		var advanced any
		var events []any
		var states []*readmodels.FeeState
		var copies []readmodels.Fee
		for _, c := range drawCommands(t) {
			decided, err := fee.Decider.Decide(state, c)
			if err != nil {
				continue
			}
			for _, e := range decided {
				n++
				state = fee.Decider.Evolve(state, e)
				next, changes, err := readmodels.FoldFee(rows, recorded(fee.Stream(feeID), n, e))
				require.NoError(t, err)
				require.Equal(t, string(state.Status()), next.Fee.Status.String())
				require.Equal(t, state.Outstanding(), next.Fee.Outstanding())
				require.Equal(t, state.Reserved(), next.Fee.Reserved)
				require.Equal(t, state.Note, next.Fee.Note)
				require.Equal(t, !state.Hidden, next.Fee.IsActive)
				require.Equal(t, n, next.Fee.StreamVersion)
				if of := of(readmodels.ObjectFee, changes); len(of) > 0 && of[0].Old != nil {
					require.Equal(t, of[0].Old.Version()+1, next.Fee.RecordVersion)
				} else if len(of) == 0 {
					require.Equal(t, rows.Fee.RecordVersion, next.Fee.RecordVersion)
				}
				rows = next
				var made readmodels.FeeEvent
				var isMade bool
				ev := recorded(fee.Stream(feeID), n, e)
				advanced, isMade, err = readmodels.Advance(advanced, &ev, &made)
				require.NoError(t, err)
				require.Empty(t, cmp.Diff(next, advanced))
				if of := of(readmodels.ObjectFeeEvent, changes); len(of) > 0 && of[0].New.(*readmodels.FeeEvent).EventType != readmodels.EventNote {
					require.Empty(t, cmp.Diff(of[0].New, readmodels.Row(&made)))
				} else {
					require.False(t, isMade)
				}
				events, states, copies = append(events, e), append(states, next), append(copies, *next.Fee)
			}
		}
		again, _ := foldFee(t, events...)
		require.Empty(t, cmp.Diff(rows, again))
		for i := range states {
			require.Empty(t, cmp.Diff(copies[i], *states[i].Fee))
		}
	})
}

func drawCommands(t *rapid.T) []fee.Command {
	at := func() time.Time { return start().Add(time.Duration(rapid.IntRange(-1, 9).Draw(t, "at")) * time.Minute) }
	cents := func() money.Amount {
		return money.New(rapid.Int64Range(1, 400).Draw(t, "cents"), amount(t, "0", "USD").Currency())
	}
	id := func() string { return rapid.StringMatching(`[a-f]`).Draw(t, "id") }
	note := rapid.SampledFrom([]string{"", "a", "b"})
	draw := rapid.Custom(func(t *rapid.T) fee.Command {
		switch rapid.IntRange(0, 16).Draw(t, "command") {
		case 0:
			return fee.Waive{ReductionID: id(), Amount: cents(), Note: note.Draw(t, "note"), At: at()}
		case 1:
			return fee.Waive{ReductionID: id(), Note: note.Draw(t, "note"), At: at()}
		case 2, 3:
			return fee.ApplyPayment{PaymentID: id(), AllocationID: id(), Amount: cents(), At: at()}
		case 4:
			return fee.Annotate{Note: note.Draw(t, "note"), At: at()}
		case 5, 6:
			direction := rapid.SampledFrom([]fee.Direction{fee.DirectionIncrease, fee.DirectionDecrease}).Draw(t, "direction")
			return fee.Adjust{AdjustmentID: id(), Direction: direction, Amount: cents(), Note: note.Draw(t, "note"), At: at()}
		case 7:
			return fee.WriteOff{ReductionID: id(), Amount: cents(), Note: note.Draw(t, "note"), At: at()}
		case 8:
			return fee.ReverseReduction{ReductionID: id(), Note: note.Draw(t, "note"), At: at()}
		case 9:
			return fee.Reserve{PaymentID: id(), AllocationID: id(), Amount: cents(), At: at()}
		case 10:
			cause := rapid.SampledFrom([]fee.ReleaseCause{fee.ReleaseCaptured, fee.ReleaseFailed, fee.ReleaseCanceled}).Draw(t, "cause")
			return fee.Release{AllocationID: id(), Cause: cause, At: at()}
		case 11:
			return fee.UnapplyPayment{AllocationID: id(), Amount: cents(), Cause: fee.UnapplyVoid, At: at()}
		case 12:
			return fee.ApplyCredit{CreditID: id(), AllocationID: id(), Amount: cents(), At: at()}
		case 13:
			return fee.AddNote{NoteID: id(), Visibility: fee.VisibilityStaff, Note: note.Draw(t, "note"), At: at()}
		case 14:
			return fee.ChangeNote{NoteID: id(), Note: note.Draw(t, "note"), At: at()}
		case 15:
			return fee.HideNote{NoteID: id(), At: at()}
		default:
			return fee.Cancel{Cause: fee.CauseError, Hide: rapid.Bool().Draw(t, "hide"), Note: note.Draw(t, "note"), At: at()}
		}
	})
	first := fee.Assess{FeeID: feeID, UserID: userID, Amount: amount(t, "10", "USD"), At: start()}
	return append([]fee.Command{first}, rapid.SliceOf(draw).Draw(t, "commands")...)
}
