package commands_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"payledger/commands"
	"payledger/eventstore"
	"payledger/readmodels"
)

const sqlErase = `UPDATE vault.keys SET wrapped = NULL, destroyed_at = now() WHERE tenant = $1 AND subject = $2 AND wrapped IS NOT NULL`

// A note that is written while its person is erased elsewhere is sealed under a new key; what was said before stays unreadable.
func TestNoteAfterAnErasure(t *testing.T) {
	t.Parallel()
	d := setup(t)
	before := commands.NewFee{FeeID: newID(), UserID: "u1", Amount: usd("1"), Note: "before"}
	_, err := d.AssessFee(t.Context(), d.request(), before)
	require.NoError(t, err)
	_, err = d.db.Pool(t).Exec(t.Context(), sqlErase, tenant, "u1")
	require.NoError(t, err)

	after := commands.NewFee{FeeID: newID(), UserID: "u1", Amount: usd("1"), Note: "after"}
	_, err = d.AssessFee(t.Context(), d.request(), after)
	require.NoError(t, err)
	fresh := d.second() // whose vault remembers nothing
	require.Empty(t, fresh.row(before.FeeID).Note)
	require.Equal(t, "after", fresh.row(after.FeeID).Note)
	require.Equal(t, readmodels.FeeUnpaid, fresh.row(before.FeeID).Status)
	fresh.requireSound()
}

// Whose key a note needs may be known only once the fee is loaded: by a process that has seen neither.
func TestNoteOnAFeeOfAnotherProcess(t *testing.T) {
	t.Parallel()
	d := setup(t)
	id := d.assess("u1", usd("1"))
	other := d.second()
	for i, text := range []string{"one", "two"} {
		_, err := other.PatchFee(t.Context(), other.request(), commands.FeePatch{FeeID: id, Note: text})
		require.NoError(t, err)
		require.Equal(t, text, d.row(id).Note)
		require.Equal(t, int64(i+1), d.row(id).RecordVersion)
	}
	stored, err := d.log.ReadAll(t.Context(), 1, 9)
	require.NoError(t, err)
	for _, rec := range stored {
		require.NotRegexp(t, "one|two", string(rec.Data))
	}
}

func TestAnswerThatCannotBeRendered(t *testing.T) {
	t.Parallel()
	d := setup(t)
	fault := errors.New("no ink")
	req := d.request(func(r *commands.Request) {
		r.Render = func(commands.Outcome) (eventstore.Answer, *eventstore.RouteEvent, error) {
			return eventstore.Answer{}, nil, fault
		}
	})
	_, err := d.AssessFee(t.Context(), req, commands.NewFee{UserID: "u1", Amount: usd("1")})
	require.ErrorIs(t, err, fault)
	require.Empty(t, d.events())
}

func TestFolderRefusesUnknownStreams(t *testing.T) {
	t.Parallel()
	folder := commands.Folder{}
	_, err := folder.Fold(t.Context(), nil, eventstore.StreamID{Tenant: tenant, Name: "loan-1"}, nil, nil)
	require.ErrorIs(t, err, readmodels.ErrUnknownStream)
}
