package main

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	"payledger/domain/fee"
)

// bareDatabase holds the table that the bare figures are measured on.
const bareDatabase = "bare"

// A table like that of the log, with the same indexes and checks, but without anything that the ledger adds.
const sqlBareTable = `
DROP TABLE IF EXISTS bare;
CREATE TABLE bare (LIKE ledger.events INCLUDING ALL)`

// bareColumns are the columns of a bare row in order.
func bareColumns() []string {
	return []string{
		"position", "epoch", "id", "commit_id", "tenant", "stream", "version", "type", "schema", "data", "metadata", "effective_at", "recorded_at", "hash",
	}
}

const sqlInsertBare = `
INSERT INTO bare (position, epoch, id, commit_id, tenant, stream, version, type, schema, data, metadata, effective_at, recorded_at, hash)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)`

// bareRow is row n: an event on a stream of its own.
func (d data) bareRow(n int64) []any {
	return []any{
		n + 1, int64(1), newID(idEvent, n), newID(idCommit, n), tenant, fee.Stream(newID(idFee, n).String()), int64(1), d.event.Type,
		int32(d.event.Schema), d.event.Data, d.event.Metadata, d.event.EffectiveAt, d.event.EffectiveAt, make([]byte, 32), //nolint:gosec // a small number
	}
}

// openBare makes the table anew.
func (s *suite) openBare(ctx context.Context) (*pgx.Conn, error) {
	err := s.postgres.create(ctx, bareDatabase)
	if err != nil {
		return nil, err
	}
	conn, err := s.postgres.connect(ctx, bareDatabase)
	if err != nil {
		return nil, err
	}
	if _, err := conn.Exec(ctx, sqlBareTable); err != nil {
		closeConn(ctx, conn)
		return nil, fmt.Errorf("make the bare table: %w", err)
	}
	return conn, nil
}

// dropBare gives the disk back.
func (s *suite) dropBare(ctx context.Context) error {
	conn, err := s.postgres.connect(ctx, "postgres")
	if err != nil {
		return err
	}
	defer closeConn(ctx, conn)
	_, err = conn.Exec(ctx, "DROP DATABASE "+bareDatabase+" WITH (FORCE)")
	return err
}

// baseClients is the number of clients of the baseline.
const baseClients = 64

// measureRows measures the baseline: one row in each transaction, on 64 connections.
func measureRows(ctx context.Context, s *suite) (err error) {
	main, err := s.openBare(ctx)
	if err != nil {
		return err
	}
	closeConn(ctx, main)
	defer func() { err = errors.Join(err, s.dropBare(ctx)) }()
	conns := make([]*pgx.Conn, baseClients)
	for i := range conns {
		if conns[i], err = s.postgres.connect(ctx, bareDatabase); err != nil {
			return err
		}
		defer closeConn(ctx, conns[i])
	}
	var next atomic.Int64
	insert := func(ctx context.Context, client int, _ int64) error {
		_, err := conns[client].Exec(ctx, sqlInsertBare, s.data.bareRow(next.Add(1))...)
		return err
	}
	postgresBefore, measured := s.postgres.processTime()
	ownBefore, _ := ownTime()
	got, err := s.rate(ctx, "rows.64", "", load{clients: baseClients, duration: s.duration}, insert)
	if err != nil {
		return err
	}
	if measured {
		postgresAfter, _ := s.postgres.processTime()
		ownAfter, _ := ownTime()
		calls := next.Load() // the warm-up included, as in the times
		s.report.add("rows.64.cpu_postgres", perCall(postgresAfter-postgresBefore, calls), microsecond, "")
		s.report.add("rows.64.cpu_bench", perCall(ownAfter-ownBefore, calls), microsecond, "")
	}
	s.report.add("rows.64.p99", got.percentile(0.99), millisecond, "")
	return nil
}

// copyRows is how many rows go into one COPY.
const copyRows = 10_000

// measureCopy measures COPY of the same rows into the same table: as much as Postgres can take in.
func measureCopy(ctx context.Context, s *suite) (err error) {
	conn, err := s.openBare(ctx)
	if err != nil {
		return err
	}
	defer func() {
		closeConn(ctx, conn)
		err = errors.Join(err, s.dropBare(ctx))
	}()
	var rows int64
	var spent time.Duration
	for spent < s.duration {
		chunk := make([][]any, copyRows)
		for i := range chunk {
			chunk[i] = s.data.bareRow(rows + int64(i))
		}
		began := time.Now()
		if _, err := conn.CopyFrom(ctx, pgx.Identifier{"bare"}, bareColumns(), pgx.CopyFromRows(chunk)); err != nil {
			return fmt.Errorf("copy: %w", err)
		}
		spent += time.Since(began)
		rows += copyRows
	}
	s.report.add("copy", float64(rows)/spent.Seconds(), perSecond, "")
	return nil
}

// rate measures calls after a short warm-up and reports their rate.
func (s *suite) rate(ctx context.Context, name, ratioTo string, l load, call func(context.Context, int, int64) error) (sample, error) {
	warm := l
	warm.duration, warm.limit = s.warmUp(), 0
	if _, err := warm.run(ctx, call); err != nil {
		return sample{}, err
	}
	got, err := l.run(ctx, call)
	if err != nil {
		return sample{}, err
	}
	s.report.add(name, got.perSecond(), perSecond, ratioTo)
	return got, nil
}

// warmUp is how long calls are made before they count.
func (s *suite) warmUp() time.Duration { return s.duration / 5 }
