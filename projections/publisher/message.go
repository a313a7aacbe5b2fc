package publisher

import (
	"encoding/hex"
	"strconv"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"payledger/eventstore"
	"payledger/eventstore/catalog"
)

// Names of the headers (contract 4.4). ce_* are CloudEvents in binary mode.
const (
	headerID            = "ce_id"
	headerSource        = "ce_source"
	headerType          = "ce_type"
	headerSpecVersion   = "ce_specversion"
	headerTime          = "ce_time"
	headerContentType   = "content-type"
	headerPosition      = "ledger-position"
	headerEpoch         = "ledger-epoch"
	headerTenant        = "ledger-tenant"
	headerStream        = "ledger-stream"
	headerStreamVersion = "ledger-stream-version"
	headerSchema        = "ledger-schema"
	headerAction        = "ledger-action"
	headerTraceParent   = "traceparent"
	headerTruncated     = "ledger-truncated"

	// Of the journal only: with ce_time (recorded at), ce_type and the payload they are all that the hash covers.
	headerEventID     = "ledger-event-id"
	headerCommitID    = "ledger-commit-id"
	headerEffectiveAt = "ledger-effective-at"
	headerMetadata    = "ledger-metadata"
	headerHash        = "ledger-hash"
)

// headerCount is room for the headers of most messages and the key.
const headerCount = 16

// outgoing is one message for one topic. Messages of one lane leave one after the other.
type outgoing struct {
	kind  Kind
	topic string
	lane  string
	msg   *message.Message
}

// subject is what a message is about.
type subject struct {
	topic  string // that names it in ce_id and ce_type; for the copy of an index update not where it goes
	key    string // Kafka key: id of the row or document
	schema string
	action string
}

// envelope makes the message of a row or document change that an event caused.
func (s *session) envelope(ev *catalog.Event, about subject, body []byte) *message.Message {
	meta := make(message.Metadata, headerCount)
	meta[KeyMetadata] = about.key
	meta[headerID] = ev.ID.String() + "/" + about.topic + "/" + about.key
	meta[headerType] = about.topic
	meta[headerSchema] = about.schema
	meta[headerAction] = about.action
	if ev.Meta.TraceParent != "" {
		meta[headerTraceParent] = ev.Meta.TraceParent
	}
	s.common(meta, ev.Position, ev.RecordedAt)
	meta[headerEpoch] = strconv.FormatInt(ev.Epoch, 10)
	meta[headerTenant] = ev.Stream.Tenant
	meta[headerStream] = ev.Stream.Name
	meta[headerStreamVersion] = strconv.FormatInt(ev.Version, 10)
	return &message.Message{Metadata: meta, Payload: body}
}

// common sets the headers that every message has.
func (s *session) common(meta message.Metadata, position int64, recordedAt time.Time) {
	meta[headerSource] = s.source
	meta[headerSpecVersion] = "1.0"
	meta[headerTime] = recordedAt.UTC().Format(time.RFC3339Nano)
	meta[headerContentType] = "application/json"
	meta[headerPosition] = strconv.FormatInt(position, 10)
}

// journal makes the message that carries an event as stored: the payload byte for byte, all else in headers.
func (s *session) journal(rec *eventstore.Recorded, traceParent string) outgoing {
	meta := make(message.Metadata, 2*headerCount)
	meta[KeyMetadata] = rec.Stream.Name
	meta[headerID] = rec.ID.String() + "/" + s.topics.journal + "/" + rec.Stream.Name
	meta[headerType] = rec.Type
	meta[headerSchema] = rec.Type + ".v" + strconv.Itoa(rec.Schema)
	meta[headerAction] = "appended"
	if traceParent != "" {
		meta[headerTraceParent] = traceParent
	}
	s.common(meta, rec.Position, rec.RecordedAt)
	meta[headerEpoch] = strconv.FormatInt(rec.Epoch, 10)
	meta[headerTenant] = rec.Stream.Tenant
	meta[headerStream] = rec.Stream.Name
	meta[headerStreamVersion] = strconv.FormatInt(rec.Version, 10)
	meta[headerEventID] = rec.ID.String()
	meta[headerCommitID] = rec.CommitID.String()
	meta[headerEffectiveAt] = rec.EffectiveAt.UTC().Format(time.RFC3339Nano)
	meta[headerMetadata] = string(rec.Metadata)
	meta[headerHash] = hex.EncodeToString(rec.Hash[:])
	return outgoing{kind: KindJournal, topic: s.topics.journal, lane: "journal " + rec.Stream.String(), msg: &message.Message{Metadata: meta, Payload: rec.Data}}
}
