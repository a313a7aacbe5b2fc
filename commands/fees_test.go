package commands_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"payledger/commands"
	"payledger/domain"
	"payledger/domain/fee"
	"payledger/domain/money"
	"payledger/eventstore"
	"payledger/readmodels"
)

func TestAssessFee(t *testing.T) {
	t.Parallel()
	d := setup(t)
	user := newID()
	req := d.request()
	result, err := d.AssessFee(t.Context(), req, commands.NewFee{
		UserID: user, LoanID: newID(), Amount: usd("12.50"), Reason: "overdue", Note: "3 weeks late",
	})
	require.NoError(t, err)
	require.Equal(t, int64(1), result.Last)

	events := d.events()
	require.Len(t, events, 1)
	ev := events[0]
	assessed := ev.Data.(fee.Assessed)
	require.Equal(t, fee.Stream(assessed.FeeID), ev.Stream.Name)
	require.Equal(t, uuid.Version(7), uuid.MustParse(assessed.FeeID).Version())
	require.Equal(t, uuid.RFC4122, ev.ID.Variant())
	require.NotEqual(t, assessed.FeeID, ev.ID.String())
	require.Equal(t, req.CommandID, ev.CommitID)
	require.Equal(t, req.At, ev.EffectiveAt)
	require.Equal(t, req.At, ev.Meta.At)
	require.Equal(t, req.Actor, ev.Meta.Actor)
	require.Equal(t, "3 weeks late", assessed.Note)

	require.JSONEq(t, string(d.row(assessed.FeeID).AppendJSON(nil, true)), string(result.Answer.Body), "answer and log tell the same row")
	sum := sha256.Sum256(append(result.Answer.Salt, result.Answer.Body...))
	require.Len(t, result.Answer.Salt, 16)
	require.Equal(t, hex.EncodeToString(sum[:]), ev.Meta.AnswerHash)

	stored, err := d.log.ReadAll(t.Context(), 0, 1)
	require.NoError(t, err)
	require.NotContains(t, string(stored[0].Data), "weeks", "the note is sealed")
	ends, err := d.log.StreamsOf(t.Context(), tenant, user, 0)
	require.NoError(t, err)
	require.Len(t, ends, 1)
}

func TestAssessFeeRefusals(t *testing.T) {
	t.Parallel()
	d := setup(t)
	user := newID()
	taken := d.assess(user, usd("1"))
	_, err := d.AssessFee(t.Context(), d.request(), commands.NewFee{FeeID: taken, UserID: user, Amount: usd("1")})
	require.ErrorIs(t, err, commands.ErrIDInUse)
	_, err = d.AssessFee(t.Context(), d.request(), commands.NewFee{UserID: user, Amount: usd("0")})
	require.ErrorIs(t, err, money.ErrNotPositive)
	req := d.request()
	req.EffectiveAt = req.At.Add(time.Millisecond)
	_, err = d.AssessFee(t.Context(), req, commands.NewFee{UserID: user, Amount: usd("1")})
	require.ErrorIs(t, err, commands.ErrEffectiveInFuture)
	require.Len(t, d.events(), 1)

	elsewhere := d.request(func(r *commands.Request) { r.Tenant = "other" })
	_, err = d.AssessFee(t.Context(), elsewhere, commands.NewFee{FeeID: taken, UserID: user, Amount: usd("1")})
	require.NoError(t, err, "an id is one tenant's")
}

// The same key with the same request: the same bytes, and nothing more in the log.
func TestRepeatedCommandAnswersTheSame(t *testing.T) {
	t.Parallel()
	d := setup(t)
	p := commands.NewFee{UserID: newID(), Amount: usd("5")}
	first, err := d.AssessFee(t.Context(), d.request(claim("k1")), p)
	require.NoError(t, err)
	require.False(t, first.Replayed)
	for _, desk := range []*desk{d, d.second()} {
		again, err := desk.AssessFee(t.Context(), desk.request(claim("k1")), p)
		require.NoError(t, err)
		require.True(t, again.Replayed)
		require.Equal(t, string(first.Answer.Body), string(again.Answer.Body))
		require.Equal(t, first.Answer.Salt, again.Answer.Salt)
		require.Equal(t, first.Last, again.Last)
	}
	other := d.request(claim("k1"))
	other.Claim.Fingerprint = [32]byte{8}
	_, err = d.AssessFee(t.Context(), other, p)
	require.ErrorIs(t, err, eventstore.ErrFingerprint)
	require.Len(t, d.events(), 1)
	d.requireSound()
}

// A command id that comes again, without any key, has its effect once (I33).
func TestRepeatedCommandIDHasOneEffect(t *testing.T) {
	t.Parallel()
	d := setup(t)
	req, p := d.request(), commands.NewFee{UserID: newID(), Amount: usd("5")}
	first, err := d.AssessFee(t.Context(), req, p)
	require.NoError(t, err)
	again, err := d.AssessFee(t.Context(), req, p)
	require.NoError(t, err)
	require.True(t, again.Replayed)
	require.Equal(t, first.Last, again.Last)
	require.Len(t, d.events(), 1)
}

func TestPatchFee(t *testing.T) {
	t.Parallel()
	usual := func(d *desk) string { return d.assess("u1", usd("10")) }
	after := func(p ...commands.FeePatch) func(*desk) string {
		return func(d *desk) string {
			id := usual(d)
			for _, p := range p {
				p.FeeID = id
				_, err := d.PatchFee(d.t.Context(), d.request(), p)
				require.NoError(d.t, err)
			}
			return id
		}
	}
	partPaid := func(d *desk) string {
		id := usual(d)
		_, err := d.RecordPayment(d.t.Context(), d.request(), cash("u1", usd("4"), share(id, usd("4"))))
		require.NoError(d.t, err)
		return id
	}
	waived, paid := commands.FeePatch{Status: new(readmodels.FeeWaived)}, commands.FeePatch{Status: new(readmodels.FeePaid)}
	canceled, unpaid := commands.FeePatch{Status: new(readmodels.FeeCanceled)}, commands.FeePatch{Status: new(readmodels.FeeUnpaid)}
	inProgress := commands.FeePatch{Status: new(readmodels.FeePaymentInProgress)}
	note := func(p commands.FeePatch, text string) commands.FeePatch { p.Note = text; return p }
	cases := []struct {
		name   string
		given  func(*desk) string
		when   commands.FeePatch
		events []string
		status readmodels.FeeStatus
		note   string
		err    error
	}{
		{"waive", usual, waived, []string{"fee.waived"}, readmodels.FeeWaived, "", nil},
		{"waive with a note", usual, note(waived, "n"), []string{"fee.waived"}, readmodels.FeeWaived, "n", nil},
		{"waive again", after(waived), waived, nil, readmodels.FeeWaived, "", nil},
		{"waive again with a note", after(waived), note(waived, "n"), []string{"fee.annotated"}, readmodels.FeeWaived, "n", nil},
		{"waive the rest of a paid one", partPaid, waived, []string{"fee.waived"}, readmodels.FeePaid, "", nil},
		{"waive a paid one", after(paid), waived, nil, readmodels.FeePaid, "", fee.ErrAlreadySettled},
		{"waive a cancelled one", after(canceled), waived, nil, readmodels.FeeCanceled, "", fee.ErrCancelled},
		{"cancel", usual, canceled, []string{"fee.cancelled"}, readmodels.FeeCanceled, "", nil},
		{"cancel with a note", usual, note(canceled, "n"), []string{"fee.cancelled"}, readmodels.FeeCanceled, "n", nil},
		{"cancel again", after(canceled), canceled, nil, readmodels.FeeCanceled, "", nil},
		{"cancel a waived one", after(waived), canceled, []string{"fee.reduction_released", "fee.cancelled"}, readmodels.FeeCanceled, "", nil},
		{"cancel a part-paid one", partPaid, canceled, nil, readmodels.FeeUnpaid, "", fee.ErrMoneyApplied},
		{"pay", usual, paid, []string{"payment.captured", "fee.payment_applied"}, readmodels.FeePaid, "", nil},
		{"pay with a note", usual, note(paid, "n"), []string{"payment.captured", "fee.payment_applied", "fee.annotated"}, readmodels.FeePaid, "n", nil},
		{"pay the rest", partPaid, paid, []string{"payment.captured", "fee.payment_applied"}, readmodels.FeePaid, "", nil},
		{"pay again", after(paid), paid, nil, readmodels.FeePaid, "", nil},
		{"pay a waived one", after(waived), paid, nil, readmodels.FeeWaived, "", fee.ErrAlreadySettled},
		{"pay a cancelled one", after(canceled), paid, nil, readmodels.FeeCanceled, "", fee.ErrCancelled},
		{"unpaid as it is", usual, unpaid, nil, readmodels.FeeUnpaid, "", nil},
		{"back to unpaid", after(paid), unpaid, nil, readmodels.FeePaid, "", commands.ErrStatusNotSettable},
		{"in progress", usual, inProgress, nil, readmodels.FeeUnpaid, "", commands.ErrStatusNotSettable},
		{"a note", usual, note(commands.FeePatch{}, "n"), []string{"fee.annotated"}, readmodels.FeeUnpaid, "n", nil},
		{"the same note", after(note(commands.FeePatch{}, "n")), note(commands.FeePatch{}, "n"), nil, readmodels.FeeUnpaid, "n", nil},
		{"nothing", usual, commands.FeePatch{}, nil, readmodels.FeeUnpaid, "", nil},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d := setup(t)
			id := c.given(d)
			head := int64(len(d.events()))
			c.when.FeeID = id
			result, err := d.PatchFee(t.Context(), d.request(), c.when)
			require.ErrorIs(t, err, c.err)
			require.Equal(t, c.events, d.types(head))
			row := d.row(id)
			require.Equal(t, c.status, row.Status)
			require.Equal(t, c.note, row.Note)
			if c.err == nil {
				require.JSONEq(t, string(row.AppendJSON(nil, true)), string(result.Answer.Body))
				require.Equal(t, head+int64(len(c.events)), result.Head)
			}
			d.requireSound()
		})
	}
}

func TestPatchFeeOfNobody(t *testing.T) {
	t.Parallel()
	d := setup(t)
	for _, p := range []commands.FeePatch{{FeeID: newID()}, {FeeID: newID(), Note: "n"}, {FeeID: newID(), Status: new(readmodels.FeePaid)}} {
		_, err := d.PatchFee(t.Context(), d.request(), p)
		require.ErrorIs(t, err, commands.ErrFeeNotFound)
	}
	id := d.assess("u1", usd("1"))
	elsewhere := d.request(func(r *commands.Request) { r.Tenant = "other" })
	_, err := d.PatchFee(t.Context(), elsewhere, commands.FeePatch{FeeID: id, Note: "n"})
	require.ErrorIs(t, err, commands.ErrFeeNotFound)
}

func TestIfMatch(t *testing.T) {
	t.Parallel()
	d := setup(t)
	id := d.assess("u1", usd("1"))
	_, err := d.PatchFee(t.Context(), d.request(ifMatch(0)), commands.FeePatch{FeeID: id, Note: "n"})
	require.NoError(t, err)
	_, err = d.PatchFee(t.Context(), d.request(ifMatch(0)), commands.FeePatch{FeeID: id, Status: new(readmodels.FeeWaived)})
	var mismatch *commands.VersionMismatchError
	require.ErrorAs(t, err, &mismatch)
	require.Equal(t, int64(1), mismatch.Current)
	require.Equal(t, []string{"fee.assessed", "fee.annotated"}, d.types(0))

	// Of many that saw the same version, one may change it: also when the others were decided on a state that was fresh then.
	done := make(chan error)
	other := d.second()
	for i := range 8 {
		desk := []*desk{d, other}[i%2]
		go func() {
			_, err := desk.PatchFee(t.Context(), desk.request(ifMatch(1)), commands.FeePatch{FeeID: id, Note: fmt.Sprint("note ", i)})
			done <- err
		}()
	}
	won := 0
	for range 8 {
		if err := <-done; err == nil {
			won++
		} else {
			require.ErrorAs(t, err, &mismatch)
		}
	}
	require.Equal(t, 1, won)
	require.Equal(t, int64(2), d.row(id).RecordVersion)
}

func TestEffectiveTime(t *testing.T) {
	t.Parallel()
	d := setup(t)
	past := start().AddDate(0, 0, -3)
	p := commands.NewFee{FeeID: newID(), UserID: "u1", Amount: usd("3")}
	_, err := d.AssessFee(t.Context(), d.request(at(past.Add(1700*time.Nanosecond))), p)
	require.NoError(t, err)
	require.Equal(t, past.Add(time.Microsecond), d.events()[0].EffectiveAt)

	patch := commands.FeePatch{FeeID: p.FeeID, Status: new(readmodels.FeeWaived)}
	_, err = d.PatchFee(t.Context(), d.request(at(past)), patch)
	require.ErrorIs(t, err, domain.ErrBeforeFirstEvent)
	_, err = d.RecordPayment(t.Context(), d.request(at(past)), cash("u1", usd("1"), share(p.FeeID, usd("1"))))
	require.ErrorIs(t, err, domain.ErrBeforeFirstEvent)

	day := past.AddDate(0, 0, 1)
	_, err = d.PatchFee(t.Context(), d.request(at(day)), patch)
	require.NoError(t, err)
	row := d.row(p.FeeID)
	require.Equal(t, day, row.StatusUpdateDate)
	require.NotEqual(t, day, row.UpdatedAt)
}

// Another process's clock is a little ahead: a command that names no date isn't refused for it.
func TestClocksDiffer(t *testing.T) {
	t.Parallel()
	d := setup(t)
	ahead := d.request()
	ahead.At = ahead.At.Add(time.Minute)
	p := commands.NewFee{FeeID: newID(), UserID: "u1", Amount: usd("3")}
	_, err := d.AssessFee(t.Context(), ahead, p)
	require.NoError(t, err)
	_, err = d.RecordPayment(t.Context(), d.request(), cash("u1", usd("5"), share(p.FeeID, usd("1"))))
	require.NoError(t, err)
	_, err = d.PatchFee(t.Context(), d.request(), commands.FeePatch{FeeID: p.FeeID, Status: new(readmodels.FeeWaived)})
	require.NoError(t, err)
	_, err = d.RecordPayment(t.Context(), d.request(), cash("u1", usd("5")))
	require.NoError(t, err, "nor for a credit that was granted then")
	for _, ev := range d.events() {
		require.Equal(t, ahead.At, ev.EffectiveAt)
	}
	d.requireSound()
}
