package books_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	domain "payledger/domain/books"
	"payledger/domain/credit"
	"payledger/domain/fee"
	"payledger/domain/money"
	"payledger/domain/payment"
	"payledger/domain/policy"
	"payledger/eventstore/catalog"
	"payledger/internal/ledgertest"
	booksprojection "payledger/projections/books"
	tablesprojection "payledger/projections/tables"
	"payledger/readmodels/books"
	"payledger/readmodels/checkpoints"
)

// apply gives a projector events in batches of a size, each in a transaction of its own, and moves the checkpoint.
func apply(t *testing.T, l *ledgertest.Log, size int, events []catalog.Event) error {
	t.Helper()
	pool := l.DB.ProjectorPool(t)
	projector := booksprojection.New()
	for batch := range slices.Chunk(events, size) {
		err := pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) error {
			if _, err := projector.EnsureSchema(t.Context(), tx); err != nil {
				return err
			}
			_, err := tx.Exec(t.Context(), `INSERT INTO ledger.checkpoints (projection, version, position, hash) VALUES ('books', 1, $1, '\x00')
				ON CONFLICT (projection, version) DO UPDATE SET position = excluded.position`, batch[len(batch)-1].Position)
			if err != nil {
				return err
			}
			return projector.Apply(t.Context(), tx, batch)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// history is a log over some days, in which some things take effect before what was recorded earlier.
func history(t *testing.T, seed uint64) *ledgertest.Log {
	t.Helper()
	l := ledgertest.Open(t, seed)
	for range 4 {
		l.Random(t, 60)
		l.Advance(17 * time.Hour)
		id := l.Assess(t, l.Users[0], 500)
		up := fee.Adjust{AdjustmentID: uuid.NewString(), Direction: fee.DirectionIncrease, Amount: ledgertest.USD(t, 30), At: l.Now()}
		l.ChangeAt(t, id, up, l.Now().Add(-20*time.Hour))
		l.Flush(t)
	}
	return l
}

// Whatever the bounds, the books are the sum of the entries within them, both ways of finding it say so, they come to zero, and the open
// fees and credits come to the control accounts.
func TestBooksWithinBounds(t *testing.T) {
	t.Parallel()
	l := history(t, 41)
	head, err := l.Reader.Head(t.Context())
	require.NoError(t, err)
	events := l.Events(t, 0, int(head.Position))
	require.NoError(t, apply(t, l, 97, events))
	q := books.Queries{Pool: l.DB.AppPool(t)}
	tenants, err := q.Tenants(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{ledgertest.Tenant}, tenants)
	var all []books.Entry
	_, err = q.Journal(t.Context(), books.Filter{Bounds: books.Bounds{Tenant: ledgertest.Tenant}}, func(e books.Entry) error { all = append(all, e); return nil })
	require.NoError(t, err)
	require.Greater(t, len(all), 200)

	random := rand.New(rand.NewPCG(41, 1))
	for range 40 {
		b := books.Bounds{Tenant: ledgertest.Tenant}
		if random.IntN(4) > 0 {
			known := random.Int64N(head.Position + 1)
			b.KnownAt = &known
		}
		if random.IntN(4) > 0 {
			at := events[random.IntN(len(events))].EffectiveAt.Add(time.Duration(random.IntN(3)-1) * time.Microsecond)
			b.AsOf = &at
		}
		requireWithin(t, q, b, all)
	}
	ahead := head.Position + 1
	_, err = q.State(t.Context(), books.Bounds{Tenant: ledgertest.Tenant, KnownAt: &ahead})
	require.ErrorIs(t, err, books.ErrAhead)
}

func requireWithin(t *testing.T, q books.Queries, b books.Bounds, all []books.Entry) {
	t.Helper()
	state, err := q.State(t.Context(), b)
	require.NoError(t, err)
	type pair struct {
		debit, credit domain.Account
		feeType       domain.FeeType
	}
	want, got := make(map[pair]books.Movement), make(map[pair]books.Movement)
	for _, e := range all {
		if b.KnownAt != nil && e.Position > *b.KnownAt || b.AsOf != nil && e.EffectiveAt.After(*b.AsOf) {
			continue
		}
		p := pair{e.Debit, e.Credit, e.FeeType}
		m := want[p]
		m.Posting = domain.Posting{Debit: e.Debit, Credit: e.Credit, FeeType: e.FeeType, Amount: money.New(m.Amount.Minor()+e.Amount.Minor(), e.Amount.Currency())}
		m.Postings++
		want[p] = m
	}
	for _, m := range state.Movements {
		got[pair{m.Debit, m.Credit, m.FeeType}] = m
	}
	require.Equal(t, want, got)
	require.Len(t, state.Movements, len(got))
	for _, profile := range policy.Profiles() {
		balances, err := books.Balances(state.Movements, profile)
		require.NoError(t, err)
		totals, err := books.Totals(balances)
		require.NoError(t, err)
		for _, total := range totals {
			require.Equal(t, total.Debit, total.Credit, "I2")
		}
		require.Equal(t, netOf(balances, domain.Receivables), sumOf(t, b, q.OpenFees), "I5")
		require.Equal(t, -netOf(balances, domain.PatronCredits), sumOf(t, b, q.OpenCredits), "I5")
	}
}

func netOf(balances []books.Balance, account domain.Account) int64 {
	for _, b := range balances {
		if b.Account == account {
			return b.Net().Minor()
		}
	}
	return 0
}

func sumOf(t *testing.T, b books.Bounds, open func(context.Context, books.Bounds, func(books.Item) error) (int64, error)) int64 {
	t.Helper()
	sum := int64(0)
	_, err := open(t.Context(), b, func(item books.Item) error { sum += item.Amount.Minor(); return nil })
	require.NoError(t, err)
	return sum
}

// The profile is the one that was chosen by then, the hash that of the event.
func TestStateNamesProfileAndHead(t *testing.T) {
	t.Parallel()
	l := ledgertest.Open(t, 42)
	l.Assess(t, l.Users[0], 500)
	l.Flush(t)
	l.Queue(t, policy.BooksStream, "", policy.ProfileSet{Profile: policy.ProfileCash})
	head := l.Flush(t)
	require.NoError(t, apply(t, l, 10, l.Events(t, 0, int(head))))
	q := books.Queries{Pool: l.DB.AppPool(t)}
	for knownAt, want := range map[int64]policy.Profile{0: policy.ProfileAccrual, 1: policy.ProfileAccrual, 2: policy.ProfileCash} {
		s, err := q.State(t.Context(), books.Bounds{Tenant: ledgertest.Tenant, KnownAt: &knownAt})
		require.NoError(t, err)
		require.Equal(t, want, s.Profile, knownAt)
		require.Equal(t, knownAt == 0, s.Hash == [32]byte{})
		require.Len(t, s.Movements, min(1, int(knownAt)))
	}
	s, err := q.State(t.Context(), books.Bounds{Tenant: "elsewhere"})
	require.NoError(t, err)
	require.EqualValues(t, 2, s.KnownAt)
	require.Empty(t, s.Movements)
	recorded, err := l.Reader.ReadAll(t.Context(), 1, 1)
	require.NoError(t, err)
	require.Equal(t, recorded[0].Hash, s.Hash)
}

func TestNoBooksYet(t *testing.T) {
	t.Parallel()
	q := books.Queries{Pool: ledgertest.Open(t, 43).DB.AppPool(t)}
	_, err := q.State(t.Context(), books.Bounds{Tenant: ledgertest.Tenant})
	require.ErrorIs(t, err, checkpoints.ErrNotBuilt)
	_, err = q.Tenants(t.Context())
	require.ErrorIs(t, err, checkpoints.ErrNotBuilt)
}

// The journal is asked for a period, an account, a person, a fee, a payment, a credit, and by pages.
func TestJournalFilters(t *testing.T) {
	t.Parallel()
	l := history(t, 44)
	head, err := l.Reader.Head(t.Context())
	require.NoError(t, err)
	require.NoError(t, apply(t, l, 1000, l.Events(t, 0, int(head.Position))))
	q := books.Queries{Pool: l.DB.AppPool(t)}
	read := func(change func(*books.Filter)) (list []books.Entry) {
		f := books.Filter{Bounds: books.Bounds{Tenant: ledgertest.Tenant}}
		change(&f)
		_, err := q.Journal(t.Context(), f, func(e books.Entry) error { list = append(list, e); return nil })
		require.NoError(t, err)
		return list
	}
	all := read(func(*books.Filter) {})
	from, to := all[50].EffectiveAt, all[120].EffectiveAt
	known := all[100].Position
	for name, test := range map[string]struct {
		set  func(*books.Filter)
		want func(books.Entry) bool
	}{
		"period":  {func(f *books.Filter) { f.From, f.AsOf = &from, &to }, func(e books.Entry) bool { return !e.EffectiveAt.Before(from) && !e.EffectiveAt.After(to) }},
		"known":   {func(f *books.Filter) { f.KnownAt = &known }, func(e books.Entry) bool { return e.Position <= known }},
		"after":   {func(f *books.Filter) { f.After = known }, func(e books.Entry) bool { return e.Position > known }},
		"account": {func(f *books.Filter) { f.Account = domain.Waivers }, func(e books.Entry) bool { return e.Debit == domain.Waivers || e.Credit == domain.Waivers }},
		"user":    {func(f *books.Filter) { f.UserID = l.Users[0] }, func(e books.Entry) bool { return e.UserID == l.Users[0] }},
		"fee":     {func(f *books.Filter) { f.FeeID = l.Fees[0] }, func(e books.Entry) bool { return e.FeeID == l.Fees[0] }},
		"payment": {func(f *books.Filter) { f.PaymentID = withPayment(all).PaymentID }, func(e books.Entry) bool { return e.PaymentID == withPayment(all).PaymentID }},
		"credit":  {func(f *books.Filter) { f.CreditID = withCredit(all).CreditID }, func(e books.Entry) bool { return e.CreditID == withCredit(all).CreditID }},
	} {
		want := slices.DeleteFunc(slices.Clone(all), func(e books.Entry) bool { return !test.want(e) })
		require.NotEmpty(t, want, name)
		require.Less(t, len(want), len(all), name)
		require.Equal(t, want, read(test.set), name)
	}
	require.Equal(t, all[:3], read(func(f *books.Filter) { f.Limit = 3 }))
	stop := errors.New("stop")
	_, err = q.Journal(t.Context(), books.Filter{Bounds: books.Bounds{Tenant: ledgertest.Tenant}}, func(books.Entry) error { return stop })
	require.ErrorIs(t, err, stop)
}

func withPayment(all []books.Entry) books.Entry {
	return all[slices.IndexFunc(all, func(e books.Entry) bool { return e.PaymentID != "" })]
}

func withCredit(all []books.Entry) books.Entry {
	return all[slices.IndexFunc(all, func(e books.Entry) bool { return e.CreditID != "" })]
}

// The control accounts are held against rows that another projection folds, wherever the two stand.
func TestControls(t *testing.T) {
	t.Parallel()
	l := history(t, 47)
	head, err := l.Reader.Head(t.Context())
	require.NoError(t, err)
	events := l.Events(t, 0, int(head.Position))
	pool := l.DB.ProjectorPool(t)
	q := books.Queries{Pool: pool}
	fill := func(events []catalog.Event) {
		rows := tablesprojection.New()
		require.NoError(t, pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) error {
			if _, err := rows.EnsureSchema(t.Context(), tx); err != nil {
				return err
			}
			_, err := tx.Exec(t.Context(), `INSERT INTO ledger.checkpoints (projection, version, position, hash) VALUES ('tables', $2, $1, '\x00')
				ON CONFLICT (projection, version) DO UPDATE SET position = excluded.position`, events[len(events)-1].Position, rows.Version())
			if err != nil {
				return err
			}
			return rows.Apply(t.Context(), tx, slices.DeleteFunc(slices.Clone(events), func(ev catalog.Event) bool { return slices.Contains(rows.Ignores(), ev.Type) }))
		}))
	}
	_, err = q.Controls(t.Context())
	require.ErrorIs(t, err, checkpoints.ErrNotBuilt)
	require.NoError(t, apply(t, l, 1000, events[:200]))
	fill(events[:150])
	controls, err := q.Controls(t.Context())
	require.NoError(t, err)
	require.Equal(t, books.Controls{Books: 200, Tables: 150, Compared: true}, controls)
	fill(events[150:])
	controls, err = q.Controls(t.Context())
	require.NoError(t, err)
	require.Equal(t, books.Controls{Books: 200, Tables: head.Position}, controls)
	require.NoError(t, apply(t, l, 1000, events[200:]))
	controls, err = q.Controls(t.Context())
	require.NoError(t, err)
	require.True(t, controls.Compared)
	require.Empty(t, controls.Differences)

	for _, harm := range []string{
		`UPDATE tables_v2.fees SET paid = paid + 1 WHERE id = (SELECT id FROM tables_v2.fees LIMIT 1)`,
		`UPDATE tables_v2.credits SET remaining = remaining + 1 WHERE id = (SELECT id FROM tables_v2.credits LIMIT 1)`,
		`INSERT INTO books_v1.turnovers VALUES ('main', '2026-01-01', 'EUR', 1100, 4000, 'lost', 5, 1)`,
	} {
		_, err = pool.Exec(t.Context(), harm)
		require.NoError(t, err)
	}
	controls, err = q.Controls(t.Context())
	require.NoError(t, err)
	require.Len(t, controls.Differences, 3)
	require.Contains(t, controls.Differences[0].String(), "main USD: fees owe ")
	require.Contains(t, controls.Differences[1].String(), "main USD: credits are ")
	require.Equal(t, "main EUR: fees owe 0, account 1100 stands at 5", controls.Differences[2].String())
}

// Streams of one commit that tell of different money halt the projection, wherever batches end.
func TestCommitsOutOfBalanceAreNoticed(t *testing.T) {
	t.Parallel()
	for name, queue := range map[string]func(l *ledgertest.Log, feeID string){
		"more applied than came": func(l *ledgertest.Log, feeID string) {
			l.Queue(t, payment.Stream("p"), l.Users[0], payment.Captured{
				PaymentID: "p", UserID: l.Users[0], Tender: payment.TenderCash, Amount: ledgertest.USD(t, 100), Credit: ledgertest.USD(t, 0),
			})
			l.Queue(t, fee.Stream(feeID), l.Users[0], fee.PaymentApplied{PaymentID: "p", AllocationID: "a", Amount: ledgertest.USD(t, 101)})
		},
		"of another payment": func(l *ledgertest.Log, feeID string) {
			l.Queue(t, payment.Stream("p"), l.Users[0], payment.Captured{
				PaymentID: "p", UserID: l.Users[0], Tender: payment.TenderCash, Amount: ledgertest.USD(t, 100), Credit: ledgertest.USD(t, 0),
			})
			l.Queue(t, fee.Stream(feeID), l.Users[0], fee.PaymentApplied{PaymentID: "q", AllocationID: "a", Amount: ledgertest.USD(t, 100)})
		},
		"credit spent on nothing": func(l *ledgertest.Log, _ string) {
			l.Queue(t, credit.Stream(l.Users[0]), l.Users[0], credit.Granted{
				CreditID: "c", UserID: l.Users[0], Amount: ledgertest.USD(t, 100), Source: credit.SourceGoodwill,
			})
			l.Queue(t, credit.Stream(l.Users[0]), l.Users[0], credit.Spent{CreditID: "c", AllocationID: "a", Amount: ledgertest.USD(t, 100)})
		},
	} {
		for _, size := range []int{1, 2, 100} {
			for _, followed := range []bool{false, true} {
				l := ledgertest.Open(t, 45)
				id := l.Assess(t, l.Users[0], 500)
				l.Flush(t)
				queue(l, id)
				if followed {
					l.Flush(t)
					l.Assess(t, l.Users[1], 500)
				}
				head := l.Flush(t)
				err := apply(t, l, size, l.Events(t, 0, int(head)))
				require.ErrorIs(t, err, books.ErrOutOfBalance, "%s in batches of %d", name, size)
				require.ErrorContains(t, err, "I22")
			}
		}
	}
}

// A commit may be cut by batches, and by a projector that starts anew in its midst.
func TestCommitsMayBeCut(t *testing.T) {
	t.Parallel()
	l := ledgertest.Open(t, 46)
	for range 3 {
		l.Assess(t, l.Users[0], 500)
	}
	l.Pay(t, l.Users[0], 2000)
	l.Pay(t, l.Users[1], 300)
	head := l.Flush(t)
	events := l.Events(t, 0, int(head))
	for cut := range events {
		require.NoError(t, apply(t, l, len(events), events[:cut]))
		require.NoError(t, apply(t, l, 1, events[cut:]), "from %d on", cut)
		_, err := l.DB.ProjectorPool(t).Exec(t.Context(), `DROP SCHEMA books_v1 CASCADE`)
		require.NoError(t, err)
	}
}
