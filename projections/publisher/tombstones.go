package publisher

import (
	"github.com/ThreeDotsLabs/watermill/message"

	"payledger/eventstore/catalog"
)

// actionErased is header ledger-action of a tombstone.
const actionErased = "erased"

// Tombstone returns the message without a value that takes the place of all that a compacted topic has under a key, because of an erasure. The
// topic is a db or index topic of ours, the id that of a row of the object, its key there.
func Tombstone(c Source, erasure *catalog.Event, topic, object, id string) *message.Message {
	r := newRenderer(c, erasure.Epoch)
	return r.envelope(erasure, subject{topic: topic, key: id, schema: object, action: actionErased}, nil)
}
