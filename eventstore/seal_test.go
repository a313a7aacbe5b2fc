package eventstore

import (
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func testKey(b byte) Key {
	return Key{ID: uuid.UUID{15: b}, Secret: [32]byte{0: b, 31: b}}
}

func testBinding() Binding {
	return Binding{Stream: StreamID{Tenant: "main", Name: "fee-1"}, EventID: uuid.UUID{0: 7}, Field: "note"}
}

// What was sealed by an earlier version must open for ever. The text was made with another tool (Node's crypto).
func TestOpenGolden(t *testing.T) {
	t.Parallel()
	plain, err := Unseal(testKey(1), "v1.00000000-0000-0000-0000-000000000001.AAECAwQFBgcICQoL6jI0vBQHl8AHN3h8zScGDrY7s54WiHVHaeZtUIy4YXEXEa8S", testBinding())
	require.NoError(t, err)
	require.Equal(t, "paid in coins – ok", plain)
}

func TestSealedTextOpensInItsPlaceOnly(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		plain := rapid.String().Draw(t, "plain")
		key, bind := Key{ID: drawUUID(t, "key"), Secret: drawHash(t)}, drawBinding(t, "bind")
		sealed := Seal(key, plain, bind)

		got, err := Unseal(key, sealed, bind)
		require.NoError(t, err)
		require.Equal(t, plain, got)
		id, err := SealedKey(sealed)
		require.NoError(t, err)
		require.Equal(t, key.ID, id)

		if other := drawBinding(t, "other"); other != bind {
			_, err = Unseal(key, sealed, other)
			require.ErrorIs(t, err, ErrSealed)
		}
	})
}

func drawBinding(t *rapid.T, label string) Binding {
	// Few letters, so that texts which run into each other come up.
	text := rapid.StringOfN(rapid.RuneFrom([]rune("ab")), 0, 2, -1)
	return Binding{
		Stream:  StreamID{Tenant: text.Draw(t, label+" tenant"), Name: text.Draw(t, label+" stream")},
		EventID: uuid.UUID{0: rapid.ByteRange(0, 1).Draw(t, label+" event")}, Field: text.Draw(t, label+" field"),
	}
}

func TestEveryPartOfTheBindingCounts(t *testing.T) {
	t.Parallel()
	sealed := Seal(testKey(1), "text", testBinding())
	for name, change := range map[string]func(*Binding){
		"tenant": func(b *Binding) { b.Stream.Tenant = "other" },
		"stream": func(b *Binding) { b.Stream.Name = "fee-2" },
		"event":  func(b *Binding) { b.EventID[15]++ },
		"field":  func(b *Binding) { b.Field = "cardHolderName" },
		"border": func(b *Binding) { b.Stream = StreamID{Tenant: "mainf", Name: "ee-1"} },
	} {
		bind := testBinding()
		change(&bind)
		_, err := Unseal(testKey(1), sealed, bind)
		require.ErrorIs(t, err, ErrSealed, name)
	}
}

func TestOtherKeysDoNotOpen(t *testing.T) {
	t.Parallel()
	sealed := Seal(testKey(1), "text", testBinding())
	_, err := Unseal(testKey(2), sealed, testBinding())
	require.ErrorIs(t, err, ErrSealed)
	_, err = Unseal(Key{ID: testKey(1).ID, Secret: testKey(2).Secret}, sealed, testBinding())
	require.ErrorIs(t, err, ErrSealed)
}

func TestSealedTextIsPlainASCIIAndNeverTheSameTwice(t *testing.T) {
	t.Parallel()
	a, b := Seal(testKey(1), "text", testBinding()), Seal(testKey(1), "text", testBinding())
	require.Regexp(t, `^v1\.00000000-0000-0000-0000-000000000001\.[A-Za-z0-9_-]+$`, a)
	require.NotEqual(t, a, b)
}

func TestOpenRefusesEveryChangedCharacter(t *testing.T) {
	t.Parallel()
	sealed := Seal(testKey(1), "text", testBinding())
	for i := range sealed {
		for _, c := range []byte("A1-_.\n=") {
			changed := sealed[:i] + string(c) + sealed[i+1:]
			if changed == sealed {
				continue
			}
			_, err := Unseal(testKey(1), changed, testBinding())
			require.ErrorIs(t, err, ErrSealed, "%q", changed)
		}
	}
}

// Whatever stands where a sealed text should: an error and no panic; what opens is exactly what Seal writes.
func FuzzUnseal(f *testing.F) {
	sealed := Seal(testKey(1), "text", testBinding())
	for _, s := range []string{"", "v1", "v1.", "v1..", sealed, strings.ToUpper(sealed), sealed + "\n", sealed + "=", sealed[:60]} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		plain, err := Unseal(testKey(1), text, testBinding())
		if err != nil {
			require.ErrorIs(t, err, ErrSealed)
			return
		}
		require.Equal(t, "text", plain)
	})
}
