package proof

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/tlog"
	"pgregory.net/rapid"
)

func TestWhatFilesShow(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		j := newJournal(t, rapid.IntRange(1, 600).Draw(t, "events"))
		size := rapid.IntRange(1, len(j.encoded)).Draw(t, "size")
		position := rapid.IntRange(1, size).Draw(t, "position")
		kept, _ := j.at(t, position)

		got, err := j.check(j.inclusion(t, position, size), kept)
		require.NoError(t, err)
		require.Equal(t, []any{FormatInclusion, origin, int64(position), int64(position), 1}, []any{got.Format, got.Origin, got.From, got.To, got.Kept})
		require.Equal(t, int64(size), got.Checkpoint.Size)
		require.JSONEq(t, string(got.Event.Data), string(mustParse(t, j.encoded[position-1]).Data))

		got, err = j.check(j.consistency(t, position, size), kept)
		require.NoError(t, err)
		require.Equal(t, []any{FormatConsistency, int64(position), int64(size)}, []any{got.Format, got.From, got.To})
		require.Positive(t, got.Kept)

		from := rapid.IntRange(1, position).Draw(t, "from")
		got, err = j.check(j.export(t, from, position, size), kept)
		require.NoError(t, err)
		require.Equal(t, []any{FormatExport, int64(from), int64(position), 1}, []any{got.Format, got.From, got.To, got.Kept})
		require.Equal(t, from == 1 && position == size, got.Whole)
	})
}

func mustParse(t require.TestingT, encoded []byte) Event {
	e, err := ParseEvent(encoded)
	require.NoError(t, err)
	return e
}

// Any byte of a proof file, changed to any other, is noticed, but for white space and for how JSON may spell a text.
func TestEveryByteOfAProofCounts(t *testing.T) {
	t.Parallel()
	j := newJournal(t, 20)
	for name, file := range map[string][]byte{"inclusion": j.inclusion(t, 7, 19), "consistency": j.consistency(t, 7, 19), "export": j.export(t, 3, 7, 19)} {
		_, err := j.check(file)
		require.NoError(t, err, name)
		for i, was := range file {
			if strings.ContainsRune(" \n", rune(was)) {
				continue
			}
			changed := bytes.Clone(file)
			changed[i] ^= 1
			_, err := j.check(changed)
			require.Error(t, err, "%s: byte %d, %q", name, i, file[max(0, i-20):i+1])
		}
	}
}

func change[T any](t testing.TB, file []byte, fn func(*T)) []byte {
	t.Helper()
	var value T
	require.NoError(t, json.Unmarshal(file, &value))
	fn(&value)
	return marshal(t, value)
}

func TestProofsOfNothing(t *testing.T) {
	t.Parallel()
	j, other := newJournal(t, 20), newJournal(t, 20)
	file := j.inclusion(t, 7, 19)
	edit := func(fn func(*Inclusion)) []byte { return change(t, file, fn) }
	for name, tt := range map[string]struct {
		file     []byte
		position int64
		words    string
	}{
		"another event of the log": {edit(func(p *Inclusion) { p.Entry, _ = NewEntry(j.encoded[7]) }), 8, "doesn't stand in the log"},
		"an event that never was": {edit(func(p *Inclusion) {
			e := mustParse(t, p.Bytes)
			e.Data = []byte(`{"amount":1}`)
			p.Entry, _ = NewEntry(e.Encode())
		}), 7, "doesn't stand in the log"},
		"behind the checkpoint": {edit(func(p *Inclusion) { p.Entry, _ = NewEntry(j.encoded[19]) }), 20, "of 19 events"},
		"before the log":        {edit(func(p *Inclusion) { p.Entry, _ = NewEntry(new(Event).Encode()) }), 0, "of 19 events"},
		"words of their own":    {edit(func(p *Inclusion) { p.Event = bytes.Replace(p.Event, []byte(`"main"`), []byte(`"mine"`), 1) }), 0, "not what its bytes say"},
		"path cut":              {edit(func(p *Inclusion) { p.Path = p.Path[1:] }), 7, "doesn't stand in the log"},
		"signed by others":      {edit(func(p *Inclusion) { _, s := other.at(t, 19); p.Checkpoint = string(s) }), 0, "not signed by a known key"},
		"not signed":            {edit(func(p *Inclusion) { c, _ := j.at(t, 19); p.Checkpoint = c.Text() }), 0, "not signed by a known key"},
		"a field twice":         {bytes.Replace(file, []byte(`"event":`), []byte(`"Event":{"type":"fee.waived"},"event":`), 1), 0, "other fields"},
		"with more behind it":   {append(slices.Clone(file), "{}"...), 0, "behind its end"},
	} {
		_, err := j.check(tt.file)
		t.Log(name)
		requireDamage(t, err, tt.position, tt.words)
	}
}

func TestWhatIsNoFileOfOurs(t *testing.T) {
	t.Parallel()
	j := newJournal(t, 2)
	for _, text := range []string{"", "x", "{}", "[]", `{"format":"payledger-proof-v2"}`, `{"format":`} {
		_, err := j.check([]byte(text))
		require.ErrorIs(t, err, ErrFormat, text)
	}
	failed := errors.New("disk")
	_, err := Checker{Keys: j.signers.Keys()}.Check(iotest.ErrReader(failed))
	require.ErrorIs(t, err, failed)
	file := j.export(t, 1, 2, 2)
	_, err = Checker{Keys: j.signers.Keys()}.Check(io.MultiReader(bytes.NewReader(file[:len(file)-80]), iotest.ErrReader(failed)))
	require.ErrorIs(t, err, failed)
}

func TestCheckpointsThatDontFit(t *testing.T) {
	t.Parallel()
	j := newJournal(t, 20)
	replaced := newJournal(t, 4)
	replaced.signers = j.signers
	replaced.append(`{"amount":1000}`, 1)
	replaced.grow(15)
	_, other := replaced.at(t, 9)
	foreign := newJournal(t, 20)
	edit := func(fn func(*Consistency)) []byte { return change(t, j.consistency(t, 9, 20), fn) }
	for name, tt := range map[string]struct {
		file  []byte
		words string
	}{
		"another history":    {edit(func(c *Consistency) { c.From = string(other) }), "not the beginning"},
		"path cut":           {edit(func(c *Consistency) { c.Path = c.Path[1:] }), "not the beginning"},
		"turned round":       {edit(func(c *Consistency) { c.From, c.To = c.To, c.From }), "not the earlier one"},
		"of one size":        {edit(func(c *Consistency) { c.To, c.Path = string(other), nil }), "two logs of 9 events"},
		"signed by others":   {edit(func(c *Consistency) { _, s := foreign.at(t, 9); c.From = string(s) }), "not signed"},
		"of an empty log":    {edit(func(c *Consistency) { _, s := j.at(t, 0); c.From = string(s) }), "not the earlier one"},
		"of a later epoch":   {edit(func(c *Consistency) { _, s := j.at(t, 9, func(c *Checkpoint) { c.Epoch = 2 }); c.From = string(s) }), "not the earlier one"},
		"more than a growth": {edit(func(c *Consistency) { c.Path = append(c.Path, tlog.Hash{}) }), "not the beginning"},
	} {
		_, err := j.check(tt.file)
		t.Log(name)
		requireDamage(t, err, 0, tt.words)
	}
	_, err := j.check(change(t, j.consistency(t, 9, 9), func(*Consistency) {}))
	require.NoError(t, err, "the same one twice")
}

// lines cuts an export into its lines.
func lines(file []byte) [][]byte {
	all := slices.Collect(bytes.Lines(file))
	return all
}

func TestExportsThatWereChanged(t *testing.T) {
	t.Parallel()
	j, other := newJournal(t, 12), newJournal(t, 12)
	whole, part := lines(j.export(t, 1, 12, 12)), lines(j.export(t, 4, 10, 12))
	forged := func(position int, fn func(*Event)) []byte {
		e := mustParse(t, j.encoded[position-1])
		fn(&e)
		entry, err := NewEntry(e.Encode())
		require.NoError(t, err)
		line, err := compactJSON(entry)
		require.NoError(t, err)
		return append(line, '\n')
	}
	with := func(all [][]byte, line int, b []byte) [][]byte {
		changed := slices.Clone(all)
		changed[line] = b
		return changed
	}
	_, end := other.at(t, 12)
	ending := func(fn func(*ExportEnd)) []byte {
		var e ExportEnd
		require.NoError(t, json.Unmarshal(whole[13], &e))
		fn(&e)
		b, err := compactJSON(e)
		require.NoError(t, err)
		return b
	}
	for name, tt := range map[string]struct {
		lines    [][]byte
		position int64
		words    string
	}{
		"a field":                {with(whole, 5, forged(5, func(e *Event) { e.Data = []byte("0") })), 5, "not the one that the next one follows"},
		"the last one":           {with(whole, 12, forged(12, func(e *Event) { e.Data = []byte("0") })), 12, "another event than that of the checkpoint"},
		"the last one of part":   {with(part, 7, forged(10, func(e *Event) { e.Data = []byte("0") })), 10, "doesn't stand in the log"},
		"the first one":          {with(whole, 1, forged(1, func(e *Event) { e.Tenant = "x" })), 1, "not the one that the next one follows"},
		"what is before it":      {with(whole, 1, forged(1, func(e *Event) { e.Before[0] = 1 })), 1, "not the one"},
		"an event left out":      {slices.Delete(slices.Clone(whole), 5, 6), 5, "missing"},
		"an event twice":         {slices.Insert(slices.Clone(whole), 5, whole[5]), 6, "missing"},
		"two swapped":            {with(with(whole, 5, whole[6]), 6, whole[5]), 5, "missing"},
		"words":                  {with(whole, 5, bytes.Replace(whole[5], []byte(`"tenant":"main"`), []byte(`"tenant":"mine"`), 1)), 5, "not what its bytes say"},
		"a line":                 {with(whole, 5, []byte("{}\n")), 5, "not that of an event"},
		"cut off":                {whole[:7], 7, "cut off"},
		"cut off in a line":      {append(slices.Clone(whole[:7]), whole[7][:50]), 7, "cut off"},
		"no end":                 {whole[:13], 12, "cut off"},
		"another end":            {with(whole, 13, []byte(`{"path":[]}`)), 12, "not that of an export"},
		"range":                  {with(whole, 0, []byte(`{"format":"payledger-export-v1","from":2,"to":1}`+"\n")), 0, "says to hold"},
		"shorter than it says":   {with(whole, 0, []byte(`{"format":"payledger-export-v1","from":1,"to":13}`+"\n")), 13, "not that of an event"},
		"signed by others":       {with(whole, 13, ending(func(e *ExportEnd) { e.Checkpoint = string(end) })), 0, "not signed"},
		"too small a checkpoint": {with(whole, 13, ending(func(e *ExportEnd) { _, s := j.at(t, 11); e.Checkpoint = string(s) })), 12, "of 11 events"},
		"path":                   {with(whole, 13, ending(func(e *ExportEnd) { e.Path = e.Path[1:] })), 12, "doesn't stand"},
		"root": {with(whole, 13, ending(func(e *ExportEnd) {
			_, s := j.at(t, 12, func(c *Checkpoint) { c.Root[0] ^= 1 })
			e.Checkpoint = string(s)
		})), 12, "another log than that of the checkpoint"},
	} {
		_, err := j.check(bytes.Join(tt.lines, nil))
		t.Log(name)
		requireDamage(t, err, tt.position, tt.words)
	}
}

// A history that was replaced and signed anew with the very key is told by what somebody has kept.
func TestKeptCheckpointsShowAReplacedHistory(t *testing.T) {
	t.Parallel()
	j := newJournal(t, 12)
	kept5, _ := j.at(t, 5)
	kept9, _ := j.at(t, 9)
	forger := newJournal(t, 6)
	forger.signers = j.signers
	forger.append(`{"amount":1000}`, 1)
	forger.grow(5)
	for name, file := range map[string][]byte{
		"export": forger.export(t, 1, 12, 12), "part": forger.export(t, 8, 10, 12), "proof": forger.inclusion(t, 8, 9),
		"event": forger.inclusion(t, 9, 12), "consistency": forger.consistency(t, 5, 9),
	} {
		t.Log(name)
		_, err := forger.check(file)
		require.NoError(t, err)
		_, err = forger.check(file, kept9, kept5)
		requireDamage(t, err, 9, "kept checkpoint of 9 events")
		_, err = forger.check(file, kept5)
		require.NoError(t, err)
	}
	root, _ := j.at(t, 9, func(c *Checkpoint) { c.Root[0] ^= 1 })
	_, err := j.check(j.export(t, 1, 12, 12), root)
	requireDamage(t, err, 9, "kept checkpoint of 9 events")
}

// After a restore, what was signed of the lost events no longer counts, once that was signed too.
func TestKeptCheckpointsOfBeforeARestore(t *testing.T) {
	t.Parallel()
	j := newJournal(t, 12)
	before, _ := j.at(t, 10)
	j.cut(t, 8)
	fork, _ := j.at(t, 8, func(c *Checkpoint) { c.Epoch, c.Restored = 2, 12 })
	for range 4 {
		j.append(`{"amount":5}`, 2)
	}
	j.epoch = 2
	export := j.export(t, 1, 12, 12)
	_, err := j.check(export, before)
	requireDamage(t, err, 10, "another event than that of the kept checkpoint of 10 events, epoch 1, and of epoch 2: if a restore took that future away")
	_, err = j.check(j.inclusion(t, 9, 10), before)
	requireDamage(t, err, 10, "another log than that of the kept checkpoint of 10 events, epoch 1, and of epoch 2: if a restore took that future away")
	_, err = j.check(export, before, fork)
	require.NoError(t, err)
}

// A file of before a restore is what was signed then. It is held against what was kept of that history, and says what of it is gone.
func TestFilesOfBeforeARestore(t *testing.T) {
	t.Parallel()
	j := newJournal(t, 12)
	old5, _ := j.at(t, 5)
	old10, _ := j.at(t, 10)
	gone := map[string][]byte{"proof": j.inclusion(t, 9, 10), "export": j.export(t, 1, 10, 10), "part": j.export(t, 7, 9, 10), "consistency": j.consistency(t, 5, 10)}
	stays := map[string][]byte{"proof": j.inclusion(t, 3, 10), "part": j.export(t, 2, 8, 10), "consistency": j.consistency(t, 3, 5)}
	forger := newJournal(t, 8)
	forger.signers = j.signers
	forger.append(`{"amount":1000}`, 1)
	forger.grow(1)

	j.cut(t, 8)
	j.epoch = 2
	again := func(size int, restored int64) Checkpoint {
		c, _ := j.at(t, size, func(c *Checkpoint) { c.Restored = restored })
		return c
	}
	fork := again(8, 12)
	for range 4 {
		j.append(`{"amount":5}`, 2)
	}
	kept := []Checkpoint{old5, old10, fork, again(9, 0), again(10, 0)}
	for name, file := range gone {
		result, err := j.check(file, kept...)
		require.NoError(t, err, name)
		require.Equal(t, &Restore{After: 8, Epoch: 2}, result.TakenAway, name)
		require.Positive(t, result.Kept, name)
		_, err = j.check(file, old5, old10, again(10, 0))
		require.Error(t, err, "%s: no statement", name)
	}
	for name, file := range stays {
		result, err := j.check(file, kept...)
		require.NoError(t, err, name)
		require.Nil(t, result.TakenAway, name)
	}
	_, err := j.check(forger.export(t, 1, 10, 10), kept...)
	requireDamage(t, err, 10, "kept checkpoint of 10 events")

	gone["export of the second history"] = j.export(t, 1, 12, 12)
	j.cut(t, 6) // a second restore: what was signed after the first doesn't count there
	j.epoch = 3
	second, _ := j.at(t, 6, func(c *Checkpoint) { c.Restored = 12 })
	for name, file := range gone {
		result, err := j.check(file, append(kept, second)...)
		require.NoError(t, err, name)
		require.Equal(t, &Restore{After: 6, Epoch: 3}, result.TakenAway, name)
	}
	result, err := j.check(j.export(t, 1, 6, 6), append(kept, second)...)
	require.NoError(t, err)
	require.Nil(t, result.TakenAway)
}
