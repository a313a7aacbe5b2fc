// Package eventstore is the append-only, hash-chained log in Postgres: commits over many streams, reads in position
// order, the idempotency records and route events that are stored with a commit, and the keys that seal personal text.
// It knows bytes and envelopes; what an event means is the business of package catalog and the domain.
package eventstore

import (
	"time"

	"github.com/google/uuid"
)

// StreamID names a stream. Tenant and Name together are its identity in every key and every query.
type StreamID struct {
	Tenant string
	Name   string
}

// String returns "tenant/name", for messages.
func (s StreamID) String() string { return s.Tenant + "/" + s.Name }

// NewEvent is an event that a decision wants to append. Data and Metadata are stored and hashed as these exact bytes.
type NewEvent struct {
	ID          uuid.UUID // UUIDv7
	Type        string    // wire name, such as fee.assessed
	Schema      int       // version of the payload's schema, from 1
	Data        []byte
	Metadata    []byte
	EffectiveAt time.Time // when it happened, cut to microseconds by the store
}

// Recorded is an event as it stands in the log.
type Recorded struct {
	NewEvent
	Position   int64 // dense, from 1, over all tenants
	Epoch      int64 // greater after each restore, see NewEpoch
	CommitID   uuid.UUID
	Stream     StreamID
	Version    int64     // within the stream, dense, from 1
	RecordedAt time.Time // database clock under the head lock, never decreasing, microseconds
	Hash       [32]byte  // SHA-256 chained over every field above and the hash before; zero in a batch that is still being decided
}

// Head is the end of the log.
type Head struct {
	Position int64
	Epoch    int64
	Hash     [32]byte
	Route    int64 // number of the last route event
}
