package audit

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"payledger/domain/credit"
	"payledger/domain/fee"
	"payledger/domain/money"
	"payledger/domain/payment"
	"payledger/eventstore/catalog"
	"payledger/internal/jsontext"
	"payledger/readmodels"
	"payledger/readmodels/history"
)

// What can be explained.
const (
	ObjectFee    = "fee"
	ObjectCredit = "credit"
	ObjectMember = "member"
)

// Explanation is a balance, and every event that made it what it is.
type Explanation struct {
	Object, ID string
	Sentence   string
	Balances   []Balance // of each currency, in order of code
	Steps      []Step    // in order of position
	AsOf       *time.Time
	KnownAt    int64
}

// Balance is what is owed on the fees, and what is left of the credits, that an explanation is about.
type Balance struct{ Owed, Credit money.Total }

// Step is one event, the balance of its currency after it, and both in words.
type Step struct {
	history.Entry
	Balance  Balance
	Sentence string
}

// Explain tells how the balance of a fee, a credit or a member came about. Errors: ErrUnknownObject, ErrNotFound, and those of
// streams, which are asked for the stream of a credit.
func (r Reader) Explain(ctx context.Context, streams Streams, tenant, object, id string, m Moment) (Explanation, error) {
	x := Explanation{Object: object, ID: id, AsOf: m.AsOf, Steps: []Step{}}
	var err error
	if x.KnownAt, _, err = r.Known(ctx, m.KnownAt); err != nil {
		return x, fmt.Errorf("explain %s %s: %w", object, id, err)
	}
	names, err := r.streamsOf(ctx, streams, tenant, object, id)
	if err != nil {
		return x, err
	}
	var events []catalog.Event
	if len(names) > 0 {
		if events, err = r.withPayments(ctx, tenant, x.KnownAt, names, func(ev catalog.Event) bool {
			return object != ObjectCredit || creditOf(ev) == id
		}); err != nil {
			return x, fmt.Errorf("explain %s %s: %w", object, id, err)
		}
	}
	t := telling{
		x: &x, fees: make(map[string]debt), gross: make(map[string]money.Total), lots: lots{byID: make(map[string]*lot)}, balances: make(map[money.Currency]Balance),
	}
	for _, ev := range events {
		if m.AsOf != nil && ev.EffectiveAt.After(*m.AsOf) {
			continue
		}
		if err := t.step(ev); err != nil {
			return x, fmt.Errorf("explain %s %s: %w", object, id, err)
		}
	}
	if len(x.Steps) == 0 {
		return x, fmt.Errorf("explain %s %s: %w", object, id, ErrNotFound)
	}
	t.conclude()
	return x, nil
}

// withPayments returns the events of streams, and with them those of the payments that the events are about which count: only a payment
// says why it was voided or moved.
func (r Reader) withPayments(
	ctx context.Context, tenant string, upTo int64, names []string, counts func(catalog.Event) bool,
) ([]catalog.Event, error) {
	events, err := r.History().Read(ctx, tenant, upTo, names...)
	if err != nil {
		return nil, err
	}
	all := slices.Clone(names)
	for _, ev := range events {
		if id := history.EntryOf(ev).PaymentID; id != "" && counts(ev) {
			all = append(all, payment.Stream(id))
		}
	}
	if len(all) == len(names) {
		return events, nil
	}
	slices.Sort(all)
	return r.History().Read(ctx, tenant, upTo, slices.Compact(all)...)
}

// streamsOf names the streams that an explanation is made of, beside its payments.
func (r Reader) streamsOf(ctx context.Context, streams Streams, tenant, object, id string) ([]string, error) {
	switch object {
	case ObjectFee:
		return []string{fee.Stream(id)}, nil
	case ObjectCredit:
		name, err := streams.StreamOf(ctx, tenant, readmodels.ObjectCredit, id)
		return []string{name}, err
	case ObjectMember:
		ends, err := r.Log.StreamsOf(ctx, tenant, id, 0)
		if err != nil {
			return nil, fmt.Errorf("explain member %s: %w", id, err)
		}
		var names []string
		for _, end := range ends {
			if name := end.Stream.Name; strings.HasPrefix(name, fee.Stream("")) || strings.HasPrefix(name, credit.Stream("")) {
				names = append(names, name)
			}
		}
		return names, nil
	}
	return nil, fmt.Errorf("%w: %q, not one of fee, credit, member", ErrUnknownObject, object)
}

// telling sums up the events of an explanation.
type telling struct {
	x        *Explanation
	fees     map[string]debt        // by stream
	gross    map[string]money.Total // by stream
	lots     lots
	balances map[money.Currency]Balance
}

// step tells an event that moves money on a fee or a credit.
func (t *telling) step(ev catalog.Event) error {
	_, ofPayment := ev.Data.(payment.Event)
	if !slices.Contains(moneyTypes(), ev.Type) || t.x.Object == ObjectCredit && !ofPayment && creditOf(ev) != t.x.ID {
		return nil
	}
	entry := history.EntryOf(ev)
	cur := entry.Amount.Currency()
	b, known := t.balances[cur]
	if !known {
		b = Balance{Owed: zero(cur), Credit: zero(cur)}
	}
	var err error
	switch id := creditOf(ev); {
	case ofPayment: // it moves the balance by the events of fees and credits beside it
	case id != "":
		before := t.lots.left(id)
		t.lots.apply(ev)
		b.Credit, err = b.Credit.Add(money.New(t.lots.left(id)-before, cur))
	default:
		err = t.owe(ev, &entry, &b)
	}
	if err != nil {
		return err
	}
	t.balances[cur] = b
	t.x.Steps = append(t.x.Steps, Step{Entry: entry, Balance: b, Sentence: sentence(ev, entry)})
	return nil
}

// owe adds what an event of a fee changes.
func (t *telling) owe(ev catalog.Event, entry *history.Entry, b *Balance) error {
	d, known := t.fees[ev.Stream.Name]
	if !known {
		d.owed = zero(b.Owed.Currency())
	}
	before := d.owed
	if err := d.add(ev); err != nil {
		return err
	}
	t.fees[ev.Stream.Name] = d
	gross, err := t.charge(ev, b.Owed.Currency())
	if err != nil {
		return err
	}
	entry.Gross, entry.Outstanding = &gross.Amount, &d.owed.Amount
	b.Owed, err = b.Owed.Add(money.New(d.owed.Minor()-before.Minor(), before.Currency()))
	return err
}

// charge returns what a fee is charged at after an event.
func (t *telling) charge(ev catalog.Event, cur money.Currency) (gross money.Total, err error) {
	gross, known := t.gross[ev.Stream.Name]
	if !known {
		gross = zero(cur)
	}
	switch name, a := movement(ev, nil); name {
	case "assessed", "adjusted":
		gross, err = gross.Add(a)
	case "cancelled":
		gross, err = gross.Sub(a)
	}
	t.gross[ev.Stream.Name] = gross
	return gross, err
}

// conclude says the balance in words.
func (t *telling) conclude() {
	for _, b := range t.balances {
		t.x.Balances = append(t.x.Balances, b)
	}
	slices.SortFunc(t.x.Balances, func(a, b Balance) int { return cmp.Compare(a.Owed.Currency().Code(), b.Owed.Currency().Code()) })
	var parts []string
	for _, b := range t.x.Balances {
		if t.x.Object != ObjectCredit {
			parts = append(parts, b.Owed.String()+" is owed")
		}
		if t.x.Object == ObjectCredit || t.x.Object == ObjectMember && !b.Credit.IsZero() {
			parts = append(parts, b.Credit.String()+" of credit is left")
		}
	}
	when := ""
	if t.x.AsOf != nil {
		when = " as of " + isoText(*t.x.AsOf)
	}
	t.x.Sentence = fmt.Sprintf("%s %s%s: %s, known at position %d.", t.x.Object, t.x.ID, when, strings.Join(parts, ", "), t.x.KnownAt)
}

// creditOf names the lot that an event is about, empty for none.
func creditOf(ev catalog.Event) string {
	switch d := ev.Data.(type) {
	case credit.Granted:
		return d.CreditID
	case credit.Spent:
		return d.CreditID
	case credit.Returned:
		return d.CreditID
	case credit.Reversed:
		return d.CreditID
	}
	return ""
}

// AppendJSON appends the explanation as one JSON object. Each step is the event as its history prints it, and owed, credit and sentence.
func (x *Explanation) AppendJSON(dst []byte) []byte {
	dst = jsontext.AppendString(append(dst, `{"object":`...), x.Object)
	dst = jsontext.AppendString(append(dst, `,"id":`...), x.ID)
	at := time.Time{}
	if x.AsOf != nil {
		at = *x.AsOf
	}
	dst = appendInstant(append(dst, `,"asOf":`...), at)
	dst = strconv.AppendInt(append(dst, `,"knownAt":`...), x.KnownAt, 10)
	dst = jsontext.AppendString(append(dst, `,"sentence":`...), x.Sentence)
	dst = append(dst, `,"balances":[`...)
	for i, b := range x.Balances {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = jsontext.AppendString(append(dst, `{"currency":`...), b.Owed.Currency().Code())
		dst = append(b.appendJSON(dst), '}')
	}
	dst = append(dst, `],"steps":[`...)
	for i := range x.Steps {
		if i > 0 {
			dst = append(dst, ',')
		}
		s := &x.Steps[i]
		dst = s.Balance.appendJSON(bytesWithout(s.AppendJSON(dst)))
		dst = append(jsontext.AppendString(append(dst, `,"sentence":`...), s.Sentence), '}')
	}
	return append(dst, "]}"...)
}

// bytesWithout takes off the brace that ends an object, so that more keys can follow.
func bytesWithout(object []byte) []byte { return object[:len(object)-1] }

func (b Balance) appendJSON(dst []byte) []byte {
	dst = append(append(dst, `,"owed":`...), b.Owed.Number()...)
	return append(append(dst, `,"credit":`...), b.Credit.Number()...)
}
