package domain_test

import (
	"fmt"
	"time"

	"pgregory.net/rapid"

	"payledger/domain"
	"payledger/domain/credit"
	"payledger/domain/fee"
	"payledger/domain/money"
	"payledger/domain/payment"
)

var (
	users  = []string{"u1", "u2"}
	feeIDs = []string{"f1", "f2", "f3"}
	start  = time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
)

// stream is the log of one decider, with the state after each number of events.
type stream[C, E, S any] struct {
	decider domain.Decider[C, E, S]
	events  []E
	states  []S
}

func newStream[C, E, S any](d domain.Decider[C, E, S]) *stream[C, E, S] {
	return &stream[C, E, S]{decider: d, states: []S{d.Initial()}}
}

func (s *stream[C, E, S]) state() S { return s.states[len(s.states)-1] }

// stage decides, and leaves the appending to the commit.
func (s *stream[C, E, S]) stage(commit *[]func(), c C) ([]E, error) {
	events, err := s.decider.Decide(s.state(), c)
	*commit = append(*commit, func() {
		for _, e := range events {
			s.events = append(s.events, e)
			s.states = append(s.states, s.decider.Evolve(s.state(), e))
		}
	})
	return events, err
}

type (
	feeStream     = stream[fee.Command, fee.Event, fee.State]
	paymentStream = stream[payment.Command, payment.Event, payment.State]
	creditStream  = stream[credit.Command, credit.Event, credit.State]
)

// ledger is a log in memory that commits as the real one does: all or nothing.
type ledger struct {
	fees     map[string]*feeStream
	payments map[string]*paymentStream
	credits  map[string]*creditStream
	ids      int
}

func newLedger() *ledger {
	return &ledger{
		fees:     make(map[string]*feeStream),
		payments: make(map[string]*paymentStream),
		credits:  make(map[string]*creditStream),
	}
}

func open[C, E, S any](all map[string]*stream[C, E, S], id string, d domain.Decider[C, E, S]) *stream[C, E, S] {
	if all[id] == nil {
		all[id] = newStream(d)
	}
	return all[id]
}

func (l *ledger) fee(id string) *feeStream         { return open(l.fees, id, fee.Decider) }
func (l *ledger) payment(id string) *paymentStream { return open(l.payments, id, payment.Decider) }
func (l *ledger) credit(user string) *creditStream { return open(l.credits, user, credit.Decider) }

func (l *ledger) newID(kind string) string {
	l.ids++
	return fmt.Sprintf("%s%03d", kind, l.ids)
}

// length is the number of events in all streams.
func (l *ledger) length() int {
	n := 0
	for _, s := range l.fees {
		n += len(s.events)
	}
	for _, s := range l.payments {
		n += len(s.events)
	}
	for _, s := range l.credits {
		n += len(s.events)
	}
	return n
}

// change commits a command on one fee.
func (l *ledger) change(feeID string, c fee.Command) error {
	var commit []func()
	if _, err := l.fee(feeID).stage(&commit, c); err != nil {
		return err
	}
	run(commit)
	return nil
}

// pay commits a payment with what it does to fees and credits.
func (l *ledger) pay(c payment.Record) error {
	var commit []func()
	events, err := l.payment(c.PaymentID).stage(&commit, c)
	if err != nil {
		return err
	}
	for _, e := range events {
		captured := e.(payment.Captured)
		for _, a := range captured.Allocations {
			_, err := l.fee(a.FeeID).stage(&commit, fee.ApplyPayment{
				PaymentID: c.PaymentID, AllocationID: a.ID, Amount: a.Amount, At: c.At,
			})
			if err != nil {
				return err
			}
		}
		if captured.CreditID != "" {
			_, err := l.credit(c.UserID).stage(&commit, credit.Grant{
				CreditID: captured.CreditID, UserID: c.UserID, Amount: captured.Credit,
				Source: credit.SourceOverpayment, PaymentID: c.PaymentID, At: c.At,
			})
			if err != nil {
				return err
			}
		}
	}
	run(commit)
	return nil
}

func run(commit []func()) {
	for _, do := range commit {
		do()
	}
}

// openFees returns what a person owes.
func (l *ledger) openFees(user string) []payment.OpenFee {
	var fees []payment.OpenFee
	for id, s := range l.fees {
		if st := s.state(); st.UserID == user && st.Settlement() == fee.SettlementOpen {
			fees = append(fees, payment.OpenFee{FeeID: id, Outstanding: st.Outstanding(), AssessedAt: st.FirstEffective})
		}
	}
	return fees
}

// draw holds the random choices, made so that commands often meet: few fees, few
// people, small amounts.
type draw struct {
	t *rapid.T
	l *ledger
}

func (d draw) user() string { return rapid.SampledFrom(users).Draw(d.t, "user") }

func (d draw) feeID() string { return rapid.SampledFrom(feeIDs).Draw(d.t, "fee") }

// at is most often late enough for any fee.
func (d draw) at() time.Time {
	return start.Add(time.Duration(rapid.SampledFrom([]int{9, 9, 9, 9, 2, 1, 0}).Draw(d.t, "hour")) * time.Hour)
}

func (d draw) currency() money.Currency {
	code := rapid.SampledFrom([]string{"USD", "USD", "USD", "USD", "JPY"}).Draw(d.t, "currency")
	cur, err := money.ParseCurrency(code)
	if err != nil {
		d.t.Fatal(err)
	}
	return cur
}

func (d draw) amount() money.Amount {
	return money.New(rapid.Int64Range(-1, 20).Draw(d.t, "amount"), d.currency())
}

// about draws an amount for a fee: a little, or around what it owes, most often in
// its currency.
func (d draw) about(feeID string) money.Amount {
	s := d.l.fee(feeID).state()
	owed := s.Outstanding().Minor()
	minor := rapid.SampledFrom([]int64{1, 2, 3, owed, owed - 1, owed + 1, 0}).Draw(d.t, "minor")
	if rapid.IntRange(0, 9).Draw(d.t, "currency of the fee") == 9 {
		return money.New(minor, d.currency())
	}
	return money.New(minor, s.Currency)
}
