package eventstore

import (
	"encoding/binary"
	"time"

	"github.com/google/uuid"
)

// Type numbers of Postgres (pg_type.oid) that arrays of parameters name.
const (
	oidBytea       = 17
	oidInt8        = 20
	oidInt4        = 23
	oidText        = 25
	oidTimestamptz = 1184
	oidUUID        = 2950
)

// arrayHeader is the size of the head of a one-dimensional array in Postgres' binary format.
const arrayHeader = 20

// array is a column of values in Postgres' binary array format, appended to value by value. The buffer is kept between
// batches, so that a writer in its stride allocates nothing for its parameters.
type array struct {
	oid   uint32
	n     uint32
	nulls uint32 // 1 when there is a null
	buf   []byte
}

func (a *array) reset(oid uint32) {
	a.oid, a.n, a.nulls = oid, 0, 0
	if cap(a.buf) < arrayHeader {
		a.buf = make([]byte, arrayHeader, 1024)
	}
	a.buf = a.buf[:arrayHeader]
}

// value returns the finished parameter. It is valid until the next reset.
func (a *array) value() []byte {
	binary.BigEndian.PutUint32(a.buf[0:], 1) // dimensions
	binary.BigEndian.PutUint32(a.buf[4:], a.nulls)
	binary.BigEndian.PutUint32(a.buf[8:], a.oid)
	binary.BigEndian.PutUint32(a.buf[12:], a.n)
	binary.BigEndian.PutUint32(a.buf[16:], 1) // lower bound
	return a.buf
}

func (a *array) addInt64(v int64) {
	a.head(8)
	a.buf = binary.BigEndian.AppendUint64(a.buf, uint64(v)) //nolint:gosec // two's complement is what is meant
}

func (a *array) addInt32(v int32) {
	a.head(4)
	a.buf = binary.BigEndian.AppendUint32(a.buf, uint32(v)) //nolint:gosec // two's complement is what is meant
}

func (a *array) addText(v string) {
	a.head(len(v))
	a.buf = append(a.buf, v...)
}

func (a *array) addBytes(v []byte) {
	a.head(len(v))
	a.buf = append(a.buf, v...)
}

func (a *array) addUUID(v uuid.UUID) { a.addBytes(v[:]) }

func (a *array) addNull() {
	a.n++
	a.nulls = 1
	a.buf = binary.BigEndian.AppendUint32(a.buf, ^uint32(0))
}

func (a *array) head(size int) {
	a.n++
	a.buf = binary.BigEndian.AppendUint32(a.buf, uint32(size)) //nolint:gosec // Postgres refuses what is above 1 GiB
}

// columns are the parameters of one statement: a column of values each.
type columns struct {
	oids   []uint32
	arrays []array
	params [][]byte
}

func newColumns(oids ...uint32) columns {
	c := columns{oids: oids, arrays: make([]array, len(oids))}
	c.reset()
	return c
}

func (c *columns) reset() {
	for i := range c.arrays {
		c.arrays[i].reset(c.oids[i])
	}
}

// rows returns the number of rows added so far.
func (c *columns) rows() int { return int(c.arrays[0].n) }

// values returns the parameters, followed by single values. They are valid until the next reset.
func (c *columns) values(single ...[]byte) [][]byte {
	c.params = c.params[:0]
	for i := range c.arrays {
		c.params = append(c.params, c.arrays[i].value())
	}
	return append(c.params, single...)
}

func binaryInt64(v int64) []byte {
	return binary.BigEndian.AppendUint64(make([]byte, 0, 8), uint64(v)) //nolint:gosec // two's complement is what is meant
}

// binaryTime is a timestamptz, in whole microseconds.
func binaryTime(t time.Time) []byte { return binaryInt64(t.UnixMicro() - postgresEpoch) }
