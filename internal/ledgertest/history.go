package ledgertest

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"payledger/domain/credit"
	"payledger/domain/fee"
	"payledger/domain/money"
	"payledger/domain/payment"
)

// Random stores the events of random commands, flushed from time to time, and returns the last position. In the middle of a long history one
// person is erased.
func (l *Log) Random(t testing.TB, commands int) int64 {
	t.Helper()
	for n := range commands {
		l.now = l.now.Add(time.Duration(l.random.IntN(5)) * time.Millisecond)
		l.command(t)
		if commands >= 400 && n == commands/2 {
			l.Erase(t, l.Users[1])
		}
		if len(l.queued) > 0 && (n == commands-1 || l.random.IntN(4) == 0) {
			l.Flush(t)
		}
	}
	if len(l.queued) > 0 {
		l.Flush(t)
	}
	head, err := l.Reader.Head(t.Context())
	require.NoError(t, err)
	return head.Position
}

func (l *Log) command(t testing.TB) {
	t.Helper()
	if len(l.Fees) == 0 || l.random.IntN(3) == 0 {
		l.Assess(t, l.Users[l.random.IntN(len(l.Users))], int64(1+l.random.IntN(5000)))
		return
	}
	id := l.Fees[l.random.IntN(len(l.Fees))]
	state := l.fees[id]
	owed := state.Outstanding()
	switch l.random.IntN(9) {
	case 0:
		l.Change(t, id, fee.Annotate{Note: l.text(), At: l.now})
	case 1:
		l.Change(t, id, fee.Cancel{Cause: fee.CauseError, Note: l.text(), At: l.now})
	case 2:
		if owed.IsPositive() {
			part := money.New(1+l.random.Int64N(owed.Minor()), owed.Currency())
			l.Change(t, id, fee.Waive{ReductionID: l.id(), Amount: part, Reason: "goodwill", Note: l.text(), At: l.now})
		}
	case 3, 4, 5:
		l.live(t, id)
	default:
		l.Pay(t, state.UserID, int64(1+l.random.IntN(8000)))
	}
}

// text is a note: often empty, sometimes not ASCII.
func (l *Log) text() string {
	words := []string{"", "", "lost at the beach", "Übergröße", "naïve café", "Ελληνικά", "漢字", `"quoted" \ and 👍`}
	return words[l.random.IntN(len(words))]
}

// Assess queues a fee and returns its id.
func (l *Log) Assess(t testing.TB, user string, cents int64) string {
	t.Helper()
	id := l.id()
	loan := ""
	if l.random.IntN(2) == 0 {
		loan = l.id()
	}
	reasons := []string{"overdue", "lost", "damage", ""}
	l.decide(t, id, fee.Assess{
		FeeID: id, UserID: user, LoanID: loan, Amount: USD(t, cents), Reason: reasons[l.random.IntN(len(reasons))], Note: l.text(), At: l.now,
	})
	l.Fees = append(l.Fees, id)
	return id
}

// Now is the time at which the next event is queued.
func (l *Log) Now() time.Time { return l.now }

// Advance moves that time on.
func (l *Log) Advance(d time.Duration) { l.now = l.now.Add(d) }

// ChangeAt queues what a command does to a fee, taking effect at another time.
func (l *Log) ChangeAt(t testing.TB, id string, c fee.Command, at time.Time) {
	t.Helper()
	now := l.now
	l.now = at
	l.decide(t, id, c)
	l.now = now
}

// Change queues what a command does to a fee; a refusal is fine.
func (l *Log) Change(t testing.TB, id string, c fee.Command) {
	t.Helper()
	if _, err := fee.Decider.Decide(l.fees[id], c); err == nil {
		l.decide(t, id, c)
	}
}

func (l *Log) decide(t testing.TB, id string, c fee.Command) {
	t.Helper()
	events, err := fee.Decider.Decide(l.fees[id], c)
	require.NoError(t, err)
	for _, e := range events {
		l.fees[id] = fee.Decider.Evolve(l.fees[id], e)
		l.Queue(t, fee.Stream(id), l.fees[id].UserID, e)
	}
}

// Pay queues a payment, the oldest fees of the user first, the rest as credit; it returns the payment's id.
func (l *Log) Pay(t testing.TB, user string, cents int64) string {
	t.Helper()
	p := payment.Captured{
		PaymentID: l.id(), UserID: user, Tender: payment.TenderCash, Amount: USD(t, cents), HandledBy: l.Users[0],
		Allocations: []payment.Allocation{}, Credit: USD(t, cents), Note: l.text(),
	}
	for _, id := range l.Fees {
		state := l.fees[id]
		if state.UserID != user || !state.Free().IsPositive() || !p.Credit.IsPositive() {
			continue
		}
		share := money.Min(p.Credit, state.Free())
		var err error
		p.Credit, err = p.Credit.Sub(share)
		require.NoError(t, err)
		p.Allocations = append(p.Allocations, payment.Allocation{ID: l.id(), FeeID: id, Amount: share})
	}
	if p.Credit.IsPositive() {
		p.CreditID = l.id()
	}
	made := &taken{id: p.PaymentID, user: user, shares: slices.Clone(p.Allocations)}
	l.payments = append(l.payments, made)
	l.Queue(t, payment.Stream(p.PaymentID), user, p)
	for _, a := range p.Allocations {
		l.decide(t, a.FeeID, fee.ApplyPayment{PaymentID: p.PaymentID, AllocationID: a.ID, Amount: a.Amount, At: l.now})
	}
	if p.CreditID != "" {
		made.credit = &lot{id: p.CreditID, user: user, granted: p.Credit, left: p.Credit}
		l.lots = append(l.lots, made.credit)
		l.Queue(t, credit.Stream(user), user, credit.Granted{
			CreditID: p.CreditID, UserID: user, Amount: p.Credit, Source: credit.SourceOverpayment, PaymentID: p.PaymentID, GrantedAt: l.now,
		})
	}
	return p.PaymentID
}
