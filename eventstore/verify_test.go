package eventstore

import (
	"context"
	"fmt"
	"hash/maphash"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
)

func verify(t testing.TB, f *fixture, o VerifyOptions) VerifyReport {
	t.Helper()
	report, err := Verify(t.Context(), f.reader, o)
	require.NoError(t, err)
	return report
}

func requireBad(t testing.TB, f *fixture, position int64) VerifyReport {
	t.Helper()
	report := verify(t, f, VerifyOptions{})
	require.False(t, report.OK)
	require.Equal(t, position, report.FirstBadPosition, report.Problem)
	require.NotEmpty(t, report.Problem)
	return report
}

func TestVerifyFindsNothingWrongWithAnEmptyLog(t *testing.T) {
	t.Parallel()
	require.Empty(t, cmp.Diff(VerifyReport{OK: true, Head: Head{Epoch: 1}}, verify(t, newFixture(t), VerifyOptions{})))
}

func TestVerifyFindsNothingWrongWithAGoodLog(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.store(t, f.events(9, 3))
	f.head.Epoch = 3 // the log was restored
	f.store(t, f.events(4, 5))
	require.Empty(t, cmp.Diff(VerifyReport{OK: true, Events: 13, Head: f.head}, verify(t, f, VerifyOptions{})))
}

// More events than a page and a chunk hold, more streams than a page holds, and payloads larger than a chunk.
func TestVerifyGoesOnOverItsPages(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	events := f.events(verifyPage+100, tablePage+100)
	events = append(events, f.event("large", strings.Repeat("x", 3*chunkBytes)), f.event("large", strings.Repeat("y", chunkBytes-1)))
	f.store(t, append(events, f.events(verifyPage, 7)...))
	var done, total int64
	report := verify(t, f, VerifyOptions{Progress: func(d, n int64) {
		require.Greater(t, d, done)
		done, total = d, n
	}})
	require.True(t, report.OK, report.Problem)
	require.Equal(t, f.head.Position, report.Events)
	require.Equal(t, f.head.Position, done)
	require.Equal(t, f.head.Position, total)

	f.tamper(t, fmt.Sprintf("UPDATE ledger.events SET data = 'z' WHERE position = %d", verifyPage+50))
	requireBad(t, f, verifyPage+50)
}

func TestVerifyPartOfALog(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.store(t, f.events(9, 3))
	for _, o := range []VerifyOptions{{From: 4}, {To: 6}, {From: 9, To: 9}, {From: 10}} {
		report := verify(t, f, o)
		require.True(t, report.OK, report.Problem)
	}
	require.EqualValues(t, 3, verify(t, f, VerifyOptions{From: 4, To: 6}).Events)
	for _, o := range []VerifyOptions{{To: 10}, {From: 11}, {From: 5, To: 3}} {
		_, err := Verify(t.Context(), f.reader, o)
		require.ErrorIs(t, err, ErrNotInLog)
		require.ErrorContains(t, err, "not in a log that ends at 9")
	}
	f.tamper(t, "UPDATE ledger.events SET data = 'z' WHERE position = 5")
	require.True(t, verify(t, f, VerifyOptions{To: 4}).OK)
	require.True(t, verify(t, f, VerifyOptions{From: 6}).OK)
	require.EqualValues(t, 5, verify(t, f, VerifyOptions{From: 3, To: 7}).FirstBadPosition)
}

// changedColumns has a change of event 5 for every column of events.
func changedColumns() map[string]string {
	return map[string]string{
		"position":     "position = 50",
		"epoch":        "epoch = 2",
		"id":           "id = gen_random_uuid()",
		"commit_id":    "commit_id = gen_random_uuid()",
		"tenant":       "tenant = 'other'",
		"stream":       "stream = 'fee-9'",
		"version":      "version = 20",
		"type":         "type = 'fee.waived'",
		"schema":       "schema = 2",
		"data":         "data = data || ' '",
		"metadata":     "metadata = ''",
		"effective_at": "effective_at = effective_at + interval '1 microsecond'",
		"recorded_at":  "recorded_at = recorded_at - interval '1 microsecond'",
		"hash":         "hash = set_byte(hash, 31, get_byte(hash, 31) # 1)",
	}
}

func TestVerifyNoticesEveryColumn(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.store(t, f.events(9, 3))
	var columns []string
	err := f.super.QueryRow(t.Context(), `SELECT array_agg(column_name::text) FROM information_schema.columns
		WHERE table_schema = 'ledger' AND table_name = 'events'`).Scan(&columns)
	require.NoError(t, err)
	require.NotEmpty(t, columns)
	f.tamper(t, "CREATE TABLE kept AS SELECT * FROM ledger.events WHERE position = 5")
	for _, column := range columns {
		change, ok := changedColumns()[column]
		require.True(t, ok, "no case for column %s", column)
		f.tamper(t, "UPDATE ledger.events SET "+change+" WHERE position = 5")
		requireBad(t, f, 5)
		f.tamper(t, "DELETE FROM ledger.events WHERE position IN (5, 50)", "INSERT INTO ledger.events SELECT * FROM kept")
		require.True(t, verify(t, f, VerifyOptions{}).OK, "restored after %s", column)

		f.tamper(t, "ALTER TABLE ledger.events DROP CONSTRAINT IF EXISTS events_pkey", "ALTER TABLE ledger.events ALTER "+column+" DROP NOT NULL",
			"UPDATE ledger.events SET "+column+" = NULL WHERE position = 5")
		requireBad(t, f, 5)
		f.tamper(t, "DELETE FROM ledger.events WHERE position = 5 OR position IS NULL", "INSERT INTO ledger.events SELECT * FROM kept")
	}
}

func TestVerifyNoticesDamage(t *testing.T) {
	t.Parallel()
	const unique = "ALTER TABLE ledger.events DROP CONSTRAINT events_stream_version_key"
	const clone = "INSERT INTO ledger.events SELECT %d, epoch, gen_random_uuid(), commit_id, tenant, stream, %d, type, schema, data, metadata, effective_at, recorded_at, hash FROM ledger.events WHERE position = %d"
	for name, tt := range map[string]struct {
		sql   []string
		first int64
	}{
		"first event deleted":       {[]string{"DELETE FROM ledger.events WHERE position = 1"}, 1},
		"event deleted":             {[]string{"DELETE FROM ledger.events WHERE position = 5"}, 5},
		"tail cut":                  {[]string{"DELETE FROM ledger.events WHERE position > 7"}, 8},
		"all deleted":               {[]string{"TRUNCATE ledger.events"}, 1},
		"event added after head":    {[]string{fmt.Sprintf(clone, 12, 3, 11)}, 12},
		"event inserted":            {[]string{"UPDATE ledger.events SET position = position + 100 WHERE position >= 5", "UPDATE ledger.events SET position = position - 99 WHERE position > 100", fmt.Sprintf(clone, 5, 40, 4)}, 5},
		"events swapped":            {[]string{"UPDATE ledger.events SET position = position + 100 WHERE position IN (4, 5)", "UPDATE ledger.events SET position = 109 - position WHERE position > 100"}, 4},
		"tenants swapped":           {[]string{unique, "UPDATE ledger.events SET tenant = CASE tenant WHEN 'main' THEN 'other' ELSE 'main' END WHERE position IN (3, 10)"}, 3},
		"tenants swapped all over":  {[]string{unique, "ALTER TABLE ledger.streams DROP CONSTRAINT streams_pkey", "UPDATE ledger.events SET tenant = CASE tenant WHEN 'main' THEN 'other' ELSE 'main' END", "UPDATE ledger.streams SET tenant = CASE tenant WHEN 'main' THEN 'other' ELSE 'main' END"}, 1},
		"stream renamed everywhere": {[]string{"UPDATE ledger.events SET stream = 'fee-7' WHERE stream = 'fee-1'", "UPDATE ledger.streams SET stream = 'fee-7' WHERE stream = 'fee-1'"}, 2},

		"head lower":          {[]string{"UPDATE ledger.head SET position = 8"}, 8},
		"head lower and true": {[]string{"UPDATE ledger.head SET position = 8, hash = (SELECT hash FROM ledger.events WHERE position = 8)"}, 9},
		"tail cut with head":  {[]string{"DELETE FROM ledger.events WHERE position > 7", "UPDATE ledger.head SET position = 7, hash = (SELECT hash FROM ledger.events WHERE position = 7)"}, 8},
		"head higher":         {[]string{"UPDATE ledger.head SET position = 13"}, 12},
		"head hash":           {[]string{"UPDATE ledger.head SET hash = set_byte(hash, 0, get_byte(hash, 0) # 1)"}, 11},
		"head epoch":          {[]string{"ALTER TABLE ledger.head DROP CONSTRAINT head_epoch_check", "UPDATE ledger.head SET epoch = 0"}, 11},
		"head missing":        {[]string{"DELETE FROM ledger.head"}, 0},

		"stream behind":           {[]string{"UPDATE ledger.streams SET version = 2, position = 5 WHERE (tenant, stream) = ('main', 'fee-1')"}, 8},
		"stream ahead":            {[]string{"UPDATE ledger.streams SET version = 4 WHERE (tenant, stream) = ('main', 'fee-1')"}, 8},
		"stream elsewhere":        {[]string{"UPDATE ledger.streams SET position = 7 WHERE (tenant, stream) = ('main', 'fee-1')"}, 8},
		"stream missing":          {[]string{"DELETE FROM ledger.streams WHERE stream = 'fee-2'"}, 9},
		"stream without events":   {[]string{"INSERT INTO ledger.streams VALUES ('main', 'ghost', 1, 6)"}, 6},
		"one behind, one ahead":   {[]string{"UPDATE ledger.streams SET version = 2, position = 5 WHERE (tenant, stream) = ('main', 'fee-1')", "UPDATE ledger.streams SET version = 4 WHERE stream = 'fee-0'"}, 7},
		"commit missing":          {[]string{"DELETE FROM ledger.commits WHERE first_position = 4"}, 4},
		"commit of nothing":       {[]string{"INSERT INTO ledger.commits VALUES (gen_random_uuid(), 6, 6, 6)"}, 6},
		"commit elsewhere":        {[]string{"UPDATE ledger.commits SET first_position = 5 WHERE first_position = 6"}, 5},
		"commit longer":           {[]string{"UPDATE ledger.commits SET last_position = 7 WHERE first_position = 6"}, 6},
		"commit said to be empty": {[]string{"UPDATE ledger.commits SET first_position = 0, last_position = 0 WHERE first_position = 4"}, 4},
		"commits swapped":         {[]string{"UPDATE ledger.commits SET first_position = 9 - first_position, last_position = 9 - last_position WHERE first_position IN (4, 5)"}, 4},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			events := f.events(9, 3)
			f.store(t, append(events, f.eventOf(StreamID{"other", "fee-1"}, "a"), f.eventOf(StreamID{"other", "fee-1"}, "b")))
			require.True(t, verify(t, f, VerifyOptions{}).OK)
			f.tamper(t, tt.sql...)
			requireBad(t, f, tt.first)
		})
	}
}

// Hashes that were recomputed after a change don't help, as long as the head is true.
func TestVerifyNoticesARecomputedChain(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	events := f.events(9, 3)
	f.store(t, events)
	forge := func(upTo int) {
		prev := events[3].Hash
		for i := 4; i < upTo; i++ {
			e := events[i]
			if i == 4 {
				e.Data = []byte("forged")
			}
			prev = hashEvent(prev, &e)
			f.tamper(t, fmt.Sprintf(`UPDATE ledger.events SET data = '\x%x', hash = '\x%x' WHERE position = %d`, e.Data, prev[:], e.Position))
		}
	}
	forge(5)
	requireBad(t, f, 6)
	forge(9)
	require.Contains(t, requireBad(t, f, 9).Problem, "head")
}

// A chain of right hashes over wrong content: what a fault in the writer would make.
func TestVerifyNoticesWhatAFaultyWriterMakes(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		spoil func(*fixture, *Recorded)
		drop  string
		word  string
	}{
		"version left out":    {func(_ *fixture, e *Recorded) { e.Version++ }, "", "version"},
		"version twice":       {func(_ *fixture, e *Recorded) { e.Version-- }, "ALTER TABLE ledger.events DROP CONSTRAINT events_stream_version_key", "version"},
		"first version twice": {func(_ *fixture, e *Recorded) { e.Version = 1 }, "ALTER TABLE ledger.events DROP CONSTRAINT events_stream_version_key", "version"},
		"new stream at 2":     {func(_ *fixture, e *Recorded) { e.Stream.Name, e.Version = "new", 2 }, "", "version"},
		"time goes back":      {func(f *fixture, e *Recorded) { e.RecordedAt = f.at.Add(-2 * time.Millisecond) }, "", "recorded"},
		"epoch goes back":     {func(f *fixture, e *Recorded) { e.Epoch-- }, "", "epoch"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			f.head.Epoch = 2
			if tt.drop != "" {
				f.tamper(t, tt.drop)
			}
			events := f.events(9, 3)
			before := f.head.Hash
			bad := f.event("fee-1", "x")
			tt.spoil(f, &bad)
			bad.Hash = hashEvent(before, &bad)
			f.head.Hash = bad.Hash
			f.store(t, append(events, bad))
			require.Contains(t, requireBad(t, f, 10).Problem, tt.word)
		})
	}
}

func TestVersionsAreLookedUpWhenTooManyStreamsAreOpen(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	events := f.events(90, 30)
	f.store(t, events)
	feed := func(events []Recorded) *damage {
		c := newVersionCheck(fingerprints{maphash.MakeSeed()}, 7)
		for i := range events {
			c.add(&events[i])
			require.LessOrEqual(t, len(c.last), 7)
		}
		require.NotEmpty(t, c.doubts.positions)
		bad, err := c.resolve(t.Context(), f.reader.pool)
		require.NoError(t, err)
		return bad
	}
	require.Nil(t, feed(events))
	events[75].Version++
	bad := feed(events)
	require.NotNil(t, bad)
	require.EqualValues(t, 76, bad.position)
}

// No false alarm, however often and wherever the verification meets commits.
func TestVerifyWhileWritersGoOn(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.store(t, f.events(2_000, 50))
	var stop atomic.Bool
	var writing sync.WaitGroup
	writing.Go(func() {
		for !stop.Load() {
			f.store(t, f.events(20, 60))
		}
	})
	defer writing.Wait()
	defer stop.Store(true)
	var last int64
	for i := 0; i < 30 || last < 2_100; i++ {
		report := verify(t, f, VerifyOptions{})
		require.True(t, report.OK, "%d: %s", report.FirstBadPosition, report.Problem)
		require.GreaterOrEqual(t, report.Events, last)
		last = report.Events
	}
}

func TestVerifyNeedsOneConnectionOnly(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.store(t, f.events(3*chunkCount*chunkEvents, 9))
	config := f.super.Config()
	config.MaxConns = 1
	pool := openPool(t, config)
	report, err := Verify(t.Context(), NewReader(pool), VerifyOptions{From: 5})
	require.NoError(t, err)
	require.True(t, report.OK, report.Problem)
}

func TestVerifyEndsWithItsContext(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.store(t, f.events(2*verifyPage, 9))
	ctx, cancel := context.WithCancel(t.Context())
	_, err := Verify(ctx, f.reader, VerifyOptions{Progress: func(int64, int64) { cancel() }})
	require.ErrorIs(t, err, context.Canceled)
}
