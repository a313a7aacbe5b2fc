package rebuild

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"payledger/readmodels/digest"
)

// defaultPageRows is how many rows of each side are compared one by one at a time: few enough for a short snapshot.
const defaultPageRows = 10_000

// maxDifferences is how many rows that differ are looked into.
const maxDifferences = 10

// table is a table with all its columns: first those of digests, then the others.
type table struct {
	digest.Shape
	columns  []string
	keyTypes []string // of Key, in its order
}

// row is a row of a page.
type row struct {
	key   []string   // as texts
	rank  []string   // the key in the order of the database, see digest.KeyPart
	form  digest.Row // what digests are made of
	other []byte     // its other columns
}

// verified is what a comparison found.
type verified struct {
	since        int64 // position of the shadow when the comparison began
	differences  int
	sum, liveSum digest.Sum // of all ranges, each at its own position
}

const sqlColumns = `SELECT attname::text, format_type(atttypid, NULL) FROM pg_attribute WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum`

// readShapes completes the shapes of the tables.
func (r *rebuild) readShapes(ctx context.Context, schema string) ([]table, error) {
	var list []table
	for _, shape := range r.Projection.Shapes() {
		rows, err := r.Pool.Query(ctx, sqlColumns, schema+"."+shape.Table)
		if err != nil {
			return nil, err
		}
		var all []string
		types := make(map[string]string)
		var name, typ string
		if _, err := pgx.ForEachRow(rows, []any{&name, &typ}, func() error {
			all, types[name] = append(all, name), typ
			return nil
		}); err != nil {
			return nil, err
		}
		keyTypes := make([]string, len(shape.Key))
		for i, column := range shape.Key {
			keyTypes[i] = types[column]
		}
		others := slices.DeleteFunc(all, func(name string) bool { return slices.Contains(shape.Columns, name) })
		list = append(list, table{Shape: shape, columns: slices.Concat(shape.Columns, others), keyTypes: keyTypes})
	}
	return list, nil
}

func identifiers(names []string) string {
	quoted := make([]string, len(names))
	for i, name := range names {
		quoted[i] = pgx.Identifier{name}.Sanitize()
	}
	return strings.Join(quoted, ", ")
}

// bounds are keys between which rows are read: after the first, up to and with the second, or just the third; nil for none.
type bounds struct{ after, upTo, exactly []string }

// sqlPage selects rows in the order of their keys. Only names of tables and columns are put into it.
func (t table) sqlPage(schema string, b bounds, limit int) (string, []any) {
	key := identifiers(t.Key)
	sql := "SELECT " + identifiers(t.columns) + " FROM " + pgx.Identifier{schema, t.Table}.Sanitize() + " WHERE true"
	var args []any
	compare := func(with string, values []string) {
		if values == nil {
			return
		}
		places := make([]string, len(values))
		for i, value := range values {
			args = append(args, value)
			places[i] = fmt.Sprintf("$%d", len(args))
		}
		sql += " AND (" + key + ") " + with + " (" + strings.Join(places, ", ") + ")"
	}
	compare(">", b.after)
	compare("<=", b.upTo)
	compare("=", b.exactly)
	sql += " ORDER BY " + key
	if limit > 0 {
		sql += fmt.Sprintf(" LIMIT %d", limit)
	}
	return sql, args
}

type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// each runs a query for all columns of a table and calls fn with the bytes of each row, which are good until it returns.
func (t table) each(ctx context.Context, db querier, sql string, args []any, fn func(fields []pgconn.FieldDescription, raw [][]byte) error) error {
	rows, err := db.Query(ctx, sql, append([]any{pgx.QueryResultFormats{pgx.BinaryFormatCode}}, args...)...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := fn(rows.FieldDescriptions(), rows.RawValues()); err != nil {
			return err
		}
	}
	return rows.Err()
}

// read runs a query for all columns of a table.
func (t table) read(ctx context.Context, db querier, sql string, args []any) (list []row, err error) {
	err = t.each(ctx, db, sql, args, func(fields []pgconn.FieldDescription, raw [][]byte) error {
		r, err := t.parse(fields, raw)
		list = append(list, r)
		return err
	})
	return list, err
}

// parse reads a row.
func (t table) parse(fields []pgconn.FieldDescription, raw [][]byte) (r row, err error) {
	if r.form, err = t.form(make(digest.Row, 0, 256), fields, raw); err != nil {
		return r, err
	}
	for i, value := range raw {
		if slices.Contains(t.Key, t.columns[i]) {
			text, rank, err := digest.KeyPart(fields[i].DataTypeOID, value)
			if err != nil {
				return r, fmt.Errorf("column %s of %s: %w", t.columns[i], t.Table, err)
			}
			r.key, r.rank = append(r.key, text), append(r.rank, rank)
		}
		if i >= len(t.Columns) {
			r.other = append(digest.Row(r.other).Bool(value == nil), digest.Row(nil).Bytes(value)...)
		}
	}
	return r, nil
}

// form appends what digests are made of.
func (t table) form(form digest.Row, fields []pgconn.FieldDescription, raw [][]byte) (digest.Row, error) {
	if t.Label != "" {
		form = form.Text(t.Label)
	}
	var err error
	for i := range t.Columns {
		if form, err = form.Column(fields[i].DataTypeOID, raw[i]); err != nil {
			return nil, fmt.Errorf("column %s of %s: %w", t.columns[i], t.Table, err)
		}
	}
	return form, nil
}

const sqlCountRows = `SELECT greatest(0, sum(reltuples))::bigint FROM pg_class WHERE relnamespace = $1::regnamespace AND relkind = 'r'`

// verify compares all rows of the live read model with the shadow's, table by table: first by sums, which don't need the order of keys, in which
// a table that doesn't fit into memory is read from all over the disk.
func (r *rebuild) verify(ctx context.Context, s *shadow) (verified, error) {
	found := verified{since: s.at.Position}
	if err := s.record(ctx); err != nil {
		return found, err
	}
	bar := progress{to: r.Progress, stage: StageVerify, every: int64(r.PageRows)}
	if err := r.Pool.QueryRow(ctx, sqlCountRows, s.schema).Scan(&bar.total); err != nil {
		return found, err
	}
	for _, t := range r.shapes {
		live, built, err := r.sumBoth(ctx, s, t, &bar)
		if err != nil {
			return found, err
		}
		if live.all == built.all {
			found.sum.AddAll(built.form)
			found.liveSum.AddAll(built.form)
			continue
		}
		if err := r.compareRows(ctx, s, t, &found); err != nil {
			return found, err
		}
	}
	bar.end()
	return found, nil
}

// compareRows compares the rows of a table range by range, in the order of their keys. Each range is read with the live checkpoint in one short
// snapshot; the shadow is taken to that checkpoint and compared there.
func (r *rebuild) compareRows(ctx context.Context, s *shadow, t table, found *verified) error {
	ctx, cancel := context.WithCancel(ctx)
	var fetching sync.WaitGroup
	defer fetching.Wait()
	defer cancel()
	fetch := func(b bounds) <-chan livePage {
		to := make(chan livePage, 1)
		fetching.Go(func() { to <- r.livePage(ctx, t, b) })
		return to
	}
	next := fetch(bounds{})
	for b := (bounds{}); ; {
		live := <-next
		if live.err != nil {
			return live.err
		}
		last := live.rows.count() < r.PageRows
		if !last {
			end, err := t.parse(live.rows.fields, live.rows.row(live.rows.count()-1))
			if err != nil {
				return err
			}
			b.upTo = end.key
			next = fetch(bounds{after: b.upTo}) // while the shadow's rows are read
		}
		if err := s.catchUp(ctx, live.at); err != nil {
			return err
		}
		if err := r.comparePage(ctx, s, t, &live.rows, b, found); err != nil || last {
			return err
		}
		b = bounds{after: b.upTo}
	}
}

// livePage is a range of the live read model, and the position that it is of.
type livePage struct {
	rows rawRows
	at   int64
	err  error
}

// livePage reads rows of the live read model and its checkpoint in one snapshot.
func (r *rebuild) livePage(ctx context.Context, t table, b bounds) (p livePage) {
	p.err = r.snapshot(ctx, func(tx pgx.Tx) error {
		live, err := r.checkpoint(ctx, tx)
		if err != nil {
			return err
		}
		p.at = live.Position
		sql, args := t.sqlPage(r.live, b, r.PageRows)
		return t.each(ctx, tx, sql, args, func(fields []pgconn.FieldDescription, raw [][]byte) error {
			p.rows.add(fields, raw)
			return nil
		})
	})
	return p
}

// compare merges rows of both sides, each in the order of its keys.
func (r *rebuild) compare(ctx context.Context, s *shadow, t table, live, built []row, found *verified) error {
	for i := range live {
		found.liveSum.Add(live[i].form)
	}
	for i := range built {
		found.sum.Add(built[i].form)
	}
	for len(live) > 0 || len(built) > 0 {
		var order int
		switch {
		case len(live) == 0:
			order = 1
		case len(built) == 0:
			order = -1
		default:
			order = slices.Compare(live[0].rank, built[0].rank)
		}
		if order == 0 && bytes.Equal(live[0].form, built[0].form) && bytes.Equal(live[0].other, built[0].other) {
			live, built = live[1:], built[1:]
			continue
		}
		var key []string
		if order <= 0 {
			key, live = live[0].key, live[1:]
		}
		if order >= 0 {
			key, built = built[0].key, built[1:]
		}
		if err := r.checkErasure(ctx, s.at.Position); err != nil {
			return err
		}
		if found.differences++; found.differences <= maxDifferences {
			if err := r.explain(ctx, s, t, key); err != nil {
				return err
			}
		}
	}
	return nil
}

// checkErasure returns ErrErasing where rows that are of a position may differ by texts alone that an erasure has taken away since.
func (r *rebuild) checkErasure(ctx context.Context, position int64) error {
	if r.erasing {
		return nil
	}
	erased, err := r.Reader.LastErased(ctx)
	if err == nil && erased > position {
		err = ErrErasing
	}
	return err
}

// passErasure waits until the live read model has passed the last erasure.
func (r *rebuild) passErasure(ctx context.Context) error {
	erased, err := r.Reader.LastErased(ctx)
	if err != nil {
		return err
	}
	for range swapAttempts {
		if live, err := r.checkpoint(ctx, r.Pool); err != nil || live.Position >= erased {
			return err
		}
		r.Wait(ctx)
	}
	if r.erasing = r.AcceptChanges; r.erasing {
		return nil
	}
	return ErrErasing
}
