package catalog

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"payledger/domain/fee"
	"payledger/domain/payment"
	"payledger/eventstore"
)

// mutants are a payload with one byte changed, taken away, or put in, and whole values replaced.
func mutants(stored []byte) []string {
	text := string(stored)
	list := []string{text, text + " ", " " + text, text + text}
	for i := range text {
		list = append(list, text[:i], text[:i]+text[i+1:])
		for _, c := range []string{" ", `"`, `\`, "0", "-", "x", "é", "\n", "}", ",", "\xff"} {
			list = append(list, text[:i]+c+text[i+1:], text[:i]+c+text[i:])
		}
	}
	for _, minor := range []string{"0", "-5", "007", "-0", "1.5", "999999999999999", "1000000000000000", "-999999999999999", "99999999999999999999"} {
		list = append(list, strings.ReplaceAll(text, `"minor":1000`, `"minor":`+minor), strings.Replace(text, `"minor":1250`, `"minor":`+minor, 1))
	}
	return append(list, strings.ReplaceAll(text, "USD", "JPY"), strings.ReplaceAll(text, "USD", "XXX"), strings.ReplaceAll(text, "Z", "+02:00"))
}

// prefixes are what is left of a text that is cut off.
func prefixes(text []byte) (list []string) {
	for i := range text {
		list = append(list, string(text[:i]))
	}
	return list
}

// TestHotPayloadsAreReadTheSame compares hot readers with the forms of their types: what they take means the same and is well-formed.
func TestHotPayloadsAreReadTheSame(t *testing.T) {
	t.Parallel()
	c := New()
	values := []any{
		fee.Assessed{FeeID: "f", UserID: "u", Amount: usd(1250), Reason: "overdue", AssessedAt: testTime},
		payment.Captured{Amount: usd(1000), Allocations: []payment.Allocation{}, Credit: usd(0)},
	}
	for name := range hot {
		values = append(values, samples()[name.name])
	}
	for _, value := range values {
		e := c.byType[reflect.TypeOf(value)]
		require.NotEqual(t, cold, e.hot, e.name)
		rec := encode(t, value)
		taken := 0
		for _, text := range mutants(rec.Data) {
			got, ok := readHot(e.hot, text)
			if !ok {
				continue
			}
			taken++
			want := reflect.New(e.typ).Elem()
			require.NoError(t, read(e.form, []byte(text), want), text)
			require.Equal(t, want.Interface(), got, text)
		}
		got, ok := readHot(e.hot, string(rec.Data))
		_, escaped := value.(fee.Assessed)
		if !ok {
			require.True(t, escaped && strings.Contains(string(rec.Data), `\"`), "%s", rec.Data)
			continue
		}
		require.Equal(t, value, got)
		require.Greater(t, taken, 50)
	}
	rec := encode(t, samples()["fee.annotated"])
	_, ok := readMeta(rec.Metadata)
	require.True(t, ok)
	for _, text := range mutants(rec.Metadata) {
		if got, ok := readMeta([]byte(text)); ok {
			var want Meta
			require.NoError(t, read(c.meta, []byte(text), reflect.ValueOf(&want).Elem()), text)
			require.Equal(t, want, got, text)
		}
	}
}

// Sealed texts are opened by the form, never taken for plain ones.
func TestHotReadersLeaveSealedTextsAlone(t *testing.T) {
	t.Parallel()
	for _, value := range []any{
		fee.Assessed{FeeID: "f", Amount: usd(1), Note: "a note", AssessedAt: testTime},
		payment.Started{Amount: usd(1), Allocations: []payment.Allocation{}, Note: "a note"},
		payment.Captured{Amount: usd(1), Allocations: []payment.Allocation{}, Credit: usd(0), Note: "a note"},
	} {
		rec := encode(t, value)
		_, ok := readHot(New().byType[reflect.TypeOf(value)].hot, string(rec.Data))
		require.False(t, ok)
		got, err := New().Decode(t.Context(), testKeys, rec)
		require.NoError(t, err)
		require.Equal(t, value, got.Data)
	}
}

// TestFoldsSeeTheSame compares what a Decoder reads, of damaged and cut metadata too, with what the catalog reads: all but what folds don't look
// at, which is all behind At.
func TestFoldsSeeTheSame(t *testing.T) {
	t.Parallel()
	const behindHead, rest = `,"requestId":"`, `r","traceparent":"","channel":"","cause":"","answerHash":""}`
	c := New()
	actors := []Actor{{Kind: "staff", ID: "one", Roles: []string{"staff"}}, {Kind: "member", ID: "two", Roles: []string{}}, {Kind: "staff", ID: `a "},\"at":`, Roles: []string{"é", "x"}}}
	var list []*eventstore.Recorded
	for name, value := range samples() {
		rec := encode(t, value)
		list = append(list, rec)
		if name == "fee.annotated" {
			for _, actor := range actors {
				encoded, err := c.Encode(EncodeArgs{Stream: rec.Stream, ID: rec.ID, Key: &testKey, Data: value, Meta: Meta{Actor: actor, At: testTime, RequestID: "r"}, EffectiveAt: testTime})
				require.NoError(t, err)
				list = append(list, &eventstore.Recorded{NewEvent: encoded, Stream: rec.Stream})
				for _, text := range append(mutants(encoded.Metadata), prefixes(encoded.Metadata)...) {
					mutant := encoded
					mutant.Metadata = []byte(text)
					list = append(list, &eventstore.Recorded{NewEvent: mutant, Stream: rec.Stream})
				}
			}
		}
	}
	d, readable := c.Decoder(), 0
	for range 2 { // the second time with all actors known
		for _, rec := range list {
			metadata := slices.Clone(rec.Metadata)
			used := *rec
			used.Metadata, used.Data = slices.Clone(rec.Metadata), slices.Clone(rec.Data)
			name := []byte(rec.Stream.Name)
			used.Stream.Name = lend(name)
			whole := *rec
			if head, _, more := strings.Cut(string(metadata), behindHead); more {
				whole.Metadata = []byte(head + behindHead + rest)
			}
			want, wantErr := c.Decode(t.Context(), testKeys, &whole)
			var got, lent Event
			lentErr := d.Decode(t.Context(), testKeys, rec, &lent, true)
			err := d.Decode(t.Context(), testKeys, &used, &got, false)
			clear(used.Metadata) // its memory is used again
			clear(used.Data)
			clear(name)
			require.Equal(t, lentErr, err, "%s", metadata)
			if wantErr != nil {
				require.Error(t, err, "%s", metadata)
				continue
			}
			readable++
			require.NoError(t, err, "%s", metadata)
			want.Meta = Meta{Actor: want.Meta.Actor, At: want.Meta.At}
			require.Equal(t, want, got, "%s", metadata)
			lent.Meta = got.Meta
			require.Equal(t, got, lent, "%s", metadata)
		}
	}
	require.Greater(t, readable, 200)
}
