package eventstore

import (
	"encoding/binary"
	"time"

	"github.com/google/uuid"
)

// postgresEpoch is 2000-01-01 UTC in microseconds since 1970: Postgres counts timestamps from there.
const postgresEpoch = 946_684_800_000_000

// readInt64 and its sisters decode columns in Postgres' binary format.
func readInt64(b []byte) int64 { return int64(binary.BigEndian.Uint64(b)) } //nolint:gosec // two's complement is what is meant

func readInt32(b []byte) int32 { return int32(binary.BigEndian.Uint32(b)) } //nolint:gosec // two's complement is what is meant

func readUUID(b []byte) (id uuid.UUID) {
	copy(id[:], b)
	return id
}

// readTime reads a timestamptz. Infinity never stands in the columns that are read with it.
func readTime(b []byte) time.Time { return time.UnixMicro(readInt64(b) + postgresEpoch).UTC() }
