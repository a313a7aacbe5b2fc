package publisher

import (
	"context"

	"github.com/ThreeDotsLabs/watermill/message"
)

// KeyMetadata is the metadata entry of a watermill message that holds the Kafka key. It is not sent as a header; all other
// entries are.
const KeyMetadata = "kafka-key"

// Connect makes the topics and returns a publisher whose Publish returns after the broker's acknowledgement. It is called
// when the lease is gained and again after the connection was given up; an error means: try again later.
type Connect func(ctx context.Context) (message.Publisher, error)
