package tables

import (
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"payledger/eventstore/pgtest"
	"payledger/eventstore/storetest"
	"payledger/internal/sqltest"
)

func TestStatementsFitTheSchema(t *testing.T) {
	t.Parallel()
	db := pgtest.NewFrom(t, storetest.Template())
	require.NoError(t, pgx.BeginFunc(t.Context(), db.ProjectorPool(t), func(tx pgx.Tx) error {
		created, err := EnsureSchema(t.Context(), tx)
		require.True(t, created)
		require.NoError(t, err)
		return EnsureIndexes(t.Context(), tx)
	}))
	sqltest.Prepare(t, ".", db.ProjectorURL, map[string]string{
		"sqlEraseFees": sqlEraseFees, "sqlEraseFeePayments": sqlEraseFeePayments, "sqlEraseFeeEvents": sqlEraseFeeEvents,
		"sqlErasePaymentMethods": sqlErasePaymentMethods,
		"sqlSchemaExists":        sqlSchemaExists, "sqlUpdateFees": sqlUpdateFees, "sqlOpenFees": sqlOpenFees,
		"sqlAllFees": sqlAllFees, "sqlAllFeePayments": sqlAllFeePayments, "sqlAllFeeEvents": sqlAllFeeEvents,
		"sqlAllGatewayPayments": sqlAllGatewayPayments, "sqlAllPaymentCustomers": sqlAllPaymentCustomers,
		"sqlAllPaymentMethods": sqlAllPaymentMethods, "sqlAllCredits": sqlAllCredits,
		"sqlRemoveFees": sqlRemoveFees, "sqlRemoveFeePayments": sqlRemoveFeePayments, "sqlRemoveFeeEvents": sqlRemoveFeeEvents,
		"sqlRemoveGatewayPayments": sqlRemoveGatewayPayments, "sqlRemovePaymentCustomers": sqlRemovePaymentCustomers,
		"sqlRemovePaymentMethods": sqlRemovePaymentMethods, "sqlRemoveCredits": sqlRemoveCredits,
		"sqlLoadFees": sqlLoadFees, "sqlLoadFeeEvents": sqlLoadFeeEvents, "sqlLoadGatewayPayments": sqlLoadGatewayPayments,
		"sqlLoadFeePayments": sqlLoadFeePayments, "sqlLoadPaymentCustomers": sqlLoadPaymentCustomers,
		"sqlLoadPaymentMethods": sqlLoadPaymentMethods, "sqlLoadCredits": sqlLoadCredits,
		"sqlFee": sqlFee, "sqlFeePayment": sqlFeePayment, "sqlFeeEvent": sqlFeeEvent, "sqlGatewayPayment": sqlGatewayPayment,
		"sqlGatewayByOrder": sqlGatewayByOrder, "sqlGatewayByPayment": sqlGatewayByPayment, "sqlCustomerOfUser": sqlCustomerOfUser, "sqlPaymentCustomer": sqlPaymentCustomer, "sqlPaymentMethod": sqlPaymentMethod,
		"sqlCredit":      sqlCredit,
		"sqlAccountFees": sqlAccountFees, "sqlAccountCredits": sqlAccountCredits, "sqlAccountTotals": sqlAccountTotals, "sqlControls": sqlControls,
	}, "sqlCreateSchema", "sqlCreateIndexes")
}
