package domain_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"payledger/domain/credit"
	"payledger/domain/fee"
	"payledger/domain/money"
	"payledger/domain/payment"
)

// TestLedgerInvariants runs random commands on fees, payments and credits of
// several people and looks at every invariant after each.
func TestLedgerInvariants(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		m := &machine{l: newLedger(), statuses: make(map[string]fee.Status)}
		t.Repeat(map[string]func(*rapid.T){
			"assess":    m.assess,
			"waive":     m.waive,
			"waive all": m.waiveAll,
			"cancel":    m.cancel,
			"annotate":  m.annotate,
			"pay":       m.payOldestFirst,
			"pay given": m.payGiven,
			"pay wild":  m.payUnchecked,
			"repeat":    m.repeat,
			"":          m.check,
		})
		m.checkFolds(t)
	})
}

// machine turns random choices into commands, and remembers those with an id.
type machine struct {
	l        *ledger
	done     []func() error
	statuses map[string]fee.Status // of each fee after the last command
}

// try runs a command twice: the second time changes nothing, nor does a refusal.
func (m *machine) try(t *rapid.T, command func() error) {
	before := m.l.length()
	if err := command(); err != nil {
		require.Equal(t, before, m.l.length(), "refused, but changed something: %v", err)
	}
	once := m.l.length()
	_ = command() // refused as "in use", or nothing to do: what counts is the effect
	require.Equal(t, once, m.l.length(), "the same command had an effect twice")
}

// tryAs is try for a command with an id of its own, which may be repeated much later.
func (m *machine) tryAs(t *rapid.T, command func() error) {
	before := m.l.length()
	if m.try(t, command); m.l.length() > before {
		m.done = append(m.done, command)
	}
}

// repeat runs an old command again (I33).
func (m *machine) repeat(t *rapid.T) {
	if len(m.done) == 0 {
		t.Skip("nothing to repeat")
	}
	before := m.l.length()
	_ = rapid.SampledFrom(m.done).Draw(t, "command")()
	require.Equal(t, before, m.l.length(), "a repeated command had an effect")
}

func (m *machine) assess(t *rapid.T) {
	d := draw{t, m.l}
	c := fee.Assess{FeeID: d.feeID(), UserID: d.user(), Amount: d.amount(), At: d.at()}
	m.tryAs(t, func() error { return m.l.change(c.FeeID, c) })
}

func (m *machine) waive(t *rapid.T) {
	d := draw{t, m.l}
	id := d.feeID()
	c := fee.Waive{ReductionID: m.l.newID("r"), Amount: d.about(id), At: d.at()}
	m.tryAs(t, func() error { return m.l.change(id, c) })
}

func (m *machine) waiveAll(t *rapid.T) {
	d := draw{t, m.l}
	id, c := d.feeID(), fee.Waive{ReductionID: m.l.newID("r"), At: d.at()}
	m.tryAs(t, func() error { return m.l.change(id, c) })
}

func (m *machine) cancel(t *rapid.T) {
	d := draw{t, m.l}
	id, c := d.feeID(), fee.Cancel{Cause: fee.CauseError, At: d.at()}
	m.tryAs(t, func() error { return m.l.change(id, c) })
}

func (m *machine) annotate(t *rapid.T) {
	d := draw{t, m.l}
	id, c := d.feeID(), fee.Annotate{Note: rapid.SampledFrom([]string{"", "a", "b"}).Draw(t, "note"), At: d.at()}
	m.try(t, func() error { return m.l.change(id, c) })
}

func (m *machine) payOldestFirst(t *rapid.T) {
	d := draw{t, m.l}
	user, amount := d.user(), d.amount()
	shares, _, err := payment.Allocate(amount, m.l.openFees(user), nil)
	if err != nil {
		require.ErrorIs(t, err, money.ErrNotPositive)
	}
	m.pay(d, user, amount, shares)
}

func (m *machine) payGiven(t *rapid.T) {
	d := draw{t, m.l}
	user := d.user()
	amount, given := d.shares()
	shares, _, err := payment.Allocate(amount, m.l.openFees(user), given)
	if err == nil {
		m.pay(d, user, amount, shares)
	}
}

// payUnchecked leaves it to the deciders to refuse.
func (m *machine) payUnchecked(t *rapid.T) {
	d := draw{t, m.l}
	amount, shares := d.shares()
	m.pay(d, d.user(), amount, shares)
}

// shares draws up to three fees and an amount about as large as they need together.
func (d draw) shares() (money.Amount, []payment.Share) {
	cur := d.currency()
	sum := rapid.SampledFrom([]int64{0, 0, 0, 1, 5, -1}).Draw(d.t, "over")
	var shares []payment.Share
	for range rapid.IntRange(1, 3).Draw(d.t, "fees") {
		id := d.feeID()
		share := payment.Share{FeeID: id, Amount: d.about(id)}
		cur, sum = share.Amount.Currency(), sum+share.Amount.Minor()
		shares = append(shares, share)
	}
	return money.New(sum, cur), shares
}

func (m *machine) pay(d draw, user string, amount money.Amount, shares []payment.Share) {
	c := payment.Record{
		PaymentID: m.l.newID("p"), UserID: user, Tender: payment.TenderCash, Amount: amount,
		CreditID: rapid.SampledFrom([]string{m.l.newID("c"), ""}).Draw(d.t, "credit"), At: d.at(),
	}
	for _, s := range shares {
		c.Allocations = append(c.Allocations, payment.Allocation{ID: m.l.newID("a"), FeeID: s.FeeID, Amount: s.Amount})
	}
	m.tryAs(d.t, func() error { return m.l.pay(c) })
}

// checkFolds demands of every stream that any prefix folds to the state that was
// kept since then, that a fold may be cut anywhere, and that two futures of one
// state don't touch each other.
func (m *machine) checkFolds(t *rapid.T) {
	for _, s := range m.l.fees {
		cur := s.state().Currency
		checkFolds[fee.Command, fee.Event](t, s,
			fee.Waived{ReductionID: "left", Amount: money.New(1, cur)},
			fee.Waived{ReductionID: "right", Amount: money.New(2, cur)})
		checkFolds[fee.Command, fee.Event](t, s,
			fee.PaymentApplied{AllocationID: "left", Amount: money.New(1, cur)},
			fee.PaymentApplied{AllocationID: "right", Amount: money.New(2, cur)})
	}
	for _, s := range m.l.payments {
		checkFolds[payment.Command, payment.Event](t, s, payment.Captured{}, payment.Captured{})
	}
	for _, s := range m.l.credits {
		checkFolds[credit.Command, credit.Event](t, s, credit.Granted{CreditID: "left"}, credit.Granted{CreditID: "right"})
	}
}

func checkFolds[C, E, S any](t *rapid.T, s *stream[C, E, S], left, right E) {
	fold := func(n int, more ...E) S {
		return s.decider.Fold(s.decider.Fold(s.decider.Initial(), s.events[:n]...), more...)
	}
	for n, kept := range s.states {
		require.Equal(t, fold(n), kept, "state %d was changed later", n)
		require.Equal(t, s.state(), fold(n, s.events[n:]...), "cut at %d", n)
		l, r := s.decider.Evolve(kept, left), s.decider.Evolve(kept, right)
		require.Equal(t, fold(n, left), l, "state %d: changed by another future", n)
		require.Equal(t, fold(n, right), r)
		require.Equal(t, fold(n), kept, "state %d was changed by Evolve", n)
	}
}
