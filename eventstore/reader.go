package eventstore

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// ErrGap says that the log has a hole. Positions and versions are dense, so this is never a commit on its way: it is damage.
var ErrGap = errors.New("the log has a hole")

// Reader reads the log. Any of the three roles may; it is safe for concurrent use.
type Reader struct {
	pool *pgxpool.Pool
}

// NewReader returns a reader over pool, which stays the caller's to close.
func NewReader(pool *pgxpool.Pool) *Reader { return &Reader{pool: pool} }

// StreamEnd is where a stream ends.
type StreamEnd struct {
	Stream   StreamID
	Version  int64
	Position int64 // of the stream's last event
}

const sqlHead = `SELECT position, epoch, hash, route FROM ledger.head`

// Head returns the end of the log: ErrNoHead if that is gone.
func (r *Reader) Head(ctx context.Context) (Head, error) {
	var h Head
	var hash []byte
	if err := r.pool.QueryRow(ctx, sqlHead).Scan(&h.Position, &h.Epoch, &hash, &h.Route); err != nil {
		return Head{}, fmt.Errorf("read head: %w", headError(err))
	}
	copy(h.Hash[:], hash)
	return h, nil
}

// headError tells a head that is gone from one that couldn't be read.
func headError(err error) error {
	if errors.Is(err, pgx.ErrNoRows) {
		return ErrNoHead
	}
	return err
}

const sqlReadAll = `SELECT ` + eventColumns + ` FROM ledger.events WHERE position > $1 ORDER BY position LIMIT $2`

// ReadAll returns up to limit events after a position, in order of position. Fewer than limit means that the log ends
// there. A commit becomes visible as a whole and before every later one, so nothing can turn up below what was read:
// a hole is damage and is answered with ErrGap, which names the position.
func (r *Reader) ReadAll(ctx context.Context, after int64, limit int) ([]Recorded, error) {
	events, err := r.collect(ctx, limit, sqlReadAll, after, limit)
	if err != nil {
		return nil, fmt.Errorf("read the log after %d: %w", after, err)
	}
	for i := range events {
		if want := after + int64(i) + 1; events[i].Position != want {
			return nil, fmt.Errorf("no event at position %d, the next is at %d: %w", want, events[i].Position, ErrGap)
		}
	}
	return events, nil
}

const sqlReadStream = `SELECT ` + eventColumns + ` FROM ledger.events
WHERE tenant = $1 AND stream = $2 AND version > $3 ORDER BY version LIMIT $4`

// ReadStream returns up to limit events of a stream after a version, in order of version; none for a stream that
// doesn't exist. A missing version is answered with ErrGap.
func (r *Reader) ReadStream(ctx context.Context, id StreamID, afterVersion int64, limit int) ([]Recorded, error) {
	events, err := r.collect(ctx, limit, sqlReadStream, id.Tenant, id.Name, afterVersion, limit)
	if err != nil {
		return nil, fmt.Errorf("read stream %s after version %d: %w", id, afterVersion, err)
	}
	for i := range events {
		if want := afterVersion + int64(i) + 1; events[i].Version != want {
			return nil, fmt.Errorf("stream %s has no version %d, the next is at position %d: %w", id, want, events[i].Position, ErrGap)
		}
	}
	return events, nil
}

// OFFSET 0 keeps the planner from turning the join round, as it would while the log is small: one look-up for each stream.
const sqlReadStreams = `
SELECT e.* FROM unnest($1::text[], $2::text[]) AS wanted (tenant, stream) CROSS JOIN LATERAL (
    SELECT ` + eventColumns + ` FROM ledger.events
    WHERE tenant = wanted.tenant AND stream = wanted.stream AND position <= $3 OFFSET 0) AS e
ORDER BY position`

// ReadStreams returns the events of several different streams up to a position, in order of position.
func (r *Reader) ReadStreams(ctx context.Context, ids []StreamID, upTo int64) ([]Recorded, error) {
	tenants, names := make([]string, len(ids)), make([]string, len(ids))
	for i, id := range ids {
		tenants[i], names[i] = id.Tenant, id.Name
	}
	events, err := r.collect(ctx, firstPage, sqlReadStreams, tenants, names, upTo)
	if err != nil {
		return nil, fmt.Errorf("read %d streams up to %d: %w", len(ids), upTo, err)
	}
	return events, nil
}

const sqlStreamsOf = `SELECT stream, version, position FROM ledger.streams
WHERE tenant = $1 AND subject = $2 AND subject <> '' AND position > $3 ORDER BY position`

// StreamsOf returns the streams about a person (subject) that moved after a position, in order of their last events.
func (r *Reader) StreamsOf(ctx context.Context, tenant, subject string, after int64) ([]StreamEnd, error) {
	rows, err := r.pool.Query(ctx, sqlStreamsOf, tenant, subject, after)
	if err != nil {
		return nil, fmt.Errorf("read the streams of a person: %w", err)
	}
	ends, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (StreamEnd, error) {
		end := StreamEnd{Stream: StreamID{Tenant: tenant}}
		return end, row.Scan(&end.Stream.Name, &end.Version, &end.Position)
	})
	if err != nil {
		return nil, fmt.Errorf("read the streams of a person: %w", err)
	}
	return ends, nil
}

// firstPage bounds what is set aside before a row is seen: a large limit is no promise of many rows.
const firstPage = 1024

func (r *Reader) collect(ctx context.Context, limit int, sql string, args ...any) ([]Recorded, error) {
	events := make([]Recorded, 0, max(0, min(limit, firstPage)))
	var s scanner
	err := r.each(ctx, sql, args, func(raw [][]byte) error {
		events = append(events, Recorded{})
		return s.scan(raw, &events[len(events)-1])
	})
	if err != nil {
		return nil, err
	}
	return events, nil
}

// each runs a query whose columns come in binary format and calls fn with each row's bytes, which are good until fn returns.
func (r *Reader) each(ctx context.Context, sql string, args []any, fn func(raw [][]byte) error) error {
	return eachRow(ctx, r.pool, sql, args, fn)
}

// querier is a pool or one of its connections.
type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

func eachRow(ctx context.Context, db querier, sql string, args []any, fn func(raw [][]byte) error) error {
	rows, err := db.Query(ctx, sql, append([]any{pgx.QueryResultFormats{pgx.BinaryFormatCode}}, args...)...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := fn(rows.RawValues()); err != nil {
			return err
		}
	}
	return rows.Err()
}
