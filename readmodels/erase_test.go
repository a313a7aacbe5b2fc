package readmodels_test

import (
	"encoding/json"
	"reflect"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"payledger/eventstore/catalog"
	"payledger/readmodels"
)

// Every text that an event seals is taken out of every row that shows it, and nothing else is: whoever seals a further field, or shows
// one in a further row, adds it to WithoutTexts.
func TestRowsLoseAllSealedTexts(t *testing.T) {
	t.Parallel()
	sealed := catalog.New().SealedKeys()
	rows := map[readmodels.Object]readmodels.Row{
		readmodels.ObjectFee: &readmodels.Fee{}, readmodels.ObjectFeePayment: &readmodels.FeePayment{}, readmodels.ObjectGatewayPayment: &readmodels.GatewayPayment{},
		readmodels.ObjectFeeEvent: &readmodels.FeeEvent{}, readmodels.ObjectPaymentCustomer: &readmodels.PaymentCustomer{},
		readmodels.ObjectPaymentMethod: &readmodels.PaymentMethod{},
	}
	shown := map[string]bool{}
	for _, object := range readmodels.Objects() {
		row := rows[object]
		require.NotNil(t, row, object)
		for _, field := range reflect.ValueOf(row).Elem().Fields() {
			if field.Kind() == reflect.String {
				field.SetString("said")
			}
		}
		want, got := keysOf(t, row), keysOf(t, readmodels.WithoutTexts(row))
		for key := range want {
			if slices.Contains(sealed, key) {
				shown[key], want[key] = true, nil
			}
		}
		require.Equal(t, want, got, object)
	}
	require.Len(t, shown, len(sealed), "each sealed text is shown by some row under its own key")
}

func keysOf(t *testing.T, row readmodels.Row) (keys map[string]any) {
	t.Helper()
	require.NoError(t, json.Unmarshal(row.AppendJSON(nil, true), &keys))
	return keys
}
