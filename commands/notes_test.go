package commands_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"payledger/commands"
	"payledger/domain/fee"
	"payledger/eventstore"
	"payledger/readmodels"
)

func (d *desk) addNote(p commands.NewNote) useCase {
	return func(ctx context.Context, req commands.Request) (eventstore.Result, error) {
		return d.AddFeeNote(ctx, req, p)
	}
}

func (d *desk) changeNote(id, text string) useCase {
	return func(ctx context.Context, req commands.Request) (eventstore.Result, error) {
		return d.ChangeFeeNote(ctx, req, id, text)
	}
}

func (d *desk) hideNote(id string) useCase {
	return func(ctx context.Context, req commands.Request) (eventstore.Result, error) {
		return d.HideFeeNote(ctx, req, id)
	}
}

func TestFeeNotes(t *testing.T) {
	t.Parallel()
	d := setup(t)
	id, other := d.assess("u1", usd("10")), d.assess("u1", usd("10"))
	note := commands.NewNote{FeeID: id, Visibility: fee.VisibilityPatron, Note: "spoke to the mother"}
	result := d.do(d.addNote(note))
	added := d.events()[2]
	require.Equal(t, added.ID.String(), added.Data.(fee.NoteAdded).NoteID, "a note has the id of its event")
	require.Contains(t, string(result.Answer.Body), added.ID.String())
	require.Equal(t, int64(0), d.row(id).RecordVersion, "the fee's row is as it was")
	stored, err := d.log.ReadAll(t.Context(), 2, 1)
	require.NoError(t, err)
	require.NotContains(t, string(stored[0].Data), "mother", "the note is sealed")

	note.NoteID = newID()
	d.do(d.addNote(note))
	elsewhere := note
	elsewhere.FeeID = other
	d.refused(commands.ErrIDInUse, d.addNote(note))
	d.refused(commands.ErrIDInUse, d.addNote(elsewhere))
	elsewhere.NoteID = added.ID.String()
	d.refused(commands.ErrIDInUse, d.addNote(elsewhere))
	elsewhere.NoteID = d.events()[0].ID.String() // of the feeEvent that says that the fee was assessed
	d.refused(commands.ErrIDInUse, d.addNote(elsewhere))
	d.refused(commands.ErrFeeNotFound, d.addNote(commands.NewNote{FeeID: newID(), Visibility: fee.VisibilityStaff}))
	d.refused(fee.ErrUnknownVisibility, d.addNote(commands.NewNote{FeeID: id}))

	var mismatch *commands.VersionMismatchError
	_, err = d.ChangeFeeNote(t.Context(), d.request(ifMatch(1)), note.NoteID, "x")
	require.ErrorAs(t, err, &mismatch)
	d.do(d.changeNote(note.NoteID, "spoke to the father"), ifMatch(0))
	d.do(d.changeNote(note.NoteID, "spoke to the father"), ifMatch(1)) // is so
	result = d.do(d.hideNote(note.NoteID), ifMatch(1))
	require.Contains(t, string(result.Answer.Body), `"isActive":false`)
	require.Equal(t, []string{"id.claimed", "fee.note_added", "fee.note_changed", "fee.note_hidden"}, d.types(3))
	d.refused(commands.ErrRecordNotFound, d.hideNote(note.NoteID))
	d.refused(commands.ErrRecordNotFound, d.changeNote(note.NoteID, "x"))
	d.refused(commands.ErrRecordNotFound, d.hideNote(newID()))
	d.refused(commands.ErrNotANote, d.hideNote(d.events()[0].ID.String()))
	d.refused(commands.ErrNotANote, d.changeNote(d.events()[0].ID.String(), "x"))
	d.refused(commands.ErrBeforeTakenBack, d.changeNote(added.ID.String(), "x"), at(d.events()[0].EffectiveAt))
	d.requireSound()
}

// Two processes take one id for notes on two fees: one of them gets it.
func TestTwoNotesRaceForOneID(t *testing.T) {
	t.Parallel()
	d := setup(t)
	other := d.second()
	a, b := d.assess("u1", usd("1")), d.assess("u1", usd("1"))
	for range 10 {
		id := newID()
		note := func(feeID string) commands.NewNote {
			return commands.NewNote{NoteID: id, FeeID: feeID, Visibility: fee.VisibilityStaff, Note: "n"}
		}
		errs := make(chan error, 2)
		go func() { _, err := d.addNote(note(a))(t.Context(), d.request()); errs <- err }()
		go func() { _, err := other.addNote(note(b))(t.Context(), other.request()); errs <- err }()
		first, second := <-errs, <-errs
		if first == nil {
			first, second = second, first
		}
		require.NoError(t, second)
		require.ErrorIs(t, first, commands.ErrIDInUse)
	}
	d.requireSound()
}

func TestRowsThatCannotBeAsked(t *testing.T) {
	t.Parallel()
	d := setup(t)
	id := d.assess("u1", usd("1"))
	d.Rows = awayRows{}
	d.refused(errAway, d.hideNote(newID()))
	d.refused(errAway, d.addNote(commands.NewNote{NoteID: newID(), FeeID: id, Visibility: fee.VisibilityStaff}))
	d.refused(errAway, d.deleteFeePayment(newID()))
	chosen := feePayment(id, usd("1"), readmodels.PaymentComplete)
	chosen.ID = newID()
	d.refused(errAway, d.createFeePayment(chosen))
	d.do(d.addNote(commands.NewNote{FeeID: id, Visibility: fee.VisibilityStaff})) // asks for no row
}
