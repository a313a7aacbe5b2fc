package bulk

import (
	"context"

	"github.com/jackc/pgx/v5"

	"payledger/internal/pgcopy"
)

// Schema implements pgcopy.Renaming.
func (t schemaTx) Schema(named string) string { return t.text(named) }

// CopyFrom is pgx.Tx.CopyFrom in the other schema. It takes the values that package pgcopy takes, for columns of just these types.
func (t schemaTx) CopyFrom(ctx context.Context, table pgx.Identifier, columns []string, rows pgx.CopyFromSource) (int64, error) {
	var all pgcopy.Rows
	for rows.Next() {
		values, err := rows.Values()
		if err == nil {
			err = all.Add(values)
		}
		if err != nil {
			return 0, err
		}
	}
	if err := rows.Err(); err != nil {
		return 0, err
	}
	return all.Copy(ctx, t, table, columns)
}
