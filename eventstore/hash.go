package eventstore

import (
	"crypto/sha256"
	"encoding/binary"
)

// hashVersion is the first byte of what is hashed. A new encoding gets a new number and old events keep theirs, so a
// change of the formula never makes history unverifiable.
const hashVersion = 1

// hashBuffer is the size up to which an event is encoded on the stack: far above the usual event.
const hashBuffer = 2048

// hashEvent extends the chain by one event: SHA-256 over the version byte, the hash before, and every stored field.
// It allocates nothing for an event that fits hashBuffer.
func hashEvent(prev [32]byte, r *Recorded) [32]byte {
	var buf [hashBuffer]byte
	return sha256.Sum256(appendHashed(buf[:0], prev, r))
}

// AppendHashed appends the bytes that are hashed for an event that follows one with hash prev: r.Hash is their SHA-256. Package proof
// makes the leaves of its tree of them.
func AppendHashed(b []byte, prev [32]byte, r *Recorded) []byte { return appendHashed(b, prev, r) }

// appendHashed appends what is hashed for r. Every field stands behind its length (4 bytes, big endian), so no two
// records share an encoding. Numbers are 8 bytes, big endian; times are microseconds since 1970 UTC.
func appendHashed(b []byte, prev [32]byte, r *Recorded) []byte {
	b = append(b, hashVersion)
	b = append(b, prev[:]...)
	b = appendNumber(b, r.Position)
	b = appendNumber(b, r.Epoch)
	b = appendField(b, r.ID[:])
	b = appendField(b, r.CommitID[:])
	b = appendField(b, r.Stream.Tenant)
	b = appendField(b, r.Stream.Name)
	b = appendNumber(b, r.Version)
	b = appendField(b, r.Type)
	b = appendNumber(b, int64(r.Schema))
	b = appendField(b, r.Data)
	b = appendField(b, r.Metadata)
	b = appendNumber(b, r.EffectiveAt.UnixMicro())
	return appendNumber(b, r.RecordedAt.UnixMicro())
}

// appendField appends a length and the bytes. Postgres holds no value above 1 GiB, so four bytes are enough.
func appendField[T string | []byte](b []byte, field T) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(len(field))) //nolint:gosec // below 1 GiB, see above
	return append(b, field...)
}

func appendNumber(b []byte, n int64) []byte {
	b = binary.BigEndian.AppendUint32(b, 8)
	return binary.BigEndian.AppendUint64(b, uint64(n)) //nolint:gosec // two's complement is what is meant
}
