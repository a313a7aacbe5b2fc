package proof

import (
	"bytes"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
)

func FuzzParseEvent(f *testing.F) {
	j := newJournal(f, 3)
	for _, b := range j.encoded {
		f.Add(b)
	}
	f.Add([]byte{1})
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := ParseEvent(b)
		if err != nil {
			require.ErrorIs(t, err, ErrEncoding)
			return
		}
		require.Equal(t, b, e.Encode())
		entry, err := NewEntry(b)
		require.NoError(t, err)
		_, err = entry.Open()
		require.NoError(t, err)
	})
}

func FuzzParseCheckpoint(f *testing.F) {
	f.Add(goldenCheckpoint().Text())
	f.Add(goldenCheckpoint().Text() + "restored 1\n")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := ParseCheckpoint(text)
		if err != nil {
			require.ErrorIs(t, err, ErrCheckpoint)
			return
		}
		require.Equal(t, text, c.Text())
	})
}

func FuzzSplitNotes(f *testing.F) {
	j := newJournal(f, 3)
	_, signed := j.at(f, 2)
	f.Add(append(bytes.Clone(signed), signed...))
	f.Add([]byte("— \n\n— x"))
	f.Fuzz(func(t *testing.T, file []byte) {
		notes, rest := SplitNotes(file)
		all := append(bytes.Join(notes, nil), rest...)
		require.Equal(t, string(withoutEmptyLines(file)), string(withoutEmptyLines(all)))
	})
}

func withoutEmptyLines(b []byte) []byte {
	var out []byte
	for line := range bytes.Lines(b) {
		if len(line) > 1 || line[0] != '\n' {
			out = append(out, line...)
		}
	}
	return out
}

func FuzzCheck(f *testing.F) {
	j := newJournal(f, 9)
	var err error
	j.signers, err = ParseSigners(testKey) // the same in every process of the fuzzer
	require.NoError(f, err)
	for _, file := range [][]byte{j.inclusion(f, 3, 9), j.consistency(f, 3, 9), j.export(f, 1, 9, 9), []byte(`{"format":"payledger-export-v1","from":1,"to":9223372036854775807}`)} {
		f.Add(file)
	}
	kept, _ := j.at(f, 5)
	f.Fuzz(func(t *testing.T, file []byte) {
		_, err := j.check(file, kept)
		var damage *DamageError
		if err != nil && !errors.As(err, &damage) {
			require.ErrorIs(t, err, ErrFormat)
		}
	})
}
