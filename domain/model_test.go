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
	users    = []string{"u1", "u2"}
	feeIDs   = []string{"f1", "f2", "f3"}
	moreFees = []string{"f1", "f4", "f5"}
	start    = time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
)

// stream is the log of one decider, with the state after each number of events.
type stream[C, E, S any] struct {
	decider domain.Decider[C, E, S]
	events  []E
	states  []S
	append  func(any) // to the log of all streams
}

func (s *stream[C, E, S]) state() S { return s.states[len(s.states)-1] }

// do decides and appends.
func (s *stream[C, E, S]) do(c C) ([]E, error) {
	events, err := s.decider.Decide(s.state(), c)
	for _, e := range events {
		s.events = append(s.events, e)
		s.states = append(s.states, s.decider.Evolve(s.state(), e))
		s.append(e)
	}
	return events, err
}

func (s *stream[C, E, S]) length() int { return len(s.events) }

func (s *stream[C, E, S]) cut(n int) { s.events, s.states = s.events[:n], s.states[:n+1] }

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
	all      []interface {
		length() int
		cut(n int)
	}
	log     []logged // of all streams, in order
	commits int
	ids     int
}

// logged is an event as it stands in the log.
type logged struct {
	stream string
	event  any
	commit int
}

func newLedger() *ledger {
	return &ledger{
		fees:     make(map[string]*feeStream),
		payments: make(map[string]*paymentStream),
		credits:  make(map[string]*creditStream),
	}
}

func open[C, E, S any](l *ledger, all map[string]*stream[C, E, S], name func(string) string, id string, d domain.Decider[C, E, S]) *stream[C, E, S] {
	if all[id] == nil {
		all[id] = &stream[C, E, S]{decider: d, states: []S{d.Initial()}, append: func(e any) {
			l.log = append(l.log, logged{name(id), e, l.commits})
		}}
		l.all = append(l.all, all[id])
	}
	return all[id]
}

func (l *ledger) fee(id string) *feeStream { return open(l, l.fees, fee.Stream, id, fee.Decider) }

func (l *ledger) payment(id string) *paymentStream {
	return open(l, l.payments, payment.Stream, id, payment.Decider)
}

func (l *ledger) credit(user string) *creditStream {
	return open(l, l.credits, credit.Stream, user, credit.Decider)
}

func (l *ledger) newID(kind string) string {
	l.ids++
	return fmt.Sprintf("%s%03d", kind, l.ids)
}

// length is the number of events in all streams.
func (l *ledger) length() int {
	n := 0
	for _, s := range l.all {
		n += s.length()
	}
	return n
}

// commit does many things, or nothing if one of them is refused.
func (l *ledger) commit(do func() error) error {
	l.commits++
	logged := len(l.log)
	before := make([]int, len(l.all))
	for i, s := range l.all {
		before[i] = s.length()
	}
	err := do()
	if err == nil {
		return nil
	}
	l.log = l.log[:logged]
	for i, s := range l.all {
		if i < len(before) {
			s.cut(before[i])
		} else {
			s.cut(0)
		}
	}
	return err
}

// openFees returns what a person owes.
func (l *ledger) openFees(user string) []payment.OpenFee {
	var fees []payment.OpenFee
	for id, s := range l.fees {
		if st := s.state(); st.UserID == user && st.Settlement() == fee.SettlementOpen {
			fees = append(fees, payment.OpenFee{FeeID: id, Outstanding: st.Free(), AssessedAt: st.FirstEffective})
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

func (d draw) feeID() string {
	return rapid.SampledFrom(append(feeIDs, moreFees[1:]...)).Draw(d.t, "fee")
}

// at is most often late enough for any fee.
func (d draw) at() time.Time {
	return start.Add(time.Duration(rapid.SampledFrom([]int{9, 9, 9, 9, 9, 9, 2, 1, 0}).Draw(d.t, "hour")) * time.Hour)
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
	minor := rapid.SampledFrom([]int64{1, 2, 3, owed, owed - 1, owed, owed + 1, 0}).Draw(d.t, "minor")
	if rapid.IntRange(0, 19).Draw(d.t, "currency of the fee") == 19 {
		return money.New(minor, d.currency())
	}
	return money.New(minor, s.Currency)
}

// paymentID draws a payment that was made, if there is one.
func (d draw) paymentID() string {
	if len(d.l.payments) == 0 {
		return "p000"
	}
	ids := make([]string, 0, len(d.l.payments))
	for i := range d.l.ids + 1 {
		if id := fmt.Sprintf("p%03d", i); d.l.payments[id] != nil {
			ids = append(ids, id)
		}
	}
	return rapid.SampledFrom(ids).Draw(d.t, "payment")
}
