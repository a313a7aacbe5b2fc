package catalog

import (
	"context"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"payledger/domain/credit"
	"payledger/domain/extension"
	"payledger/domain/fee"
	"payledger/domain/money"
	"payledger/domain/payment"
	"payledger/eventstore"
)

var update = flag.Bool("update", false, "write the golden files of new events")

// keyring is a vault in memory. A nil key stands for an erased person.
type keyring map[uuid.UUID]*eventstore.Key

func (k keyring) Key(_ context.Context, id uuid.UUID) (eventstore.Key, error) {
	key, ok := k[id]
	switch {
	case !ok:
		return eventstore.Key{}, eventstore.ErrKeyUnknown
	case key == nil:
		return eventstore.Key{}, eventstore.ErrKeyDestroyed
	}
	return *key, nil
}

var (
	testKey    = eventstore.Key{ID: uuid.MustParse("01937b2a-0000-7000-8000-00000000000e"), Secret: [32]byte{1, 2, 3}}
	testKeys   = keyring{testKey.ID: &testKey}
	testStream = eventstore.StreamID{Tenant: "main", Name: "fee-01937b2a-0000-7000-8000-000000000001"}
	testID     = uuid.MustParse("01937b2a-0000-7000-8000-0000000000aa")
	testTime   = time.Date(2026, 3, 4, 5, 6, 7, 89_000_000, time.UTC)
	testMeta   = Meta{
		Actor: Actor{Kind: "staff", ID: "01937b2a-0000-7000-8000-0000000000bb", Roles: []string{"staff", "supervisor"}},
		At:    testTime, RequestID: "r-1", TraceParent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", Channel: "api",
	}
)

func usd(minor int64) money.Amount {
	cur, err := money.ParseCurrency("USD")
	if err != nil {
		panic(err)
	}
	return money.New(minor, cur)
}

func encode(tb testing.TB, data any) *eventstore.Recorded {
	tb.Helper()
	ev, err := New().Encode(EncodeArgs{Key: &testKey, Stream: testStream, ID: testID, Data: data, Meta: testMeta, EffectiveAt: testTime})
	require.NoError(tb, err)
	return &eventstore.Recorded{NewEvent: ev, Stream: testStream, Version: 1, Position: 1, Epoch: 1, RecordedAt: testTime}
}

// The stored form of every event, for ever: a golden file is written once and then only read.
func TestStoredForm(t *testing.T) {
	t.Parallel()
	require.ElementsMatch(t, New().Types(), keysOf(samples()), "an event without a sample")
	for name, data := range samples() {
		rec := encode(t, data)
		require.Equal(t, name, rec.Type)
		golden := goldenOf(rec.Type, rec.Schema)
		requireGolden(t, golden, rec.Data)
		stored, err := os.ReadFile(golden)
		require.NoError(t, err)
		rec.Data = stored
		ev, err := New().Decode(t.Context(), testKeys, rec)
		require.NoError(t, err)
		want := Event{
			ID: testID, Stream: testStream, Version: 1, Position: 1, Epoch: 1, Type: name, Schema: rec.Schema,
			EffectiveAt: testTime, RecordedAt: testTime, Meta: testMeta, Data: data,
		}
		require.Empty(t, cmp.Diff(want, ev))
	}
	requireGolden(t, filepath.Join("testdata", "metadata.json"), encode(t, samples()["fee.annotated"]).Metadata)
}

// A payload that an older program stored is read as the newest version. Its golden file is what that program wrote.
func TestOldStoredForms(t *testing.T) {
	t.Parallel()
	lifts, old := oldSamples(), 0
	for _, e := range entries() {
		if e.up == nil {
			continue
		}
		old++
		stored, err := os.ReadFile(goldenOf(e.name, e.schema))
		require.NoError(t, err)
		rec := encode(t, samples()[e.name])
		rec.Schema, rec.Data = e.schema, stored
		ev, err := New().Decode(t.Context(), testKeys, rec)
		require.NoError(t, err)
		require.Equal(t, e.schema, ev.Schema)
		require.Empty(t, cmp.Diff(lifts[fmt.Sprintf("%s.v%d", e.name, e.schema)], ev.Data))
	}
	require.Len(t, lifts, old)
}

func goldenOf(name string, schema int) string {
	return filepath.Join("testdata", "events", fmt.Sprintf("%s.v%d.json", name, schema))
}

// requireGolden writes a golden file that is missing, with -update only; it never changes one.
func requireGolden(t *testing.T, path string, got []byte) {
	t.Helper()
	want, err := os.ReadFile(path)
	if os.IsNotExist(err) && *update {
		require.NoError(t, os.WriteFile(path, got, 0o644))
		return
	}
	require.NoError(t, err)
	require.Equal(t, string(want), string(got))
}

func keysOf[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	return keys
}

// Every type that the domain declares to be an event is in the catalog, and nothing else is. The declarations are read from
// the source: a type that nobody registered is one that no list at run time would show.
func TestEveryEventIsRegistered(t *testing.T) {
	t.Parallel()
	marker := regexp.MustCompile(`^is[A-Z][a-z]*Event$`)
	var declared []string
	files, err := filepath.Glob("../../domain/*/*.go")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		for _, decl := range parsed.Decls {
			fn, ok := decl.(*ast.FuncDecl)
			if ok && fn.Recv != nil && marker.MatchString(fn.Name.Name) {
				declared = append(declared, parsed.Name.Name+"."+fn.Recv.List[0].Type.(*ast.Ident).Name)
			}
		}
	}
	var registered []string
	for typ, e := range New().byType {
		if e.up == nil {
			registered = append(registered, typ.String())
		}
	}
	require.ElementsMatch(t, declared, registered)
}

func TestTextsAreSealedAndOpened(t *testing.T) {
	t.Parallel()
	const note = "spoke to the mother"
	for _, data := range []any{
		fee.Assessed{Amount: usd(1), Note: note},
		fee.Waived{Amount: usd(1), Note: note},
		fee.Annotated{Note: note},
		fee.Cancelled{Amount: usd(1), Note: note},
		fee.Adjusted{Amount: usd(1), Note: note},
		fee.WrittenOff{Amount: usd(1), Note: note},
		fee.ReductionReversed{Amount: usd(1), Note: note},
		fee.NoteAdded{Note: note},
		fee.NoteChanged{Note: note},
		payment.Started{Amount: usd(1), Allocations: []payment.Allocation{}, Note: note},
		payment.Captured{Amount: usd(1), Credit: usd(1), Allocations: []payment.Allocation{}, Note: note},
		payment.Failed{Note: note},
		payment.Cancelled{Note: note},
		payment.Voided{Amount: usd(1), Note: note},
		payment.Reallocated{Credit: usd(1), Taken: []payment.Taken{}, Given: []payment.Allocation{}, Note: note},
		payment.Annotated{Note: note},
		credit.Granted{Amount: usd(1), Note: note},
	} {
		rec := encode(t, data)
		require.NotContains(t, string(rec.Data), note)
		ev, err := New().Decode(t.Context(), testKeys, rec)
		require.NoError(t, err)
		require.Empty(t, cmp.Diff(data, ev.Data))

		erased, err := New().Decode(t.Context(), keyring{testKey.ID: nil}, rec)
		require.NoError(t, err)
		require.Empty(t, reflect.ValueOf(erased.Data).FieldByName("Note").String())

		_, err = New().Decode(t.Context(), keyring{}, rec)
		require.ErrorIs(t, err, eventstore.ErrKeyUnknown)

		rec.Stream.Name = "fee-2" // moved to another place
		_, err = New().Decode(t.Context(), testKeys, rec)
		require.ErrorIs(t, err, eventstore.ErrSealed)
	}
}

func TestEncodeRefuses(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		data any
		meta Meta
		want error
	}{
		"a pointer":           {data: &fee.Annotated{}, want: ErrNotRegistered},
		"nil":                 {data: nil, want: ErrNotRegistered},
		"a note without key":  {data: fee.Annotated{Note: "x"}, want: ErrNoKey},
		"bytes":               {data: fee.Waived{Amount: usd(1), Reason: "\xff"}, want: errNotText},
		"bytes in a note":     {data: fee.Annotated{Note: "\xff"}, want: ErrNoKey},
		"bytes in metadata":   {data: fee.Annotated{}, meta: Meta{RequestID: "\xff"}, want: errNotText},
		"no currency":         {data: fee.Waived{}, want: money.ErrUnknownCurrency},
		"a year of 5 digits":  {data: fee.Assessed{Amount: usd(1), AssessedAt: testTime.AddDate(300_000, 0, 0)}, want: errYear},
		"no JSON":             {data: extension.Put{Elements: []extension.Element{{Value: `{"a":}`}}}, want: errNotObject},
		"no JSON object":      {data: extension.Put{Elements: []extension.Element{{Value: `[]`}}}, want: errNotObject},
		"bytes in JSON":       {data: extension.Put{Elements: []extension.Element{{Value: "{\"a\":\"\xff\"}"}}}, want: errNotText},
		"an amount too large": {data: fee.Waived{Amount: usd(money.MaxMinor + 1)}, want: money.ErrOverflow},
	}
	for name, c := range cases {
		_, err := New().Encode(EncodeArgs{Stream: testStream, ID: testID, Data: c.data, Meta: c.meta, EffectiveAt: testTime})
		require.ErrorIs(t, err, c.want, name)
	}
	_, err := New().Encode(EncodeArgs{Key: &testKey, Stream: testStream, ID: testID, Data: fee.Annotated{Note: "\xff"}})
	require.ErrorIs(t, err, errNotText)
	require.NotContains(t, err.Error(), "ff")
}

func TestDecodeIsStrict(t *testing.T) {
	t.Parallel()
	good := `{"reductionId":"r","amount":{"minor":1,"currency":"USD"}}`
	rec := encode(t, fee.ReductionReleased{ReductionID: "r", Amount: usd(1)})
	require.Equal(t, good, string(rec.Data))
	for name, bad := range map[string]string{
		"empty":             ``,
		"null":              `null`,
		"a missing key":     `{"reductionId":"r"}`,
		"an unknown key":    `{"reductionId":"r","amount":{"minor":1,"currency":"USD"},"x":1}`,
		"a key twice":       `{"reductionId":"r","reductionId":"r","amount":{"minor":1,"currency":"USD"}}`,
		"other capitals":    `{"ReductionID":"r","amount":{"minor":1,"currency":"USD"}}`,
		"another order":     `{"amount":{"minor":1,"currency":"USD"},"reductionId":"r"}`,
		"another type":      `{"reductionId":1,"amount":{"minor":1,"currency":"USD"}}`,
		"a null":            `{"reductionId":null,"amount":{"minor":1,"currency":"USD"}}`,
		"something after":   good + " ",
		"white space":       `{ "reductionId":"r","amount":{"minor":1,"currency":"USD"}}`,
		"cut off":           good[:len(good)-1],
		"no such currency":  `{"reductionId":"r","amount":{"minor":1,"currency":"XXX"}}`,
		"a fraction":        `{"reductionId":"r","amount":{"minor":1.5,"currency":"USD"}}`,
		"a control code":    "{\"reductionId\":\"\n\",\"amount\":{\"minor\":1,\"currency\":\"USD\"}}",
		"another spelling":  `{"reductionId":"\u0072","amount":{"minor":1,"currency":"USD"}}`,
		"a broken escape":   `{"reductionId":"\x","amount":{"minor":1,"currency":"USD"}}`,
		"bytes, not UTF-8":  "{\"reductionId\":\"\xff\",\"amount\":{\"minor\":1,\"currency\":\"USD\"}}",
		"an endless string": `{"reductionId":"r\"`,
	} {
		rec.Data = []byte(bad)
		_, err := New().Decode(t.Context(), testKeys, rec)
		require.ErrorIs(t, err, ErrMalformed, name)
	}
	for name, bad := range map[string][]string{ // by event: what stands in the sample, and what it can't be
		"fee.cancelled":            {`true`, `false`, `null`, `"true"`, `True`, `1`},
		"customer.method_attached": {`2031`, `-7`, `2031.0`, `"2031"`, `02031`, `2e3`, `9999999999999999999`},
		"extends.put": {
			`{"id": "r1", "sent": [1, null]}`, `{}`, `[1]`, `"r1"`, `null`, `{"id": 1,}`, ` {}`, `{} `, "{\"id\":\"\xff\"}", `{"id":"r1"`,
		},
	} {
		rec = encode(t, samples()[name])
		stored := string(rec.Data)
		for i, text := range bad[1:] {
			rec.Data = []byte(strings.Replace(stored, bad[0], text, 1))
			_, err := New().Decode(t.Context(), testKeys, rec)
			if i == 0 {
				require.NoError(t, err, "%s: %s", name, text)
				continue
			}
			require.ErrorIs(t, err, ErrMalformed, "%s: %s", name, text)
		}
	}
	rec = encode(t, samples()["fee.annotated"])
	rec.Metadata = []byte(`{}`)
	_, err := New().Decode(t.Context(), testKeys, rec)
	require.ErrorIs(t, err, ErrMalformed)
	rec = encode(t, samples()["fee.annotated"])
	rec.Schema = 2
	_, err = New().Decode(t.Context(), testKeys, rec)
	require.ErrorIs(t, err, ErrUnknownType)
	rec.Type, rec.Schema = "fee.forgotten", 1
	_, err = New().Decode(t.Context(), testKeys, rec)
	require.ErrorIs(t, err, ErrUnknownType)
}

// What a later version brings: the old type stays readable, and comes out as the newest one.
func TestOldVersionsAreLifted(t *testing.T) {
	t.Parallel()
	type annotatedV1 struct {
		Text string `json:"text" sealed:"true"`
	}
	type annotatedV2 struct {
		Note string `json:"note" sealed:"true"`
	}
	type annotatedV3 struct {
		Note string `json:"note" sealed:"true"`
		Tone string `json:"tone"`
	}
	toV2 := func(old annotatedV1) annotatedV2 { return annotatedV2{Note: old.Text} }
	toV3 := func(old annotatedV2) annotatedV3 { return annotatedV3{Note: old.Note, Tone: "plain"} }
	before := build([]entry{of[annotatedV1]("fee.annotated", 1)})
	after := build([]entry{
		lifted(of[annotatedV1]("fee.annotated", 1), toV2), lifted(of[annotatedV2]("fee.annotated", 2), toV3), of[annotatedV3]("fee.annotated", 3),
	})
	require.Equal(t, []string{"fee.annotated"}, after.Types())

	old, err := before.Encode(EncodeArgs{Key: &testKey, Stream: testStream, ID: testID, Data: annotatedV1{Text: "x"}, Meta: testMeta})
	require.NoError(t, err)
	ev, err := after.Decode(t.Context(), testKeys, &eventstore.Recorded{NewEvent: old, Stream: testStream})
	require.NoError(t, err)
	require.Equal(t, annotatedV3{Note: "x", Tone: "plain"}, ev.Data, "step by step")

	for _, old := range []any{annotatedV1{}, annotatedV2{}} {
		_, err = after.Encode(EncodeArgs{Data: old})
		require.ErrorIs(t, err, ErrNotRegistered, "an old version is never written again")
	}
}

func TestWrongEntriesPanic(t *testing.T) {
	t.Parallel()
	require.Panics(t, func() { build([]entry{of[fee.Waived]("a", 1), of[fee.Cancelled]("a", 1)}) })
	require.Panics(t, func() { build([]entry{of[fee.Waived]("a", 1), of[fee.Waived]("b", 1)}) })
	lift := func(fee.Waived) fee.Cancelled { return fee.Cancelled{} }
	require.NotPanics(t, func() { build([]entry{lifted(of[fee.Waived]("a", 1), lift), of[fee.Cancelled]("a", 2)}) })
	require.Panics(t, func() { build([]entry{lifted(of[fee.Waived]("a", 1), lift)}) }, "leads nowhere")
	require.Panics(t, func() { build([]entry{lifted(of[fee.Waived]("a", 1), lift), of[fee.Cancelled]("a", 3)}) }, "leaves a version out")
	require.Panics(t, func() { build([]entry{lifted(of[fee.Waived]("a", 1), lift), of[fee.Cancelled]("b", 2)}) }, "becomes another event")
	require.Panics(t, func() {
		of[struct {
			N float32 `json:"n"`
		}]("a", 1)
	})
	require.Panics(t, func() {
		of[struct {
			N string `json:"n,omitempty"`
		}]("a", 1)
	})
	require.Panics(t, func() {
		of[struct {
			N money.Amount `json:"n" sealed:"true"`
		}]("a", 1)
	})
	require.Panics(t, func() { of[struct{}]("a", 1) })
}

// Whatever is accepted means one thing: it is written back, and read again as the same.
func FuzzDecode(f *testing.F) {
	c := New()
	for name, data := range samples() {
		rec := encode(f, data)
		f.Add(name, rec.Schema, rec.Data, rec.Metadata)
	}
	f.Fuzz(func(t *testing.T, name string, schema int, data, meta []byte) {
		rec := &eventstore.Recorded{Stream: testStream}
		rec.ID, rec.Type, rec.Schema, rec.Data, rec.Metadata = testID, name, schema, data, meta
		ev, err := c.Decode(t.Context(), testKeys, rec)
		if err != nil {
			return
		}
		again, err := c.Encode(EncodeArgs{Key: &testKey, Stream: testStream, ID: testID, Data: ev.Data, Meta: ev.Meta})
		require.NoError(t, err)
		rec.NewEvent = again
		ev2, err := c.Decode(t.Context(), testKeys, rec)
		require.NoError(t, err)
		ev.Schema = ev2.Schema // an old version is written as the newest
		require.Empty(t, cmp.Diff(ev, ev2))
	})
}

// usual is an event as most are: nothing to escape.
func usual() any {
	data := samples()["fee.assessed"].(fee.Assessed)
	data.Reason = "overdue"
	return data
}

func BenchmarkEncode(b *testing.B) {
	c, data := New(), usual()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Encode(EncodeArgs{Stream: testStream, ID: testID, Data: data, Meta: testMeta, EffectiveAt: testTime}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecode(b *testing.B) {
	c, rec := New(), encode(b, usual())
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Decode(b.Context(), testKeys, rec); err != nil {
			b.Fatal(err)
		}
	}
}
