package digest_test

import (
	"crypto/sha256"
	"encoding/hex"
	"math/big"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"payledger/readmodels/digest"
)

// TestSum compares with big numbers, whatever the order, and takes rows out again.
func TestSum(t *testing.T) {
	t.Parallel()
	modulus := new(big.Int).Lsh(big.NewInt(1), 256)
	rapid.Check(t, func(rt *rapid.T) {
		rows := rapid.SliceOf(rapid.SliceOf(rapid.Byte())).Draw(rt, "rows")
		want := new(big.Int)
		var forwards, backwards digest.Sum
		for _, row := range rows {
			hash := sha256.Sum256(row)
			want.Add(want, new(big.Int).SetBytes(hash[:]))
			forwards.Add(row)
		}
		want.Mod(want, modulus)
		for _, row := range slices.Backward(rows) {
			backwards.Add(row)
		}
		require.Equal(rt, hex.EncodeToString(want.FillBytes(make([]byte, 32))), forwards.String())
		require.Equal(rt, forwards, backwards)
		for _, row := range rows {
			forwards.Remove(row)
		}
		require.Equal(rt, digest.Sum{}, forwards)
	})
}

func TestFieldsCannotBeShifted(t *testing.T) {
	t.Parallel()
	require.NotEqual(t, digest.Row{}.Text("ab").Text("c"), digest.Row{}.Text("a").Text("bc"))
	require.NotEqual(t, digest.Row{}.Bool(true), digest.Row{}.Bool(false))
	require.Equal(t, digest.Row{}.Int(1_000_000), digest.Row{}.Time(time.Unix(1, 0)))
	require.Equal(t, digest.Row{}.Text("a"), digest.Row{}.Bytes([]byte("a")))
}
