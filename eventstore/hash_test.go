package eventstore

import (
	"encoding/binary"
	"encoding/hex"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"payledger/proof"
)

// goldenRecord is the record whose hash is written down in TestHashEventGolden.
func goldenRecord() *Recorded {
	return &Recorded{
		NewEvent: NewEvent{
			ID: uuid.MustParse("01937b2a-0000-7000-8000-000000000001"), Type: "fee.assessed", Schema: 1,
			Data: []byte(`{"amount":1250}`), Metadata: []byte(`{"actor":"staff:1"}`),
			EffectiveAt: time.Date(2026, 1, 2, 3, 4, 5, 678_901_000, time.UTC),
		},
		Position: 7, Epoch: 2, CommitID: uuid.MustParse("01937b2a-0000-7000-8000-0000000000ff"),
		Stream: StreamID{Tenant: "main", Name: "fee-1"}, Version: 3,
		RecordedAt: time.Date(2026, 1, 2, 3, 4, 6, 1_000, time.UTC),
	}
}

// The formula of version 1 may never change: stored logs hang on it. The value was computed with another tool
// (Python hashlib and struct).
func TestHashEventGolden(t *testing.T) {
	t.Parallel()
	prev := [32]byte{0: 0xaa, 31: 0xbb}
	sum := hashEvent(prev, goldenRecord())
	require.Equal(t, "226ec863855055a79049df6fffedc2c6cafcfc9248abf575f8450703f9111d06", hex.EncodeToString(sum[:]))
}

func TestHashEventDoesNotAllocate(t *testing.T) { //nolint:paralleltest // AllocsPerRun must not run beside others
	r := goldenRecord()
	var prev [32]byte
	require.Zero(t, testing.AllocsPerRun(100, func() { prev = hashEvent(prev, r) }))
}

// An encoding that can be read back is one that no two records share.
func TestHashEncodingIsInjective(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		r, prev := drawRecord(t), drawHash(t)
		gotPrev, got := decodeHashed(t, appendHashed(nil, prev, r))
		require.Equal(t, prev, gotPrev)
		require.Empty(t, cmp.Diff(r, got))
	})
}

// Bytes that move from a field to its neighbour give another hash.
func TestHashKnowsWhereFieldsEnd(t *testing.T) {
	t.Parallel()
	a, b := goldenRecord(), goldenRecord()
	a.Stream, b.Stream = StreamID{"ab", "c"}, StreamID{"a", "bc"}
	require.NotEqual(t, hashEvent([32]byte{}, a), hashEvent([32]byte{}, b))
	a, b = goldenRecord(), goldenRecord()
	a.Data, a.Metadata = append(a.Data, a.Metadata...), nil
	b.Data, b.Metadata = nil, a.Data
	require.NotEqual(t, hashEvent([32]byte{}, a), hashEvent([32]byte{}, b))
}

// Proofs are checked by a program that knows package proof only: both must encode alike.
func TestProofsEncodeAsTheChainDoes(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		r, prev := drawRecord(t), drawHash(t)
		e := proof.Event{
			Before: prev, Position: r.Position, Epoch: r.Epoch, ID: r.ID, CommitID: r.CommitID, Tenant: r.Stream.Tenant, Stream: r.Stream.Name,
			Version: r.Version, Type: r.Type, Schema: int64(r.Schema), Data: r.Data, Metadata: r.Metadata,
			EffectiveAt: r.EffectiveAt.UnixMicro(), RecordedAt: r.RecordedAt.UnixMicro(),
		}
		encoded := AppendHashed(nil, prev, r)
		require.Equal(t, encoded, e.Encode())
		require.Equal(t, hashEvent(prev, r), proof.HashOf(encoded))
	})
}

func drawHash(t *rapid.T) [32]byte {
	return [32]byte(rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "hash"))
}

func drawUUID(t *rapid.T, label string) uuid.UUID {
	return uuid.UUID(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, label))
}

func drawRecord(t *rapid.T) *Recorded {
	number := rapid.Int64()
	return &Recorded{
		NewEvent: NewEvent{
			ID: drawUUID(t, "id"), Type: rapid.String().Draw(t, "type"), Schema: int(rapid.Int32().Draw(t, "schema")),
			Data:        rapid.SliceOf(rapid.Byte()).Draw(t, "data"),
			Metadata:    rapid.SliceOf(rapid.Byte()).Draw(t, "metadata"),
			EffectiveAt: time.UnixMicro(number.Draw(t, "effective_at")).UTC(),
		},
		Position: number.Draw(t, "position"), Epoch: number.Draw(t, "epoch"), CommitID: drawUUID(t, "commit_id"),
		Stream:     StreamID{Tenant: rapid.String().Draw(t, "tenant"), Name: rapid.String().Draw(t, "stream")},
		Version:    number.Draw(t, "version"),
		RecordedAt: time.UnixMicro(number.Draw(t, "recorded_at")).UTC(),
	}
}

// decodeHashed is the inverse of appendHashed, written against its comment.
func decodeHashed(t require.TestingT, b []byte) ([32]byte, *Recorded) {
	require.Equal(t, byte(hashVersion), b[0])
	prev, rest := [32]byte(b[1:33]), b[33:]
	field := func() []byte {
		n := binary.BigEndian.Uint32(rest)
		f := rest[4 : 4+n : 4+n]
		rest = rest[4+n:]
		return f
	}
	number := func() int64 {
		f := field()
		require.Len(t, f, 8)
		return int64(binary.BigEndian.Uint64(f))
	}
	r := &Recorded{Position: number(), Epoch: number()}
	r.ID, r.CommitID = uuid.UUID(field()), uuid.UUID(field())
	r.Stream = StreamID{Tenant: string(field()), Name: string(field())}
	r.Version, r.Type, r.Schema = number(), string(field()), int(number())
	r.Data, r.Metadata = field(), field()
	r.EffectiveAt, r.RecordedAt = time.UnixMicro(number()).UTC(), time.UnixMicro(number()).UTC()
	require.Empty(t, rest)
	return prev, r
}
