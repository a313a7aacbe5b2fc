package rebuild

import (
	"context"
	"crypto/rand"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"golang.org/x/sync/errgroup"

	"payledger/projections/bulk"
	"payledger/readmodels/digest"
)

// sums are of all rows of a table.
type sums struct {
	all  digest.Sum // of every column, with a secret of the run in front, so that nobody can have made rows whose sums are the same
	form digest.Sum // of what digests are made of
}

// progress reports how many of the rows of a read model have been read.
type progress struct {
	to                 func(bulk.Progress)
	stage              string
	done, total, every int64 // total is an estimate, or 0
}

func (p *progress) row() {
	if p.done++; p.done%p.every == 0 {
		p.to(bulk.Progress{Stage: p.stage, Done: p.done, Total: max(p.done, p.total)})
	}
}

func (p *progress) end() { p.to(bulk.Progress{Stage: p.stage, Done: p.done, Total: p.done}) }

// summer sums up rows.
type summer struct {
	sums
	table  table
	secret [32]byte
	forms  bool // wanted
	row    rawRows
	buf    digest.Row
}

func (s *summer) add(fields []pgconn.FieldDescription, raw [][]byte) (err error) {
	s.row.reset()
	s.row.buf = append(s.row.buf, s.secret[:]...)
	s.row.add(fields, raw)
	s.all.Add(s.row.buf)
	if s.forms {
		if s.buf, err = s.table.form(s.buf[:0], fields, raw); err != nil {
			return err
		}
		s.form.Add(s.buf)
	}
	return nil
}

// sumBoth sums up a table of the live read model, in one snapshot with its checkpoint, and beside it the shadow's, which is taken there first.
// The forms are the shadow's only: if all is the same, so are they.
func (r *rebuild) sumBoth(ctx context.Context, s *shadow, t table, bar *progress) (live, built sums, err error) {
	ours, theirs := summer{table: t, forms: true}, summer{table: t}
	_, _ = rand.Read(ours.secret[:]) // it never fails
	theirs.secret = ours.secret
	err = r.snapshot(ctx, func(tx pgx.Tx) error {
		at, err := r.checkpoint(ctx, tx)
		if err != nil {
			return err
		}
		if err := s.catchUp(ctx, at.Position); err != nil {
			return err
		}
		group, ctx := errgroup.WithContext(ctx)
		group.Go(func() error {
			return r.snapshot(ctx, func(tx pgx.Tx) error {
				return t.each(ctx, tx, t.sqlAll(s.schema), nil, func(fields []pgconn.FieldDescription, raw [][]byte) error {
					bar.row()
					return ours.add(fields, raw)
				})
			})
		})
		group.Go(func() error { return t.each(ctx, tx, t.sqlAll(r.live), nil, theirs.add) })
		return group.Wait()
	})
	return theirs.sums, ours.sums, err
}

// digest sums up a read model that stands still.
func (r *rebuild) digest(ctx context.Context, schema string) (sum digest.Sum, err error) {
	bar := progress{to: r.Progress, stage: StageDigest, every: int64(r.PageRows)}
	for _, t := range r.shapes {
		var form digest.Row
		err := r.snapshot(ctx, func(tx pgx.Tx) error {
			return t.each(ctx, tx, t.sqlAll(schema), nil, func(fields []pgconn.FieldDescription, raw [][]byte) (err error) {
				bar.row()
				if form, err = t.form(form[:0], fields, raw); err != nil {
					return err
				}
				sum.Add(form)
				return nil
			})
		})
		if err != nil {
			return sum, err
		}
	}
	bar.end()
	return sum, nil
}

// sqlAll selects all rows as they stand on disk.
func (t table) sqlAll(schema string) string {
	return "SELECT " + identifiers(t.columns) + " FROM " + pgx.Identifier{schema, t.Table}.Sanitize()
}

const sqlNoTimeout = `SET LOCAL statement_timeout = 0`

// snapshot runs fn in a transaction that reads, for as long as it takes.
func (r *rebuild) snapshot(ctx context.Context, fn func(pgx.Tx) error) error {
	return pgx.BeginTxFunc(ctx, r.Pool, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, sqlNoTimeout); err != nil {
			return err
		}
		return fn(tx)
	})
}
