package audit

import (
	"context"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/google/uuid"

	"payledger/domain/evidence"
	"payledger/eventstore"
	"payledger/eventstore/catalog"
)

// Store writes commits; *eventstore.Store is one.
type Store interface {
	Commit(ctx context.Context, c eventstore.Commit) (eventstore.Result, error)
}

// Keeper writes down which reports were made, which questions were answered and which read models were rebuilt.
type Keeper struct {
	Store   Store
	Catalog *catalog.Catalog
	NewID   func() (uuid.UUID, error) // UUIDv7
}

// Asked says who asked, and when.
type Asked struct {
	Tenant string
	Meta   catalog.Meta
}

// Report stores a report under an id, which it returns, and the position of the event.
func (k Keeper) Report(ctx context.Context, by Asked, r Report) (string, int64, error) {
	id, err := k.NewID()
	if err != nil {
		return "", 0, fmt.Errorf("store a report: %w", err)
	}
	filters := r.Filters
	if filters == nil {
		filters = []evidence.Parameter{}
	}
	position, err := k.append(ctx, by, evidence.ReportStream(id.String()), evidence.ReportMade{
		ReportID: id.String(), Kind: r.Kind, Form: r.Form, From: r.From, AsOf: r.AsOf, KnownAt: int(r.KnownAt), HeadHash: hex.EncodeToString(r.HeadHash[:]),
		Filters: filters, Rows: int(r.Rows), Digest: hex.EncodeToString(r.Digest[:]), Notes: int(r.Notes), Shown: int(r.Shown), Totals: r.Totals,
	})
	if err != nil {
		return "", 0, fmt.Errorf("store a report: %w", err)
	}
	return id.String(), position, nil
}

// Read stores that a question was answered.
func (k Keeper) Read(ctx context.Context, by Asked, read evidence.Read) error {
	id, err := k.NewID()
	if err == nil {
		_, err = k.append(ctx, by, evidence.ReadStream(id.String()), read)
	}
	if err != nil {
		return fmt.Errorf("log a read: %w", err)
	}
	return nil
}

// Rebuilt stores the certificate of a rebuild, once for its id, and returns the position of the event.
func (k Keeper) Rebuilt(ctx context.Context, by Asked, c evidence.Rebuilt) (int64, error) {
	position, err := k.append(ctx, by, evidence.RebuildStream(c.RebuildID), c)
	if err != nil {
		return 0, fmt.Errorf("certify a rebuild: %w", err)
	}
	return position, nil
}

// append stores the one event of a stream, unless it is there, and returns its position.
func (k Keeper) append(ctx context.Context, by Asked, stream string, data any) (int64, error) {
	commitID, err := k.NewID()
	if err != nil {
		return 0, err
	}
	eventID, err := k.NewID()
	if err != nil {
		return 0, err
	}
	by.Meta.At = by.Meta.At.UTC().Truncate(time.Millisecond)
	id := eventstore.StreamID{Tenant: by.Tenant, Name: stream}
	event, err := k.Catalog.Encode(catalog.EncodeArgs{Stream: id, ID: eventID, Data: data, Meta: by.Meta, EffectiveAt: by.Meta.At})
	if err != nil {
		return 0, err
	}
	stored := int64(0)
	result, err := k.Store.Commit(ctx, eventstore.Commit{
		ID: commitID, New: []eventstore.StreamID{id},
		Decide: func(v eventstore.View) (eventstore.Decision, error) {
			if stored = v.Stream(id).Position; stored > 0 {
				return eventstore.Decision{}, nil
			}
			return eventstore.Decision{Appends: []eventstore.Append{{Stream: id, Events: []eventstore.NewEvent{event}}}}, nil
		},
	})
	return max(stored, result.Last), err
}
