package tables

import (
	"strings"
	"testing"
	"unicode"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"payledger/eventstore/catalog"
	"payledger/eventstore/pgtest"
	"payledger/eventstore/storetest"
)

// Every column that shows a sealed text is emptied by Erase: a column is named as the text is, in snake case.
func TestEraseKnowsAllColumnsOfTexts(t *testing.T) {
	t.Parallel()
	db := pgtest.NewFrom(t, storetest.Template())
	pool := db.ProjectorPool(t)
	require.NoError(t, pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) error {
		_, err := EnsureSchema(t.Context(), tx)
		return err
	}))
	var names []string
	for _, key := range catalog.New().SealedKeys() {
		names = append(names, snake(key))
	}
	rows, err := pool.Query(t.Context(), `SELECT table_name::text, column_name::text FROM information_schema.columns
		WHERE table_schema = 'tables_v2' AND column_name = ANY ($1)`, names)
	require.NoError(t, err)
	erasing := []string{sqlEraseFees, sqlEraseFeePayments, sqlEraseFeeEvents, sqlErasePaymentMethods}
	found := map[string]bool{}
	var table, column string
	_, err = pgx.ForEachRow(rows, []any{&table, &column}, func() error {
		found[column] = true
		erased := false
		for _, sql := range erasing {
			erased = erased || strings.HasPrefix(sql, "UPDATE tables_v2."+table+" ") && strings.Contains(sql, " "+column+" = ''")
		}
		require.True(t, erased, "%s.%s", table, column)
		return nil
	})
	require.NoError(t, err)
	require.Len(t, found, len(names))
}

func snake(key string) string {
	var b strings.Builder
	for _, r := range key {
		if unicode.IsUpper(r) {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}
