package audit_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"payledger/audit"
	"payledger/commands"
	domain "payledger/domain/books"
	"payledger/domain/credit"
	"payledger/domain/evidence"
	"payledger/domain/fee"
	"payledger/domain/money"
	"payledger/domain/payment"
	"payledger/domain/policy"
	"payledger/eventstore"
	"payledger/eventstore/catalog"
	"payledger/eventstore/pgtest"
	"payledger/eventstore/storetest"
	booksprojection "payledger/projections/books"
	"payledger/readmodels"
	"payledger/readmodels/books"
)

// desk is the real use cases on a real log, with the books behind it.
type desk struct {
	*commands.Service
	reader    audit.Reader
	books     books.Queries
	projector *pgxpool.Pool
	project   *booksprojection.Projector
	at        int64 // where the books stand
	tenants   atomic.Int64
}

func openDesk(t *testing.T) *desk {
	t.Helper()
	db := pgtest.NewFrom(t, storetest.Template())
	pool, cat := db.AppPool(t), catalog.New()
	vault := eventstore.OpenVault(pool, [32]byte{1})
	store := storetest.OpenOn(t, db, func(c *eventstore.Config) { c.Folder, c.Keys = commands.Folder{Catalog: cat}, vault })
	d := &desk{
		reader: audit.Reader{Log: eventstore.NewReader(pool), Catalog: cat, Keys: vault}, books: books.Queries{Pool: pool},
		projector: db.ProjectorPool(t), project: booksprojection.New(),
	}
	d.Service = &commands.Service{Store: store, Catalog: cat, Vault: vault, OpenFees: nobody{}, Rows: nobody{}}
	return d
}

// nobody is a read model without rows: the commands of these tests name what they are about.
type nobody struct{}

func (nobody) OpenFees(context.Context, string, string) ([]string, int64, error) { return nil, 0, nil }

func (nobody) StreamOf(context.Context, string, readmodels.Object, string) (string, error) {
	return "", commands.ErrRecordNotFound
}

// follow brings the books up to the head of the log, and returns the events that were new.
func (d *desk) follow(t require.TestingT) []catalog.Event {
	ctx := context.Background()
	recorded, err := d.reader.Log.ReadAll(ctx, d.at, 1000)
	require.NoError(t, err)
	if len(recorded) == 0 {
		return nil
	}
	events := make([]catalog.Event, len(recorded))
	for i := range recorded {
		events[i], err = d.reader.Catalog.Decode(ctx, d.reader.Keys, &recorded[i])
		require.NoError(t, err)
	}
	d.at = events[len(events)-1].Position
	require.NoError(t, pgx.BeginFunc(ctx, d.projector, func(tx pgx.Tx) error {
		if _, err := d.project.EnsureSchema(ctx, tx); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `INSERT INTO ledger.checkpoints (projection, version, position, hash) VALUES ('books', 1, $1, '\x00')
			ON CONFLICT (projection, version) DO UPDATE SET position = excluded.position`, d.at)
		if err != nil {
			return err
		}
		return d.project.Apply(ctx, tx, events)
	}))
	return events
}

// library is what random commands of one tenant have come to.
type library struct {
	*desk
	tenant     string
	now        time.Time
	fees       []fee.Assessed
	payments   []payment.Captured
	reductions [][2]string // of fee and reduction
	users      []string
	instants   []time.Time // at which something took effect
	begin, end int64
	random     *rand.Rand
}

func (d *desk) opens(seed uint64) *library {
	return &library{
		desk: d, tenant: fmt.Sprintf("t%d", d.tenants.Add(1)), now: time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC),
		users: []string{uuid.NewString(), uuid.NewString()}, begin: d.at, random: rand.New(rand.NewPCG(seed, 1)),
	}
}

// request is one of staff, some of them for a day that is past by then.
func (l *library) request() commands.Request {
	l.now = l.now.Add(time.Duration(l.random.IntN(60*60)) * time.Minute)
	req := commands.Request{
		Tenant: l.tenant, Actor: catalog.Actor{Kind: "staff", ID: "desk-1", Roles: []string{"staff"}}, Channel: "api",
		CommandID: uuid.Must(uuid.NewV7()), At: l.now, RequestID: "r", Render: func(commands.Outcome) (eventstore.Answer, *eventstore.RouteEvent, error) {
			return eventstore.Answer{Status: 200}, nil, nil
		},
	}
	switch recent := l.instants[max(0, len(l.instants)-8):]; {
	case l.random.IntN(2) == 0:
	case len(recent) > 0:
		req.EffectiveAt = one(l, recent).Add(time.Duration(l.random.IntN(2)) * time.Microsecond)
	default:
		req.EffectiveAt = l.now.Add(-time.Duration(l.random.IntN(20*24)) * time.Hour)
	}
	return req
}

func (l *library) amount(code string, upTo int64) money.Amount {
	cur, err := money.ParseCurrency(code)
	if err != nil {
		panic(err)
	}
	return money.New(1+l.random.Int64N(upTo), cur)
}

func one[E any](l *library, list []E) E { return list[l.random.IntN(len(list))] }

// act carries out a random command; many are refused.
func (l *library) act(t require.TestingT) {
	ctx := context.Background()
	req := l.request()
	user := one(l, l.users)
	code := one(l, []string{"USD", "USD", "JPY"})
	do := l.random.IntN(17)
	if len(l.fees) == 0 {
		do = 0
	}
	var about fee.Assessed
	if do > 0 {
		about = one(l, l.fees[max(0, len(l.fees)-3):]) // few, that much happens to
		user, code = about.UserID, about.Amount.Currency().Code()
	}
	var err error
	switch do {
	case 0, 1, 2:
		_, err = l.AssessFee(ctx, req, commands.NewFee{UserID: user, Amount: l.amount(code, 3000), Reason: one(l, []string{"overdue", "lost", "in words"})})
	case 3:
		_, err = l.WaiveFee(ctx, req, commands.Reduction{FeeID: about.FeeID, Amount: l.amount(code, 800), Reason: policy.Defaults(policy.KindWaive)[0]})
	case 4:
		_, err = l.WriteOffFee(ctx, req, commands.Reduction{FeeID: about.FeeID, Amount: l.amount(code, 800), Reason: policy.Defaults(policy.KindWriteOff)[0]})
	case 5, 6:
		direction := one(l, []fee.Direction{fee.DirectionIncrease, fee.DirectionDecrease})
		_, err = l.AdjustFee(ctx, req, commands.Adjustment{FeeID: about.FeeID, Direction: direction, Amount: l.amount(code, 1500), Reason: policy.Defaults(policy.KindAdjust)[0]})
	case 7, 8:
		tender := one(l, []payment.Tender{payment.TenderCash, payment.TenderCheck, payment.TenderPOS, payment.TenderOther})
		p := commands.NewPayment{UserID: user, Tender: tender, Amount: l.amount(code, 3000)}
		p.Shares = []payment.Share{{FeeID: about.FeeID, Amount: money.Min(p.Amount, l.amount(code, 1500))}}
		_, err = l.RecordPayment(ctx, req, p)
	case 9:
		canceled := readmodels.FeeCanceled
		_, err = l.PatchFee(ctx, req, commands.FeePatch{FeeID: about.FeeID, Status: &canceled})
	case 10:
		if len(l.payments) > 0 {
			_, err = l.VoidPayment(ctx, req, commands.Voiding{PaymentID: one(l, l.payments).PaymentID, Reason: policy.Defaults(policy.KindVoid)[0]})
		}
	case 11:
		if len(l.reductions) > 0 {
			r := one(l, l.reductions)
			_, err = l.ReverseReduction(ctx, req, commands.Reversal{FeeID: r[0], ReductionID: r[1], Reason: policy.Defaults(policy.KindReverse)[0]})
		}
	case 12:
		_, err = l.GrantCredit(ctx, req, commands.NewCredit{UserID: user, Amount: l.amount(code, 900), Reason: policy.Defaults(policy.KindGrant)[0]})
	case 13, 14, 15: // money comes back to credits only where it was spent
		_, err = l.ApplyCredit(ctx, req, commands.CreditUse{FeeID: about.FeeID, Amount: l.amount(code, 300)})
	case 16:
		err = l.recover(ctx, about)
	}
	refused := err != nil
	events := l.follow(t)
	require.True(t, len(events) > 0 || refused || do == 10 || do == 11 || do == 9, "command %d: %v", do, err)
	l.remember(events)
}

// recover gives a fee of its own up, and takes money for part of it.
func (l *library) recover(ctx context.Context, of fee.Assessed) error {
	req, id := l.request(), uuid.NewString()
	req.EffectiveAt = time.Time{}
	if _, err := l.AssessFee(ctx, req, commands.NewFee{FeeID: id, UserID: of.UserID, Amount: of.Amount, Reason: of.Reason}); err != nil {
		return err
	}
	req = l.request()
	req.EffectiveAt = time.Time{}
	if _, err := l.WriteOffFee(ctx, req, commands.Reduction{FeeID: id, Amount: of.Amount, Reason: policy.Defaults(policy.KindWriteOff)[0]}); err != nil {
		return err
	}
	req = l.request()
	req.EffectiveAt = time.Time{}
	share := money.Min(of.Amount, l.amount(of.Amount.Currency().Code(), 2000))
	_, err := l.RecordPayment(ctx, req, commands.NewPayment{
		UserID: of.UserID, Tender: payment.TenderCash, Amount: share, Shares: []payment.Share{{FeeID: id, Amount: share}},
	})
	return err
}

func (l *library) remember(events []catalog.Event) {
	for _, ev := range events {
		l.end, l.instants = ev.Position, append(l.instants, ev.EffectiveAt)
		switch e := ev.Data.(type) {
		case fee.Assessed:
			l.fees = append(l.fees, e)
		case fee.Waived:
			l.reductions = append(l.reductions, [2]string{ev.Stream.Name[len(fee.Stream("")):], e.ReductionID})
		case fee.WrittenOff:
			l.reductions = append(l.reductions, [2]string{ev.Stream.Name[len(fee.Stream("")):], e.ReductionID})
		case payment.Captured:
			l.payments = append(l.payments, e)
		case credit.Event:
		}
	}
}

// moment is when something took effect, or just before.
func (l *library) moment() time.Time {
	return one(l, l.instants).Add(-time.Duration(l.random.IntN(2)) * time.Microsecond)
}

// posted is what the accounts of the books stand at, debits less credits in minor units.
type posted map[string]int64

func (p posted) of(account domain.Account, currency string) int64 {
	return p[fmt.Sprint(account, currency)]
}

func (l *library) posted(t require.TestingT, asOf time.Time, knownAt int64) posted {
	state, err := l.books.State(context.Background(), books.Bounds{Tenant: l.tenant, AsOf: &asOf, KnownAt: &knownAt})
	require.NoError(t, err)
	balances, err := books.Balances(state.Movements, policy.ProfileAccrual)
	require.NoError(t, err)
	p := posted{}
	for _, b := range balances {
		p[fmt.Sprint(b.Account, b.Currency.Code())] += b.Debit - b.Credit
	}
	return p
}

// sums is what a report came to: its totals, and the sum of each column of money, in minor units.
type sums struct{ totals, columns map[string]int64 }

func (l *library) report(t require.TestingT, kind string, b audit.Bounds) sums {
	k, err := audit.KindOf(kind)
	require.NoError(t, err)
	s := sums{map[string]int64{}, map[string]int64{}}
	at := slices.IndexFunc(k.Columns, func(c audit.Column) bool { return c.Name == "currency" })
	report, err := l.reader.Make(context.Background(), audit.Params{Tenant: l.tenant, Kind: kind, Bounds: b}, func(row audit.Row) error {
		group := ""
		if kind == "payments" {
			group = row[0].Text
		}
		for i, c := range k.Columns {
			if c.Kind == audit.Money {
				s.columns[group+c.Name+row[at].Text] += row[i].Amount.Minor()
			}
		}
		return nil
	})
	require.NoError(t, err)
	for _, total := range report.Totals {
		s.totals[total.Name+total.Amount.Currency().Code()] += total.Amount.Minor()
	}
	return s
}

// Whatever commands were carried out, dated back or not, and whatever the bounds: every report comes to what the books say, which are
// posted event by event and asked of in SQL, while reports fold streams.
func TestEveryReportTiesToTheBooks(t *testing.T) {
	t.Parallel()
	d := openDesk(t)
	rapid.Check(t, func(t *rapid.T) {
		l := d.opens(rapid.Uint64().Draw(t, "seed"))
		for range rapid.IntRange(1, 40).Draw(t, "commands") {
			l.act(t)
		}
		for range 4 {
			b := audit.Bounds{KnownAt: l.begin + 1 + l.random.Int64N(l.end-l.begin), AsOf: l.moment()}
			if from := l.moment(); !from.After(b.AsOf) {
				b.From = from
			}
			l.tie(t, b)
		}
		l.tie(t, audit.Bounds{AsOf: l.now, KnownAt: l.end})
	})
}

// tie holds all reports against the books.
func (l *library) tie(t require.TestingT, b audit.Bounds) {
	before, after := posted{}, l.posted(t, b.AsOf, b.KnownAt)
	if !b.From.IsZero() {
		before = l.posted(t, b.From.Add(-time.Microsecond), b.KnownAt)
	}
	moment := audit.Bounds{AsOf: b.AsOf, KnownAt: b.KnownAt}
	aging, credits := l.report(t, "aging", moment), l.report(t, "credits", moment)
	roll, waivers, payments, activity := l.report(t, "rollforward", b), l.report(t, "waivers", b), l.report(t, "payments", b), l.report(t, "activity", b)
	l.tieAccounts(t, moment)
	owed, left := l.explained(t, moment)
	for _, cur := range []string{"USD", "JPY"} {
		moved := func(account domain.Account) int64 { return after.of(account, cur) - before.of(account, cur) }
		receivables := after.of(domain.Receivables, cur)
		require.Equal(t, receivables, aging.totals["owed"+cur], "aging is 1100")
		require.Equal(t, receivables, aging.columns["total"+cur], "the rows of aging are 1100")
		require.Equal(t, receivables, owed[cur], "what is explained of all members is 1100")
		require.Equal(t, -after.of(domain.PatronCredits, cur), credits.columns["remaining"+cur], "credits due are 2100")
		require.Equal(t, -after.of(domain.PatronCredits, cur), left[cur], "what is explained of all members' credit is 2100")

		c := roll.columns
		require.Equal(t, before.of(domain.Receivables, cur), c["opening"+cur], "the opening balance is 1100 then")
		require.Equal(t, receivables, c["closing"+cur], "the closing balance is 1100")
		require.Equal(t, c["closing"+cur], c["opening"+cur]+c["assessed"+cur]+c["adjusted"+cur]-c["cancelled"+cur]-c["waived"+cur]-c["writtenOff"+cur]-
			c["paid"+cur]-c["credited"+cur]+c["recovered"+cur], "closing = opening + movements")
		require.Equal(t, -moved(domain.Revenue), c["assessed"+cur]+c["adjusted"+cur]-c["cancelled"+cur], "what was charged is 4000")
		require.Equal(t, moved(domain.Waivers), c["waived"+cur], "what was waived is 4090")
		require.Equal(t, moved(domain.BadDebt), c["writtenOff"+cur], "what was written off is 6100")
		require.Equal(t, -moved(domain.Recoveries), c["recovered"+cur], "what was recovered is 4900")

		w := waivers.totals
		require.Equal(t, moved(domain.Waivers), w["waived"+cur]-w["waivedReleased"+cur]-w["waivedReversed"+cur], "waivers are 4090")
		require.Equal(t, moved(domain.BadDebt), w["writtenOff"+cur]-w["writtenOffReleased"+cur]-w["writtenOffReversed"+cur], "write-offs are 6100")
		require.Equal(t, -moved(domain.Recoveries), w["writtenOffRecovered"+cur]-w["writtenOffRecoveryReversed"+cur], "recoveries are 4900")

		taken := int64(0)
		for _, tender := range []payment.Tender{payment.TenderCash, payment.TenderCheck, payment.TenderPOS, payment.TenderOther} {
			net := payments.columns[string(tender)+"net"+cur]
			require.Equal(t, moved(domain.TenderAccount(tender)), net, "payments by %s are their account", tender)
			taken += net
			byType := payments.columns[string(tender)+"toCredit"+cur]
			for _, feeType := range domain.FeeTypes() {
				byType += payments.columns[string(tender)+string(feeType)+cur]
			}
			require.Equal(t, payments.columns[string(tender)+"gross"+cur], byType, "types of fees and credits are gross")
		}
		require.Equal(t, taken, payments.totals["net"+cur])

		a := func(name string) int64 { return activity.totals[name+cur] }
		require.Equal(t, moved(domain.Receivables), a("fee.assessed")+a("fee.adjusted")+a("fee.reduction_released")+a("fee.reduction_reversed")+
			a("fee.write_off_recovered")-a("fee.recovery_reversed")+a("fee.payment_unapplied")+a("fee.credit_unapplied")-a("fee.cancelled")-a("fee.waived")-a("fee.written_off")-a("fee.payment_applied")-
			a("fee.credit_applied"), "activity of fees is 1100")
		require.Equal(t, taken, a("payment.captured")-a("payment.voided"), "activity of payments is the cash accounts")
		require.Equal(t, -moved(domain.PatronCredits), a("credit.granted")+a("credit.returned")-a("credit.spent")-a("credit.reversed"), "activity of credits is 2100")
	}
}

// tieAccounts holds the trial balance that is made of the log against that of the books, in both profiles.
func (l *library) tieAccounts(t require.TestingT, b audit.Bounds) {
	state, err := l.books.State(context.Background(), books.Bounds{Tenant: l.tenant, AsOf: &b.AsOf, KnownAt: &b.KnownAt})
	require.NoError(t, err)
	for _, profile := range policy.Profiles() {
		want, err := books.TrialBalanceOf(state, profile, money.Currency{})
		require.NoError(t, err)
		got := []books.Balance{}
		params := audit.Params{Tenant: l.tenant, Kind: "accounts", Bounds: b, Filters: []evidence.Parameter{{Name: "profile", Value: string(profile)}}}
		report, err := l.reader.Make(context.Background(), params, func(row audit.Row) error {
			got = append(got, books.Balance{
				Account: domain.Account(row[1].Number), FeeType: domain.FeeType(row[3].Text), Currency: row[5].Amount.Currency(),
				Debit: row[5].Amount.Minor(), Credit: row[6].Amount.Minor(),
			})
			return nil
		})
		require.NoError(t, err)
		for i, balance := range want.Balances { // one side each
			debit, credit := balance.Sides()
			want.Balances[i].Debit, want.Balances[i].Credit = debit.Minor(), credit.Minor()
		}
		require.ElementsMatch(t, want.Balances, got, profile)
		for _, total := range want.Totals {
			for _, sum := range report.Totals {
				require.True(t, sum.Amount.Currency() != total.Currency || sum.Amount.Minor() == total.Debit && total.Debit == total.Credit, "I2")
			}
		}
	}
}

// explained sums up what all members owe and have, as it is explained to them.
func (l *library) explained(t require.TestingT, b audit.Bounds) (owed, left map[string]int64) {
	owed, left = map[string]int64{}, map[string]int64{}
	for _, user := range l.users {
		x, err := l.reader.Explain(context.Background(), nil, l.tenant, audit.ObjectMember, user, audit.Moment{AsOf: &b.AsOf, KnownAt: &b.KnownAt})
		if err != nil {
			require.ErrorIs(t, err, audit.ErrNotFound)
			continue
		}
		for _, balance := range x.Balances {
			owed[balance.Owed.Currency().Code()] += balance.Owed.Minor()
			left[balance.Credit.Currency().Code()] += balance.Credit.Minor()
		}
	}
	return owed, left
}
