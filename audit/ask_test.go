package audit_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"payledger/audit"
	"payledger/domain/credit"
	"payledger/domain/evidence"
	"payledger/domain/fee"
	"payledger/domain/payment"
	"payledger/domain/policy"
	"payledger/eventstore/catalog"
	"payledger/internal/ledgertest"
	"payledger/readmodels"
	"payledger/readmodels/history"
)

// StreamOf knows the streams of the story's rows.
func (s *story) StreamOf(_ context.Context, _ string, object readmodels.Object, id string) (string, error) {
	switch {
	case object == readmodels.ObjectFee:
		return fee.Stream(id), nil
	case object == readmodels.ObjectFeePayment && (id == "a1" || id == "a2"):
		return payment.Stream(taken), nil
	case object == readmodels.ObjectCredit && id == surplus:
		return credit.Stream(s.member), nil
	}
	return "", audit.ErrNotFound
}

func TestActions(t *testing.T) {
	t.Parallel()
	s := tell(t)
	staff := s.Users[0]
	for _, test := range []struct {
		name  string
		query audit.ActionQuery
		want  []string
	}{
		{"waivers of the second day", audit.ActionQuery{Type: "waiver", Bounds: audit.Bounds{From: s.day.AddDate(0, 0, 1), AsOf: s.end(2), KnownAt: 9}}, []string{
			"3 fee.waived of " + book + " USD 5.00 hardship told us at length", "9 fee.waived of " + late + " USD 0.25 goodwill ",
		}},
		{"as they were known", audit.ActionQuery{Type: "waiver", Bounds: audit.Bounds{AsOf: s.end(2), KnownAt: lastOfStory}}, []string{"3 fee.waived of " + book + " USD 5.00 hardship told us at length"}},
		{"of somebody", audit.ActionQuery{By: staff, Type: "write-off", Bounds: audit.Bounds{AsOf: s.end(9), KnownAt: 9}}, []string{"8 fee.written_off of " + late + " USD 0.50 smallBalance "}},
		{"of somebody else", audit.ActionQuery{By: s.member, Bounds: audit.Bounds{AsOf: s.end(9), KnownAt: 9}}, nil},
		{"two, behind a position", audit.ActionQuery{After: 3, Limit: 2, Bounds: audit.Bounds{AsOf: s.end(9), KnownAt: 9}}, []string{
			"4 payment.captured of  USD 18.00  ", "5 fee.payment_applied of " + book + " USD 15.00  ",
		}},
	} {
		test.query.Tenant = ledgertest.Tenant
		var got []string
		require.NoError(t, s.reader.Actions(t.Context(), test.query, func(e history.Entry) error {
			got = append(got, fmt.Sprintf("%d %s of %s %s %s %s", e.Position, e.Type, e.FeeID, e.Amount, e.Reason, e.Note))
			return nil
		}), test.name)
		require.Equal(t, test.want, got, test.name)
	}
	require.ErrorIs(t, s.reader.Actions(t.Context(), audit.ActionQuery{Type: "theft"}, nil), audit.ErrBadFilter)
	backwards := audit.Bounds{From: s.end(2), AsOf: s.end(1), KnownAt: 9}
	err := s.reader.Actions(t.Context(), audit.ActionQuery{Tenant: ledgertest.Tenant, Bounds: backwards}, nil)
	require.ErrorIs(t, err, audit.ErrBadFilter)
	_, made := s.reader.Make(t.Context(), audit.Params{Tenant: ledgertest.Tenant, Kind: "activity", Bounds: backwards}, nil)
	require.EqualError(t, err, made.Error(), "in the words of a report")
}

func TestState(t *testing.T) {
	t.Parallel()
	s := tell(t)
	at := func(end time.Time) *time.Time { return &end }
	known := func(position int64) *int64 { return &position }
	for _, test := range []struct {
		name   string
		object readmodels.Object
		id     string
		moment audit.Moment
		want   string
	}{
		{"now", readmodels.ObjectFee, book, audit.Moment{}, "paid 20.00 5 of 9"},
		{"on the first day", readmodels.ObjectFee, book, audit.Moment{AsOf: at(s.end(1))}, "unpaid 20.00 1 of 9"},
		{"on the second day", readmodels.ObjectFee, late, audit.Moment{AsOf: at(s.end(2))}, "unpaid 3.00 9 of 9"},
		{"on the second day as it was known", readmodels.ObjectFee, late, audit.Moment{AsOf: at(s.end(2)), KnownAt: known(8)}, "unpaid 3.00 2 of 8"},
		{"at a position", readmodels.ObjectFee, book, audit.Moment{KnownAt: known(4)}, "unpaid 20.00 3 of 4"},
		{"the first of two", readmodels.ObjectFeePayment, "a1", audit.Moment{}, "complete 15.00 4 of 9"},
		{"a payment", readmodels.ObjectFeePayment, "a2", audit.Moment{}, "complete 2.00 4 of 9"},
	} {
		state, err := s.reader.State(t.Context(), s, ledgertest.Tenant, test.object, test.id, test.moment)
		require.NoError(t, err, test.name)
		var row struct {
			Status        string      `json:"status"`
			PaymentStatus string      `json:"paymentStatus"`
			Amount        json.Number `json:"amount"`
			AmountPaid    json.Number `json:"amountPaid"`
		}
		require.NoError(t, json.Unmarshal(state.Row.AppendJSON(nil, true), &row))
		got := fmt.Sprintf("%s%s %s.00 %d of %d", row.Status, row.PaymentStatus, row.Amount+row.AmountPaid, state.Position, state.KnownAt)
		require.Equal(t, test.want, got, test.name)
		require.True(t, json.Valid(state.AppendJSON(nil)), "%s", state.AppendJSON(nil))
	}
	for _, test := range []struct {
		object readmodels.Object
		id     string
		moment audit.Moment
		want   error
	}{
		{"weather", book, audit.Moment{}, audit.ErrUnknownObject},
		{readmodels.ObjectFee, surplus, audit.Moment{}, audit.ErrNotFound},
		{readmodels.ObjectFee, book, audit.Moment{AsOf: at(s.day.Add(-time.Second))}, audit.ErrNotFound},
		{readmodels.ObjectFee, late, audit.Moment{KnownAt: known(1)}, audit.ErrNotFound},
	} {
		_, err := s.reader.State(t.Context(), s, ledgertest.Tenant, test.object, test.id, test.moment)
		require.ErrorIs(t, err, test.want)
	}
}

// A row that was made by an event of the fourth day can't be changed by one that is dated on the third.
func TestStateWithoutAPast(t *testing.T) {
	t.Parallel()
	s := tell(t)
	move := func(id, from, to string) payment.Reallocated {
		return payment.Reallocated{
			Taken: []payment.Taken{{AllocationID: from, FeeID: book, Amount: ledgertest.USD(t, 1500)}}, Cause: payment.CauseReallocation,
			Given: []payment.Allocation{{ID: to, FeeID: id, Amount: ledgertest.USD(t, 1500)}}, Credit: ledgertest.USD(t, 0),
		}
	}
	s.on(7)
	s.Queue(t, payment.Stream(taken), s.member, move(late, "a1", "a3"))
	back := s.end(6)
	s.Advance(back.Sub(s.Now()))
	s.Queue(t, payment.Stream(taken), s.member, move(book, "a3", "a4"))
	s.Flush(t)
	_, err := s.reader.State(t.Context(), s, ledgertest.Tenant, readmodels.ObjectFeePayment, "a2", audit.Moment{AsOf: &back})
	require.ErrorIs(t, err, audit.ErrNoStateThen)
	_, err = s.reader.State(t.Context(), s, ledgertest.Tenant, readmodels.ObjectFeePayment, "a2", audit.Moment{})
	require.NoError(t, err)
}

func TestExplain(t *testing.T) {
	t.Parallel()
	s := tell(t)
	staff := " staff " + s.Users[0] + " "
	explain := func(object, id string, m audit.Moment) []string {
		x, err := s.reader.Explain(t.Context(), s, ledgertest.Tenant, object, id, m)
		require.NoError(t, err)
		require.True(t, json.Valid(x.AppendJSON(nil)), "%s", x.AppendJSON(nil))
		var lines []string
		for _, step := range x.Steps {
			said := strings.ReplaceAll(step.Sentence, staff, " ")
			recorded := " (recorded " + step.RecordedAt.UTC().Format(time.RFC3339) + ")" // all of the story is dated back by months
			require.Contains(t, said, recorded)
			said = strings.ReplaceAll(said, recorded, "")
			_, said, _ = strings.Cut(said, " ") // without the time
			lines = append(lines, fmt.Sprintf("%s: %s, %s", said, step.Balance.Owed.Decimal(), step.Balance.Credit.Decimal()))
		}
		return append(lines, x.Sentence)
	}
	require.Equal(t, []string{
		"charged USD 3.00, reason: overdue: 3.00, 0.00",
		"took USD 18.00 as payment " + taken + ", tender: cash: 3.00, 0.00",
		"settled USD 2.00 by payment " + taken + ": 1.00, 0.00",
		"wrote off USD 0.50, reason: smallBalance: 0.50, 0.00",
		"waived USD 0.25, reason: goodwill: 0.25, 0.00",
		"fee " + late + ": USD 0.25 is owed, known at position 9.",
	}, explain("fee", late, audit.Moment{}))
	require.Equal(t, []string{
		"took USD 18.00 as payment " + taken + ", tender: cash: 0.00, 0.00",
		"granted credit " + surplus + " of USD 1.00 (overpayment) by payment " + taken + ": 0.00, 1.00",
		"credit " + surplus + ": USD 1.00 of credit is left, known at position 9.",
	}, explain("credit", surplus, audit.Moment{}))
	end := s.end(3)
	all := explain("member", s.member, audit.Moment{AsOf: &end})
	require.Equal(t, "member "+s.member+" as of 2026-03-03T23:00:00Z: USD 0.75 is owed, USD 1.00 of credit is left, known at position 9.", all[len(all)-1])
	require.Len(t, all, 9)
	for _, test := range []struct {
		object, id string
		want       error
	}{{"weather", book, audit.ErrUnknownObject}, {"fee", taken, audit.ErrNotFound}, {"member", taken, audit.ErrNotFound}, {"credit", book, audit.ErrNotFound}} {
		_, err := s.reader.Explain(t.Context(), s, ledgertest.Tenant, test.object, test.id, audit.Moment{})
		require.ErrorIs(t, err, test.want)
	}
}

// Why money went back, only the payment says: it is told with the fees, credits and members that it is about.
func TestExplainTellsWhyMoneyWentBack(t *testing.T) {
	t.Parallel()
	s := tell(t)
	s.on(6)
	s.Queue(t, payment.Stream(taken), s.member, payment.Voided{Amount: ledgertest.USD(t, 1800), Reason: "bouncedCheck", Outcome: payment.OutcomeCanceled, Note: "the bank called"})
	s.Change(t, late, fee.UnapplyPayment{AllocationID: "a2", Amount: ledgertest.USD(t, 200), Cause: fee.UnapplyVoid, At: s.Now()})
	s.Queue(t, credit.Stream(s.member), s.member, credit.Reversed{CreditID: surplus, Amount: ledgertest.USD(t, 100), Cause: credit.CauseVoid})
	s.Flush(t)
	for object, id := range map[string]string{"fee": late, "credit": surplus, "member": s.member} {
		x, err := s.reader.Explain(t.Context(), s, ledgertest.Tenant, object, id, audit.Moment{})
		require.NoError(t, err)
		var said []string
		for _, step := range x.Steps {
			said = append(said, step.Sentence)
		}
		require.Contains(t, strings.Join(said, "\n"), "voided payment "+taken+" of USD 18.00, reason: bouncedCheck, note: the bank called", object)
	}
	x, err := s.reader.Explain(t.Context(), s, ledgertest.Tenant, "fee", late, audit.Moment{})
	require.NoError(t, err)
	require.Equal(t, int64(225), x.Balances[0].Owed.Minor())
	require.Nil(t, x.Steps[1].Outstanding, "of a payment")
}

// Every event of a random history finds its words, and a member's balance is what the fees and credits come to.
func TestExplainEverything(t *testing.T) {
	t.Parallel()
	l := ledgertest.Open(t, 23)
	s := &story{Log: l, reader: readerOf(l)}
	last := l.Random(t, 900)
	_, aged := s.made(t, audit.Params{Kind: "aging", Bounds: audit.Bounds{AsOf: l.Now(), KnownAt: last}})
	_, due := s.made(t, audit.Params{Kind: "credits", Bounds: audit.Bounds{AsOf: l.Now(), KnownAt: last}})
	owed, left := int64(0), int64(0)
	for _, total := range aged.Totals {
		if total.Name == "owed" {
			owed = total.Amount.Minor()
		}
	}
	for _, total := range due.Totals {
		left += total.Amount.Minor()
	}
	for _, user := range l.Users {
		x, err := s.reader.Explain(t.Context(), s, ledgertest.Tenant, "member", user, audit.Moment{})
		require.NoError(t, err)
		require.Len(t, x.Balances, 1)
		owed -= x.Balances[0].Owed.Minor()
		left -= x.Balances[0].Credit.Minor()
		for _, step := range x.Steps {
			require.NotContains(t, step.Sentence, step.Type, "an event without words")
		}
	}
	require.Zero(t, owed)
	require.Zero(t, left)
}

// A report is found again by its id, is identical while the log is what it was, and tells what was learnt since.
func TestReproduce(t *testing.T) {
	t.Parallel()
	s := tell(t)
	keeper := audit.Keeper{Store: s.Store, Catalog: s.Catalog, NewID: uuid.NewV7}
	by := audit.Asked{Tenant: ledgertest.Tenant, Meta: catalog.Meta{Actor: catalog.Actor{Kind: "staff", ID: s.Users[2], Roles: []string{"auditor"}}, At: s.Now(), Channel: "api"}}
	store := func(p audit.Params) (string, audit.Report) {
		p.Tenant = ledgertest.Tenant
		report, err := s.reader.Make(t.Context(), p, func(audit.Row) error { return nil })
		require.NoError(t, err)
		id, _, err := keeper.Report(t.Context(), by, report)
		require.NoError(t, err)
		return id, report
	}
	early, report := store(audit.Params{Kind: "waivers", Filters: []evidence.Parameter{{Name: "by", Value: s.Users[0]}}, Bounds: audit.Bounds{From: s.day, AsOf: s.end(2), KnownAt: lastOfStory}})
	res, err := s.reader.Reproduce(t.Context(), ledgertest.Tenant, early)
	require.NoError(t, err)
	require.True(t, res.Identical)
	require.Equal(t, early, res.Stored.ID)
	report.ID = early
	require.Equal(t, report, res.Stored.Report)
	require.Equal(t, by.Meta.Actor, res.Stored.MadeBy)
	require.Equal(t, 1, res.Count)
	require.Equal(t, "fee.waived", res.Learnt[0].Type)
	require.Equal(t, int64(525), res.Today.Totals[0].Amount.Minor())
	require.Equal(t, int64(500), res.Again.Totals[0].Amount.Minor())
	require.True(t, json.Valid(res.AppendJSON(nil)))

	late, _ := store(audit.Params{Kind: "aging", Bounds: audit.Bounds{AsOf: s.end(9), KnownAt: 9}})
	res, err = s.reader.Reproduce(t.Context(), ledgertest.Tenant, late)
	require.NoError(t, err)
	require.True(t, res.Identical)
	require.Zero(t, res.Count)
	require.Equal(t, res.Again, res.Today)

	wrong := report
	wrong.Digest[0]++
	forged, _, err := keeper.Report(t.Context(), by, wrong)
	require.NoError(t, err)
	res, err = s.reader.Reproduce(t.Context(), ledgertest.Tenant, forged)
	require.NoError(t, err)
	require.False(t, res.Identical)

	old := report
	old.Form = 0
	other, _, err := keeper.Report(t.Context(), by, old)
	require.NoError(t, err)
	_, err = s.reader.Reproduce(t.Context(), ledgertest.Tenant, other)
	require.ErrorIs(t, err, audit.ErrOtherForm)
	_, err = s.reader.Reproduce(t.Context(), ledgertest.Tenant, book)
	require.ErrorIs(t, err, audit.ErrNotFound)
	_, err = s.reader.Reproduce(t.Context(), "other", early)
	require.ErrorIs(t, err, audit.ErrNotFound)
}

// What a report is today is always what it is when it is made today. Where nothing was learnt, that is what it was.
func TestTodayIsWhatTheReportIsToday(t *testing.T) {
	t.Parallel()
	l := ledgertest.Open(t, 71)
	l.Random(t, 100)
	id := l.Assess(t, l.Users[0], 500)
	head := l.Flush(t)
	asOf := l.Now().Add(time.Hour)
	l.Queue(t, fee.Stream(id), l.Users[0], fee.PaymentReserved{PaymentID: taken, AllocationID: "a", Amount: ledgertest.USD(t, 100)})
	l.Advance(2 * time.Hour)
	l.Queue(t, policy.BooksStream, "", policy.ProfileSet{Profile: policy.ProfileCash}) // reads the whole log, from whenever
	l.Flush(t)
	reader := readerOf(l)
	keeper := audit.Keeper{Store: l.Store, Catalog: l.Catalog, NewID: uuid.NewV7}
	by := audit.Asked{Tenant: ledgertest.Tenant, Meta: catalog.Meta{Actor: catalog.Actor{Kind: "staff", ID: l.Users[2], Roles: []string{"auditor"}}, At: l.Now(), Channel: "api"}}
	reproduced := func(p audit.Params) []string {
		report, err := reader.Make(t.Context(), p, func(audit.Row) error { return nil })
		require.NoError(t, err)
		id, _, err := keeper.Report(t.Context(), by, report)
		require.NoError(t, err)
		res, err := reader.Reproduce(t.Context(), ledgertest.Tenant, id)
		require.NoError(t, err)
		require.True(t, res.Identical)
		p.KnownAt = res.Head
		today, err := reader.Make(t.Context(), p, func(audit.Row) error { return nil })
		require.NoError(t, err)
		require.Equal(t, today.Digest, res.Today.Digest, "%s, %d learnt", p.Kind, res.Count)
		require.Equal(t, today.Totals, res.Today.Totals, p.Kind)
		learnt := []string{}
		for _, e := range res.Learnt {
			learnt = append(learnt, e.Type+" "+e.Reason)
		}
		return learnt
	}
	learntBehind := map[string][]string{"accounts": {"policy.books_profile_set cash"}, "aging": {"fee.payment_reserved "}}
	for _, kind := range audit.KindNames() {
		p := audit.Params{Tenant: ledgertest.Tenant, Kind: kind, Bounds: audit.Bounds{AsOf: asOf, KnownAt: head}}
		require.ElementsMatch(t, learntBehind[kind], reproduced(p), kind)
		for p.KnownAt = 1; p.KnownAt < head; p.KnownAt += 1 + head/6 {
			reproduced(p)
		}
	}
	asked := audit.Params{
		Tenant: ledgertest.Tenant, Kind: "accounts", Bounds: audit.Bounds{AsOf: asOf, KnownAt: head}, Filters: []evidence.Parameter{{Name: "profile", Value: "accrual"}},
	}
	require.Empty(t, reproduced(asked), "the profile that was asked for is the same, whatever was chosen")
}
