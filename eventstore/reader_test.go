package eventstore

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
)

func TestReadAllGivesBackWhatWasStored(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	events := f.events(10, 3)
	odd := f.event("fee-ü/1", "")
	odd.Metadata = []byte{0, 0xff}
	odd.EffectiveAt = time.Date(-4000, 1, 1, 0, 0, 0, 0, time.UTC)
	far := f.event("fee-ü/1", "\x00")
	far.EffectiveAt = time.Date(294_276, 12, 31, 23, 59, 59, 999_999_000, time.UTC)
	events = append(events, odd, far)
	f.store(t, events)

	got, err := f.reader.ReadAll(t.Context(), 0, 100)
	require.NoError(t, err)
	require.Empty(t, cmp.Diff(events, got))
	got, err = f.reader.ReadAll(t.Context(), 4, 3)
	require.NoError(t, err)
	require.Empty(t, cmp.Diff(events[4:7], got))
	got, err = f.reader.ReadAll(t.Context(), 12, 3)
	require.NoError(t, err)
	require.Empty(t, got)

	head, err := f.reader.Head(t.Context())
	require.NoError(t, err)
	require.Empty(t, cmp.Diff(f.head, head))
}

// A caller that appends to one payload must not write over another.
func TestPayloadsDoNotShareRoom(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.store(t, f.events(2, 1))
	got, err := f.reader.ReadAll(t.Context(), 0, 2)
	require.NoError(t, err)
	before := string(got[0].Metadata)
	_ = append(got[0].Data, "some more"...)
	require.Equal(t, before, string(got[0].Metadata))
}

func TestReadAllNamesAHole(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.store(t, f.events(9, 3))
	f.tamper(t, "DELETE FROM ledger.events WHERE position = 5")
	_, err := f.reader.ReadAll(t.Context(), 2, 100)
	require.ErrorIs(t, err, ErrGap)
	require.ErrorContains(t, err, "position 5")
	got, err := f.reader.ReadAll(t.Context(), 0, 4)
	require.NoError(t, err, "what stands before the hole can be read")
	require.Len(t, got, 4)
	_, err = f.reader.ReadAll(t.Context(), 4, 2)
	require.ErrorIs(t, err, ErrGap)
}

func TestReadStreams(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	events := f.events(9, 3)
	f.store(t, events)
	ids := []StreamID{{Tenant: "main", Name: "fee-2"}, {Tenant: "main", Name: "fee-0"}, {Tenant: "other", Name: "fee-1"}}

	got, err := f.reader.ReadStreams(t.Context(), ids, 8)
	require.NoError(t, err)
	require.Empty(t, cmp.Diff([]Recorded{events[0], events[2], events[3], events[5], events[6]}, got))
	got, err = f.reader.ReadStreams(t.Context(), nil, 8)
	require.NoError(t, err)
	require.Empty(t, got)
}

func TestReadStream(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	events := f.events(9, 3)
	f.store(t, events)
	id := StreamID{Tenant: "main", Name: "fee-1"}

	got, err := f.reader.ReadStream(t.Context(), id, 0, 100)
	require.NoError(t, err)
	require.Empty(t, cmp.Diff([]Recorded{events[1], events[4], events[7]}, got))
	got, err = f.reader.ReadStream(t.Context(), id, 1, 1)
	require.NoError(t, err)
	require.Empty(t, cmp.Diff([]Recorded{events[4]}, got))
	got, err = f.reader.ReadStream(t.Context(), StreamID{Tenant: "other", Name: "fee-1"}, 0, 100)
	require.NoError(t, err)
	require.Empty(t, got)

	f.tamper(t, "DELETE FROM ledger.events WHERE position = 5")
	_, err = f.reader.ReadStream(t.Context(), id, 0, 100)
	require.ErrorIs(t, err, ErrGap)
	require.ErrorContains(t, err, "version 2")
}

func TestStreamsOf(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.store(t, f.events(9, 3))
	f.tamper(t, "UPDATE ledger.streams SET subject = 'ann' WHERE stream IN ('fee-0', 'fee-1')")

	got, err := f.reader.StreamsOf(t.Context(), "main", "ann", 0)
	require.NoError(t, err)
	require.Equal(t, []StreamEnd{
		{StreamID{"main", "fee-0"}, 3, 7},
		{StreamID{"main", "fee-1"}, 3, 8},
	}, got)
	got, err = f.reader.StreamsOf(t.Context(), "main", "ann", 7)
	require.NoError(t, err)
	require.Len(t, got, 1)
	for _, nobody := range []struct{ tenant, subject string }{{"main", ""}, {"other", "ann"}, {"main", "bob"}} {
		got, err = f.reader.StreamsOf(t.Context(), nobody.tenant, nobody.subject, 0)
		require.NoError(t, err)
		require.Empty(t, got)
	}
}

func TestFollowGetsWhatIsThereAndWhatComes(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	events := f.events(10, 3)
	f.store(t, events[:7])
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var got []Recorded
	enough := errors.New("enough")
	err := f.reader.Follow(ctx, 1, 2, func(_ context.Context, batch []Recorded) error {
		require.LessOrEqual(t, len(batch), 2)
		got = append(got, batch...)
		switch got[len(got)-1].Position {
		case 7:
			f.head, f.at = headAt(events[9]), events[9].RecordedAt
			f.store(t, events[7:]) //nolint:contextcheck // the test's own context is meant
		case 10:
			return enough
		}
		return nil
	})
	require.ErrorIs(t, err, enough)
	require.Empty(t, cmp.Diff(events[1:], got))
}

func headAt(e Recorded) Head { return Head{Position: e.Position, Epoch: e.Epoch, Hash: e.Hash} }

func TestFollowEndsWithItsContext(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.store(t, f.events(1, 1))
	ctx, cancel := context.WithCancel(t.Context())
	err := f.reader.Follow(ctx, 0, 10, func(context.Context, []Recorded) error { cancel(); return nil })
	require.ErrorIs(t, err, context.Canceled)
}
