package publisher

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/jackc/pgx/v5/pgxpool"

	"payledger/eventstore"
	"payledger/eventstore/catalog"
	"payledger/projections"
)

// routesPoll is how often AwaitRoutes looks.
const routesPoll = 50 * time.Millisecond

// actionErased is header ledger-action of a tombstone.
const actionErased = "erased"

// Tombstone returns the message without a value that takes the place of all that a compacted topic has under a key, because of an erasure. The
// topic is a db or index topic of ours and the key the id of a row, or it is a route topic and the key that of a route event.
func Tombstone(c Source, erasure *catalog.Event, topic, schema, key string) *message.Message {
	r := newRenderer(c, erasure.Epoch)
	return r.envelope(erasure, subject{topic: topic, key: key, schema: schema, action: actionErased}, nil)
}

// IsTombstone reports whether a message is one of an erasure.
func (m *Sent) IsTombstone(erasure *catalog.Event) bool {
	return m.Value == nil && m.Headers[headerAction] == actionErased && m.Headers[headerEpoch] == strconv.FormatInt(erasure.Epoch, 10) &&
		positionIn(*m) == erasure.Position
}

// ShowsTexts reports whether a route event that was answered up to a position has texts in rows of a person: those that an erasure takes out of
// the stored ones.
func (m *Sent) ShowsTexts(who eventstore.Person, upTo int64) bool {
	owned, err := json.Marshal(who.Subject)
	return err == nil && m.Headers[headerTenant] == who.Tenant && positionIn(*m) <= upTo &&
		bytes.Contains(m.Value, append([]byte(`"_owner":`), owned...)) && texts.Match(m.Value)
}

// AwaitRoutes returns when the route events up to a number are acknowledged by Kafka: none is on its way as it was stored before. Its errors are
// those of ctx and the database.
func AwaitRoutes(ctx context.Context, pool *pgxpool.Pool, number int64) error {
	for {
		at, _, err := readCursors(ctx, pool)
		if err != nil || at.route >= number {
			return err
		}
		if projections.Wait(ctx, routesPoll); ctx.Err() != nil {
			return fmt.Errorf("wait for the route events up to %d, the publisher is at %d: %w", number, at.route, ctx.Err())
		}
	}
}
