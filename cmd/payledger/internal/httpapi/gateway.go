package httpapi

import (
	"context"
	"net/http"
	"time"

	"payledger/cmd/payledger/internal/httpapi/auth"
	"payledger/cmd/payledger/internal/httpapi/input"
	"payledger/commands"
	"payledger/domain/gateway"
	"payledger/eventstore"
	"payledger/readmodels"
	"payledger/readmodels/tables"
)

// gatewayRoutes are the routes of what a payment gateway says of payments: feePayment in its gateway shape.
func gatewayRoutes() []route {
	const answers = "feePayment.gateway.json#/$defs/one"
	const own = "A member's own; another's looks like none."
	const newest = "If there are several, the one created last, of those of one millisecond the one with the highest id; for a member, of their own. "
	needs := []auth.Permission{auth.ReadOwn}
	told := []input.Field{input.String("paymentId"), input.String("paymentStatus").Says("The gateway's word."), input.String("statusLiteral"), input.Word("redirectUrl")}
	list := listRoute(readmodels.ObjectGatewayPayment, "/payments", "feePayments", "feePayment.gateway.json", input.ID("ownerId"), input.ID("orderId"),
		input.String("paymentId"), input.String("paymentStatus"), input.String("statusLiteral"))
	list.name, list.topic, list.summary = "listPayments", "payments-listed", "List gateway payments"
	return []route{
		list,
		{
			method: http.MethodPost, path: "/payment", name: "createPaymentRecord", dataName: "feePayment", action: actionCreate, topic: "payment-created",
			summary: "Keep what a gateway says of a payment", doc: "Staff, supervisor and admin. It moves no money. The caller is its owner.", answers: answers,
			needs: []auth.Permission{auth.RecordGatewayPayment},
			body: []input.Field{
				input.ID("id"), input.ID("orderId").Must().Says("Id of the fee."), input.String("paymentId").Must().Says("The gateway's id."),
				input.String("paymentStatus").Must().Says("The gateway's word."), input.String("statusLiteral").Must().Says("started, success, failed or canceled."),
				input.Word("redirectUrl"),
			},
			serve: createGatewayPayment,
		},
		{
			method: http.MethodPatch, path: "/payment/{feePaymentId}", name: "updatePaymentRecord", dataName: "feePayment", action: actionUpdate,
			topic: "payment-updated", summary: "Keep what a gateway says now", doc: "Staff, supervisor and admin.", answers: answers, versioned: true,
			needs: []auth.Permission{auth.RecordGatewayPayment}, body: told, serve: updateGatewayPayment,
		},
		{
			method: http.MethodDelete, path: "/payment/{feePaymentId}", name: "deletePaymentRecord", dataName: "feePayment", action: actionDelete,
			topic: "payment-deleted", summary: "Hide a gateway payment", doc: "Supervisor and admin.", answers: answers, versioned: true,
			needs: []auth.Permission{auth.DeleteGatewayPayment}, serve: deleteGatewayPayment,
		},
		{
			method: http.MethodGet, path: "/payment/{feePaymentId}", name: "getPayment", dataName: "feePayment", action: actionGet, topic: "payment-retrived",
			summary: "Read a gateway payment", doc: own, answers: answers, needs: needs,
			serve: byID("feePaymentId", tables.Queries.GatewayPayment),
		},
		{
			method: http.MethodGet, path: "/paymentbyorderid/{id}", name: "getPaymentByOrderId", dataName: "feePayment", action: actionGet,
			topic: "paymentbyorderid-retrived", summary: "Read the newest gateway payment of a fee",
			doc: "By the id of the fee, else by that of the gateway payment. " + newest + own, answers: answers, needs: needs, serve: paymentByOrder,
		},
		{
			method: http.MethodGet, path: "/paymentbypaymentid/{id}", texts: []string{"id"}, name: "getPaymentByPaymentId", dataName: "feePayment",
			action: actionGet, topic: "paymentbypaymentid-retrived", summary: "Read the newest gateway payment with an id of the gateway's",
			doc: "By the gateway's id, else by that of the gateway payment. " + newest + own, answers: answers, needs: needs, serve: paymentByPayment,
		},
	}
}

// paymentByOrder is GET /paymentbyorderid/{id}.
func paymentByOrder(c *call) (*answer, error) {
	return one(c.context(), c, func(ctx context.Context) (tables.Found[*readmodels.GatewayPayment], error) {
		res, err := c.api.tables.GatewayPaymentByOrder(ctx, c.tenant, c.id("id"), c.owner())
		if err != nil || res.Row != nil {
			return res, err
		}
		return c.orByID(ctx, c.id("id"), res.Checkpoint)
	})
}

// orByID reads a gateway payment by its own id, after it wasn't found otherwise in a snapshot at that checkpoint: the older of the two
// snapshots says how much the answer knows.
func (c *call) orByID(ctx context.Context, id string, checkpoint int64) (tables.Found[*readmodels.GatewayPayment], error) {
	res, err := c.api.tables.GatewayPayment(ctx, c.tenant, id)
	if res.Row == nil {
		res.Checkpoint = min(res.Checkpoint, checkpoint)
	}
	return res, err
}

// paymentByPayment is GET /paymentbypaymentid/{id}.
func paymentByPayment(c *call) (*answer, error) {
	return one(c.context(), c, func(ctx context.Context) (tables.Found[*readmodels.GatewayPayment], error) {
		text := c.request.PathValue("id")
		res, err := c.api.tables.GatewayPaymentByPaymentID(ctx, c.tenant, text, c.owner())
		id, ok := input.ParseID(text)
		if err != nil || res.Row != nil || !ok {
			return res, err
		}
		return c.orByID(ctx, id, res.Checkpoint)
	})
}

// createGatewayPayment is POST /payment.
func createGatewayPayment(c *call) (*answer, error) {
	in, err := c.body()
	if err != nil {
		return nil, err
	}
	p := commands.NewGatewayPayment{
		ID: in.ID("id"), OrderID: in.ID("orderId"), PaymentID: in.String("paymentId"), PaymentStatus: in.String("paymentStatus"),
		StatusLiteral: in.String("statusLiteral"), RedirectURL: in.Long("redirectUrl"),
	}
	return c.command(time.Time{}, func(ctx context.Context, req commands.Request) (eventstore.Result, error) {
		return c.api.commands.CreateGatewayPayment(ctx, req, p)
	}, gatewayPaymentRow)
}

// updateGatewayPayment is PATCH /payment/{feePaymentId}. What the body doesn't name stays.
func updateGatewayPayment(c *call) (*answer, error) {
	in, err := c.body()
	if err != nil {
		return nil, err
	}
	told := func(name string) *string {
		if !in.Has(name) {
			return nil
		}
		return new(in.Long(name))
	}
	p := gateway.Update{
		PaymentID: told("paymentId"), PaymentStatus: told("paymentStatus"), StatusLiteral: told("statusLiteral"), RedirectURL: told("redirectUrl"),
	}
	id := c.id("feePaymentId")
	return c.command(time.Time{}, func(ctx context.Context, req commands.Request) (eventstore.Result, error) {
		return c.api.commands.UpdateGatewayPayment(ctx, req, id, p)
	}, gatewayPaymentRow)
}

// deleteGatewayPayment is DELETE /payment/{feePaymentId}.
func deleteGatewayPayment(c *call) (*answer, error) {
	if _, err := c.body(); err != nil {
		return nil, err
	}
	id := c.id("feePaymentId")
	return c.command(time.Time{}, func(ctx context.Context, req commands.Request) (eventstore.Result, error) {
		return c.api.commands.DeleteGatewayPayment(ctx, req, id)
	}, gatewayPaymentRow)
}

func gatewayPaymentRow(o commands.Outcome) row { return rowOf(o.GatewayPayment) }
