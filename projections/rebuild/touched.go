package rebuild

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"payledger/projections"
	"payledger/projections/bulk"
)

// While the two are compared the shadow goes on. Triggers write down the key of each row that it writes then: those rows are compared once more,
// looked up by their keys, where a scan for what has changed would keep the projector waiting for as long as the tables are large.

// record begins to write down what the shadow writes.
func (s *shadow) record(ctx context.Context) error {
	return s.inTx(ctx, func(tx pgx.Tx) error {
		if err := bulk.EndRecord(ctx, tx, s.projector, s.schema); err != nil {
			return err
		}
		for _, t := range s.shapes {
			keys, of := bulk.Touched(s.schema, t.Table), pgx.Identifier{s.schema, t.Table}.Sanitize()
			insert := func(row string) string {
				return "INSERT INTO " + keys + " VALUES (" + row + "." + strings.Join(t.Key, ", "+row+".") + ")"
			}
			for _, sql := range []string{
				"CREATE UNLOGGED TABLE " + keys + " AS SELECT " + identifiers(t.Key) + " FROM " + of + " WITH NO DATA",
				"CREATE FUNCTION " + keys + "() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF TG_OP <> 'INSERT' THEN " + insert("OLD") +
					"; END IF; IF TG_OP <> 'DELETE' THEN " + insert("NEW") + "; END IF; RETURN NULL; END $$",
				"CREATE TRIGGER rebuild_touched AFTER INSERT OR UPDATE OR DELETE ON " + of + " FOR EACH ROW EXECUTE FUNCTION " + keys + "()",
			} {
				if _, err := tx.Exec(ctx, sql); err != nil {
					return fmt.Errorf("record what is written to %s: %w", of, err)
				}
			}
		}
		return nil
	})
}

// compareTouched takes the shadow to where the live read model stands and compares the rows that it wrote since they were compared last.
func (r *rebuild) compareTouched(ctx context.Context, s *shadow, found *verified) error {
	err := r.snapshot(ctx, func(live pgx.Tx) error {
		at, err := r.checkpoint(ctx, live)
		if err != nil {
			return err
		}
		if err := s.catchUp(ctx, at.Position); err != nil {
			return err
		}
		return r.snapshot(ctx, func(built pgx.Tx) error { return r.compareTables(ctx, s, live, built, found) })
	})
	if err != nil {
		return err
	}
	names := make([]string, len(r.shapes))
	for i, t := range r.shapes {
		names[i] = bulk.Touched(s.schema, t.Table)
	}
	_, err = r.Pool.Exec(ctx, "TRUNCATE "+strings.Join(names, ", "))
	return err
}

// compareStopped is compareTouched while both stand still: one snapshot has both.
func (r *rebuild) compareStopped(ctx context.Context, s *shadow, found *verified) error {
	return r.snapshot(ctx, func(tx pgx.Tx) error { return r.compareTables(ctx, s, tx, tx, found) })
}

func (r *rebuild) compareTables(ctx context.Context, s *shadow, live, built pgx.Tx, found *verified) error {
	for _, tx := range []pgx.Tx{live, built} {
		if err := projections.SetForApply(ctx, tx, "0"); err != nil { // rows are looked up by their keys
			return err
		}
		if _, err := tx.Exec(ctx, sqlNoTimeout); err != nil {
			return err
		}
	}
	for _, t := range r.shapes {
		if err := r.compareKeys(ctx, s, t, live, built, found); err != nil {
			return err
		}
	}
	return nil
}

// compareKeys compares the rows of a table whose keys were written down, so many at a time.
func (r *rebuild) compareKeys(ctx context.Context, s *shadow, t table, live, built pgx.Tx, found *verified) error {
	texts := make([]string, len(t.Key))
	for i, column := range t.Key {
		texts[i] = pgx.Identifier{column}.Sanitize() + "::text"
	}
	cursor := pgx.Identifier{"keys_" + t.Table}.Sanitize()
	if _, err := built.Exec(ctx, "DECLARE "+cursor+" CURSOR FOR SELECT DISTINCT "+strings.Join(texts, ", ")+" FROM "+bulk.Touched(s.schema, t.Table)); err != nil {
		return err
	}
	for {
		rows, err := built.Query(ctx, fmt.Sprintf("FETCH %d FROM %s", r.PageRows, cursor))
		if err != nil {
			return err
		}
		keys := make([][]string, len(t.Key)) // by columns
		n := 0
		for ; rows.Next(); n++ {
			for i, raw := range rows.RawValues() {
				keys[i] = append(keys[i], string(raw))
			}
		}
		if err := rows.Err(); err != nil {
			return err
		}
		if n == 0 {
			return nil
		}
		sides := make([][]row, 2)
		for i, side := range []struct {
			tx     pgx.Tx
			schema string
		}{{live, r.live}, {built, s.schema}} {
			sql, args := t.sqlKeys(side.schema, keys)
			if sides[i], err = t.read(ctx, side.tx, sql, args); err != nil {
				return err
			}
		}
		if err := r.compare(ctx, s, t, sides[0], sides[1], found); err != nil {
			return err
		}
	}
}

// sqlKeys selects the rows that have one of the keys, in their order.
func (t table) sqlKeys(schema string, keys [][]string) (string, []any) {
	args := make([]any, len(keys))
	names, casts, arrays := make([]string, len(keys)), make([]string, len(keys)), make([]string, len(keys))
	for i := range keys {
		args[i] = keys[i]
		names[i], arrays[i] = fmt.Sprintf("c%d", i), fmt.Sprintf("$%d::text[]", i+1)
		casts[i] = names[i] + "::" + t.keyTypes[i]
	}
	key := identifiers(t.Key)
	return "SELECT " + identifiers(t.columns) + " FROM " + pgx.Identifier{schema, t.Table}.Sanitize() + " WHERE (" + key + ") IN (SELECT " +
		strings.Join(casts, ", ") + " FROM unnest(" + strings.Join(arrays, ", ") + ") AS k (" + strings.Join(names, ", ") + ")) ORDER BY " + key, args
}
