package publisher

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// fenceName names the lock that a replay shares while messages that it has rendered are on their way.
const fenceName = "payledger replay"

const (
	sqlShareFence = `SELECT pg_advisory_lock_shared(hashtextextended($1, 0))`
	sqlLeaveFence = `SELECT pg_advisory_unlock_shared(hashtextextended($1, 0))`
	sqlEndFences  = `SELECT pg_advisory_xact_lock(hashtextextended($1, 0))`
)

// AwaitReplays returns when every message that a replay had rendered before the call is acknowledged, or its process gone. What they render from
// then on they read anew. Its errors are those of ctx and the database.
func AwaitReplays(ctx context.Context, pool *pgxpool.Pool) error {
	err := pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, sqlEndFences, fenceName)
		return err
	})
	if err != nil {
		return fmt.Errorf("wait for messages that are sent again: %w", err)
	}
	return nil
}

// fence is held by a replay. It lets whoever waits pass between two stretches.
type fence struct {
	conn *pgxpool.Conn
	held bool
}

func openFence(ctx context.Context, pool *pgxpool.Pool) (*fence, error) {
	conn, err := pool.Acquire(ctx)
	if err != nil {
		return nil, fmt.Errorf("connect for a replay: %w", err)
	}
	return &fence{conn: conn}, nil
}

func (f *fence) share(ctx context.Context) error {
	if _, err := f.conn.Exec(ctx, sqlShareFence, fenceName); err != nil {
		return fmt.Errorf("begin a stretch of a replay: %w", err)
	}
	f.held = true
	return nil
}

func (f *fence) leave(ctx context.Context) error {
	f.held = false
	if _, err := f.conn.Exec(ctx, sqlLeaveFence, fenceName); err != nil {
		return fmt.Errorf("end a stretch of a replay: %w", err)
	}
	return nil
}

// close ends it. Nothing is on its way any more.
func (f *fence) close(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), fenceTimeout)
	defer cancel()
	if f.held && f.leave(ctx) != nil {
		_ = f.conn.Conn().Close(ctx) // the lock goes with the connection
	}
	f.conn.Release()
}

const fenceTimeout = 5 * time.Second
