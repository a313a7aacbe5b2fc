// Package digest sums up read models, so that two of them can be compared without being sorted: a digest is the sum modulo
// 2^256 of the SHA-256 of every row. It doesn't depend on order, and rows can be taken out again.
package digest

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"math/bits"
	"time"
)

// Sum is a digest; the zero value is that of nothing.
type Sum struct {
	words [4]uint64 // the least significant first
	Rows  int64
}

// Add adds a row.
func (s *Sum) Add(row []byte) {
	var carry uint64
	for i, w := range wordsOf(row) {
		s.words[i], carry = bits.Add64(s.words[i], w, carry)
	}
	s.Rows++
}

// AddAll adds all rows that another sum has.
func (s *Sum) AddAll(other Sum) {
	var carry uint64
	for i, w := range other.words {
		s.words[i], carry = bits.Add64(s.words[i], w, carry)
	}
	s.Rows += other.Rows
}

// Remove takes out a row that was added.
func (s *Sum) Remove(row []byte) {
	var borrow uint64
	for i, w := range wordsOf(row) {
		s.words[i], borrow = bits.Sub64(s.words[i], w, borrow)
	}
	s.Rows--
}

// String returns the digest as 64 hex digits, the most significant first.
func (s Sum) String() string {
	var b [32]byte
	for i, w := range s.words {
		binary.BigEndian.PutUint64(b[24-8*i:], w)
	}
	return hex.EncodeToString(b[:])
}

func wordsOf(row []byte) (words [4]uint64) {
	hash := sha256.Sum256(row)
	for i := range words {
		words[i] = binary.BigEndian.Uint64(hash[24-8*i:])
	}
	return words
}

// Row is the canonical form of a row: its fields one after the other, texts with their length in front.
type Row []byte

// Text appends a text.
func (r Row) Text(s string) Row {
	return append(binary.AppendUvarint(r, uint64(len(s))), s...)
}

// Bytes appends bytes.
func (r Row) Bytes(b []byte) Row {
	return append(binary.AppendUvarint(r, uint64(len(b))), b...)
}

// Int appends a number.
func (r Row) Int(n int64) Row { return binary.BigEndian.AppendUint64(r, uint64(n)) } //nolint:gosec // two's complement

// Bool appends a truth value.
func (r Row) Bool(b bool) Row {
	if b {
		return append(r, 1)
	}
	return append(r, 0)
}

// Time appends an instant in microseconds, as Postgres keeps it.
func (r Row) Time(t time.Time) Row { return r.Int(t.UnixMicro()) }

// Stored is the digest of a stored read model, and how much of the log it had folded.
type Stored struct {
	Sum      Sum
	Position int64
}
