package domain_test

import (
	"testing"
	"time"

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
		m := &machine{l: newLedger()}
		for i, id := range feeIDs {
			user := users[i%2]
			owed := money.New(rapid.Int64Range(1, 20).Draw(t, "owed"), draw{t, m.l}.currency())
			require.NoError(t, m.l.change(id, fee.Assess{FeeID: id, UserID: user, Amount: owed, At: start}))
			require.NoError(t, m.l.pay(payment.Record{
				PaymentID: m.l.newID("p"), UserID: user, Tender: payment.TenderCash, Amount: money.New(5, owed.Currency()), CreditID: m.l.newID("c"), At: start,
			}))
		}
		actions := map[string]func(*rapid.T){
			"assess":       m.assess,
			"adjust":       m.adjust,
			"waive":        m.waive,
			"waive all":    m.waiveAll,
			"write off":    m.writeOff,
			"reverse":      m.reverse,
			"cancel":       m.cancel,
			"annotate":     m.annotate,
			"notes":        m.notes,
			"pay":          m.payOldestFirst,
			"pay given":    m.payGiven,
			"pay wild":     m.payUnchecked,
			"recover":      m.recover,
			"start":        m.start,
			"capture":      m.capture,
			"end":          m.end,
			"void":         m.void,
			"reallocate":   m.reallocate,
			"grant":        m.grant,
			"apply credit": m.applyCredit,
			"apply more":   m.applyCredit,
			"adjust more":  m.adjust,
			"repeat":       m.repeat,
			"":             m.check,
		}
		for range 3 { // the usual number of steps is too few to meet all that may happen to money
			t.Repeat(actions)
		}
		m.checkFolds(t)
		m.checkBooks(t)
	})
}

// machine turns random choices into commands, and remembers those with an id.
type machine struct {
	l    *ledger
	done []func() error
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
	c := fee.Assess{FeeID: rapid.SampledFrom(moreFees).Draw(t, "fee"), UserID: d.user(), Amount: d.amount(), At: d.at()}
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

func (m *machine) adjust(t *rapid.T) {
	d := draw{t, m.l}
	id := d.feeID()
	c := fee.Adjust{AdjustmentID: m.l.newID("j"), Amount: d.about(id), At: d.at()}
	c.Direction = rapid.SampledFrom([]fee.Direction{fee.DirectionDecrease, fee.DirectionDecrease, fee.DirectionIncrease}).Draw(t, "direction")
	if gross := m.l.fee(id).state().Gross; c.Direction == fee.DirectionDecrease && rapid.Bool().Draw(t, "below what was settled") {
		c.Amount = money.New(rapid.Int64Range(0, gross.Minor()+1).Draw(t, "of gross"), gross.Currency())
	}
	before := m.l.fee(id).state()
	m.tryAs(t, func() error { return m.l.change(id, c) })
	if after := m.l.fee(id).state(); c.Direction == fee.DirectionDecrease && after.Gross != before.Gross {
		// What is kept of what was forgiven and paid, when the gross falls below it.
		r, p := before.Reduced().Minor(), before.Allocated.Minor()
		require.Equal(t, min(r, max(0, after.Gross.Minor()-p)), after.Reduced().Minor())
		require.Equal(t, min(p, after.Gross.Minor()), after.Allocated.Minor())
	}
}

func (m *machine) writeOff(t *rapid.T) {
	d := draw{t, m.l}
	id := d.feeID()
	c := fee.WriteOff{ReductionID: m.l.newID("r"), Amount: d.about(id), At: d.at()}
	m.tryAs(t, func() error { return m.l.change(id, c) })
}

// reverse takes back one of the last reductions, or what is none.
func (m *machine) reverse(t *rapid.T) {
	d := draw{t, m.l}
	m.reverseLast(t, d.feeID(), d.at())
}

func (m *machine) reverseLast(t *rapid.T, id string, at time.Time) {
	c := fee.ReverseReduction{ReductionID: "r", At: at}
	for _, e := range m.l.fee(id).events {
		switch e := e.(type) {
		case fee.Waived:
			c.ReductionID = e.ReductionID
		case fee.WrittenOff:
			c.ReductionID = e.ReductionID
		default:
		}
	}
	m.try(t, func() error { return m.l.change(id, c) })
}

func (m *machine) annotate(t *rapid.T) {
	d := draw{t, m.l}
	id, c := d.feeID(), fee.Annotate{Note: rapid.SampledFrom([]string{"", "a", "b"}).Draw(t, "note"), At: d.at()}
	m.try(t, func() error { return m.l.change(id, c) })
}

// notes adds, changes or hides one of few notes.
func (m *machine) notes(t *rapid.T) {
	d := draw{t, m.l}
	id, note := d.feeID(), rapid.SampledFrom([]string{"n1", "n2"}).Draw(t, "note")
	c := rapid.SampledFrom([]fee.Command{
		fee.AddNote{NoteID: note, Visibility: fee.VisibilityStaff, Note: "a", At: d.at()},
		fee.ChangeNote{NoteID: note, Note: "b", At: d.at()},
		fee.HideNote{NoteID: note, At: d.at()},
	}).Draw(t, "command")
	m.try(t, func() error { return m.l.change(id, c) })
}

func (m *machine) start(t *rapid.T) {
	d := draw{t, m.l}
	amount, shares := d.shares()
	c := payment.Start{PaymentID: m.l.newID("p"), UserID: d.user(), Tender: payment.TenderOther, Amount: amount, Allocations: m.allocations(shares)}
	at := d.at()
	m.tryAs(t, func() error { return m.l.begin(c, at) })
}

func (m *machine) capture(t *rapid.T) {
	d := draw{t, m.l}
	id, creditID, at := d.paymentID(), m.l.newID("c"), d.at()
	m.tryAs(t, func() error { return m.l.capture(id, creditID, at) })
}

func (m *machine) end(t *rapid.T) {
	d := draw{t, m.l}
	id, at := d.paymentID(), d.at()
	if rapid.Bool().Draw(t, "fails") {
		m.tryAs(t, func() error { return m.l.end(id, payment.Fail{}, fee.ReleaseFailed, at) })
	} else {
		m.tryAs(t, func() error { return m.l.end(id, payment.Cancel{}, fee.ReleaseCanceled, at) })
	}
}

func (m *machine) void(t *rapid.T) {
	d := draw{t, m.l}
	id, at := d.paymentID(), d.at()
	m.tryAs(t, func() error { return m.l.void(id, at) })
}

// reallocate takes from a payment's allocations and gives to fees of the same person.
func (m *machine) reallocate(t *rapid.T) {
	d := draw{t, m.l}
	id, at := d.paymentID(), d.at()
	_, shares := d.shares()
	if rapid.Bool().Draw(t, "all to a credit") {
		shares = nil
	}
	c := payment.Reallocate{CreditID: rapid.SampledFrom([]string{m.l.newID("c"), ""}).Draw(t, "credit"), Cause: payment.CauseReallocation}
	for _, s := range shares {
		if m.l.fee(s.FeeID).state().UserID == m.l.payment(id).state().UserID {
			c.Given = append(c.Given, payment.Allocation{ID: m.l.newID("a"), FeeID: s.FeeID, Amount: s.Amount})
		}
	}
	for _, a := range m.l.payment(id).state().Allocations {
		part := money.New(rapid.SampledFrom([]int64{a.Amount.Minor(), 1, 1, 0, a.Amount.Minor() + 1}).Draw(t, "part"), a.Amount.Currency())
		if !part.IsZero() {
			c.Taken = append(c.Taken, payment.Taken{AllocationID: a.ID, Amount: part})
		}
	}
	if c.CreditID == "" && len(c.Given) == 0 {
		t.Skip("nothing to tell a repeat by")
	}
	m.tryAs(t, func() error { return m.l.reallocate(id, c, at) })
}

func (m *machine) grant(t *rapid.T) {
	d := draw{t, m.l}
	c := credit.Grant{CreditID: m.l.newID("c"), UserID: d.user(), Amount: d.amount(), Source: credit.SourceGoodwill, At: d.at()}
	m.tryAs(t, func() error {
		return m.l.commit(func() error { _, err := m.l.credit(c.UserID).do(c); return err })
	})
}

func (m *machine) applyCredit(t *rapid.T) {
	d := draw{t, m.l}
	id := rapid.SampledFrom(feeIDs).Draw(t, "fee")
	amount, at := d.about(id), d.at()
	for _, lot := range m.l.credit(m.l.fee(id).state().UserID).state().Lots {
		if rapid.Bool().Draw(t, "of this lot") {
			amount = money.Min(lot.Remaining, m.l.fee(id).state().Free())
		}
	}
	ids := make([]string, 20)
	for i := range ids {
		ids[i] = m.l.newID("a")
	}
	if !m.l.fee(id).state().Exists {
		t.Skip("no fee, no person")
	}
	before := m.l.length()
	if err := m.l.applyCredit(id, amount, ids, at); err != nil {
		require.Equal(t, before, m.l.length(), "refused, but changed something: %v", err)
	}
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

// recover pays some of what was written off of a fee, takes some of these write-offs back, and voids some of these payments behind that or without.
func (m *machine) recover(t *rapid.T) {
	d := draw{t, m.l}
	id := d.feeID()
	s := m.l.fee(id).state()
	if !s.WrittenOff().IsPositive() {
		t.Skip("nothing is written off")
	}
	amount := money.New(rapid.Int64Range(1, s.Payable().Minor()+1).Draw(t, "of what is payable"), s.Currency)
	paid := m.pay(d, s.UserID, amount, []payment.Share{{FeeID: id, Amount: amount}})
	if rapid.Bool().Draw(t, "taken back") {
		m.reverseLast(t, id, d.at())
	}
	if rapid.Bool().Draw(t, "voided") {
		at := d.at()
		m.tryAs(t, func() error { return m.l.void(paid, at) })
	}
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

func (m *machine) pay(d draw, user string, amount money.Amount, shares []payment.Share) (id string) {
	c := payment.Record{
		PaymentID: m.l.newID("p"), UserID: user, Tender: payment.TenderCash, Amount: amount,
		CreditID: rapid.SampledFrom([]string{m.l.newID("c"), ""}).Draw(d.t, "credit"), At: d.at(),
	}
	c.Allocations = m.allocations(shares)
	m.tryAs(d.t, func() error { return m.l.pay(c) })
	return c.PaymentID
}

func (m *machine) allocations(shares []payment.Share) []payment.Allocation {
	var list []payment.Allocation
	for _, s := range shares {
		list = append(list, payment.Allocation{ID: m.l.newID("a"), FeeID: s.FeeID, Amount: s.Amount})
	}
	return list
}

// checkFolds demands of every stream that any prefix folds to the state that was
// kept since then, that a fold may be cut anywhere, and that two futures of one
// state don't touch each other.
func (m *machine) checkFolds(t *rapid.T) {
	for _, s := range m.l.fees {
		one, two := money.New(1, s.state().Currency), money.New(2, s.state().Currency)
		for _, f := range []struct{ left, right fee.Event }{
			{fee.Waived{ReductionID: "left", Amount: one}, fee.Waived{ReductionID: "right", Amount: two}},
			{fee.PaymentApplied{AllocationID: "left", Amount: one}, fee.PaymentApplied{AllocationID: "right", Amount: two}},
			{fee.PaymentReserved{AllocationID: "left", Amount: one}, fee.PaymentReserved{AllocationID: "right", Amount: two}},
			{fee.NoteAdded{NoteID: "left"}, fee.NoteAdded{NoteID: "right"}},
			{fee.Adjusted{AdjustmentID: "left", Amount: one}, fee.Adjusted{AdjustmentID: "right", Amount: two}},
		} {
			checkFolds[fee.Command](t, s, f.left, f.right)
		}
	}
	for _, s := range m.l.payments {
		cur := s.state().Amount.Currency()
		give := func(id string) payment.Event {
			return payment.Reallocated{Given: []payment.Allocation{{ID: id, Amount: money.New(1, cur)}}, CreditID: id, Credit: money.New(1, cur)}
		}
		checkFolds[payment.Command](t, s, give("left"), give("right"))
	}
	for _, s := range m.l.credits {
		checkFolds[credit.Command, credit.Event](t, s, credit.Granted{CreditID: "left"}, credit.Granted{CreditID: "right"})
		checkFolds[credit.Command, credit.Event](t, s, credit.Spent{AllocationID: "left"}, credit.Spent{AllocationID: "right"})
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
