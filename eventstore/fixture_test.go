package eventstore

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"payledger/eventstore/migrations"
	"payledger/eventstore/pgtest"
)

// fixture is a log that was written with COPY instead of the store's writer: fast, and whatever the test wants it to be.
type fixture struct {
	db     *pgtest.DB
	super  *pgxpool.Pool
	reader *Reader // as the projector's role, which may do least
	head   Head
	at     time.Time
	ends   map[StreamID]StreamEnd
}

func newFixture(t testing.TB) *fixture {
	t.Helper()
	db := pgtest.NewFrom(t, pgtest.Template{Name: "log", Files: migrations.FS, Migrate: Migrate})
	super, err := pgxpool.New(t.Context(), db.SuperURL)
	require.NoError(t, err)
	t.Cleanup(super.Close)
	return &fixture{
		db: db, super: super, reader: NewReader(db.ProjectorPool(t)), head: Head{Epoch: 1},
		at: time.Date(2026, 3, 1, 0, 0, 0, 123_000, time.UTC), ends: make(map[StreamID]StreamEnd),
	}
}

// event returns the next event of a stream of tenant main, the way the writer would make it, in a commit of its own.
func (f *fixture) event(stream, data string) Recorded {
	return f.eventOf(StreamID{Tenant: "main", Name: stream}, data)
}

func (f *fixture) eventOf(id StreamID, data string) Recorded {
	f.at = f.at.Add(time.Millisecond)
	f.head.Position++
	e := Recorded{
		NewEvent: NewEvent{
			ID: uuid.Must(uuid.NewV7()), Type: "fee.assessed", Schema: 1, Data: []byte(data), Metadata: []byte(`{"actor":"system"}`),
			EffectiveAt: f.at.Add(-time.Hour),
		},
		Position: f.head.Position, Epoch: f.head.Epoch, CommitID: uuid.Must(uuid.NewV7()), Stream: id,
		Version: f.ends[id].Version + 1, RecordedAt: f.at,
	}
	e.Hash = hashEvent(f.head.Hash, &e)
	f.head.Hash = e.Hash
	f.ends[id] = StreamEnd{Stream: id, Version: e.Version, Position: e.Position}
	return e
}

// events returns n events over so many streams in turn.
func (f *fixture) events(n, streams int) []Recorded {
	out := make([]Recorded, n)
	for i := range out {
		out[i] = f.event(fmt.Sprintf("fee-%d", i%streams), fmt.Sprintf(`{"amount":%d}`, i))
	}
	return out
}

// store writes events, each as a commit, and brings streams and head up to them.
func (f *fixture) store(t testing.TB, events []Recorded) {
	t.Helper()
	err := pgx.BeginFunc(t.Context(), f.super, func(tx pgx.Tx) error {
		if err := copyEvents(t.Context(), tx, events); err != nil {
			return err
		}
		_, err := tx.CopyFrom(t.Context(), pgx.Identifier{"ledger", "commits"}, []string{"commit_id", "first_position", "last_position", "head"},
			pgx.CopyFromSlice(len(events), func(i int) ([]any, error) {
				e := &events[i]
				return []any{e.CommitID, e.Position, e.Position, e.Position}, nil
			}))
		if err != nil {
			return err
		}
		return f.storeEnds(t.Context(), tx)
	})
	require.NoError(t, err)
}

func copyEvents(ctx context.Context, tx pgx.Tx, events []Recorded) error {
	columns := []string{
		"position", "epoch", "id", "commit_id", "tenant", "stream", "version", "type", "schema", "data", "metadata",
		"effective_at", "recorded_at", "hash",
	}
	_, err := tx.CopyFrom(ctx, pgx.Identifier{"ledger", "events"}, columns, pgx.CopyFromSlice(len(events), func(i int) ([]any, error) {
		e := &events[i]
		return []any{
			e.Position, e.Epoch, e.ID, e.CommitID, e.Stream.Tenant, e.Stream.Name, e.Version, e.Type, e.Schema, e.Data, e.Metadata,
			e.EffectiveAt, e.RecordedAt, e.Hash[:],
		}, nil
	}))
	return err
}

func (f *fixture) storeEnds(ctx context.Context, tx pgx.Tx) error {
	// Not TRUNCATE: readers that are on their way would see an empty table.
	if _, err := tx.Exec(ctx, "DELETE FROM ledger.streams"); err != nil {
		return err
	}
	rows := make([][]any, 0, len(f.ends))
	for id, end := range f.ends {
		rows = append(rows, []any{id.Tenant, id.Name, end.Version, end.Position, "person-" + id.Name})
	}
	columns := []string{"tenant", "stream", "version", "position", "subject"}
	if _, err := tx.CopyFrom(ctx, pgx.Identifier{"ledger", "streams"}, columns, pgx.CopyFromRows(rows)); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, "UPDATE ledger.head SET position = $1, epoch = $2, hash = $3, recorded_at = $4; ",
		f.head.Position, f.head.Epoch, f.head.Hash[:], f.at)
	if err == nil {
		_, err = tx.Exec(ctx, "SELECT pg_notify($1, $2)", notifyChannel, fmt.Sprint(f.head.Position))
	}
	return err
}

// tamper runs SQL as the superuser with all triggers off.
func (f *fixture) tamper(t testing.TB, statements ...string) {
	t.Helper()
	err := pgx.BeginFunc(t.Context(), f.super, func(tx pgx.Tx) error {
		for _, sql := range append([]string{"SET LOCAL session_replication_role = replica"}, statements...) {
			if _, err := tx.Exec(t.Context(), sql); err != nil {
				return fmt.Errorf("%s: %w", sql, err)
			}
		}
		return nil
	})
	require.NoError(t, err)
}

func openPool(t testing.TB, config *pgxpool.Config) *pgxpool.Pool {
	t.Helper()
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	return pool
}
