package history_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"payledger/domain/credit"
	"payledger/domain/fee"
	"payledger/eventstore"
	"payledger/internal/ledgertest"
	"payledger/readmodels"
	"payledger/readmodels/history"
)

// told is what the tests look at in an entry.
type told struct {
	Type        string
	Amount      int64 // -1 for none
	Outstanding int64
	Reason      string
	Note        string
}

func tell(h history.History) []told {
	list := []told{}
	for _, e := range h.Entries {
		entry := told{Type: e.Type, Amount: -1, Outstanding: -1, Reason: e.Reason, Note: e.Note}
		if e.Amount != nil {
			entry.Amount = e.Amount.Minor()
		}
		if e.Outstanding != nil {
			entry.Outstanding = e.Outstanding.Minor()
		}
		list = append(list, entry)
	}
	return list
}

type bundle struct {
	*ledgertest.Log
	reader  history.Reader
	fee     string
	other   string
	payment string
	start   time.Time
}

// setup makes the history of a fee of 20.00: 5.00 waived on the second day, paid on the third in part together with another fee,
// noted on the fourth, and on the fifth another 1.00 waived that took effect on the second.
func setup(t *testing.T) *bundle {
	t.Helper()
	l := ledgertest.Open(t, 31)
	b := &bundle{Log: l, reader: history.Reader{Log: l.Reader, Catalog: l.Catalog, Keys: l.Keys}, start: l.Now()}
	user := l.Users[0]
	waive := func(id string, cents int64, at time.Time) {
		l.ChangeAt(t, b.fee, fee.Waive{ReductionID: id, Amount: ledgertest.USD(t, cents), Reason: "goodwill", Note: "waived " + id, At: at}, at)
	}
	b.fee = l.Assess(t, user, 2000)
	b.other = l.Assess(t, user, 100)
	l.Advance(24 * time.Hour)
	waive("first", 500, l.Now())
	l.Advance(24 * time.Hour)
	b.payment = l.Pay(t, user, 400)
	l.Advance(24 * time.Hour)
	l.Change(t, b.fee, fee.Annotate{Note: "asked about it", At: l.Now()})
	l.Advance(24 * time.Hour)
	waive("second", 100, b.start.Add(36*time.Hour))
	l.Flush(t)
	return b
}

func TestFee(t *testing.T) {
	t.Parallel()
	b := setup(t)
	h, err := b.reader.Fee(t.Context(), ledgertest.Tenant, b.fee, history.Options{})
	require.NoError(t, err)
	all := tell(h)
	require.Equal(t, int64(7), h.KnownAt)
	require.Equal(t, []told{
		{"fee.assessed", 2000, 2000, all[0].Reason, all[0].Note},
		{"fee.waived", 500, 1500, "goodwill", "waived first"},
		{"payment.captured", 400, -1, "", all[2].Note},
		{"fee.payment_applied", 400, 1100, "", ""},
		{"fee.annotated", -1, 1100, "", "asked about it"},
		{"fee.waived", 100, 1000, "goodwill", "waived second"},
	}, all)
	for i, e := range h.Entries {
		ev := b.Decode(t, e.Position)
		require.Equal(t, ev.ID, e.EventID)
		require.Equal(t, ev.RecordedAt, e.RecordedAt)
		require.Equal(t, ev.EffectiveAt, e.EffectiveAt)
		require.Equal(t, "staff", e.Actor.Kind)
		if i == 2 || i == 3 {
			require.Equal(t, b.payment, e.PaymentID)
		} else {
			require.Equal(t, b.fee, e.FeeID)
		}
	}
}

// A member is told neither the notes that are among the staff, nor those that are hidden by now: whatever the bounds are.
func TestForMember(t *testing.T) {
	t.Parallel()
	l := ledgertest.Open(t, 31)
	reader := history.Reader{Log: l.Reader, Catalog: l.Catalog, Keys: l.Keys}
	id := l.Assess(t, l.Users[0], 2000)
	start := l.Now()
	for _, note := range []string{"staff", "hidden", "shown"} {
		visibility := fee.VisibilityPatron
		if note == "staff" {
			visibility = fee.VisibilityStaff
		}
		l.Change(t, id, fee.AddNote{NoteID: note, Visibility: visibility, Note: note, At: l.Now()})
		l.Change(t, id, fee.ChangeNote{NoteID: note, Note: note + " changed", At: l.Now()})
	}
	before := l.Now()
	l.Advance(24 * time.Hour)
	l.Change(t, id, fee.HideNote{NoteID: "hidden", At: l.Now()})
	l.Flush(t)
	told := func(o history.Options) (lines []string) {
		h, err := reader.Fee(t.Context(), ledgertest.Tenant, id, o)
		require.NoError(t, err)
		for _, e := range tell(h)[1:] {
			lines = append(lines, e.Type+" "+e.Note)
		}
		return lines
	}
	require.Len(t, told(history.Options{}), 7)
	shown := []string{"fee.note_added shown", "fee.note_changed shown changed"}
	for name, o := range map[string]history.Options{
		"all": {}, "as of before it was hidden": {AsOf: &before}, "as known before it was hidden": {KnownAt: new(int64(7))},
	} {
		o.ForMember = true
		require.Equal(t, shown, told(o), name)
	}
	require.Empty(t, told(history.Options{ForMember: true, KnownAt: new(int64(3))}))
	_, err := reader.Fee(t.Context(), ledgertest.Tenant, id, history.Options{ForMember: true, KnownAt: new(int64(0))})
	require.ErrorIs(t, err, history.ErrNotFound, "before it was known")
	require.Empty(t, func() []history.Entry {
		early := start.Add(-time.Hour)
		h, err := reader.Fee(t.Context(), ledgertest.Tenant, id, history.Options{ForMember: true, AsOf: &early})
		require.NoError(t, err)
		return h.Entries
	}())
}

func TestBounds(t *testing.T) {
	t.Parallel()
	b := setup(t)
	day := func(n int) *time.Time { at := b.start.Add(time.Duration(n)*24*time.Hour + 23*time.Hour); return &at }
	position := func(n int64) *int64 { return &n }
	last := func(o history.Options) (types []string, owed int64) {
		h, err := b.reader.Fee(t.Context(), ledgertest.Tenant, b.fee, o)
		require.NoError(t, err)
		for _, e := range tell(h) {
			types = append(types, e.Type)
			if e.Outstanding >= 0 {
				owed = e.Outstanding
			}
		}
		return types, owed
	}
	for _, c := range []struct {
		name  string
		o     history.Options
		types []string
		owed  int64
	}{
		{"the first day", history.Options{AsOf: day(0)}, []string{"fee.assessed"}, 2000},
		{"the second day, with what was recorded later", history.Options{AsOf: day(1)}, []string{"fee.assessed", "fee.waived", "fee.waived"}, 1400},
		{"the second day, as it was known on the fourth", history.Options{AsOf: day(1), KnownAt: position(6)}, []string{"fee.assessed", "fee.waived"}, 1500},
		{"as known before the payment", history.Options{KnownAt: position(3)}, []string{"fee.assessed", "fee.waived"}, 1500},
		{"before it happened", history.Options{AsOf: day(-1)}, nil, 0},
		{"beyond the head", history.Options{KnownAt: position(1000)}, []string{
			"fee.assessed", "fee.waived", "payment.captured", "fee.payment_applied", "fee.annotated", "fee.waived",
		}, 1000},
	} {
		types, owed := last(c.o)
		require.Equal(t, c.types, types, c.name)
		require.Equal(t, c.owed, owed, c.name)
	}
	_, err := b.reader.Fee(t.Context(), ledgertest.Tenant, b.fee, history.Options{KnownAt: position(0)})
	require.ErrorIs(t, err, history.ErrNotFound, "before it was known")
	_, err = b.reader.Fee(t.Context(), "other", b.fee, history.Options{})
	require.ErrorIs(t, err, history.ErrNotFound)
}

func TestCancelledFeeOwesNothingOnAnyDay(t *testing.T) {
	t.Parallel()
	l := ledgertest.Open(t, 32)
	start := l.Now()
	id := l.Assess(t, l.Users[0], 1000)
	l.Advance(48 * time.Hour)
	l.Change(t, id, fee.Waive{ReductionID: "r", Amount: ledgertest.USD(t, 300), At: l.Now()})
	l.Advance(24 * time.Hour)
	back := start.Add(24 * time.Hour)
	l.ChangeAt(t, id, fee.Cancel{Cause: fee.CauseError, At: back}, back) // takes effect before the waiver that it releases
	l.Flush(t)
	reader := history.Reader{Log: l.Reader, Catalog: l.Catalog, Keys: l.Keys}
	h, err := reader.Fee(t.Context(), ledgertest.Tenant, id, history.Options{AsOf: &back})
	require.NoError(t, err)
	list := tell(h)
	require.Len(t, list, 3)
	require.Equal(t, told{"fee.cancelled", 1000, 0, "error", ""}, list[2])
}

func TestPaymentAndMember(t *testing.T) {
	t.Parallel()
	b := setup(t)
	overpaid := b.Pay(t, b.Users[0], 5000)
	stranger := b.Assess(t, b.Users[1], 700)
	b.Flush(t)
	h, err := b.reader.Payment(t.Context(), ledgertest.Tenant, overpaid, history.Options{})
	require.NoError(t, err)
	list := tell(h)
	require.Equal(t, []told{
		{"payment.captured", 5000, -1, "", list[0].Note},
		{"fee.payment_applied", 1000, 0, "", ""},
		{"fee.payment_applied", 100, 0, "", ""},
		{"credit.granted", 3900, -1, "", ""},
	}, list)

	h, err = b.reader.Member(t.Context(), ledgertest.Tenant, b.Users[0], history.Options{})
	require.NoError(t, err)
	require.Len(t, h.Entries, 11)
	for i, e := range h.Entries {
		require.Equal(t, int64(i+1), e.Position, "everything but the stranger's, in order")
		require.NotEqual(t, stranger, e.FeeID)
	}
	for _, id := range []string{"nobody", b.fee} {
		_, err = b.reader.Member(t.Context(), ledgertest.Tenant, id, history.Options{})
		require.ErrorIs(t, err, history.ErrNotFound)
		_, err = b.reader.Payment(t.Context(), ledgertest.Tenant, id, history.Options{})
		require.ErrorIs(t, err, history.ErrNotFound)
	}
}

func TestJSON(t *testing.T) {
	t.Parallel()
	b := setup(t)
	h, err := b.reader.Fee(t.Context(), ledgertest.Tenant, b.fee, history.Options{})
	require.NoError(t, err)
	e := h.Entries[1]
	require.Equal(t, `{"position":3,"recordedAt":"`+e.RecordedAt.UTC().Format("2006-01-02T15:04:05.000Z")+`","effectiveAt":"2026-03-02T09:00:00.000Z",`+
		`"type":"fee.waived","actor":{"kind":"staff","id":"`+b.Users[0]+`","roles":["staff"]},"amount":5,"gross":20,"outstanding":15,"currency":"USD",`+
		`"reason":"goodwill","note":"waived first","tender":null,"feeId":"`+b.fee+`","paymentId":null,"eventId":"`+e.EventID.String()+`","requestId":null,"channel":"api"}`,
		string(e.AppendJSON(nil)))
	for i := range h.Entries {
		require.True(t, json.Valid(h.Entries[i].AppendJSON(nil)))
	}
}

// Whatever happens to fees, payments and members, their histories tell it: all of it, in order, with what is owed after it.
func TestRandomHistories(t *testing.T) {
	t.Parallel()
	l := ledgertest.Open(t, 33)
	head := l.Random(t, 600)
	reader := history.Reader{Log: l.Reader, Catalog: l.Catalog, Keys: l.Keys}
	states := make(map[eventstore.StreamID]any)
	events := make(map[string][]string) // types, by stream
	about := make(map[string]int)       // events about a payment
	for _, ev := range l.Events(t, 0, int(head)) {
		state, _, err := readmodels.Fold(states[ev.Stream], ev)
		require.NoError(t, err)
		states[ev.Stream] = state
		events[ev.Stream.Name] = append(events[ev.Stream.Name], ev.Type)
		for _, id := range paymentsIn(ev.Data) {
			about[id]++
		}
	}
	told := 0
	for stream, state := range states {
		switch s := state.(type) {
		case *readmodels.FeeState:
			h, err := reader.Fee(t.Context(), ledgertest.Tenant, s.Fee.ID, history.Options{})
			require.NoError(t, err)
			var own []string
			owed := int64(-1)
			for i, e := range h.Entries {
				require.True(t, i == 0 || h.Entries[i-1].Position < e.Position)
				require.True(t, json.Valid(e.AppendJSON(nil)))
				if e.Outstanding != nil {
					own, owed = append(own, e.Type), e.Outstanding.Minor()
				}
			}
			require.Equal(t, events[stream.Name], own)
			if !s.Fee.Cancelled {
				require.Equal(t, s.Fee.Outstanding().Minor(), owed)
			}
		case *readmodels.Payment:
			h, err := reader.Payment(t.Context(), ledgertest.Tenant, s.ID, history.Options{})
			require.NoError(t, err)
			n := 0
			for _, e := range h.Entries {
				if e.PaymentID == s.ID {
					n++
				}
			}
			require.Equal(t, len(events[stream.Name])+about[s.ID], n)
			told += len(h.Entries) - n
		}
	}
	require.Positive(t, told, "credits of voided payments are taken back")
	for _, user := range l.Users {
		_, err := reader.Member(t.Context(), ledgertest.Tenant, user, history.Options{})
		require.NoError(t, err)
	}
}

// paymentsIn returns the payment that an event of a fee or a credit names.
func paymentsIn(data any) []string {
	switch e := data.(type) {
	case fee.PaymentReserved:
		return []string{e.PaymentID}
	case fee.ReservationReleased:
		return []string{e.PaymentID}
	case fee.PaymentApplied:
		return []string{e.PaymentID}
	case fee.PaymentUnapplied:
		return []string{e.PaymentID}
	case fee.WriteOffRecovered:
		return []string{e.PaymentID}
	case fee.RecoveryReversed:
		return []string{e.PaymentID}
	case credit.Granted:
		return []string{e.PaymentID}
	}
	return nil
}
