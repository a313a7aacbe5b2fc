package ledgertest

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"payledger/domain/fee"
	"payledger/domain/payment"
)

// Bulk stores the events of a library over some months, as a rebuild finds them: each member is charged three fees, and much
// later, when no cache knows them any more, pays two of them at once. Six events for a member; the last position is returned.
func (l *Log) Bulk(t testing.TB, members int) int64 {
	t.Helper()
	type debtor struct {
		user string
		fees [3]string
	}
	debtors := make([]debtor, members)
	for i := range debtors {
		debtors[i].user = newID()
	}
	for n := range 3 {
		for i := range debtors {
			debtors[i].fees[n] = newID()
			l.tick()
			l.Queue(t, fee.Stream(debtors[i].fees[n]), debtors[i].user, fee.Assessed{
				FeeID: debtors[i].fees[n], UserID: debtors[i].user, LoanID: newID(), Amount: USD(t, 1250), Reason: "overdue", AssessedAt: l.now,
			})
			l.flushFull(t)
		}
	}
	for i := range debtors {
		d := &debtors[i]
		l.tick()
		p := payment.Captured{
			PaymentID: newID(), UserID: d.user, Tender: payment.TenderCash, Amount: USD(t, 2500), HandledBy: l.Users[0], Credit: USD(t, 0),
			Allocations: []payment.Allocation{
				{ID: newID(), FeeID: d.fees[0], Amount: USD(t, 1250)}, {ID: newID(), FeeID: d.fees[1], Amount: USD(t, 1250)},
			},
		}
		l.Queue(t, payment.Stream(p.PaymentID), d.user, p)
		for _, a := range p.Allocations {
			l.Queue(t, fee.Stream(a.FeeID), d.user, fee.PaymentApplied{PaymentID: p.PaymentID, AllocationID: a.ID, Amount: a.Amount})
		}
		l.flushFull(t)
	}
	return l.Flush(t)
}

func newID() string { return uuid.Must(uuid.NewV7()).String() }

func (l *Log) tick() { l.now = l.now.Add(time.Second) }

func (l *Log) flushFull(t testing.TB) {
	t.Helper()
	if len(l.queued) >= 2000 {
		l.Flush(t)
	}
}
