package rebuild

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"payledger/eventstore/catalog"
	"payledger/projections/bulk"
)

// Difference is a row that isn't the same in both read models.
type Difference struct {
	Table   string
	Key     []string
	Live    map[string]any // the columns that differ, as they are in the live read model; nil for a row that isn't there
	Rebuilt map[string]any // and in the rebuilt one
	// Explained says whether the events of the row were looked into.
	Explained bool
	// Position, EventID and Type are of the first event after which the row as it is folded isn't the live one, in those columns, any more;
	// zero when no event makes such a row.
	Position int64
	EventID  uuid.UUID
	Type     string
}

// errDone ends the transaction of an explanation, which must leave nothing behind.
var errDone = errors.New("done")

var errNoPosition = errors.New("a row doesn't tell its position")

// explain tells of a row that differs, and where it and the log part: its events are applied one by one, by the projector's own code, in a
// schema that never comes to be.
func (r *rebuild) explain(ctx context.Context, s *shadow, t table, key []string) error {
	live, err := t.one(ctx, r.Pool, r.live, key)
	if err != nil {
		return err
	}
	built, err := t.one(ctx, r.Pool, s.schema, key)
	if err != nil {
		return err
	}
	d := Difference{Table: t.Table, Key: key}
	d.Live, d.Rebuilt = differing(live, built)
	from := built
	if from == nil {
		from = live
	}
	switch {
	case t.OfEvent:
		if err := r.explainByEvent(ctx, from, &d); err != nil {
			return err
		}
	case t.Streams != nil:
		if err := r.explainByFolding(ctx, s, t, live, from, &d); err != nil {
			return err
		}
	}
	r.Differs(d)
	return nil
}

// explainByEvent names the one event that makes a row.
func (r *rebuild) explainByEvent(ctx context.Context, row map[string]any, d *Difference) error {
	position, ok := row["position"].(int64)
	if !ok {
		return fmt.Errorf("%w: %v", errNoPosition, row["position"])
	}
	recorded, err := r.Reader.ReadAll(ctx, position-1, 1)
	if err != nil {
		return err
	}
	d.Explained = true
	if len(recorded) == 1 && d.Rebuilt != nil { // what is only in the live one no event makes
		d.Position, d.EventID, d.Type = position, recorded[0].ID, recorded[0].Type
	}
	return nil
}

// explainByFolding folds a row once more, event by event.
func (r *rebuild) explainByFolding(ctx context.Context, s *shadow, t table, live, from map[string]any, d *Difference) error {
	d.Explained = true
	recorded, err := r.Reader.ReadStreams(ctx, t.Streams(from), s.at.Position)
	if err != nil {
		return err
	}
	err = pgx.BeginTxFunc(ctx, r.Pool, pgx.TxOptions{}, func(tx pgx.Tx) error {
		scratch := bulk.InSchema(tx, r.live, r.live+"_part")
		if _, err := r.projector.EnsureSchema(ctx, scratch); err != nil {
			return err
		}
		p := r.Projection.New()
		parted := false
		for i := range recorded {
			if !r.handled[recorded[i].Type] {
				continue
			}
			ev, err := r.Catalog.Decode(ctx, r.Keys, &recorded[i])
			if err != nil {
				return err
			}
			if err := p.Apply(ctx, scratch, []catalog.Event{ev}); err != nil {
				return fmt.Errorf("event %s at %d: %w", ev.ID, ev.Position, err)
			}
			now, err := t.one(ctx, tx, r.live+"_part", d.Key)
			if err != nil {
				return err
			}
			agrees := agree(now, live, d.Live)
			if !agrees && !parted {
				d.Position, d.EventID, d.Type = ev.Position, ev.ID, ev.Type
			}
			parted = !agrees
		}
		return errDone
	})
	if !errors.Is(err, errDone) {
		return err
	}
	return nil
}

// one reads a row by its key, nil if it isn't there.
func (t table) one(ctx context.Context, db querier, schema string, key []string) (map[string]any, error) {
	sql, args := t.sqlPage(schema, bounds{exactly: key}, 0)
	rows, err := db.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	found, err := pgx.CollectRows(rows, pgx.RowToMap)
	if err != nil || len(found) == 0 {
		return nil, err
	}
	for name, value := range found[0] {
		if n, ok := value.(pgtype.Numeric); ok {
			if found[0][name], err = n.Value(); err != nil { // as text
				return nil, err
			}
		}
	}
	return found[0], nil
}

// differing returns the columns of two rows that aren't the same; nil for a row that isn't there.
func differing(live, built map[string]any) (ofLive, ofBuilt map[string]any) {
	if live == nil || built == nil {
		return live, built
	}
	ofLive, ofBuilt = make(map[string]any), make(map[string]any)
	for _, name := range slices.Sorted(maps.Keys(live)) {
		if !reflect.DeepEqual(live[name], built[name]) {
			ofLive[name], ofBuilt[name] = live[name], built[name]
		}
	}
	return ofLive, ofBuilt
}

// agree reports whether a row as it was folded is the live one in the columns that differ in the end.
func agree(now, live, columns map[string]any) bool {
	if now == nil || live == nil {
		return now == nil && live == nil
	}
	for name := range columns {
		if !reflect.DeepEqual(now[name], live[name]) {
			return false
		}
	}
	return true
}
