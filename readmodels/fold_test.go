package readmodels_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"payledger/domain/credit"
	"payledger/domain/fee"
	"payledger/domain/money"
	"payledger/domain/payment"
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
		EffectiveAt: at.Add(-time.Second), RecordedAt: at.Add(time.Hour), Meta: catalog.Meta{At: at}, Data: data,
	}
}

func foldFee(t require.TestingT, data ...any) (*readmodels.Fee, []readmodels.Change) {
	var row *readmodels.Fee
	var all []readmodels.Change
	for i, d := range data {
		next, changes, err := readmodels.FoldFee(row, recorded(fee.Stream(feeID), int64(i+1), d))
		require.NoError(t, err)
		row, all = next, append(all, changes...)
	}
	return row, all
}

func assessed(t require.TestingT) fee.Assessed {
	return fee.Assessed{
		FeeID: feeID, UserID: userID, LoanID: loanID, Amount: amount(t, "12.50", "USD"), Reason: "overdue", Note: "3 weeks", AssessedAt: start(),
	}
}

func TestFeeRowOfAFirstEvent(t *testing.T) {
	t.Parallel()
	row, changes := foldFee(t, assessed(t))
	at := start().Add(time.Minute)
	zero := amount(t, "0", "USD")
	want := &readmodels.Fee{
		Tenant: "main", ID: feeID, UserID: userID, LoanID: loanID, Amount: amount(t, "12.50", "USD"), Status: readmodels.FeeUnpaid,
		StatusUpdateDate: at.Add(-time.Second), Reason: "overdue", Note: "3 weeks", IsActive: true, RecordVersion: 0,
		CreatedAt: at, UpdatedAt: at, Paid: zero, Reduced: zero, Position: 101,
	}
	require.Empty(t, cmp.Diff(want, row))
	require.Empty(t, cmp.Diff([]readmodels.Change{{Object: readmodels.ObjectFee, Action: readmodels.ActionCreated, New: want}}, changes))
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
		{"annotated", []any{fee.Annotated{Note: "spoke"}}, readmodels.FeeUnpaid, "12.5", "spoke", 1},
		{"annotation removed", []any{fee.Annotated{}}, readmodels.FeeUnpaid, "12.5", "", 1},
	}
	for _, c := range cases {
		row, changes := foldFee(t, append([]any{assessed(t)}, c.then...)...)
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
		PaymentMethod: readmodels.PaymentMethodCash, PaymentStatus: readmodels.PaymentComplete, PaymentDate: at.Add(-time.Second),
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
	require.Equal(t, feeID, row.Root())
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
	require.IsType(t, (*readmodels.Fee)(nil), state)
	require.Len(t, changes, 1)
	state, _, err = readmodels.Fold(state, recorded(fee.Stream(feeID), 2, fee.Annotated{Note: "x"}))
	require.NoError(t, err)
	require.Equal(t, "x", state.(*readmodels.Fee).Note)

	state, changes, err = readmodels.Fold(nil, recorded(payment.Stream(payID), 1, captured(t, payment.TenderCash)))
	require.NoError(t, err)
	require.IsType(t, (*readmodels.Payment)(nil), state)
	require.Len(t, changes, 2)

	state, changes, err = readmodels.Fold(nil, recorded(credit.Stream(userID), 1, credit.Granted{}))
	require.NoError(t, err)
	require.Nil(t, state)
	require.Empty(t, changes)
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
		var row *readmodels.Fee
		var events []any
		var rows []*readmodels.Fee
		var copies []readmodels.Fee
		for _, c := range drawCommands(t) {
			decided, err := fee.Decider.Decide(state, c)
			if err != nil {
				continue
			}
			for _, e := range decided {
				n++
				state = fee.Decider.Evolve(state, e)
				next, changes, err := readmodels.FoldFee(row, recorded(fee.Stream(feeID), n, e))
				require.NoError(t, err)
				require.Len(t, changes, 1)
				require.Equal(t, string(state.Status()), next.Status.String())
				require.Equal(t, state.Outstanding(), next.Outstanding())
				require.Equal(t, state.Note, next.Note)
				require.Equal(t, n-1, next.RecordVersion)
				row = next
				events, rows, copies = append(events, e), append(rows, next), append(copies, *next)
			}
		}
		again, _ := foldFee(t, events...)
		require.Empty(t, cmp.Diff(row, again))
		for i := range rows {
			require.Empty(t, cmp.Diff(copies[i], *rows[i]))
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
		switch rapid.IntRange(0, 5).Draw(t, "command") {
		case 0:
			return fee.Waive{ReductionID: id(), Amount: cents(), Note: note.Draw(t, "note"), At: at()}
		case 1:
			return fee.Waive{ReductionID: id(), Note: note.Draw(t, "note"), At: at()}
		case 2, 3:
			return fee.ApplyPayment{PaymentID: id(), AllocationID: id(), Amount: cents(), At: at()}
		case 4:
			return fee.Annotate{Note: note.Draw(t, "note"), At: at()}
		default:
			return fee.Cancel{Cause: fee.CauseError, Note: note.Draw(t, "note"), At: at()}
		}
	})
	first := fee.Assess{FeeID: feeID, UserID: userID, Amount: amount(t, "10", "USD"), At: start()}
	return append([]fee.Command{first}, rapid.SliceOf(draw).Draw(t, "commands")...)
}
