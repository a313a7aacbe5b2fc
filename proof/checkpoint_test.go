package proof

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/tlog"
	"pgregory.net/rapid"
)

// A key for tests only (its seed is 0, 1, 2 …), and what it signs, computed with another tool (Python cryptography).
const (
	testKey         = "PRIVATE+KEY+ledger.example.org/library+e331dfe8+AQABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"
	goldenSignature = "— ledger.example.org/library 4zHf6NPGQsqUN9A/3yAOec1Pry1IGNFxQAsB2fXRjX4LJgpa6G75QspOKVoZnTjW2SaHJ09ma6P5HdojgQ/7h7QHpQc=\n"
)

func goldenCheckpoint() Checkpoint {
	return Checkpoint{
		Origin: origin, Size: 1234, Root: tlog.Hash{0: 1, 31: 2}, Epoch: 2, Head: [32]byte{0: 0xaa, 31: 0xbb},
		SignedAt: time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC),
	}
}

func TestCheckpointGolden(t *testing.T) {
	t.Parallel()
	c := goldenCheckpoint()
	text := "ledger.example.org/library\n1234\nAQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAI=\nepoch 2\n" +
		"head aa000000000000000000000000000000000000000000000000000000000000bb\ntime 2026-03-04T05:06:07Z\n"
	require.Equal(t, text, c.Text())
	c.Restored = 2000
	require.Equal(t, text+"restored 2000\n", c.Text())
}

func TestSignedCheckpointGolden(t *testing.T) {
	t.Parallel()
	signers, err := ParseSigners(testKey)
	require.NoError(t, err)
	signed, err := signers.Sign(goldenCheckpoint())
	require.NoError(t, err)
	require.Equal(t, goldenCheckpoint().Text()+"\n"+goldenSignature, string(signed))
	c, err := signers.Keys().Open(signed)
	require.NoError(t, err)
	require.Equal(t, goldenCheckpoint(), c)
	keys, err := ParseKeys("ledger.example.org/library+e331dfe8+AQOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4")
	require.NoError(t, err)
	_, err = keys.Open(signed)
	require.NoError(t, err)
}

func drawCheckpoint(t *rapid.T) Checkpoint {
	hash := func(label string) [32]byte { return [32]byte(rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, label)) }
	return Checkpoint{
		Origin: rapid.StringMatching(`[a-z/.]{1,30}`).Draw(t, "origin"), Size: rapid.Int64Min(0).Draw(t, "size"), Root: hash("root"),
		Epoch: rapid.Int64Min(1).Draw(t, "epoch"), Head: hash("head"), Restored: rapid.Int64Min(0).Draw(t, "restored"),
		SignedAt: time.Unix(rapid.Int64Range(0, 4e9).Draw(t, "time"), 0).UTC(),
	}
}

func TestACheckpointCanBeReadBack(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		c := drawCheckpoint(t)
		got, err := ParseCheckpoint(c.Text())
		require.NoError(t, err)
		require.Equal(t, c, got)
	})
}

func TestOtherTextIsNoCheckpoint(t *testing.T) {
	t.Parallel()
	text := goldenCheckpoint().Text()
	for _, change := range [][2]string{
		{"1234\n", "01234\n"},
		{"1234\n", "-1234\n"},
		{"1234\n", "+1234\n"},
		{"1234\n", "9223372036854775808\n"},
		{"1234\n", ""},
		{"AQAA", "AQA"},
		{"AAI=", "AAJ="},
		{"epoch 2", "epoch 0"},
		{"epoch 2", "epoch  2"},
		{"epoch 2", "2"},
		{"head aa", "head AA"},
		{"head aa", "head "},
		{"time 2026-03-04T05:06:07Z", "time 2026-03-04T05:06:07.1Z"},
		{"Z\n", "+00:00\n"},
		{"Z\n", "Z"},
		{"Z\n", "Z\nrestored 0\n"},
		{"Z\n", "Z\nmore\n"},
		{"Z\n", "Z\nrestored 1\nmore\n"},
		{origin, ""},
	} {
		changed := strings.Replace(text, change[0], change[1], 1)
		require.NotEqual(t, text, changed)
		_, err := ParseCheckpoint(changed)
		require.ErrorIs(t, err, ErrCheckpoint, changed)
	}
}

func TestOnlyKnownKeysOpenANote(t *testing.T) {
	t.Parallel()
	j, other := newJournal(t, 3), newJournal(t, 3)
	_, signed := j.at(t, 3)
	_, err := other.signers.Keys().Open(signed)
	require.ErrorIs(t, err, ErrSignature)
	_, err = j.signers.Keys().Open(bytes.Replace(signed, []byte("\n3\n"), []byte("\n2\n"), 1))
	require.ErrorIs(t, err, ErrSignature)
	_, err = j.signers.Keys().Open(signed[:len(signed)/2])
	require.ErrorIs(t, err, ErrSignature)

	private, public, err := NewKey("another.example.org")
	require.NoError(t, err)
	stranger, err := ParseSigners(private)
	require.NoError(t, err)
	c, _ := j.at(t, 3)
	forged, err := stranger.Sign(c)
	require.NoError(t, err)
	keys, err := ParseKeys(public)
	require.NoError(t, err)
	_, err = keys.Open(forged)
	require.ErrorIs(t, err, ErrSignature, "a known key speaks for its own log only")
}

// While a key is changed both sign, so whoever knows either can go on.
func TestTwoKeysSign(t *testing.T) {
	t.Parallel()
	old, _, err := NewKey(origin)
	require.NoError(t, err)
	fresh, public, err := NewKey(origin)
	require.NoError(t, err)
	both, err := ParseSigners(old + "\n" + fresh + "\n")
	require.NoError(t, err)
	signed, err := both.Sign(goldenCheckpoint())
	require.NoError(t, err)
	for _, text := range []string{public, "# the new one\n\n" + public + "\n"} {
		keys, err := ParseKeys(text)
		require.NoError(t, err)
		_, err = keys.Open(signed)
		require.NoError(t, err)
	}
	_, err = both.Keys().Open(signed)
	require.NoError(t, err)
}

func TestWhatIsNoKey(t *testing.T) {
	t.Parallel()
	foreign, _, err := NewKey("another.example.org")
	require.NoError(t, err)
	for _, text := range []string{"", " \n", "x", testKey[:60], testKey + "x", testKey + "\n" + foreign, "PRIVATE+KEY+a+1+AQ=="} {
		_, err := ParseSigners(text)
		require.ErrorIs(t, err, ErrKey)
		if len(text) > 30 {
			require.NotContains(t, err.Error(), text[len(text)-20:], "a private key is never told")
		}
	}
	for _, text := range []string{"", "# none\n", "x", testKey} {
		_, err := ParseKeys(text)
		require.ErrorIs(t, err, ErrKey)
	}
	for _, name := range []string{"", "with space", "with+plus"} {
		_, _, err := NewKey(name)
		require.ErrorIs(t, err, ErrKey, name)
	}
}

func TestNotesOfAFile(t *testing.T) {
	t.Parallel()
	j := newJournal(t, 9)
	var notes [][]byte
	var file []byte
	for size := range 9 {
		_, signed := j.at(t, size+1)
		notes = append(notes, signed)
		file = append(append(file, signed...), strings.Repeat("\n", size%3)...)
	}
	got, rest := SplitNotes(file)
	require.Empty(t, rest)
	require.Equal(t, notes, got)
	for cut := range len(notes[8]) - 1 {
		got, rest := SplitNotes(file[:len(file)-2-1-cut])
		require.Equal(t, notes[:8], got)
		require.Equal(t, strings.TrimLeft(string(notes[8][:len(notes[8])-1-cut]), "\n"), string(rest))
	}
}

func TestWhatARestoreTookAway(t *testing.T) {
	t.Parallel()
	c := func(epoch, size, restored int64) Checkpoint {
		return Checkpoint{Epoch: epoch, Size: size, Restored: restored}
	}
	for name, tt := range map[string]struct{ all, standing, lost []Checkpoint }{
		"none":                             {[]Checkpoint{c(1, 5, 0), c(1, 3, 0)}, []Checkpoint{c(1, 3, 0), c(1, 5, 0)}, nil},
		"acknowledged":                     {[]Checkpoint{c(1, 8, 0), c(1, 10, 0), c(2, 8, 10), c(2, 12, 0)}, []Checkpoint{c(1, 8, 0), c(2, 8, 10), c(2, 12, 0)}, []Checkpoint{c(1, 10, 0)}},
		"a new epoch is no statement":      {[]Checkpoint{c(1, 10, 0), c(2, 8, 0)}, []Checkpoint{c(2, 8, 0), c(1, 10, 0)}, nil},
		"of its own epoch it says nothing": {[]Checkpoint{c(2, 10, 0), c(2, 8, 10)}, []Checkpoint{c(2, 8, 10), c(2, 10, 0)}, nil},
		"of later ones it knew nothing":    {[]Checkpoint{c(1, 11, 0), c(2, 8, 10)}, []Checkpoint{c(2, 8, 10), c(1, 11, 0)}, nil},
		"twice":                            {[]Checkpoint{c(1, 10, 0), c(2, 8, 10), c(2, 12, 0), c(3, 7, 12)}, []Checkpoint{c(3, 7, 12)}, []Checkpoint{c(1, 10, 0), c(2, 8, 10), c(2, 12, 0)}},
	} {
		standing, lost := Standing(tt.all)
		require.Equal(t, tt.standing, standing, name)
		require.Equal(t, tt.lost, lost, name)
	}
}
