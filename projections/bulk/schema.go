package bulk

import (
	"context"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// InSchema returns tx for code whose statements name one schema, to work in another: the name is replaced wherever it stands in a
// statement, and by itself in an argument. So the shadow is written by the very code that writes the live read model.
func InSchema(tx pgx.Tx, named, used string) pgx.Tx { return schemaTx{tx, named, used} }

type schemaTx struct {
	pgx.Tx
	named, used string
}

func (t schemaTx) text(sql string) string { return strings.ReplaceAll(sql, t.named, t.used) }

func (t schemaTx) values(args []any) []any {
	i := slices.Index(args, any(t.named))
	if i < 0 {
		return args
	}
	args = slices.Clone(args)
	args[i] = t.used
	return args
}

// Exec is pgx.Tx.Exec in the other schema.
func (t schemaTx) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	return t.Tx.Exec(ctx, t.text(sql), t.values(args)...)
}

// Query is pgx.Tx.Query in the other schema.
func (t schemaTx) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	return t.Tx.Query(ctx, t.text(sql), t.values(args)...)
}

// QueryRow is pgx.Tx.QueryRow in the other schema.
func (t schemaTx) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	return t.Tx.QueryRow(ctx, t.text(sql), t.values(args)...)
}
