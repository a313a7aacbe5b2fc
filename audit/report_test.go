package audit_test

import (
	"bytes"
	"crypto/sha256"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"payledger/audit"
	"payledger/domain/credit"
	"payledger/domain/evidence"
	"payledger/domain/fee"
	"payledger/domain/money"
	"payledger/domain/payment"
	"payledger/internal/ledgertest"
)

// made makes a report and returns the values of its rows that aren't empty, zero, an id of an event or an instant.
func (s *story) made(t *testing.T, p audit.Params) ([]string, audit.Report) {
	t.Helper()
	p.Tenant = ledgertest.Tenant
	kind, err := audit.KindOf(p.Kind)
	require.NoError(t, err)
	var rows []string
	report, err := s.reader.Make(t.Context(), p, func(row audit.Row) error {
		var cells []string
		for i, c := range kind.Columns {
			switch v := row[i]; {
			case c.Kind == audit.Money && !v.Amount.IsZero():
				cells = append(cells, c.Name+" "+v.Amount.Decimal())
			case c.Kind == audit.Number && v.Number != 0:
				cells = append(cells, c.Name+" "+strconv.FormatInt(v.Number, 10))
			case (c.Kind == audit.Text || c.Kind == audit.Note) && v.Text != "" && c.Name != "eventId" && c.Name != "memberId":
				cells = append(cells, v.Text)
			}
		}
		rows = append(rows, strings.Join(cells, " "))
		return nil
	})
	require.NoError(t, err)
	require.Equal(t, len(rows), int(report.Rows))
	return rows, report
}

func TestReports(t *testing.T) {
	t.Parallel()
	s := tell(t)
	staff := s.Users[0]
	for _, test := range []struct {
		name   string
		params audit.Params
		want   []string
	}{
		{"activity of the second day", audit.Params{Kind: "activity", Bounds: audit.Bounds{From: s.day.AddDate(0, 0, 1), AsOf: s.end(2), KnownAt: 9}}, []string{
			"position 3 fee.waived " + book + " lost USD amount 5.00 hardship api staff " + staff + " staff billed 20.00 " + staff + " told us at length",
			"position 9 fee.waived " + late + " overdue USD amount 0.25 goodwill api staff " + staff + " staff billed 3.00 " + staff,
		}},
		{"activity of one type", audit.Params{
			Kind: "activity", Filters: []evidence.Parameter{{Name: "type", Value: "payment.captured"}}, Bounds: audit.Bounds{AsOf: s.end(9), KnownAt: 9},
		}, []string{"position 4 payment.captured " + taken + " USD amount 18.00 cash api staff " + staff + " staff cash"}},
		{"activity of nobody", audit.Params{
			Kind: "activity", Filters: []evidence.Parameter{{Name: "by", Value: book}}, Bounds: audit.Bounds{AsOf: s.end(9), KnownAt: 9},
		}, nil},
		{"waivers", audit.Params{Kind: "waivers", Bounds: audit.Bounds{AsOf: s.end(9), KnownAt: 9}}, []string{
			"waived staff " + staff + " goodwill overdue USD count 1 amount 0.25 largest 0.25",
			"waived staff " + staff + " hardship lost USD count 1 amount 5.00 largest 5.00",
			"writtenOff staff " + staff + " smallBalance overdue USD count 1 amount 0.50 largest 0.50",
		}},
		{"waivers as they were known", audit.Params{Kind: "waivers", Bounds: audit.Bounds{AsOf: s.end(9), KnownAt: lastOfStory}}, []string{
			"waived staff " + staff + " hardship lost USD count 1 amount 5.00 largest 5.00",
		}},
		{"payments", audit.Params{Kind: "payments", Bounds: audit.Bounds{AsOf: s.end(9), KnownAt: 9}}, []string{
			"cash api USD captured 1 gross 18.00 net 18.00 toCredit 1.00 overdue 2.00 lost 15.00",
		}},
		{"payments by card", audit.Params{
			Kind: "payments", Filters: []evidence.Parameter{{Name: "tender", Value: "pos"}}, Bounds: audit.Bounds{AsOf: s.end(9), KnownAt: 9},
		}, nil},
		{"aging on the first day", audit.Params{Kind: "aging", Bounds: audit.Bounds{AsOf: s.end(1), KnownAt: 9}}, []string{
			"lost USD fees 1 current 20.00 total 20.00", "overdue USD fees 1 current 3.00 total 3.00",
		}},
		{"aging of what is left", audit.Params{Kind: "aging", Bounds: audit.Bounds{AsOf: s.day.AddDate(0, 0, 45), KnownAt: 9}}, []string{
			"overdue USD fees 1 days31to60 0.25 total 0.25",
		}},
		{"aging after a year", audit.Params{Kind: "aging", Bounds: audit.Bounds{AsOf: s.day.AddDate(1, 0, 2), KnownAt: lastOfStory}}, []string{
			"overdue USD fees 1 over365 1.00 total 1.00",
		}},
		{"aging before anything", audit.Params{Kind: "aging", Bounds: audit.Bounds{AsOf: s.day.Add(-time.Second), KnownAt: 9}}, nil},
		{"roll-forward of the third to the fifth day", audit.Params{
			Kind: "rollforward", Bounds: audit.Bounds{From: s.day.AddDate(0, 0, 2), AsOf: s.end(5), KnownAt: 9},
		}, []string{"USD opening 17.75 writtenOff 0.50 paid 17.00 closing 0.25"}},
		{"roll-forward of the third to the fifth day as it was known then", audit.Params{
			Kind: "rollforward", Bounds: audit.Bounds{From: s.day.AddDate(0, 0, 2), AsOf: s.end(5), KnownAt: lastOfStory},
		}, []string{"USD opening 18.00 paid 17.00 closing 1.00"}},
		{"who did what", audit.Params{Kind: "staff", Bounds: audit.Bounds{AsOf: s.end(9), KnownAt: 9}}, []string{
			"staff " + staff + " credit.granted USD count 1 amount 1.00 mean 1.00 largest 1.00 members 1 repeats 1 " + s.member,
			"staff " + staff + " fee.assessed USD count 2 amount 23.00 mean 11.50 largest 20.00 members 1 repeats 2 " + s.member,
			"staff " + staff + " fee.waived USD count 2 amount 5.25 mean 2.63 largest 5.00 members 1 repeats 2 " + s.member,
			"staff " + staff + " fee.written_off USD count 1 amount 0.50 mean 0.50 largest 0.50 members 1 repeats 1 " + s.member,
			"staff " + staff + " payment.captured USD count 1 amount 18.00 mean 18.00 largest 18.00 members 1 repeats 1 " + s.member,
		}},
		{"who waived on the second day", audit.Params{
			Kind: "staff", Filters: []evidence.Parameter{{Name: "type", Value: "fee.waived"}, {Name: "by", Value: staff}},
			Bounds: audit.Bounds{From: s.day.AddDate(0, 0, 1), AsOf: s.end(2), KnownAt: lastOfStory},
		}, []string{"staff " + staff + " fee.waived USD count 1 amount 5.00 mean 5.00 largest 5.00 members 1 repeats 1 " + s.member}},
		{"roll-forward of all", audit.Params{Kind: "rollforward", Bounds: audit.Bounds{AsOf: s.end(9), KnownAt: 9}}, []string{
			"USD assessed 23.00 waived 5.25 writtenOff 0.50 paid 17.00 closing 0.25",
		}},
		{"credits", audit.Params{Kind: "credits", Bounds: audit.Bounds{AsOf: s.end(13), KnownAt: 9}}, []string{
			surplus + " overpayment " + taken + " ageDays 10 USD granted 1.00 remaining 1.00 cash",
		}},
		{"accounts, cash, on the third day", audit.Params{
			Kind: "accounts", Filters: []evidence.Parameter{{Name: "profile", Value: "cash"}}, Bounds: audit.Bounds{AsOf: s.end(3), KnownAt: lastOfStory},
		}, []string{
			"cash account 1100 Owed by patrons USD debit 1.00", "cash account 1200 Cash drawer USD debit 18.00", "cash account 2100 Patron credits USD credit 1.00",
			"cash account 2120 Money to allot USD", "cash account 2190 Uncollected fees USD credit 1.00", "cash account 4000 Revenue lost USD credit 15.00",
			"cash account 4000 Revenue overdue USD credit 2.00",
		}},
		{"accounts on the first day", audit.Params{Kind: "accounts", Bounds: audit.Bounds{AsOf: s.end(1), KnownAt: 9}}, []string{
			"accrual account 1100 Owed by patrons USD debit 23.00", "accrual account 4000 Revenue lost USD credit 20.00", "accrual account 4000 Revenue overdue USD credit 3.00",
		}},
		{"credits before", audit.Params{Kind: "credits", Bounds: audit.Bounds{AsOf: s.end(2), KnownAt: 9}}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			rows, report := s.made(t, test.params)
			require.Equal(t, test.want, rows)
			require.Equal(t, s.Recorded(t, test.params.KnownAt).Hash, report.HeadHash)
		})
	}
}

func dollars(t *testing.T, cents int64) money.Total {
	t.Helper()
	return money.Total{Amount: ledgertest.USD(t, cents)}
}

func TestTotals(t *testing.T) {
	t.Parallel()
	s := tell(t)
	_, report := s.made(t, audit.Params{Kind: "waivers", Bounds: audit.Bounds{AsOf: s.end(9), KnownAt: 9}})
	require.Equal(t, []evidence.Total{{Name: "waived", Count: 2, Amount: dollars(t, 525)}, {Name: "writtenOff", Count: 1, Amount: dollars(t, 50)}}, report.Totals)
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	s := tell(t)
	good := audit.Bounds{AsOf: s.end(1), KnownAt: 9}
	for name, test := range map[string]struct {
		params audit.Params
		want   error
	}{
		"kind":           {audit.Params{Kind: "weather", Bounds: good}, audit.ErrUnknownReport},
		"filter":         {audit.Params{Kind: "aging", Bounds: good, Filters: []evidence.Parameter{{Name: "by", Value: "x"}}}, audit.ErrBadFilter},
		"type":           {audit.Params{Kind: "activity", Bounds: good, Filters: []evidence.Parameter{{Name: "type", Value: "id.claimed"}}}, audit.ErrBadFilter},
		"tender":         {audit.Params{Kind: "payments", Bounds: good, Filters: []evidence.Parameter{{Name: "tender", Value: "shells"}}}, audit.ErrBadFilter},
		"profile":        {audit.Params{Kind: "accounts", Bounds: good, Filters: []evidence.Parameter{{Name: "profile", Value: "gut"}}}, audit.ErrBadFilter},
		"twice":          {audit.Params{Kind: "waivers", Bounds: good, Filters: []evidence.Parameter{{Name: "by", Value: "x"}, {Name: "by", Value: "y"}}}, audit.ErrBadFilter},
		"from of aging":  {audit.Params{Kind: "aging", Bounds: audit.Bounds{From: s.day, AsOf: s.end(1), KnownAt: 9}}, audit.ErrBadFilter},
		"from after end": {audit.Params{Kind: "activity", Bounds: audit.Bounds{From: s.end(2), AsOf: s.end(1), KnownAt: 9}}, audit.ErrBadFilter},
	} {
		test.params.Tenant = ledgertest.Tenant
		_, err := s.reader.Make(t.Context(), test.params, func(audit.Row) error { return nil })
		require.ErrorIs(t, err, test.want, name)
	}
}

// Random histories: the closing balance is what the deciders say is owed; aging says the same; periods join without a gap; nothing
// of another tenant counts; and all of it stays as it is while the log goes on.
func TestReportsAgreeWithTheDeciders(t *testing.T) {
	t.Parallel()
	l := ledgertest.Open(t, 11)
	s := &story{Log: l, reader: readerOf(l)}
	start := l.Now()
	first := l.Random(t, 700)
	middle := l.Now()
	l.Advance(time.Hour)
	last := l.Random(t, 700)
	end := l.Now()

	owed := func(upTo int64) (sum int64) {
		states := make(map[string]fee.State)
		for _, ev := range l.Events(t, 0, int(upTo)) {
			if e, ok := ev.Data.(fee.Event); ok {
				states[ev.Stream.Name] = fee.Decider.Evolve(states[ev.Stream.Name], e)
			}
		}
		require.Greater(t, len(states), 100)
		for _, state := range states {
			sum += state.Outstanding().Minor()
		}
		return sum
	}
	total := func(r audit.Report, name string) int64 {
		for _, sum := range r.Totals {
			if sum.Name == name {
				return sum.Amount.Minor()
			}
		}
		return 0
	}
	roll := func(from, asOf time.Time, knownAt int64) audit.Report {
		rows, r := s.made(t, audit.Params{Kind: "rollforward", Bounds: audit.Bounds{From: from, AsOf: asOf, KnownAt: knownAt}})
		require.Len(t, rows, 1)
		return r
	}
	whole := roll(start, end, last)
	require.Equal(t, owed(last), total(whole, "closing"))
	require.Zero(t, total(whole, "opening"))
	_, aged := s.made(t, audit.Params{Kind: "aging", Bounds: audit.Bounds{AsOf: end, KnownAt: last}})
	require.Equal(t, owed(last), total(aged, "owed"))
	require.Equal(t, owed(first), total(roll(start, middle, first), "closing"))
	second := roll(middle.Add(time.Microsecond), end, last)
	require.Equal(t, owed(first), total(second, "opening"))
	require.Equal(t, owed(last), total(second, "closing"))

	reports := map[string]audit.Report{}
	for _, kind := range audit.KindNames() {
		_, reports[kind] = s.made(t, audit.Params{Kind: kind, Bounds: audit.Bounds{AsOf: end, KnownAt: last}})
		require.NotZero(t, reports[kind].Rows, kind)
	}
	l.Random(t, 200)
	for kind, before := range reports {
		_, again := s.made(t, audit.Params{Kind: kind, Bounds: audit.Bounds{AsOf: end, KnownAt: last}})
		require.Equal(t, before, again)
		_, none := s.made(t, audit.Params{Kind: kind, Bounds: audit.Bounds{AsOf: end, KnownAt: 0}})
		require.Zero(t, none.Rows, kind)
		other, err := s.reader.Make(t.Context(), audit.Params{Tenant: "other", Kind: kind, Bounds: audit.Bounds{AsOf: end, KnownAt: last}}, func(audit.Row) error { return nil })
		require.NoError(t, err)
		require.Zero(t, other.Rows, kind)
	}
}

// A log that is longer than the pages it is read by, of events and of streams, is read whole and nothing of it twice.
func TestPages(t *testing.T) {
	t.Parallel()
	l := ledgertest.Open(t, 3)
	s := &story{Log: l, reader: readerOf(l)}
	const fees = 2100
	for range fees {
		l.Assess(t, l.Users[0], 100)
	}
	for _, id := range l.Fees {
		l.Change(t, id, fee.Waive{ReductionID: "r " + id, Amount: ledgertest.USD(t, 40), Reason: "goodwill", At: l.Now()})
	}
	last := l.Flush(t)
	require.Greater(t, last, int64(4096))
	bounds := audit.Bounds{AsOf: l.Now(), KnownAt: last}
	rows, report := s.made(t, audit.Params{Kind: "activity", Bounds: bounds})
	require.Len(t, rows, 2*fees)
	require.Equal(t, int64(fees*100), report.Totals[0].Amount.Minor())
	_, report = s.made(t, audit.Params{Kind: "aging", Bounds: bounds})
	for _, total := range report.Totals {
		if total.Name == "owed" {
			require.Equal(t, evidence.Total{Name: "owed", Count: fees, Amount: dollars(t, fees*60)}, total)
		}
	}
	rows, _ = s.made(t, audit.Params{Kind: "activity", Bounds: audit.Bounds{AsOf: l.Now(), KnownAt: 4096}})
	require.Len(t, rows, 4096)
}

// A fee that was cancelled for a day before it was charged more owes less than nothing in between, as the books have it.
func TestBackdated(t *testing.T) {
	t.Parallel()
	s := tell(t)
	s.on(6)
	s.Change(t, late, fee.Adjust{AdjustmentID: "x", Direction: fee.DirectionIncrease, Amount: ledgertest.USD(t, 700), Reason: "other", At: s.Now()})
	unpaid := "00000000-0000-7000-8000-00000000000f"
	s.ChangeAt(t, unpaid, fee.Assess{FeeID: unpaid, UserID: s.member, Amount: ledgertest.USD(t, 400), Reason: "lost", At: s.end(1)}, s.end(1))
	s.Change(t, unpaid, fee.Adjust{AdjustmentID: "y", Direction: fee.DirectionIncrease, Amount: ledgertest.USD(t, 100), Reason: "other", At: s.Now()})
	s.ChangeAt(t, unpaid, fee.Cancel{Cause: fee.CauseError, At: s.end(2)}, s.end(2))
	last := s.Flush(t)
	rows, _ := s.made(t, audit.Params{Kind: "rollforward", Bounds: audit.Bounds{From: s.day.AddDate(0, 0, 5), AsOf: s.end(7), KnownAt: last}})
	require.Equal(t, []string{"USD opening -0.75 adjusted 8.00 closing 7.25"}, rows)
}

// The largest of a group is told, and a void counts where its payment was captured.
func TestGroups(t *testing.T) {
	t.Parallel()
	s := tell(t)
	s.on(6)
	other := "00000000-0000-7000-8000-00000000000f"
	s.assess(t, other, "lost", 1000)
	for i, cents := range []int64{100, 300, 200} {
		s.Change(t, other, fee.Waive{ReductionID: "g" + strconv.Itoa(i), Amount: ledgertest.USD(t, cents), Reason: "hardship", At: s.Now()})
	}
	theirs := "00000000-0000-7000-8000-00000000001f"
	s.Change(t, theirs, fee.Assess{FeeID: theirs, UserID: s.Users[2], Amount: ledgertest.USD(t, 100), Reason: "damage", At: s.Now()})
	s.Change(t, theirs, fee.Waive{ReductionID: "g9", Amount: ledgertest.USD(t, 15), Reason: "goodwill", At: s.Now()})
	s.Queue(t, payment.Stream(taken), s.member, payment.Voided{Amount: ledgertest.USD(t, 1800), Reason: "duplicate", Outcome: payment.OutcomeCanceled})
	last := s.Flush(t)
	rows, _ := s.made(t, audit.Params{Kind: "waivers", Bounds: audit.Bounds{AsOf: s.end(9), KnownAt: last}})
	require.Contains(t, rows, "waived staff "+s.Users[0]+" hardship lost USD count 4 amount 11.00 largest 5.00")
	rows, _ = s.made(t, audit.Params{Kind: "payments", Bounds: audit.Bounds{AsOf: s.end(9), KnownAt: last}})
	require.Equal(t, []string{"cash api USD captured 1 gross 18.00 voids 1 voided 18.00 toCredit 1.00 overdue 2.00 lost 15.00"}, rows)
	rows, _ = s.made(t, audit.Params{Kind: "payments", Bounds: audit.Bounds{From: s.day.AddDate(0, 0, 5), AsOf: s.end(9), KnownAt: last}})
	require.Equal(t, []string{"cash api USD voids 1 voided 18.00 net -18.00"}, rows)
	rows, _ = s.made(t, audit.Params{Kind: "staff", Bounds: audit.Bounds{AsOf: s.end(9), KnownAt: last}})
	require.Contains(t, rows, "staff "+s.Users[0]+" fee.waived USD count 6 amount 11.40 mean 1.90 largest 5.00 members 2 repeats 5 "+s.member)
	require.Contains(t, rows, "staff "+s.Users[0]+" payment.voided USD count 1 amount 18.00 mean 18.00 largest 18.00 members 1 repeats 1 "+s.member)
}

// A credit that was spent, given back, and spent again for a day before that has less than nothing left in between, as the books have it.
func TestCreditOfLessThanNothing(t *testing.T) {
	t.Parallel()
	s := tell(t)
	spend := func(day int, allocation string) {
		s.on(day)
		s.Queue(t, credit.Stream(s.member), s.member, credit.Spent{CreditID: surplus, FeeID: late, AllocationID: allocation, Amount: ledgertest.USD(t, 100)})
	}
	spend(6, "x1")
	s.on(8)
	s.Queue(t, credit.Stream(s.member), s.member, credit.Returned{CreditID: surplus, AllocationID: "x1", Amount: ledgertest.USD(t, 100)})
	spend(7, "x2")
	last := s.Flush(t)
	rows, report := s.made(t, audit.Params{Kind: "credits", Bounds: audit.Bounds{AsOf: s.end(7), KnownAt: last}})
	require.Equal(t, []string{surplus + " overpayment " + taken + " ageDays 4 USD granted 1.00 remaining -1.00 cash"}, rows)
	require.Equal(t, int64(-100), report.Totals[0].Amount.Minor())
	rows, _ = s.made(t, audit.Params{Kind: "credits", Bounds: audit.Bounds{AsOf: s.end(9), KnownAt: last}})
	require.Empty(t, rows)
}

// The digest of a report without notes is that of the rows as JSON Lines, so that anybody can compute it from the file.
func TestDigest(t *testing.T) {
	t.Parallel()
	s := tell(t)
	kind, err := audit.KindOf("waivers")
	require.NoError(t, err)
	var file bytes.Buffer
	out, err := audit.NewExporter(audit.JSONLines, kind, &file)
	require.NoError(t, err)
	report, err := s.reader.Make(t.Context(), audit.Params{Tenant: ledgertest.Tenant, Kind: kind.Name, Bounds: audit.Bounds{AsOf: s.end(9), KnownAt: 9}}, out.Row)
	require.NoError(t, err)
	require.NoError(t, out.Close(report))
	lines := bytes.SplitAfter(file.Bytes(), []byte("\n"))
	require.Len(t, lines, 5) // three rows, the report, nothing
	require.Equal(t, sha256.Sum256(bytes.Join(lines[:3], nil)), report.Digest)
	require.JSONEq(t, `{"report":`+string(report.AppendJSON(nil))+`}`, string(lines[3]))
}
