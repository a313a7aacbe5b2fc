package publisher

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"payledger/projections"
	"payledger/readmodels/proofs"
)

const (
	// checkpointKey is the Kafka key of signed checkpoints in the journal: they keep their order.
	checkpointKey = "checkpoint"
	// schemaCheckpoint tells them from events.
	schemaCheckpoint = "checkpoint"
	// checkpointPoll is how often the publisher looks for new ones.
	checkpointPoll = time.Second
)

// pumpCheckpoints sends signed checkpoints of the log to the journal. They are few, so each is marked as sent by itself; a crash before
// that sends it again with the same ce_id.
func (s *session) pumpCheckpoints(ctx context.Context) error {
	lane := &lanes{carrier: s.carrier()}
	for {
		unsent, err := proofs.Unsent(ctx, s.Pool)
		if err != nil {
			return halting(err, 0, noEvent)
		}
		for _, c := range unsent {
			out, err := s.checkpoint(c)
			if err != nil {
				return err
			}
			if err := lane.send(ctx, parcel{out, c.Size}); err != nil {
				return err
			}
			if err := proofs.MarkSent(ctx, s.Pool, c.Number); err != nil {
				return err
			}
		}
		if len(unsent) == 0 {
			projections.Wait(ctx, checkpointPoll)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
}

// signedCheckpoint is the message's body: the note is what counts, the rest says the same for those who don't check it.
type signedCheckpoint struct {
	Origin   string `json:"origin"`
	Size     int64  `json:"size"`
	Root     string `json:"root"`
	Epoch    int64  `json:"epoch"`
	Head     string `json:"head"`
	SignedAt string `json:"signedAt"`
	Restored int64  `json:"restored"`
	Note     string `json:"note"`
}

// checkpoint makes the message of a signed checkpoint. It tells of no event: what tells events apart is missing.
func (r *renderer) checkpoint(c proofs.Signed) (outgoing, error) {
	body, err := json.Marshal(signedCheckpoint{
		c.Origin, c.Size, c.Root.String(), c.Epoch, hex.EncodeToString(c.Head[:]), c.SignedAt.Format(time.RFC3339), c.Restored, c.Note,
	})
	if err != nil {
		return outgoing{}, fmt.Errorf("checkpoint %d: %w", c.Number, err)
	}
	meta := make(message.Metadata, headerCount)
	r.common(meta, c.Size, c.SignedAt)
	meta[KeyMetadata] = checkpointKey
	meta[headerID] = fmt.Sprintf("checkpoint-%d-%d/%s/%s", c.Epoch, c.Size, r.topics.journal, checkpointKey)
	meta[headerType] = "checkpoint.signed"
	meta[headerSchema] = schemaCheckpoint
	meta[headerAction] = "signed"
	meta[headerEpoch] = strconv.FormatInt(c.Epoch, 10)
	return outgoing{kind: KindJournal, topic: r.topics.journal, lane: checkpointKey, msg: &message.Message{Metadata: meta, Payload: body}}, nil
}
