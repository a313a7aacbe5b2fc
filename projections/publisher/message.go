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

	// Of messages that are sent again.
	headerReplay = "x-replay"
	headerTopic  = "ledger-topic" // that of the first sending

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

// renderer makes the messages of what the log says: the same for the first sending, for another one, and to compare with Kafka.
type renderer struct {
	topics           topicNames
	source           string // ce_source
	epoch            int64  // of the log's head: that of route events of an empty log
	updatedOnCreated bool
}

func newRenderer(c Source, epoch int64) renderer {
	return renderer{newTopicNames(c.Topics), "/" + c.Topics.withDefaults().LibraryService, epoch, c.IndexUpdatedOnCreatedTopic}
}

// envelope makes the message of a row or document change that an event caused.
func (r *renderer) envelope(ev *catalog.Event, about subject, body []byte) *message.Message {
	meta := make(message.Metadata, headerCount)
	meta[KeyMetadata] = about.key
	meta[headerID] = ev.ID.String() + "/" + about.topic + "/" + about.key
	meta[headerType] = about.topic
	meta[headerSchema] = about.schema
	meta[headerAction] = about.action
	if ev.Meta.TraceParent != "" {
		meta[headerTraceParent] = ev.Meta.TraceParent
	}
	r.common(meta, ev.Position, ev.RecordedAt)
	meta[headerEpoch] = strconv.FormatInt(ev.Epoch, 10)
	meta[headerTenant] = ev.Stream.Tenant
	meta[headerStream] = ev.Stream.Name
	meta[headerStreamVersion] = strconv.FormatInt(ev.Version, 10)
	return &message.Message{Metadata: meta, Payload: body}
}

// common sets the headers that every message has.
func (r *renderer) common(meta message.Metadata, position int64, recordedAt time.Time) {
	meta[headerSource] = r.source
	meta[headerSpecVersion] = "1.0"
	meta[headerTime] = recordedAt.UTC().Format(time.RFC3339Nano)
	meta[headerContentType] = "application/json"
	meta[headerPosition] = strconv.FormatInt(position, 10)
}

// journal makes the message that carries an event as stored: the payload byte for byte, all else in headers.
func (r *renderer) journal(rec *eventstore.Recorded, traceParent string) outgoing {
	meta := make(message.Metadata, 2*headerCount)
	meta[KeyMetadata] = rec.Stream.Name
	meta[headerID] = rec.ID.String() + "/" + r.topics.journal + "/" + rec.Stream.Name
	meta[headerType] = rec.Type
	meta[headerSchema] = rec.Type + ".v" + strconv.Itoa(rec.Schema)
	meta[headerAction] = "appended"
	if traceParent != "" {
		meta[headerTraceParent] = traceParent
	}
	r.common(meta, rec.Position, rec.RecordedAt)
	meta[headerEpoch] = strconv.FormatInt(rec.Epoch, 10)
	meta[headerTenant] = rec.Stream.Tenant
	meta[headerStream] = rec.Stream.Name
	meta[headerStreamVersion] = strconv.FormatInt(rec.Version, 10)
	meta[headerEventID] = rec.ID.String()
	meta[headerCommitID] = rec.CommitID.String()
	meta[headerEffectiveAt] = rec.EffectiveAt.UTC().Format(time.RFC3339Nano)
	meta[headerMetadata] = string(rec.Metadata)
	meta[headerHash] = hex.EncodeToString(rec.Hash[:])
	return outgoing{kind: KindJournal, topic: r.topics.journal, lane: "journal " + rec.Stream.String(), msg: &message.Message{Metadata: meta, Payload: rec.Data}}
}
