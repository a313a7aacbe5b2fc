package catalog

import (
	"context"
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"payledger/domain/credit"
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

// samples is one value of every event, without texts to seal: those differ each time.
func samples() map[string]any {
	const feeID, userID = "01937b2a-0000-7000-8000-000000000001", "01937b2a-0000-7000-8000-000000000002"
	const paymentID, allocationID, creditID = "01937b2a-0000-7000-8000-000000000003", "01937b2a-0000-7000-8000-000000000004", "01937b2a-0000-7000-8000-000000000005"
	return map[string]any{
		"fee.assessed": fee.Assessed{
			FeeID: feeID, UserID: userID, LoanID: "5f43a1b2c3d4e5f6a7b8c9d0", Amount: usd(1250), Reason: `lost "A & B"`, AssessedAt: testTime,
		},
		"fee.waived":             fee.Waived{ReductionID: allocationID, Amount: usd(250), Reason: "goodwill"},
		"fee.reduction_released": fee.ReductionReleased{ReductionID: allocationID, Amount: usd(250)},
		"fee.cancelled":          fee.Cancelled{Amount: usd(1250), Cause: fee.CauseItemReturned},
		"fee.payment_applied":    fee.PaymentApplied{PaymentID: paymentID, AllocationID: allocationID, Amount: usd(1000)},
		"fee.annotated":          fee.Annotated{},
		"payment.captured": payment.Captured{
			PaymentID: paymentID, UserID: userID, Tender: payment.TenderCash, Amount: usd(1500), HandledBy: userID,
			Allocations: []payment.Allocation{{ID: allocationID, FeeID: feeID, Amount: usd(1000)}}, CreditID: creditID, Credit: usd(500),
		},
		"credit.granted": credit.Granted{
			CreditID: creditID, UserID: userID, Amount: usd(500), Source: credit.SourceOverpayment, PaymentID: paymentID, GrantedAt: testTime,
		},
	}
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
		golden := filepath.Join("testdata", "events", name+".v1.json")
		requireGolden(t, golden, rec.Data)
		stored, err := os.ReadFile(golden)
		require.NoError(t, err)
		rec.Data = stored
		ev, err := New().Decode(t.Context(), testKeys, rec)
		require.NoError(t, err)
		want := Event{
			ID: testID, Stream: testStream, Version: 1, Position: 1, Epoch: 1, Type: name, Schema: 1,
			EffectiveAt: testTime, RecordedAt: testTime, Meta: testMeta, Data: data,
		}
		require.Empty(t, cmp.Diff(want, ev))
	}
	requireGolden(t, filepath.Join("testdata", "metadata.json"), encode(t, samples()["fee.annotated"]).Metadata)
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
	for typ := range New().byType {
		registered = append(registered, typ.String())
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
		payment.Captured{Amount: usd(1), Credit: usd(1), Allocations: []payment.Allocation{}, Note: note},
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
		Tone string `json:"tone"`
	}
	lift := func(old annotatedV1) annotatedV2 { return annotatedV2{Note: old.Text, Tone: "plain"} }
	before := build([]entry{of[annotatedV1]("fee.annotated", 1)})
	after := build([]entry{lifted(of[annotatedV1]("fee.annotated", 1), lift), of[annotatedV2]("fee.annotated", 2)})
	require.Equal(t, []string{"fee.annotated"}, after.Types())

	old, err := before.Encode(EncodeArgs{Key: &testKey, Stream: testStream, ID: testID, Data: annotatedV1{Text: "x"}, Meta: testMeta})
	require.NoError(t, err)
	ev, err := after.Decode(t.Context(), testKeys, &eventstore.Recorded{NewEvent: old, Stream: testStream})
	require.NoError(t, err)
	require.Equal(t, annotatedV2{Note: "x", Tone: "plain"}, ev.Data)

	_, err = after.Encode(EncodeArgs{Data: annotatedV1{}})
	require.ErrorIs(t, err, ErrNotRegistered, "an old version is never written again")
}

func TestWrongEntriesPanic(t *testing.T) {
	t.Parallel()
	require.Panics(t, func() { build([]entry{of[fee.Waived]("a", 1), of[fee.Cancelled]("a", 1)}) })
	require.Panics(t, func() { build([]entry{of[fee.Waived]("a", 1), of[fee.Waived]("b", 1)}) })
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
		f.Add(name, rec.Data, rec.Metadata)
	}
	f.Fuzz(func(t *testing.T, name string, data, meta []byte) {
		rec := &eventstore.Recorded{Stream: testStream}
		rec.ID, rec.Type, rec.Schema, rec.Data, rec.Metadata = testID, name, 1, data, meta
		ev, err := c.Decode(t.Context(), testKeys, rec)
		if err != nil {
			return
		}
		again, err := c.Encode(EncodeArgs{Key: &testKey, Stream: testStream, ID: testID, Data: ev.Data, Meta: ev.Meta})
		require.NoError(t, err)
		rec.NewEvent = again
		ev2, err := c.Decode(t.Context(), testKeys, rec)
		require.NoError(t, err)
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
