package selfaudit

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"

	"github.com/jackc/pgx/v5"

	"payledger/domain/fee"
	"payledger/domain/gateway"
	"payledger/eventstore"
	"payledger/eventstore/catalog"
	"payledger/readmodels"
	"payledger/readmodels/books"
	"payledger/readmodels/checkpoints"
	"payledger/readmodels/compare"
	"payledger/readmodels/documents"
	"payledger/readmodels/tables"
)

// Log is where streams are folded from again.
type Log struct {
	Reader  *eventstore.Reader
	Catalog *catalog.Catalog
	Keys    eventstore.Keys
}

// streams returns all events of streams, in order of position.
func (l Log) streams(ctx context.Context, ids []eventstore.StreamID) ([]catalog.Event, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	recs, err := l.Reader.ReadStreams(ctx, ids, math.MaxInt64)
	if err != nil {
		return nil, err
	}
	events := make([]catalog.Event, len(recs))
	for i := range recs {
		if events[i], err = l.Catalog.Decode(ctx, l.Keys, &recs[i]); err != nil {
			return nil, err
		}
	}
	return events, nil
}

// Querier is what a query can be run on: a transaction, a connection or a pool.
type Querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// rows are what stands, or should stand, at places.
type rows = map[compare.Place]compare.Row

// Model is a read model that is compared with the log.
type Model struct {
	Projection checkpoints.Projection
	// wanted returns what streams come to at a position.
	wanted func(ctx context.Context, log Log, streams []eventstore.StreamID, at int64) (rows, error)
	// stored returns what stands at places.
	stored func(ctx context.Context, db Querier, places []compare.Place) (rows, error)
	// derived returns what places come to that no stream tells of, but other rows of the read model; nil where there are none.
	derived func(ctx context.Context, db Querier, places []compare.Place) (rows, error)
	// page returns what stands after a place, some at a time, and the last of it.
	page func(ctx context.Context, db Querier, after compare.Place, limit int) (rows, compare.Place, error)
	// replace puts what streams come to at a position in the place of what stands at places.
	replace func(ctx context.Context, tx pgx.Tx, log Log, streams []eventstore.StreamID, at int64, places []compare.Place) error
}

// Models lists the read models that are looked at, in this order.
func Models() []Model {
	return []Model{
		{
			Projection: tables.Projection(),
			wanted:     wantedRows,
			stored: func(ctx context.Context, db Querier, places []compare.Place) (rows, error) {
				return tables.Stored(ctx, db, places)
			},
			page: func(ctx context.Context, db Querier, after compare.Place, limit int) (rows, compare.Place, error) {
				return tables.StoredPage(ctx, db, after, limit)
			},
			replace: replaceRows,
		},
		{
			Projection: documents.Projection(),
			wanted: func(ctx context.Context, log Log, streams []eventstore.StreamID, at int64) (rows, error) {
				return documents.ExpectedRows(ctx, log.streams, streams, at)
			},
			stored: func(ctx context.Context, db Querier, places []compare.Place) (rows, error) {
				return documents.Stored(ctx, db, places)
			},
			page: func(ctx context.Context, db Querier, after compare.Place, limit int) (rows, compare.Place, error) {
				return documents.StoredPage(ctx, db, after, limit)
			},
			replace: func(ctx context.Context, tx pgx.Tx, log Log, streams []eventstore.StreamID, at int64, places []compare.Place) error {
				return documents.Replace(ctx, tx, log.streams, streams, at, places)
			},
		},
		{
			Projection: books.Projection(),
			wanted: func(ctx context.Context, log Log, streams []eventstore.StreamID, at int64) (rows, error) {
				return books.Expected(ctx, log.streams, streams, at)
			},
			stored: func(ctx context.Context, db Querier, places []compare.Place) (rows, error) {
				return books.Stored(ctx, db, places)
			},
			derived: func(ctx context.Context, db Querier, places []compare.Place) (rows, error) {
				return books.Turnovers(ctx, db, places)
			},
			page: func(ctx context.Context, db Querier, after compare.Place, limit int) (rows, compare.Place, error) {
				return books.StoredPage(ctx, db, after, limit)
			},
			replace: func(ctx context.Context, tx pgx.Tx, log Log, streams []eventstore.StreamID, at int64, places []compare.Place) error {
				wanted, err := books.Expected(ctx, log.streams, streams, at)
				if err != nil {
					return err
				}
				return books.Replace(ctx, tx, places, wanted)
			},
		},
	}
}

func wantedRows(ctx context.Context, log Log, streams []eventstore.StreamID, at int64) (rows, error) {
	events, err := log.streams(ctx, streams)
	if err != nil {
		return nil, err
	}
	return tables.Expected(events, at)
}

func replaceRows(ctx context.Context, tx pgx.Tx, log Log, streams []eventstore.StreamID, at int64, places []compare.Place) error {
	wanted, err := wantedRows(ctx, log, streams, at)
	if err != nil {
		return err
	}
	put := make(rows, len(places))
	for _, place := range places {
		if row, ok := wanted[place]; ok {
			put[place] = row
		}
	}
	return tables.Replace(ctx, tx, places, put)
}

// differences compares what streams come to, and what stands at further places, in the snapshot of a transaction: at the read model's
// own checkpoint there, so that one that lags differs in nothing.
func (m Model) differences(ctx context.Context, tx pgx.Tx, log Log, streams []eventstore.StreamID, also []compare.Place) ([]compare.Difference, int64, error) {
	at, err := checkpoints.Read(ctx, tx, m.Projection)
	if err != nil {
		return nil, 0, err
	}
	wanted, err := m.wanted(ctx, log, streams, at)
	if err != nil {
		return nil, 0, fmt.Errorf("fold for %s: %w", m.Projection.Name, err)
	}
	if m.derived != nil {
		derived, err := m.derived(ctx, tx, also)
		if err != nil {
			return nil, 0, err
		}
		maps.Copy(wanted, derived)
	}
	stored, err := m.stored(ctx, tx, append(compare.Places(wanted), also...))
	if err != nil {
		return nil, 0, err
	}
	return compare.Rows(wanted, stored), at, nil
}

// The projector can't move its checkpoint, and so can't write, while its row is locked.
const sqlLockCheckpoint = `SELECT position FROM ledger.checkpoints WHERE projection = $1 AND version = $2 FOR UPDATE`

// lock keeps everybody from writing rows until the transaction ends. checkpoints.ErrNotBuilt: there are none.
func (m Model) lock(ctx context.Context, tx pgx.Tx) error {
	err := tx.QueryRow(ctx, sqlLockCheckpoint, m.Projection.Name, m.Projection.Version).Scan(nil)
	if errors.Is(err, pgx.ErrNoRows) {
		return checkpoints.ErrNotBuilt
	}
	if err != nil {
		return fmt.Errorf("lock the checkpoint of %s: %w", m.Projection.Name, err)
	}
	return nil
}

// ErrNoStream says that nothing tells from which stream the row of a key is folded. Name the stream.
var ErrNoStream = errors.New("nothing tells the stream of this key: name the stream")

const sqlStreamOfDrift = `SELECT stream FROM selfaudit_v1.drift WHERE projection = $1 AND tenant = $2 AND object = $3 AND id = $4`

// StreamOf returns the stream that the row at a place is folded from: by its name, by known drift, or by what stands there.
func (m Model) StreamOf(ctx context.Context, db Querier, place compare.Place) (eventstore.StreamID, error) {
	stream := eventstore.StreamID{Tenant: place.Tenant}
	switch place.Object {
	case string(readmodels.ObjectFee):
		stream.Name = fee.Stream(place.ID)
		return stream, nil
	case string(readmodels.ObjectGatewayPayment):
		stream.Name = gateway.Stream(place.ID)
		return stream, nil
	}
	name, known, err := streamOfDrift(ctx, db, m.Projection.Name, place)
	if stream.Name = name; err != nil || known {
		return stream, err
	}
	stored, err := m.stored(ctx, db, []compare.Place{place})
	if err != nil {
		return stream, err
	}
	row, ok := stored[place]
	if !ok {
		return stream, fmt.Errorf("%s: %w", place.Key(), ErrNoStream)
	}
	return row.Stream, nil
}

// streamOfDrift returns the stream of known drift.
func streamOfDrift(ctx context.Context, db Querier, projection string, place compare.Place) (stream string, known bool, err error) {
	err = db.QueryRow(ctx, sqlStreamOfDrift, projection, place.Tenant, place.Object, place.ID).Scan(&stream)
	if errors.Is(err, pgx.ErrNoRows) || errors.Is(checkpoints.NotBuilt(err), checkpoints.ErrNotBuilt) {
		return "", false, nil
	}
	if err != nil {
		return "", false, fmt.Errorf("read drift: %w", err)
	}
	return stream, true, nil
}
