package bulk

import (
	"context"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"golang.org/x/sync/errgroup"
)

const (
	sqlFindIndexes = `
INSERT INTO shadow.rebuild_indexes (name, tablename, definition, kind)
SELECT i.relname, t.relname, pg_get_indexdef(i.oid), coalesce(c.contype::text, '')
FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_class t ON t.oid = x.indrelid
    LEFT JOIN pg_constraint c ON c.conindid = i.oid AND c.contype IN ('p', 'u')
WHERE t.relnamespace = $1::regnamespace AND t.relname NOT LIKE 'rebuild%'`
	sqlIndexes   = `SELECT name, tablename, definition, kind, made FROM shadow.rebuild_indexes ORDER BY tablename, name`
	sqlIndexMade = `UPDATE shadow.rebuild_indexes SET made = true WHERE name = $1 AND NOT made`
	sqlKeyMade   = `UPDATE shadow.rebuild_indexes SET kind = '' WHERE name = $1 AND kind <> ''`

	// Each index is a transaction of its own; that of a very large table takes minutes all the same.
	sqlIndexSettings = `SELECT set_config('statement_timeout', '0', true), set_config('maintenance_work_mem', '256MB', true),
    set_config('max_parallel_maintenance_workers', '0', true), set_config('client_connection_check_interval', '1s', true)`
)

// putIndex is an index that is put off until all rows are copied.
type putIndex struct {
	name, table, definition, kind string
	made                          bool
}

// putOffIndexes records the definitions of all indexes and drops them: made at the end they take a fraction of the time.
func (b *builder) putOffIndexes(ctx context.Context, tx pgx.Tx) error {
	if _, err := tx.Exec(ctx, sqlFindIndexes, b.schema); err != nil {
		return err
	}
	all, err := readIndexes(ctx, tx)
	if err != nil {
		return err
	}
	for _, x := range all {
		sql := "DROP INDEX " + pgx.Identifier{b.schema, x.name}.Sanitize()
		if x.kind != "" {
			sql = "ALTER TABLE " + pgx.Identifier{b.schema, x.table}.Sanitize() + " DROP CONSTRAINT " + pgx.Identifier{x.name}.Sanitize()
		}
		if _, err := tx.Exec(ctx, sql); err != nil {
			return err
		}
	}
	return nil
}

func readIndexes(ctx context.Context, tx pgx.Tx) ([]putIndex, error) {
	rows, err := tx.Query(ctx, sqlIndexes)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (x putIndex, err error) {
		return x, row.Scan(&x.name, &x.table, &x.definition, &x.kind, &x.made)
	})
}

// index makes the indexes, several at a time, and then the constraints that they serve.
func (b *builder) index(ctx context.Context, st *state) error {
	if st.stage != StageIndex {
		return nil
	}
	var all []putIndex
	err := b.inTx(ctx, func(tx pgx.Tx) (err error) {
		all, err = readIndexes(ctx, tx)
		return err
	})
	if err != nil {
		return err
	}
	if err := b.analyze(ctx); err != nil {
		return err
	}
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(b.Workers)
	for i, x := range all {
		if !x.made {
			group.Go(func() error {
				b.tell(StageIndex, int64(i), int64(len(all)))
				return b.makeIndex(groupCtx, x)
			})
		}
	}
	if err := group.Wait(); err != nil {
		return err
	}
	if err := b.inTx(ctx, func(tx pgx.Tx) error { return b.makeKeys(ctx, tx, all) }); err != nil {
		return err
	}
	b.tell(StageIndex, int64(len(all)), int64(len(all)))
	return b.enter(ctx, st, StageBuilt)
}

func (b *builder) makeIndex(ctx context.Context, x putIndex) error {
	return b.inTx(ctx, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, sqlIndexSettings); err != nil {
			return err
		}
		// First, so that this waits for a COMMIT that a build which was killed had still sent: then there is nothing left to do.
		tag, err := tx.Exec(ctx, sqlIndexMade, x.name)
		if err != nil || tag.RowsAffected() == 0 {
			return err
		}
		if _, err := tx.Exec(ctx, x.definition); err != nil {
			return err
		}
		b.Failpoint("index")
		return nil
	})
}

// analyze makes the statistics of the tables, several at a time: beside the indexes of a table it would wait for them.
func (b *builder) analyze(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(b.Workers)
	for _, table := range b.Projector.Tables() {
		group.Go(func() error {
			return b.inTx(ctx, func(tx pgx.Tx) error {
				if _, err := tx.Exec(ctx, sqlIndexSettings); err != nil {
					return err
				}
				_, err := tx.Exec(ctx, "ANALYZE "+strings.Replace(table, b.live, b.schema, 1))
				return err
			})
		})
	}
	return group.Wait()
}

// makeKeys makes the constraints of unique indexes.
func (b *builder) makeKeys(ctx context.Context, tx pgx.Tx, all []putIndex) error {
	if _, err := tx.Exec(ctx, sqlIndexSettings); err != nil {
		return err
	}
	for _, x := range all {
		if x.kind == "" {
			continue
		}
		name, kind := pgx.Identifier{x.name}.Sanitize(), "PRIMARY KEY"
		if x.kind == "u" {
			kind = "UNIQUE"
		}
		sql := "ALTER TABLE " + pgx.Identifier{b.schema, x.table}.Sanitize() + " ADD CONSTRAINT " + name + " " + kind + " USING INDEX " + name
		if _, err := tx.Exec(ctx, sql); err != nil {
			return err
		}
		if err := changed(tx.Exec(ctx, sqlKeyMade, x.name)); err != nil {
			return err
		}
	}
	return nil
}

// changed makes an error of an update that found its row in another state.
func changed(tag pgconn.CommandTag, err error) error {
	if err == nil && tag.RowsAffected() != 1 {
		return errOvertaken
	}
	return err
}
