// Package catalog is the one place for wire names: which Go type an event type and schema version stand for, how its bytes
// are made and read, which fields are sealed. Decoded events carry their envelope as Event.
package catalog

import (
	"time"

	"github.com/google/uuid"

	"payledger/eventstore"
)

// Event is a recorded event with its payload decoded and its sealed texts opened.
type Event struct {
	ID          uuid.UUID
	CommitID    uuid.UUID
	Stream      eventstore.StreamID
	Version     int64 // within the stream, from 1
	Position    int64 // in the log; 0 while it is being decided
	Epoch       int64
	Type        string // wire name
	Schema      int
	EffectiveAt time.Time
	RecordedAt  time.Time // zero while it is being decided: folds must not use it
	Meta        Meta
	Data        any // a struct of a domain package, such as fee.Assessed
}

// Meta is the JSON in an event's metadata: who, why and by which request.
type Meta struct {
	Actor       Actor     `json:"actor"`
	At          time.Time `json:"at"` // the command's time, UTC, milliseconds: createdAt and updatedAt of rows
	RequestID   string    `json:"requestId"`
	TraceParent string    `json:"traceparent"`
	Channel     string    `json:"channel"` // api, job, webhook
	Cause       string    `json:"cause"`   // id of the event that caused the command, if any
	// AnswerHash is the hex SHA-256 of salt and answer, on the last event of an answered command only.
	AnswerHash string `json:"answerHash"`
}

// Actor is who did it: always from the token, or system:<manager>.
type Actor struct {
	Kind  string   `json:"kind"` // member, staff, service, system
	ID    string   `json:"id"`
	Roles []string `json:"roles"`
}
