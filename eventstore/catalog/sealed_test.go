package catalog_test

import (
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"payledger/eventstore/catalog"
	"payledger/eventstore/pgtest"
	"payledger/eventstore/storetest"
)

// Every text that an event seals is taken out of the stored answers and route events of an erased person: whoever seals a further field adds
// its key to ledger.without_texts.
func TestStoredAnswersLoseAllSealedTexts(t *testing.T) {
	t.Parallel()
	keys := catalog.New().SealedKeys()
	require.Subset(t, keys, []string{"cardHolderName", "note"})
	db := pgtest.NewFrom(t, storetest.Template())
	owner, err := pgxpool.New(t.Context(), db.SuperURL)
	require.NoError(t, err)
	defer owner.Close()
	for _, key := range keys {
		var left string
		err := owner.QueryRow(t.Context(), `SELECT convert_from(ledger.without_texts(convert_to($1, 'UTF8')), 'UTF8')`,
			fmt.Sprintf(`{"id":"1",%q:"said \"so\"","_owner":"ann"}`, key)).Scan(&left)
		require.NoError(t, err)
		require.JSONEq(t, fmt.Sprintf(`{"id":"1",%q:null,"_owner":"ann"}`, key), left)
	}
}
