package audit_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"payledger/audit"
	"payledger/domain/credit"
	"payledger/domain/fee"
	"payledger/domain/payment"
	"payledger/internal/ledgertest"
)

// Ids of the story.
const (
	book    = "00000000-0000-7000-8000-00000000000b" // a fee for a lost book
	late    = "00000000-0000-7000-8000-00000000000c" // an overdue fee
	taken   = "00000000-0000-7000-8000-00000000000d" // a payment
	surplus = "00000000-0000-7000-8000-00000000000e" // a credit
)

// story is a log of one member: on the first day a book is lost (20.00) and another late (3.00); on the second 5.00 are
// waived; on the third 18.00 are paid in cash, of which 15.00 settle the book, 2.00 the late one and 1.00 becomes a credit; on the
// fifth 0.50 of the late one are written off, and it is recorded that 0.25 were waived on the second day.
type story struct {
	*ledgertest.Log
	reader audit.Reader
	member string
	day    time.Time // the beginning of the first
}

func tell(t *testing.T) *story {
	t.Helper()
	l := ledgertest.Open(t, 7)
	s := &story{Log: l, reader: readerOf(l), member: l.Users[1], day: l.Now()}
	s.assess(t, book, "lost", 2000)
	s.assess(t, late, "overdue", 300)
	l.Flush(t)
	s.on(2)
	l.Change(t, book, fee.Waive{ReductionID: "r1", Amount: ledgertest.USD(t, 500), Reason: "hardship", Note: "told us at length", At: l.Now()})
	l.Flush(t)
	s.on(3)
	l.Queue(t, payment.Stream(taken), s.member, payment.Captured{
		PaymentID: taken, UserID: s.member, Tender: payment.TenderCash, Amount: ledgertest.USD(t, 1800), HandledBy: l.Users[0], CreditID: surplus, Credit: ledgertest.USD(t, 100),
		Allocations: []payment.Allocation{{ID: "a1", FeeID: book, Amount: ledgertest.USD(t, 1500)}, {ID: "a2", FeeID: late, Amount: ledgertest.USD(t, 200)}},
	})
	l.Change(t, book, fee.ApplyPayment{PaymentID: taken, AllocationID: "a1", Amount: ledgertest.USD(t, 1500), At: l.Now()})
	l.Change(t, late, fee.ApplyPayment{PaymentID: taken, AllocationID: "a2", Amount: ledgertest.USD(t, 200), At: l.Now()})
	l.Queue(t, credit.Stream(s.member), s.member, credit.Granted{
		CreditID: surplus, UserID: s.member, Amount: ledgertest.USD(t, 100), Source: credit.SourceOverpayment, PaymentID: taken, GrantedAt: l.Now(),
	})
	l.Flush(t)
	s.on(5)
	l.Change(t, late, fee.WriteOff{ReductionID: "r2", Amount: ledgertest.USD(t, 50), Reason: "smallBalance", At: l.Now()})
	l.ChangeAt(t, late, fee.Waive{ReductionID: "r3", Amount: ledgertest.USD(t, 25), Reason: "goodwill", At: s.end(2)}, s.end(2))
	require.Equal(t, int64(9), l.Flush(t))
	return s
}

// lastOfStory is the position of the last event of the story but the two that came on the fifth day.
const lastOfStory = 7

func (s *story) assess(t *testing.T, id, reason string, cents int64) {
	t.Helper()
	s.Change(t, id, fee.Assess{FeeID: id, UserID: s.member, Amount: ledgertest.USD(t, cents), Reason: reason, At: s.Now()})
}

// on moves the clock on to noon of a day.
func (s *story) on(day int) {
	s.Advance(s.day.AddDate(0, 0, day-1).Add(3 * time.Hour).Sub(s.Now()))
}

// end is the end of a day.
func (s *story) end(day int) time.Time { return s.day.AddDate(0, 0, day-1).Add(14 * time.Hour) }

func readerOf(l *ledgertest.Log) audit.Reader {
	return audit.Reader{Log: l.Reader, Catalog: l.Catalog, Keys: l.Keys}
}
