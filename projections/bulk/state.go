package bulk

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// unlockTimeout bounds the last statement of a build.
const unlockTimeout = 2 * time.Second

// The stages of a build, as recorded.
const (
	StageReplay = "replay" // some shares are folded and copied
	StageIndex  = "index"  // all are
	StageBuilt  = "built"  // the read model is complete as of the recorded position, which moves on when it catches up
)

// state is what is recorded of a build.
type state struct {
	stage    string
	code     string
	position int64
	hash     [32]byte
	shares   int
}

// What a build has done is recorded beside the rows, in the same transactions. Statements name its schema shadow.
const (
	sqlCreateState = `
CREATE TABLE shadow.rebuild (
    one      boolean PRIMARY KEY DEFAULT true CHECK (one),
    stage    text    NOT NULL,
    code     text    NOT NULL, -- that makes the rows
    position bigint  NOT NULL, -- of the log, up to which they are folded
    hash     bytea   NOT NULL, -- of the event there
    shares   integer NOT NULL
);
CREATE TABLE shadow.rebuild_shares (
    share integer NOT NULL,
    lane  integer NOT NULL,
    parts integer NOT NULL DEFAULT 0, -- that are copied
    done  boolean NOT NULL DEFAULT false,
    PRIMARY KEY (share, lane)
);
CREATE TABLE shadow.rebuild_ends (
    ends bytea NOT NULL -- where streams end, see eventstore.Ends
);
CREATE TABLE shadow.rebuild_indexes (
    name       text PRIMARY KEY,
    tablename  text NOT NULL,
    definition text NOT NULL,
    kind       text NOT NULL, -- of the constraint that it serves: p, u or empty
    made       boolean NOT NULL DEFAULT false
);`

	sqlStateExists = `SELECT to_regclass($1 || '.rebuild') IS NOT NULL`
	sqlReadState   = `SELECT stage, code, position, hash, shares FROM shadow.rebuild`
	sqlBegin       = `INSERT INTO shadow.rebuild (stage, code, position, hash, shares) VALUES ('replay', $1, $2, $3, $4)`
	sqlShares      = `INSERT INTO shadow.rebuild_shares (share, lane) SELECT s, l FROM generate_series(0, $1::integer - 1) s, generate_series(0, $2::integer - 1) l`
	sqlStage       = `UPDATE shadow.rebuild SET stage = $2 WHERE stage = $1`
	sqlCountParts  = `SELECT parts, done FROM shadow.rebuild_shares ORDER BY share, lane`
	// Of two processes that both believe to be the one that builds, the second to record a part fails.
	sqlPart     = `UPDATE shadow.rebuild_shares SET parts = $3 WHERE share = $1 AND lane = $2 AND parts = $3 - 1 AND NOT done`
	sqlLaneDone = `UPDATE shadow.rebuild_shares SET done = true WHERE share = $1 AND lane = $2 AND parts = $3`

	sqlPutEnds  = `INSERT INTO shadow.rebuild_ends (ends) VALUES ($1)`
	sqlReadEnds = `SELECT ends FROM shadow.rebuild_ends`
)

// The timeouts free what a process that hangs has locked. A crash of the server takes the last commits together with what they recorded.
const sqlSettings = `SELECT set_config('synchronous_commit', 'off', true), set_config('idle_in_transaction_session_timeout', '30s', true),
    set_config('statement_timeout', '120s', true)`

// inTx runs fn in one transaction, whose statements may name the schema shadow.
func (b *builder) inTx(ctx context.Context, fn func(tx pgx.Tx) error) error {
	return pgx.BeginTxFunc(ctx, b.Pool, pgx.TxOptions{}, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, sqlSettings); err != nil {
			return err
		}
		return fn(InSchema(tx, "shadow.", b.schema+"."))
	})
}

// prepare finds the build that is to go on, or begins one. What create makes is needed only when the first rows are copied.
func (b *builder) prepare(ctx context.Context) (st state, create func(context.Context) error, err error) {
	st, found, err := b.recorded(ctx)
	if err != nil {
		return state{}, nil, err
	}
	if !found {
		st, err = b.begin(ctx)
		return st, func(ctx context.Context) error { return b.create(ctx, st) }, err
	}
	if st.stage == StageReplay {
		err = b.readShares(ctx)
	}
	return st, func(context.Context) error { return nil }, err
}

// recorded reads the state of an earlier build, if it is of this code and of this log.
func (b *builder) recorded(ctx context.Context) (st state, found bool, err error) {
	err = b.inTx(ctx, func(tx pgx.Tx) error {
		st, found, err = readState(ctx, tx, b.schema)
		return err
	})
	if err != nil || !found || st.code != b.Code {
		return state{}, false, err
	}
	if st.position == 0 {
		return st, true, nil
	}
	events, err := b.Reader.ReadAll(ctx, st.position-1, 1)
	if err != nil || len(events) == 0 || events[0].Hash != st.hash { // after a restore the log is another
		return state{}, false, err
	}
	return st, true, nil
}

// readState reads the state recorded in a schema, which may not be there.
func readState(ctx context.Context, tx pgx.Tx, schema string) (st state, found bool, err error) {
	if err := tx.QueryRow(ctx, sqlStateExists, schema).Scan(&found); err != nil || !found {
		return state{}, false, err
	}
	var hash []byte
	err = tx.QueryRow(ctx, sqlReadState).Scan(&st.stage, &st.code, &st.position, &hash, &st.shares)
	if errors.Is(err, pgx.ErrNoRows) {
		return state{}, false, nil
	}
	copy(st.hash[:], hash)
	return st, true, err
}

// begin finds out what is to be done.
func (b *builder) begin(ctx context.Context) (state, error) {
	head, err := b.Reader.Head(ctx)
	if err != nil {
		return state{}, err
	}
	st := state{stage: StageReplay, code: b.Code, position: head.Position, hash: head.Hash}
	switch {
	case b.Model.Fold == nil:
		st.position, st.hash = 0, [32]byte{}
	case b.UpTo > 0:
		st.position, st.hash = b.UpTo, b.UpToHash
	}
	if b.Model.Fold == nil {
		return st, nil
	}
	var held int64 // streams
	if b.ends, held, err = b.Reader.Ends(ctx, st.position, b.Model.Brief); err != nil {
		return state{}, err
	}
	st.shares = int(max(1, (held+b.MaxStreams-1)/b.MaxStreams))
	b.shares = make([][]lane, st.shares)
	for n := range b.shares {
		b.shares[n] = make([]lane, b.Model.Lanes)
	}
	return st, nil
}

// create makes an empty read model, whose indexes are put off, and records what is to be done.
func (b *builder) create(ctx context.Context, st state) error {
	return b.inTx(ctx, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "DROP SCHEMA IF EXISTS "+pgx.Identifier{b.schema}.Sanitize()+" CASCADE"); err != nil {
			return err
		}
		there := InSchema(tx, b.live, b.schema)
		if created, err := b.Projector.EnsureSchema(ctx, there); err != nil || !created {
			return errors.Join(err, fmt.Errorf("create schema %s: created %t", b.schema, created))
		}
		if err := b.Projector.EnsureIndexes(ctx, there); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, sqlCreateState); err != nil {
			return err
		}
		if err := b.putOffIndexes(ctx, tx); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, sqlBegin, st.code, st.position, st.hash[:], st.shares); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, sqlShares, st.shares, b.Model.Lanes); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, sqlPutEnds, append([]byte{}, b.ends...)) // not NULL
		return err
	})
}

// enter records the next stage.
func (b *builder) enter(ctx context.Context, st *state, stage string) error {
	err := b.inTx(ctx, func(tx pgx.Tx) error { return changed(tx.Exec(ctx, sqlStage, st.stage, stage)) })
	if err == nil {
		st.stage = stage
	}
	return err
}

// Touched names a table of the keys of rows that were written to a table of a schema, and the function that fills it, see package rebuild.
func Touched(schema, table string) string {
	return pgx.Identifier{schema, "rebuild_touched_" + table}.Sanitize()
}

// EndRecord ends the writing down of keys in a schema, as part of a transaction, and drops them.
func EndRecord(ctx context.Context, tx pgx.Tx, p Projector, schema string) error {
	for _, name := range p.Tables() {
		keys := Touched(schema, name[strings.IndexByte(name, '.')+1:])
		for _, sql := range []string{"DROP FUNCTION IF EXISTS " + keys + "() CASCADE", "DROP TABLE IF EXISTS " + keys} {
			if _, err := tx.Exec(ctx, sql); err != nil {
				return err
			}
		}
	}
	return nil
}

// Take makes the read model that was built Beside the live one the live one, as part of a transaction; what stood there before is dropped.
func Take(ctx context.Context, tx pgx.Tx, p Projector) error {
	live := SchemaOf(p)
	built := pgx.Identifier{Beside(live)}.Sanitize()
	if err := EndRecord(ctx, tx, p, Beside(live)); err != nil { // a rebuild may have left it
		return fmt.Errorf("take the built %s: %w", live, err)
	}
	for _, sql := range []string{
		"DROP SCHEMA IF EXISTS " + pgx.Identifier{live}.Sanitize() + " CASCADE",
		"DROP TABLE " + built + ".rebuild, " + built + ".rebuild_shares, " + built + ".rebuild_ends, " + built + ".rebuild_indexes",
		"ALTER SCHEMA " + built + " RENAME TO " + pgx.Identifier{live}.Sanitize(),
	} {
		if _, err := tx.Exec(ctx, sql); err != nil {
			return fmt.Errorf("take the built %s: %w", live, err)
		}
	}
	return nil
}
