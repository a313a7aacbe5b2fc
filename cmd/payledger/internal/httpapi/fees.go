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
	"payledger/readmodels/tables"
)

// defaultCurrency is the currency of amounts that come without one.
const defaultCurrency = "USD"

// currencyOf reads the currency of a body.
func currencyOf(in *input.Values) money.Currency {
	absent, _ := money.ParseCurrency(defaultCurrency) // it is in the table
	return in.Currency("currency", absent)
}

// feeRoutes are the routes of fees.
func feeRoutes() []route {
	status := input.Enum("status", readmodels.FeeStatuses())
	return []route{
		{
			method: http.MethodPost, path: "/fees", name: "createFee", dataName: "fee", action: actionCreate, topic: "fee-created",
			summary: "Assess a fee", doc: "Staff, supervisor, service and admin.", answers: "fee.json#/$defs/one",
			needs: []auth.Permission{auth.AssessFee},
			body: []input.Field{
				input.ID("id"), input.ID("userId").Must(), input.ID("loanId"), input.Amount("amount").Must(), input.Currency("currency", defaultCurrency),
				status.Says("unpaid in any form. Others are refused."), input.Date("statusUpdateDate").Says("When it was assessed. Not in the future."),
				input.String("reason").Says("overdue, lost, damage, manual, system or any text"), input.Text("note"),
			},
			serve: createFee,
		},
		{
			method: http.MethodGet, path: "/fees/{feeId}", name: "getFee", dataName: "fee", action: actionGet,
			summary: "Read a fee", doc: "A member's own; another's looks like none.", answers: "fee.json#/$defs/one",
			needs: []auth.Permission{auth.ReadOwn}, serve: byID("feeId", tables.Queries.Fee),
		},
		{
			method: http.MethodPatch, path: "/fees/{feeId}", name: "updateFee", dataName: "fee", action: actionUpdate, topic: "fee-updated",
			summary: "Waive, cancel or settle a fee, or change its note", answers: "fee.json#/$defs/one",
			doc: "Status waived (staff) forgives all that is owed, canceled (supervisor) takes the fee back, paid (staff) records a payment by tender other " +
				"of all that is owed. A patch that changes nothing answers with the fee.",
			needs: []auth.Permission{auth.AnnotateFee, auth.WaiveFee, auth.CancelFee, auth.RecordPayment}, versioned: true,
			body: []input.Field{status, input.Date("statusUpdateDate"), input.Text("note")}, serve: updateFee,
		},
		{
			method: http.MethodDelete, path: "/fees/{feeId}", name: "deleteFee", dataName: "fee", action: actionDelete,
			summary: "Take a fee back that should never have been, and hide it", doc: "Supervisor and admin. Refused once money is on it.",
			answers: "fee.json#/$defs/one", needs: []auth.Permission{auth.CancelFee}, versioned: true, serve: deleteFee,
		},
		listRoute(readmodels.ObjectFee, "/fees", "fees", "fee.json", input.ID("userId"), input.ID("loanId"), input.Amount("amount"),
			input.Currency("currency", defaultCurrency).Says("Of the amount. Only with amount."), status, input.String("reason")),
		{
			method: http.MethodGet, path: "/fees/{feeId}/history", name: "getFeeHistory", dataName: "history", action: actionList,
			summary: "What happened to a fee, in order", answers: "history.json#/$defs/list",
			doc: "Read from the ledger itself, a deleted fee's too for those who may read all. A member's own fee, without the notes that are for the staff; " +
				"another's looks like none.",
			needs: []auth.Permission{auth.ReadOwn},
			query: []input.Field{
				input.Until("asOf").Says("Only what had happened by then. A date means the end of that day in TIME_ZONE."),
				input.Position("knownAt").Says("Only what was known at this position of the ledger."),
			},
			serve: feeHistory,
		},
	}
}

// createFee is POST /fees.
func createFee(c *call) (*answer, error) {
	in, err := c.body()
	if err != nil {
		return nil, err
	}
	fee := commands.NewFee{
		FeeID: in.ID("id"), UserID: in.ID("userId"), LoanID: in.ID("loanId"), Amount: in.Amount("amount", currencyOf(in)),
		Reason: in.String("reason"), Note: in.Text("note"),
	}
	if status, given := in.Enum("status", readmodels.FeeStatuses()); given && readmodels.FeeStatus(status) != readmodels.FeeUnpaid {
		return nil, errNewFeeStatus
	}
	return c.command(in.Date("statusUpdateDate"), func(ctx context.Context, req commands.Request) (eventstore.Result, error) {
		return c.api.commands.AssessFee(ctx, req, fee)
	}, feeRow)
}

// updateFee is PATCH /fees/{feeId}. What the caller may do hangs on the status asked for.
func updateFee(c *call) (*answer, error) {
	in, err := c.body()
	if err != nil {
		return nil, err
	}
	patch := commands.FeePatch{FeeID: c.id("feeId"), Note: in.Text("note")}
	need := auth.AnnotateFee
	if n, given := in.Enum("status", readmodels.FeeStatuses()); given {
		status := readmodels.FeeStatus(n)
		patch.Status = &status
		need = statusPermission(status)
	}
	if err := c.require(need); err != nil {
		return nil, err
	}
	return c.command(in.Date("statusUpdateDate"), func(ctx context.Context, req commands.Request) (eventstore.Result, error) {
		return c.api.commands.PatchFee(ctx, req, patch)
	}, feeRow)
}

// deleteFee is DELETE /fees/{feeId}.
func deleteFee(c *call) (*answer, error) {
	if _, err := c.body(); err != nil {
		return nil, err
	}
	id := c.id("feeId")
	return c.onFee(func(ctx context.Context, req commands.Request) (eventstore.Result, error) {
		return c.api.commands.DeleteFee(ctx, req, id)
	})
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

func feeRow(o commands.Outcome) row { return rowOf(o.Fee) }
