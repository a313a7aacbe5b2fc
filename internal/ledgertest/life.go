package ledgertest

import (
	"fmt"
	"slices"
	"strconv"
	"testing"

	"payledger/domain/credit"
	"payledger/domain/customer"
	"payledger/domain/extension"
	"payledger/domain/fee"
	"payledger/domain/gateway"
	"payledger/domain/money"
	"payledger/domain/payment"
	"payledger/domain/policy"
	"payledger/readmodels"
)

// life is what random histories remember beside the fees, so that what they go on with fits.
type life struct {
	payments []*taken
	lots     []*lot
	spent    []*spending
	forgiven []*forgiving
	notes    []*note
	gateways []*told
	cards    []*told
	rows     []row // that others may extend
}

// told is a row of one person that may be deleted.
type told struct {
	id, user string
	gone     bool
}

// taken is a payment and the money that its allocations hold.
type taken struct {
	id, user string
	pending  bool
	shares   []payment.Allocation
	credit   *lot
}

type lot struct {
	id, user      string
	granted, left money.Amount
}

type spending struct {
	lot    *lot
	feeID  string
	id     string
	amount money.Amount
}

type forgiving struct{ feeID, id string }

type note struct{ feeID, id string }

type row struct {
	object     readmodels.Object
	id, stream string
	user       string
}

// happen queues an event of a fee that no command of the test decided.
func (l *Log) happen(t testing.TB, id string, events ...fee.Event) {
	t.Helper()
	for _, e := range events {
		l.fees[id] = fee.Decider.Evolve(l.fees[id], e)
		l.Queue(t, fee.Stream(id), l.fees[id].UserID, e)
	}
}

// pick returns one of those in a list that fit, if any does.
func pick[E any](l *Log, list []E, fits func(E) bool) (one E, ok bool) {
	for _, n := range l.random.Perm(len(list)) {
		if fits(list[n]) {
			return list[n], true
		}
	}
	return one, false
}

func (l *Log) part(of money.Amount) money.Amount {
	return money.New(1+l.random.Int64N(of.Minor()), of.Currency())
}

// live does one of the things that happen beside assessing, waiving, cancelling and paying at once: the first, in random order,
// that there is something to do with.
func (l *Log) live(t testing.TB, feeID string) {
	t.Helper()
	things := []func(testing.TB, string, fee.State) bool{
		l.startPayment, l.startPayment, l.endPayment, l.endPayment, l.voidPayment, l.reallocatePayment, l.recoverWriteOff, l.annotatePayment, l.chargeMore,
		l.writeOff, l.forgiveNoLonger, l.spendCredit, l.spendCredit, l.returnCredit, l.cancelForgiven, l.addNote, l.changeNote, l.tellGateway, l.changeCustomer, l.extend, l.setReasons,
	}
	for _, n := range l.random.Perm(len(things)) {
		if things[n](t, feeID, l.fees[feeID]) {
			return
		}
	}
}

func (l *Log) startPayment(t testing.TB, feeID string, s fee.State) bool {
	t.Helper()
	if !s.Free().IsPositive() {
		return false
	}
	p := &taken{id: l.id(), user: s.UserID, pending: true, shares: []payment.Allocation{{ID: l.id(), FeeID: feeID, Amount: l.part(s.Free())}}}
	l.payments = append(l.payments, p)
	l.Queue(t, payment.Stream(p.id), p.user, payment.Started{
		PaymentID: p.id, UserID: p.user, Tender: payment.TenderOther, Amount: p.shares[0].Amount, HandledBy: l.Users[0], Allocations: p.shares, Note: l.text(),
	})
	l.happen(t, feeID, fee.PaymentReserved{PaymentID: p.id, AllocationID: p.shares[0].ID, Amount: p.shares[0].Amount})
	return true
}

func (l *Log) endPayment(t testing.TB, _ string, _ fee.State) bool {
	t.Helper()
	p, ok := pick(l, l.payments, func(p *taken) bool { return p.pending })
	if !ok {
		return false
	}
	p.pending = false
	share := p.shares[0]
	if l.fees[share.FeeID].Cancelled { // which ended the reservation, if it was decided so
		p.shares = nil
		l.Queue(t, payment.Stream(p.id), p.user, payment.Cancelled{PaymentID: p.id, Hidden: l.random.IntN(2) == 0})
		return true
	}
	release := fee.ReservationReleased{PaymentID: p.id, AllocationID: share.ID, Amount: share.Amount, Cause: fee.ReleaseFailed}
	switch l.random.IntN(4) {
	case 0:
		p.shares = nil
		l.Queue(t, payment.Stream(p.id), p.user, payment.Failed{PaymentID: p.id, Reason: "declined", Note: l.text()})
		l.happen(t, share.FeeID, release)
		return true
	case 1:
		p.shares, release.Cause = nil, fee.ReleaseCanceled
		l.Queue(t, payment.Stream(p.id), p.user, payment.Cancelled{PaymentID: p.id, Hidden: l.random.IntN(2) == 0, Note: l.text()})
		l.happen(t, share.FeeID, release)
		return true
	}
	release.Cause = fee.ReleaseCaptured
	applied := money.Min(share.Amount, l.fees[share.FeeID].Outstanding())
	c := payment.Captured{
		PaymentID: p.id, UserID: p.user, Tender: payment.TenderOther, Amount: share.Amount, HandledBy: l.Users[0],
		Credit: money.New(share.Amount.Minor()-applied.Minor(), share.Amount.Currency()), StripePaymentIntentID: "pi_" + p.id, Note: l.text(),
	}
	p.shares = nil
	if applied.IsPositive() {
		share.Amount = applied
		p.shares = []payment.Allocation{share}
	}
	c.Allocations = slices.Clone(p.shares)
	p.credit = l.rest(p.user, c.Credit)
	if p.credit != nil {
		c.CreditID = p.credit.id
	}
	l.Queue(t, payment.Stream(p.id), p.user, c)
	l.happen(t, share.FeeID, release)
	for _, a := range p.shares {
		l.happen(t, a.FeeID, fee.PaymentApplied{PaymentID: p.id, AllocationID: a.ID, Amount: a.Amount})
	}
	l.grant(t, p.credit, credit.SourceOverpayment, p.id)
	return true
}

// rest makes a lot of what is left over, nil for nothing.
func (l *Log) rest(user string, amount money.Amount) *lot {
	if !amount.IsPositive() {
		return nil
	}
	made := &lot{id: l.id(), user: user, granted: amount, left: amount}
	l.lots = append(l.lots, made)
	return made
}

func (l *Log) grant(t testing.TB, made *lot, source credit.Source, paymentID string) {
	t.Helper()
	if made == nil {
		return
	}
	l.Queue(t, credit.Stream(made.user), made.user, credit.Granted{
		CreditID: made.id, UserID: made.user, Amount: made.granted, Source: source, PaymentID: paymentID, GrantedAt: l.now, Note: l.text(),
	})
}

func (l *Log) voidPayment(t testing.TB, _ string, _ fee.State) bool {
	t.Helper()
	p, ok := pick(l, l.payments, func(p *taken) bool {
		return !p.pending && len(p.shares) > 0 && (p.credit == nil || p.credit.left == p.credit.granted)
	})
	if !ok || l.random.IntN(3) > 0 {
		return false
	}
	sum := money.Zero(p.shares[0].Amount.Currency())
	for _, a := range p.shares {
		sum = money.New(sum.Minor()+a.Amount.Minor(), sum.Currency())
	}
	if p.credit != nil {
		sum = money.New(sum.Minor()+p.credit.granted.Minor(), sum.Currency())
	}
	outcome := payment.OutcomeCanceled
	if l.random.IntN(2) == 0 {
		outcome = payment.OutcomeFailed
	}
	l.Queue(t, payment.Stream(p.id), p.user, payment.Voided{Amount: sum, Reason: "typo", Outcome: outcome, Hidden: l.random.IntN(2) == 0, Note: l.text()})
	for _, a := range p.shares {
		l.decide(t, a.FeeID, fee.UnapplyPayment{AllocationID: a.ID, Amount: a.Amount, Cause: fee.UnapplyVoid, At: l.now})
	}
	if c := p.credit; c != nil {
		c.left = money.Zero(c.left.Currency())
		l.Queue(t, credit.Stream(p.user), p.user, credit.Reversed{CreditID: c.id, Amount: c.granted, Cause: credit.CauseVoid})
	}
	p.shares = nil
	return true
}

func (l *Log) reallocatePayment(t testing.TB, feeID string, s fee.State) bool {
	t.Helper()
	p, ok := pick(l, l.payments, func(p *taken) bool {
		return !p.pending && len(p.shares) > 0 && p.user == s.UserID && p.shares[0].FeeID != feeID
	})
	if !ok {
		return false
	}
	from := &p.shares[0]
	taken := payment.Taken{AllocationID: from.ID, FeeID: from.FeeID, Amount: l.part(from.Amount)}
	e := payment.Reallocated{Taken: []payment.Taken{taken}, Given: []payment.Allocation{}, Credit: taken.Amount, Cause: payment.CauseReallocation, Note: l.text()}
	if s.Free().IsPositive() {
		given := payment.Allocation{ID: l.id(), FeeID: feeID, Amount: money.Min(taken.Amount, s.Free())}
		e.Given = append(e.Given, given)
		e.Credit = money.New(taken.Amount.Minor()-given.Amount.Minor(), taken.Amount.Currency())
	}
	made := l.rest(p.user, e.Credit)
	if made != nil {
		e.CreditID = made.id
	}
	l.Queue(t, payment.Stream(p.id), p.user, e)
	l.decide(t, from.FeeID, fee.UnapplyPayment{AllocationID: from.ID, Amount: taken.Amount, Cause: fee.UnapplyReallocation, At: l.now})
	for _, a := range e.Given {
		l.happen(t, a.FeeID, fee.PaymentApplied{PaymentID: p.id, AllocationID: a.ID, Amount: a.Amount})
	}
	l.grant(t, made, credit.SourceReallocation, p.id)
	if from.Amount.Cmp(taken.Amount) == 0 {
		p.shares = p.shares[1:]
	} else {
		from.Amount = money.New(from.Amount.Minor()-taken.Amount.Minor(), from.Amount.Currency())
	}
	p.shares = append(slices.Clip(p.shares), e.Given...)
	return true
}

func (l *Log) annotatePayment(t testing.TB, _ string, _ fee.State) bool {
	t.Helper()
	p, ok := pick(l, l.payments, func(p *taken) bool { return len(p.shares) > 0 })
	if !ok {
		return false
	}
	l.Queue(t, payment.Stream(p.id), p.user, payment.Annotated{AllocationID: p.shares[0].ID, Note: l.text()})
	l.rows = append(l.rows, row{readmodels.ObjectFeePayment, p.shares[0].ID, payment.Stream(p.id), p.user})
	return true
}

func (l *Log) chargeMore(t testing.TB, feeID string, s fee.State) bool {
	t.Helper()
	if s.Cancelled {
		return false
	}
	l.happen(t, feeID, fee.Adjusted{AdjustmentID: l.id(), Direction: fee.DirectionIncrease, Amount: USD(t, 1+l.random.Int64N(500)), Reason: "bag", Note: l.text()})
	return true
}

func (l *Log) writeOff(t testing.TB, feeID string, s fee.State) bool {
	t.Helper()
	if !s.Free().IsPositive() {
		return false
	}
	f := &forgiving{feeID, l.id()}
	l.forgiven = append(l.forgiven, f)
	l.happen(t, feeID, fee.WrittenOff{ReductionID: f.id, Amount: l.part(s.Free()), Reason: "uncollectable", Note: l.text()})
	return true
}

// recoverWriteOff pays what is owed on a fee and some of what was written off; some of these payments are voided at once.
func (l *Log) recoverWriteOff(t testing.TB, _ string, _ fee.State) bool {
	t.Helper()
	f, ok := pick(l, l.forgiven, func(f *forgiving) bool {
		return l.fees[f.feeID].WrittenOff().IsPositive() && l.fees[f.feeID].Reserved().IsZero()
	})
	if !ok {
		return false
	}
	feeID, s := f.feeID, l.fees[f.feeID]
	amount := money.New(s.Outstanding().Minor()+l.part(s.WrittenOff()).Minor(), s.Currency)
	p := &taken{id: l.id(), user: s.UserID, shares: []payment.Allocation{{ID: l.id(), FeeID: feeID, Amount: amount}}}
	l.payments = append(l.payments, p)
	l.Queue(t, payment.Stream(p.id), p.user, payment.Captured{
		PaymentID: p.id, UserID: p.user, Tender: payment.TenderCheck, Amount: amount, HandledBy: l.Users[0],
		Allocations: slices.Clone(p.shares), Credit: money.Zero(s.Currency), Note: l.text(),
	})
	l.decide(t, feeID, fee.ApplyPayment{PaymentID: p.id, AllocationID: p.shares[0].ID, Amount: amount, At: l.now})
	if l.random.IntN(3) == 0 {
		l.Queue(t, payment.Stream(p.id), p.user, payment.Voided{Amount: amount, Reason: "bounced", Outcome: payment.OutcomeCanceled, Note: l.text()})
		l.decide(t, feeID, fee.UnapplyPayment{AllocationID: p.shares[0].ID, Amount: amount, Cause: fee.UnapplyVoid, At: l.now})
		p.shares = nil
	}
	return true
}

func (l *Log) forgiveNoLonger(t testing.TB, _ string, _ fee.State) bool {
	t.Helper()
	f, ok := pick(l, l.forgiven, func(*forgiving) bool { return true })
	if !ok {
		return false
	}
	events, err := fee.Decider.Decide(l.fees[f.feeID], fee.ReverseReduction{ReductionID: f.id, Reason: "error", Note: l.text(), At: l.now})
	if err != nil || len(events) == 0 {
		return false
	}
	l.happen(t, f.feeID, events...)
	return true
}

func (l *Log) spendCredit(t testing.TB, _ string, _ fee.State) bool {
	t.Helper()
	for _, c := range l.lots {
		feeID, ok := pick(l, l.Fees, func(id string) bool { return l.fees[id].UserID == c.user && l.fees[id].Free().IsPositive() })
		if !ok || !c.left.IsPositive() {
			continue
		}
		use := &spending{c, feeID, l.id(), money.Min(c.left, l.fees[feeID].Free())}
		l.spent = append(l.spent, use)
		c.left = money.New(c.left.Minor()-use.amount.Minor(), c.left.Currency())
		l.Queue(t, credit.Stream(c.user), c.user, credit.Spent{CreditID: c.id, FeeID: feeID, AllocationID: use.id, Amount: use.amount})
		l.happen(t, feeID, fee.CreditApplied{CreditID: c.id, AllocationID: use.id, Amount: use.amount})
		return true
	}
	return false
}

// cancelForgiven cancels a fee of which something was forgiven: that is taken back first.
func (l *Log) cancelForgiven(t testing.TB, _ string, _ fee.State) bool {
	t.Helper()
	id, ok := pick(l, l.Fees, func(id string) bool {
		s := l.fees[id]
		return s.Reduced().IsPositive() && s.Allocated.IsZero() && !s.Cancelled
	})
	if ok {
		l.Change(t, id, fee.Cancel{Cause: fee.CauseDuplicate, At: l.now})
	}
	return ok
}

func (l *Log) returnCredit(t testing.TB, _ string, _ fee.State) bool {
	t.Helper()
	use, ok := pick(l, l.spent, func(use *spending) bool { return !use.amount.IsZero() })
	if !ok {
		return false
	}
	back := l.part(use.amount)
	use.amount = money.New(use.amount.Minor()-back.Minor(), back.Currency())
	use.lot.left = money.New(use.lot.left.Minor()+back.Minor(), back.Currency())
	l.Queue(t, credit.Stream(use.lot.user), use.lot.user, credit.Returned{CreditID: use.lot.id, AllocationID: use.id, Amount: back})
	l.happen(t, use.feeID, fee.CreditUnapplied{CreditID: use.lot.id, AllocationID: use.id, Amount: back, Cause: fee.UnapplyAdjustment})
	return true
}

func (l *Log) addNote(t testing.TB, feeID string, s fee.State) bool {
	t.Helper()
	n := &note{feeID, l.id()}
	l.notes = append(l.notes, n)
	visibility := fee.VisibilityPatron
	if l.random.IntN(2) == 0 {
		visibility = fee.VisibilityStaff
	}
	l.happen(t, feeID, fee.NoteAdded{NoteID: n.id, Visibility: visibility, Note: "noted " + l.text()})
	l.rows = append(l.rows, row{readmodels.ObjectFeeEvent, n.id, fee.Stream(feeID), s.UserID})
	return true
}

func (l *Log) changeNote(t testing.TB, _ string, _ fee.State) bool {
	t.Helper()
	n, ok := pick(l, l.notes, func(n *note) bool { return n.id != "" })
	if !ok {
		return false
	}
	if l.random.IntN(3) == 0 {
		l.happen(t, n.feeID, fee.NoteHidden{NoteID: n.id})
		n.id = ""
		return true
	}
	l.happen(t, n.feeID, fee.NoteChanged{NoteID: n.id, Note: l.text()})
	return true
}

func (l *Log) tellGateway(t testing.TB, feeID string, s fee.State) bool {
	t.Helper()
	if known, ok := pick(l, l.gateways, func(known *told) bool { return !known.gone }); ok {
		if known.gone = l.random.IntN(3) == 0; known.gone {
			l.Queue(t, gateway.Stream(known.id), known.user, gateway.Deleted{ID: known.id})
			return true
		}
		l.Queue(t, gateway.Stream(known.id), known.user, gateway.Updated{PaymentID: "pi_2", PaymentStatus: "succeeded", StatusLiteral: "success"})
	}
	made := &told{id: l.id(), user: s.UserID}
	l.gateways = append(l.gateways, made)
	stream := gateway.Stream(made.id)
	l.Queue(t, stream, s.UserID, gateway.Recorded{
		ID: made.id, OwnerID: s.UserID, OrderID: feeID, PaymentID: "pi_1", PaymentStatus: "new", StatusLiteral: "started",
	})
	l.rows = append(l.rows, row{readmodels.ObjectGatewayPayment, made.id, stream, s.UserID})
	return true
}

func (l *Log) changeCustomer(t testing.TB, _ string, s fee.State) bool {
	t.Helper()
	stream := customer.Stream(s.UserID)
	l.Queue(t, stream, s.UserID, customer.Linked{ID: s.UserID, UserID: s.UserID, CustomerID: fmt.Sprintf("cus_%d", l.random.IntN(9)), Platform: "stripe"})
	if card, ok := pick(l, l.cards, func(card *told) bool { return !card.gone }); ok {
		card.gone = true
		l.Queue(t, customer.Stream(card.user), card.user, customer.MethodDetached{ID: card.id, Cause: "user"})
	}
	made := &told{id: l.id(), user: s.UserID}
	l.cards = append(l.cards, made)
	l.Queue(t, stream, s.UserID, customer.MethodAttached{
		ID: made.id, UserID: s.UserID, PaymentMethodID: "pm_" + made.id, CustomerID: "cus_1", CardHolderName: l.text(), CardHolderZip: "8000",
		Platform: "stripe", Card: customer.Card{Brand: "visa", Last4: "4242", ExpMonth: 12, ExpYear: 2031},
	})
	l.rows = append(l.rows, row{readmodels.ObjectPaymentMethod, made.id, stream, s.UserID}, row{readmodels.ObjectPaymentCustomer, s.UserID, stream, s.UserID})
	return true
}

func (l *Log) extend(t testing.TB, feeID string, s fee.State) bool {
	t.Helper()
	of := row{readmodels.ObjectFee, feeID, fee.Stream(feeID), s.UserID}
	if other, ok := pick(l, l.rows, func(row) bool { return true }); ok && l.random.IntN(2) == 0 {
		of = other
	}
	put := extension.Put{Object: string(of.object), ID: of.id, Stream: of.stream, Name: []string{"reminders", "letters"}[l.random.IntN(2)]}
	for n := range 1 + l.random.IntN(2) {
		id := strconv.Itoa(n + l.random.IntN(3))
		if !slices.ContainsFunc(put.Elements, func(e extension.Element) bool { return e.ID == id }) {
			put.Elements = append(put.Elements, extension.Element{ID: id, Value: extension.Value(fmt.Sprintf(`{"id":%q, "n":%d}`, id, l.random.IntN(100)))})
		}
	}
	l.Queue(t, extension.Stream(put.Object, put.ID), of.user, put)
	return true
}

func (l *Log) setReasons(t testing.TB, _ string, _ fee.State) bool {
	t.Helper()
	l.Queue(t, policy.Stream, "", policy.ReasonsSet{Kind: policy.KindWaive, Codes: []string{"goodwill"}})
	l.Queue(t, policy.BooksStream, "", policy.ProfileSet{Profile: policy.Profiles()[len(l.Fees)%2]})
	return true
}
