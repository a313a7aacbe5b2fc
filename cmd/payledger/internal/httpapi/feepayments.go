package httpapi

import (
	"context"
	"net/http"
	"time"

	"payledger/cmd/payledger/internal/httpapi/auth"
	"payledger/cmd/payledger/internal/httpapi/input"
	"payledger/commands"
	"payledger/domain/payment"
	"payledger/eventstore"
	"payledger/readmodels"
	"payledger/readmodels/tables"
)

// feePaymentRoutes are the routes of payments of fees in their ledger shape: one row for what one payment gave to one fee.
func feePaymentRoutes() []route {
	const answers = "feePayment.json#/$defs/one"
	status := input.Enum("paymentStatus", readmodels.PaymentStatuses())
	return []route{
		{
			method: http.MethodPost, path: "/feepayments", name: "createFeePayment", dataName: "feePayment", action: actionCreate, topic: "feepayment-created",
			summary: "Record money for one fee", answers: answers, needs: []auth.Permission{auth.RecordPayment},
			doc: "Staff, supervisor and admin. Status complete is money that was taken, pending is money on its way, which is held on the fee.",
			body: []input.Field{
				input.ID("id"), input.ID("feeId").Must(), input.Amount("amountPaid").Must(), input.Currency("currency", defaultCurrency), input.ID("userId").Must(),
				input.Enum("paymentMethod", readmodels.PaymentMethods()).Must().Says("stripe is refused: cards are paid through checkout."),
				status.Must().Says("complete or pending. Others are refused."), input.Date("paymentDate").Says("When it was taken. Not in the future."),
				input.String("stripePaymentIntentId"), input.Text("note"),
			},
			serve: createFeePayment,
		},
		{
			method: http.MethodGet, path: "/feepayments/{feePaymentId}", name: "getFeePayment", dataName: "feePayment", action: actionGet,
			summary: "Read a payment of a fee", doc: "A member's own; another's looks like none.", answers: answers,
			needs: []auth.Permission{auth.ReadOwn}, serve: byID("feePaymentId", tables.Queries.FeePayment),
		},
		{
			method: http.MethodPatch, path: "/feepayments/{feePaymentId}", name: "updateFeePayment", dataName: "feePayment", action: actionUpdate,
			topic: "feepayment-updated", summary: "Capture, end or void a payment, or change its note", answers: answers, versioned: true,
			doc: "Status complete (staff) says that pending money came; failed and canceled (supervisor) end a pending payment or void one that was captured. " +
				"A patch that changes nothing answers with the row.",
			needs: []auth.Permission{auth.RecordPayment, auth.VoidPayment},
			body:  []input.Field{status, input.Date("paymentDate"), input.Text("note")}, serve: updateFeePayment,
		},
		{
			method: http.MethodDelete, path: "/feepayments/{feePaymentId}", name: "deleteFeePayment", dataName: "feePayment", action: actionDelete,
			summary: "Void a payment and hide it", doc: "Supervisor and admin.", answers: answers, needs: []auth.Permission{auth.VoidPayment}, versioned: true,
			serve: deleteFeePayment,
		},
		listRoute(readmodels.ObjectFeePayment, "/feepayments", "feePayments", "feePayment.json", input.ID("feeId"), input.ID("userId"),
			input.Enum("paymentMethod", readmodels.PaymentMethods()), status),
	}
}

// tenderOf is how money comes that a row says was paid by a method.
func tenderOf(method readmodels.PaidBy) (payment.Tender, error) {
	switch method {
	case readmodels.PaidByCash:
		return payment.TenderCash, nil
	case readmodels.PaidByPOS:
		return payment.TenderPOS, nil
	case readmodels.PaidByOther:
		return payment.TenderOther, nil
	case readmodels.PaidByStripe:
	}
	return "", errStripeAtDesk
}

// createFeePayment is POST /feepayments.
func createFeePayment(c *call) (*answer, error) {
	in, err := c.body()
	if err != nil {
		return nil, err
	}
	method, _ := in.Enum("paymentMethod", readmodels.PaymentMethods())
	status, _ := in.Enum("paymentStatus", readmodels.PaymentStatuses())
	p := commands.NewFeePayment{
		ID: in.ID("id"), FeeID: in.ID("feeId"), UserID: in.ID("userId"), Amount: in.Amount("amountPaid", currencyOf(in)),
		Status: readmodels.PaymentStatus(status), StripePaymentIntentID: in.String("stripePaymentIntentId"), Note: in.Text("note"),
	}
	if p.Tender, err = tenderOf(readmodels.PaidBy(method)); err != nil {
		return nil, err
	}
	return c.command(in.Date("paymentDate"), func(ctx context.Context, req commands.Request) (eventstore.Result, error) {
		return c.api.commands.CreateFeePayment(ctx, req, p)
	}, feePaymentRow)
}

// updateFeePayment is PATCH /feepayments/{feePaymentId}. What the caller may do hangs on the status asked for.
func updateFeePayment(c *call) (*answer, error) {
	in, err := c.body()
	if err != nil {
		return nil, err
	}
	p, need := commands.FeePaymentPatch{ID: c.id("feePaymentId"), Note: in.Text("note")}, auth.RecordPayment
	if n, given := in.Enum("paymentStatus", readmodels.PaymentStatuses()); given {
		status := readmodels.PaymentStatus(n)
		p.Status = &status
		if status == readmodels.PaymentFailed || status == readmodels.PaymentCanceled {
			need = auth.VoidPayment
		}
	}
	if err := c.require(need); err != nil {
		return nil, err
	}
	return c.command(in.Date("paymentDate"), func(ctx context.Context, req commands.Request) (eventstore.Result, error) {
		return c.api.commands.PatchFeePayment(ctx, req, p)
	}, feePaymentRow)
}

// deleteFeePayment is DELETE /feepayments/{feePaymentId}.
func deleteFeePayment(c *call) (*answer, error) {
	if _, err := c.body(); err != nil {
		return nil, err
	}
	id := c.id("feePaymentId")
	return c.command(time.Time{}, func(ctx context.Context, req commands.Request) (eventstore.Result, error) {
		return c.api.commands.DeleteFeePayment(ctx, req, id)
	}, feePaymentRow)
}

func feePaymentRow(o commands.Outcome) row { return rowOf(o.FeePayment) }
