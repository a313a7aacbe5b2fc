package digest_test

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"math/big"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgtype"
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
		var all, half digest.Sum
		for i, row := range rows {
			if i%2 == 0 {
				all.Add(row)
			} else {
				half.Add(row)
			}
		}
		all.AddAll(half)
		require.Equal(rt, forwards, all)
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

// TestKeysAreInTheOrderOfTheDatabase of numbers and dates, negative ones too.
func TestKeysAreInTheOrderOfTheDatabase(t *testing.T) {
	t.Parallel()
	m := pgtype.NewMap()
	rapid.Check(t, func(rt *rapid.T) {
		for oid, of := range map[uint32]func(n int64) (any, string){
			pgtype.Int2OID: func(n int64) (any, string) { return int16(n), strconv.Itoa(int(int16(n))) },
			pgtype.Int8OID: func(n int64) (any, string) { return n, strconv.FormatInt(n, 10) },
			pgtype.DateOID: func(n int64) (any, string) {
				day := time.Date(2000, 1, 1+int(int16(n)), 0, 0, 0, 0, time.UTC)
				return day, day.Format(time.DateOnly)
			},
		} {
			ns := []int64{rapid.Int64Range(-1<<15, 1<<15-1).Draw(rt, "a"), rapid.Int64Range(-1<<15, 1<<15-1).Draw(rt, "b")}
			slices.Sort(ns)
			var ranks []string
			for _, n := range ns {
				value, want := of(n)
				raw, err := m.Encode(oid, pgtype.BinaryFormatCode, value, nil)
				require.NoError(rt, err)
				text, rank, err := digest.KeyPart(oid, raw)
				require.NoError(rt, err)
				require.Equal(rt, want, text)
				ranks = append(ranks, rank)
			}
			require.Equal(rt, cmp.Compare(ns[0], ns[1]), cmp.Compare(ranks[0], ranks[1]))
		}
	})
	_, _, err := digest.KeyPart(pgtype.BoolOID, []byte{1})
	require.Error(t, err)
}
