package proof

import (
	"encoding/hex"
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// goldenEvent is the event whose hash the event store's own golden test has, computed there with another tool.
func goldenEvent(t testing.TB) Event {
	t.Helper()
	id := func(text string) (id [16]byte) {
		b, err := hex.DecodeString(strings.ReplaceAll(text, "-", ""))
		require.NoError(t, err)
		copy(id[:], b)
		return id
	}
	return Event{
		Before: [32]byte{0: 0xaa, 31: 0xbb}, Position: 7, Epoch: 2, ID: id("01937b2a-0000-7000-8000-000000000001"),
		CommitID: id("01937b2a-0000-7000-8000-0000000000ff"), Tenant: "main", Stream: "fee-1", Version: 3, Type: "fee.assessed", Schema: 1,
		Data: []byte(`{"amount":1250}`), Metadata: []byte(`{"actor":"staff:1"}`),
		EffectiveAt: 1_767_323_045_678_901, RecordedAt: 1_767_323_046_000_001,
	}
}

func TestEncodingGolden(t *testing.T) {
	t.Parallel()
	e := goldenEvent(t)
	hash := HashOf(e.Encode())
	require.Equal(t, "226ec863855055a79049df6fffedc2c6cafcfc9248abf575f8450703f9111d06", hex.EncodeToString(hash[:]))
}

func drawEvent(t *rapid.T) Event {
	number := rapid.Int64()
	id := func(label string) [16]byte { return [16]byte(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, label)) }
	return Event{
		Before: [32]byte(rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "before")), Position: number.Draw(t, "position"), Epoch: number.Draw(t, "epoch"),
		ID: id("id"), CommitID: id("commit"), Tenant: rapid.String().Draw(t, "tenant"), Stream: rapid.String().Draw(t, "stream"),
		Version: number.Draw(t, "version"), Type: rapid.String().Draw(t, "type"), Schema: number.Draw(t, "schema"),
		Data: rapid.SliceOf(rapid.Byte()).Draw(t, "data"), Metadata: []byte(rapid.SampledFrom([]string{`{"a": 1}`, `"\u2028<"`, "", "x"}).Draw(t, "metadata")),
		EffectiveAt: number.Draw(t, "effective"), RecordedAt: number.Draw(t, "recorded"),
	}
}

func TestAnEventCanBeReadBackFromItsBytes(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		e := drawEvent(t)
		got, err := ParseEvent(e.Encode())
		require.NoError(t, err)
		require.Equal(t, e.Encode(), got.Encode())
		e.Data, got.Data = nil, nil // nil and empty are one
		e.Metadata, got.Metadata = nil, nil
		require.Equal(t, e, got)
	})
}

func TestNoByteOfAnEventIsLeftOver(t *testing.T) {
	t.Parallel()
	event := goldenEvent(t)
	b := event.Encode()
	for n := range b {
		_, err := ParseEvent(b[:n])
		require.ErrorIs(t, err, ErrEncoding, "%d bytes", n)
	}
	_, err := ParseEvent(append(b, 0))
	require.ErrorIs(t, err, ErrEncoding)
	b = event.Encode()
	b[0] = 2
	_, err = ParseEvent(b)
	require.ErrorIs(t, err, ErrEncoding)
}

func TestEntryGolden(t *testing.T) {
	t.Parallel()
	event := goldenEvent(t)
	entry, err := NewEntry(event.Encode())
	require.NoError(t, err)
	require.JSONEq(t, `{"position":7,"epoch":2,"id":"01937b2a-0000-7000-8000-000000000001","commitId":"01937b2a-0000-7000-8000-0000000000ff",
		"tenant":"main","stream":"fee-1","version":3,"type":"fee.assessed","schema":1,"data":{"amount":1250},"metadata":{"actor":"staff:1"},
		"effectiveAt":"2026-01-02T03:04:05.678901Z","recordedAt":"2026-01-02T03:04:06.000001Z",
		"previousHash":"aa000000000000000000000000000000000000000000000000000000000000bb",
		"hash":"226ec863855055a79049df6fffedc2c6cafcfc9248abf575f8450703f9111d06"}`, string(entry.Event))
	opened, err := entry.Open()
	require.NoError(t, err)
	require.Equal(t, event, opened)
}

// Payloads that are no JSON stand in an entry as well, and every entry goes through JSON and back.
func TestEveryEventHasAnEntry(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		e := drawEvent(t)
		entry, err := NewEntry(e.Encode())
		require.NoError(t, err)
		text, err := compactJSON(entry)
		require.NoError(t, err)
		var again Entry
		require.True(t, readExactly(text, &again))
		_, err = again.Open()
		require.NoError(t, err)
	})
}

// What people read is what is proved: no field can say something else, and none can be added or named twice.
func TestAnEntryThatSaysSomethingElse(t *testing.T) {
	t.Parallel()
	event := goldenEvent(t)
	entry, err := NewEntry(event.Encode())
	require.NoError(t, err)
	var fields map[string]json.RawMessage
	require.NoError(t, json.Unmarshal(entry.Event, &fields))
	require.Len(t, fields, 15)
	for name, value := range fields {
		changed := entry
		changed.Event = json.RawMessage(strings.Replace(string(entry.Event), string(value), `"x"`, 1))
		require.NotEqual(t, string(entry.Event), string(changed.Event))
		_, err := changed.Open()
		require.ErrorContains(t, err, "not what its bytes say", name)
	}
	for _, added := range []string{`"note":"paid",`, `"version":4,`} {
		changed := entry
		changed.Event = json.RawMessage(`{` + added + string(entry.Event[1:]))
		_, err := changed.Open()
		require.ErrorContains(t, err, "not what its bytes say", added)
	}
}
