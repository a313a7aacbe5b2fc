package publisher

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// ErrRouteGap says that a route event is missing. Their numbers are dense, and none is trimmed before it is published: it is damage.
var ErrRouteGap = errors.New("the route events have a hole")

// routeEvent is a stored route event, and where its command stood in the log.
type routeEvent struct {
	Number     int64
	CommitID   uuid.UUID
	Topic      string
	Key        string
	Headers    map[string]string
	Body       []byte
	RecordedAt time.Time
	Position   int64   // the last of its events, or the head at which it was answered without any
	Epoch      *int64  // of the event there; nil in an empty log
	Tenant     *string // of its last event; nil without events
	Stream     *string
	Version    *int64
}

const sqlReadRoutes = `
SELECT r.number, r.commit_id, r.topic, r.key, r.headers, r.body, r.recorded_at, c.head, e.epoch,
       CASE WHEN c.last_position > 0 THEN e.tenant END, CASE WHEN c.last_position > 0 THEN e.stream END,
       CASE WHEN c.last_position > 0 THEN e.version END
FROM ledger.route_events r
JOIN ledger.commits c USING (commit_id)
LEFT JOIN ledger.events e ON e.position = c.head
WHERE r.number > $1 ORDER BY r.number LIMIT $2`

// readRoutes returns the next route events after a number.
func (c Source) readRoutes(ctx context.Context, after int64) ([]routeEvent, error) {
	rows, err := c.Pool.Query(ctx, sqlReadRoutes, after, pageSize)
	if err != nil {
		return nil, fmt.Errorf("read route events after %d: %w", after, err)
	}
	routes, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (r routeEvent, err error) {
		var headers []byte
		err = row.Scan(&r.Number, &r.CommitID, &r.Topic, &r.Key, &headers, &r.Body, &r.RecordedAt, &r.Position, &r.Epoch, &r.Tenant, &r.Stream, &r.Version)
		if err == nil {
			err = json.Unmarshal(headers, &r.Headers)
		}
		return r, err
	})
	if err != nil {
		return nil, fmt.Errorf("read route events after %d: %w", after, err)
	}
	return routes, nil
}

// dense answers with ErrRouteGap if the route events don't follow on a number without a hole.
func dense(routes []routeEvent, after int64) error {
	for i := range routes {
		if want := after + int64(i) + 1; routes[i].Number != want {
			return fmt.Errorf("route event %d: %w", want, ErrRouteGap)
		}
	}
	return nil
}

// pumpRoutes sends the route events. Their keys are request ids, so their order doesn't matter.
func (s *session) pumpRoutes(ctx context.Context) error {
	after := s.from.route
	var atEnd time.Time
	for {
		s.Waker.GiveWay(ctx, atEnd, s.GiveWay, nil)
		began := s.Now()
		grown := s.Waker.Next()
		routes, err := s.readRoutes(ctx, after)
		if err == nil {
			err = dense(routes, after)
		}
		if err != nil {
			return halting(err, 0, noEvent)
		}
		for i := range routes {
			r := &routes[i]
			out, err := s.routeMessage(r)
			if err != nil {
				return halting(fmt.Errorf("route event %d: %w", r.Number, err), r.Position, noEvent)
			}
			if err := s.route.put(ctx, mark{position: r.Number}, []outgoing{out}); err != nil {
				return err
			}
			after = r.Number
		}
		if len(routes) == pageSize {
			continue
		}
		atEnd = began
		if err := s.pause(ctx, grown); err != nil {
			return err
		}
	}
}

// routeMessage makes the message of a route event: the headers stored with it, and what is known of its commit.
func (r *renderer) routeMessage(e *routeEvent) (outgoing, error) {
	meta := make(message.Metadata, headerCount)
	r.common(meta, e.Position, e.RecordedAt)
	if topic, ok := r.topics.routes[e.Topic]; ok {
		meta[headerSchema], meta[headerAction] = topic.Schema, topic.Action
	}
	if e.Stream != nil {
		meta[headerTenant], meta[headerStream], meta[headerStreamVersion] = *e.Tenant, *e.Stream, strconv.FormatInt(*e.Version, 10)
	}
	for name, value := range e.Headers {
		if value != "" {
			meta[name] = value
		}
	}
	meta[KeyMetadata] = e.Key
	meta[headerID] = e.CommitID.String() + "/" + e.Topic
	meta[headerType] = e.Topic
	meta[headerEpoch] = strconv.FormatInt(r.epoch, 10)
	if e.Epoch != nil {
		meta[headerEpoch] = strconv.FormatInt(*e.Epoch, 10)
	}
	body := e.Body
	if len(body) > MaxRouteBody {
		var err error
		if body, err = emptyRows(body); err != nil {
			return outgoing{}, err
		}
		meta[headerTruncated] = "true"
	}
	return outgoing{kind: KindRoute, topic: e.Topic, lane: strconv.FormatInt(e.Number, 10), msg: &message.Message{Metadata: meta, Payload: body}}, nil
}
