package httpapi

import (
	"context"
	"net/http"

	"payledger/cmd/payledger/internal/httpapi/auth"
	"payledger/cmd/payledger/internal/httpapi/input"
	"payledger/commands"
	"payledger/domain/money"
	"payledger/eventstore"
	"payledger/readmodels"
)

// defaultCurrency is the currency of amounts that come without one.
const defaultCurrency = "USD"

// currencyOf reads the currency of a body.
func currencyOf(in *input.Values) money.Currency {
	absent, _ := money.ParseCurrency(defaultCurrency) // it is in the table
	return in.Currency("currency", absent)
}

// createFee is POST /fees.
func createFee(c *call) (*answer, error) {
	in, err := c.body()
	if err != nil {
		return nil, err
	}
	in.Require("userId", "amount")
	fee := commands.NewFee{
		FeeID: in.ID("id"), UserID: in.ID("userId"), LoanID: in.ID("loanId"), Amount: in.Amount("amount", currencyOf(in)),
		Reason: in.String("reason"), Note: in.Text("note"),
	}
	status, given := in.Enum("status", readmodels.FeeStatuses())
	at := in.Date("statusUpdateDate")
	if err := in.Err(); err != nil {
		return nil, err
	}
	if given && readmodels.FeeStatus(status) != readmodels.FeeUnpaid {
		return nil, errNewFeeStatus
	}
	return c.command(http.StatusCreated, at, func(ctx context.Context, req commands.Request) (eventstore.Result, error) {
		return c.api.commands.AssessFee(ctx, req, fee)
	}, feeRow)
}

// updateFee is PATCH /fees/{feeId}. What the caller may do hangs on the status asked for.
func updateFee(c *call) (*answer, error) {
	id, err := c.pathID("feeId")
	if err != nil {
		return nil, err
	}
	in, err := c.body()
	if err != nil {
		return nil, err
	}
	patch := commands.FeePatch{FeeID: id, Note: in.Text("note")}
	need := auth.AnnotateFee
	if n, given := in.Enum("status", readmodels.FeeStatuses()); given {
		status := readmodels.FeeStatus(n)
		patch.Status = &status
		need = statusPermission(status)
	}
	at := in.Date("statusUpdateDate")
	if err := in.Err(); err != nil {
		return nil, err
	}
	if err := c.require(need); err != nil {
		return nil, err
	}
	return c.command(http.StatusOK, at, func(ctx context.Context, req commands.Request) (eventstore.Result, error) {
		return c.api.commands.PatchFee(ctx, req, patch)
	}, feeRow)
}

// statusPermission returns what it takes to give a fee a status. The statuses that nobody can set are refused by the use case.
func statusPermission(status readmodels.FeeStatus) auth.Permission {
	switch status {
	case readmodels.FeeWaived:
		return auth.WaiveFee
	case readmodels.FeeCanceled:
		return auth.CancelFee
	case readmodels.FeePaid:
		return auth.RecordPayment
	case readmodels.FeeUnpaid, readmodels.FeePaymentInProgress:
	}
	return auth.AnnotateFee
}

func feeRow(o commands.Outcome) row {
	return row{
		version:    o.Fee.Version(),
		appendJSON: func(dst []byte) []byte { return o.Fee.AppendJSON(dst, true) },
	}
}
