package proof

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"golang.org/x/mod/sumdb/tlog"
)

// encodingVersion is the first byte of an event's bytes.
const encodingVersion = 1

// ErrEncoding says that bytes are not the encoding of an event.
var ErrEncoding = errors.New("not the bytes of an event")

// Event is an event of the log with all that its hash covers.
type Event struct {
	Before      [32]byte // hash of the event before it; zeros at position 1
	Position    int64    // from 1, without holes
	Epoch       int64    // greater after each restore of the log
	ID          [16]byte
	CommitID    [16]byte
	Tenant      string
	Stream      string
	Version     int64 // within the stream, from 1
	Type        string
	Schema      int64
	Data        []byte
	Metadata    []byte
	EffectiveAt int64 // microseconds since 1970 UTC
	RecordedAt  int64 // microseconds since 1970 UTC
}

// HashOf returns the event's hash in the chain: SHA-256 of its bytes.
func HashOf(encoded []byte) [32]byte { return sha256.Sum256(encoded) }

// Leaf returns the event's hash in the tree, as RFC 9162 has it: SHA-256 of a zero byte and the event's bytes.
func Leaf(encoded []byte) tlog.Hash { return tlog.RecordHash(encoded) }

// Encode returns the bytes that are hashed: a version byte and the hash before as they are, then each field behind its
// length (4 bytes); numbers and times in 8 bytes; big endian all.
func (e *Event) Encode() []byte {
	b := append([]byte{encodingVersion}, e.Before[:]...)
	for _, f := range e.fields() {
		switch f := f.(type) {
		case *int64:
			b = binary.BigEndian.AppendUint32(b, 8)
			b = binary.BigEndian.AppendUint64(b, uint64(*f)) //nolint:gosec // two's complement is what is meant
		case *[16]byte:
			b = appendField(b, string(f[:]))
		case *string:
			b = appendField(b, *f)
		case *[]byte:
			b = appendField(b, string(*f))
		}
	}
	return b
}

func appendField(b []byte, field string) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(len(field))) //nolint:gosec // Postgres holds no value above 1 GiB
	return append(b, field...)
}

// fields lists what is encoded, in order.
func (e *Event) fields() []any {
	return []any{
		&e.Position, &e.Epoch, &e.ID, &e.CommitID, &e.Tenant, &e.Stream, &e.Version, &e.Type, &e.Schema, &e.Data, &e.Metadata,
		&e.EffectiveAt, &e.RecordedAt,
	}
}

// ParseEvent is the inverse of Encode: no other bytes are taken. ErrEncoding otherwise.
func ParseEvent(encoded []byte) (Event, error) {
	var e Event
	head := 1 + len(e.Before)
	if len(encoded) < head || encoded[0] != encodingVersion {
		return Event{}, ErrEncoding
	}
	copy(e.Before[:], encoded[1:])
	rest := encoded[head:]
	for _, f := range e.fields() {
		if len(rest) < 4 {
			return Event{}, ErrEncoding
		}
		size := int64(binary.BigEndian.Uint32(rest))
		if rest = rest[4:]; int64(len(rest)) < size || !setField(f, rest[:size]) {
			return Event{}, ErrEncoding
		}
		rest = rest[size:]
	}
	if len(rest) > 0 {
		return Event{}, ErrEncoding
	}
	return e, nil
}

// setField reports whether the bytes are those of a field of this kind.
func setField(field any, b []byte) bool {
	switch f := field.(type) {
	case *int64:
		if len(b) != 8 {
			return false
		}
		*f = int64(binary.BigEndian.Uint64(b)) //nolint:gosec // two's complement is what is meant
	case *[16]byte:
		return copy(f[:], b) == len(f) && len(b) == len(f)
	case *string:
		*f = string(b)
	case *[]byte:
		*f = bytes.Clone(b)
	}
	return true
}

// Entry is an event as proof files and exports hold it: for people, and as the bytes that are hashed.
type Entry struct {
	Event json.RawMessage `json:"event"`
	Bytes []byte          `json:"bytes"`
}

// NewEntry returns the entry of an event's bytes, or ErrEncoding.
func NewEntry(encoded []byte) (Entry, error) {
	e, err := ParseEvent(encoded)
	if err != nil {
		return Entry{}, err
	}
	text, err := e.readable(encoded)
	return Entry{Event: text, Bytes: encoded}, err
}

// Open returns the event, after a check that what people read is what the bytes say.
func (e Entry) Open() (Event, error) {
	event, err := ParseEvent(e.Bytes)
	if err != nil {
		return Event{}, err
	}
	want, err := event.readable(e.Bytes)
	if err != nil {
		return Event{}, err
	}
	var told bytes.Buffer
	if json.Compact(&told, e.Event) != nil || !bytes.Equal(told.Bytes(), want) {
		return Event{}, fmt.Errorf("the fields of event %d are not what its bytes say", event.Position)
	}
	return event, nil
}

// readable prints the event for people. Payloads that are JSON, as all of ours are, stand there as they are.
func (e *Event) readable(encoded []byte) (json.RawMessage, error) {
	payload := func(b []byte) json.RawMessage {
		if json.Valid(b) {
			return b
		}
		return json.RawMessage(`"` + hex.EncodeToString(b) + `"`)
	}
	text, err := compactJSON(struct {
		Position     int64           `json:"position"`
		Epoch        int64           `json:"epoch"`
		ID           string          `json:"id"`
		CommitID     string          `json:"commitId"`
		Tenant       string          `json:"tenant"`
		Stream       string          `json:"stream"`
		Version      int64           `json:"version"`
		Type         string          `json:"type"`
		Schema       int64           `json:"schema"`
		Data         json.RawMessage `json:"data"`
		Metadata     json.RawMessage `json:"metadata"`
		EffectiveAt  string          `json:"effectiveAt"`
		RecordedAt   string          `json:"recordedAt"`
		PreviousHash string          `json:"previousHash"`
		Hash         string          `json:"hash"`
	}{
		e.Position, e.Epoch, uuidText(e.ID), uuidText(e.CommitID), e.Tenant, e.Stream, e.Version, e.Type, e.Schema,
		payload(e.Data), payload(e.Metadata), timeText(e.EffectiveAt), timeText(e.RecordedAt),
		hex.EncodeToString(e.Before[:]), fmt.Sprintf("%x", HashOf(encoded)),
	})
	if err != nil {
		return nil, fmt.Errorf("event %d: %w", e.Position, err)
	}
	return text, nil
}

func uuidText(id [16]byte) string {
	return fmt.Sprintf("%x-%x-%x-%x-%x", id[:4], id[4:6], id[6:8], id[8:10], id[10:])
}

func timeText(micros int64) string {
	return time.UnixMicro(micros).UTC().Format(time.RFC3339Nano)
}
