package eventstore

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// TestReadPageUsesItsMemoryAgain reads what ReadAll reads, but for what no fold may look at.
func TestReadPageUsesItsMemoryAgain(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	events := f.events(10, 3)
	odd := f.event("fee-ü/1", "")
	odd.Metadata = []byte{0, 0xff}
	long := f.event("fee-ü/1", "")
	long.Metadata, long.Schema, long.Epoch = bytes.Repeat([]byte("x"), metadataHead+1), 7, 3
	events = append(events, odd, long)
	f.store(t, events)
	for i := range events {
		events[i].CommitID, events[i].RecordedAt, events[i].Hash = uuid.UUID{}, time.Time{}, [32]byte{}
	}
	var p Page
	for _, from := range []int64{0, 4, 0} {
		require.NoError(t, f.reader.ReadPage(t.Context(), &p, from, 12))
		require.Len(t, p.Events[11-from].Metadata, metadataHead)
		p.Events[11-from].Metadata = long.Metadata
		require.Empty(t, cmp.Diff(events[from:], p.Events))
	}
	p.Whole = true
	require.NoError(t, f.reader.ReadPage(t.Context(), &p, 0, 12))
	require.Empty(t, cmp.Diff(events, p.Events))
	first := &p.scanner.arena[0]
	require.NoError(t, f.reader.ReadPage(t.Context(), &p, 2, 5))
	require.Empty(t, cmp.Diff(events[2:5], p.Events))
	require.Same(t, first, &p.scanner.arena[0])
}

func TestReadPageNamesWhatIsMissing(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.store(t, f.events(9, 3))
	f.tamper(t, "DELETE FROM ledger.events WHERE position = 5")
	var p Page
	err := f.reader.ReadPage(t.Context(), &p, 2, 9)
	require.ErrorIs(t, err, ErrGap)
	require.ErrorContains(t, err, "position 5")
	require.NoError(t, f.reader.ReadPage(t.Context(), &p, 5, 9))
	err = f.reader.ReadPage(t.Context(), &p, 5, 10)
	require.ErrorIs(t, err, ErrGap)
	require.ErrorContains(t, err, "ends at 9")
}

// TestEnds: which event is the last of its stream up to a position, and how many streams are long. Streams that went on behind it have no end.
func TestEnds(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	events := f.events(20, 7)
	f.store(t, events)
	rapid.Check(t, func(rt *rapid.T) {
		upTo := rapid.Int64Range(1, 20).Draw(rt, "up to")
		brief := rapid.Int64Range(0, 3).Draw(rt, "brief")
		ends, long, err := f.reader.Ends(t.Context(), upTo, brief)
		require.NoError(rt, err)
		require.EqualValues(rt, map[int64]int{0: 7, 1: 7, 2: 6, 3: 0}[brief], long)
		last := make(map[StreamID]int64)
		for _, ev := range events {
			last[ev.Stream] = ev.Position
		}
		for _, ev := range events {
			require.Equal(rt, ev.Position <= upTo && last[ev.Stream] == ev.Position, ends.Last(ev.Position), "%d of %d", ev.Position, upTo)
		}
		require.False(rt, ends.Last(1000))
		require.False(rt, Ends(nil).Last(1))
	})
}

// TestEndsOfNothing: a position that no event has is told, whoever wrote it there.
func TestEndsOfNothing(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.store(t, f.events(20, 7))
	for _, position := range []int{0, -1 << 62} {
		f.tamper(t, fmt.Sprintf("UPDATE ledger.streams SET position = %d WHERE stream = 'fee-1'", position))
		_, _, err := f.reader.Ends(t.Context(), 20, 1)
		require.ErrorIs(t, err, errStreams)
		require.ErrorContains(t, err, fmt.Sprintf("position %d", position))
	}
}
