package httpapi

import (
	"context"
	"net/http"

	"payledger/cmd/payledger/internal/httpapi/auth"
	"payledger/readmodels"
	"payledger/readmodels/tables"
)

// customerRoutes are the routes of who people are to the payment platform, and of their cards.
func customerRoutes() []route {
	return []route{
		{
			method: http.MethodGet, path: "/paymentcustomers/{userId}", name: "getPaymentCustomer", dataName: "paymentCustomer", action: actionGet,
			topic: "customerbyuserid-retrived", summary: "Read the payment customer of a person", doc: "A member's own; another's looks like none.",
			answers: "paymentCustomer.json#/$defs/one", needs: []auth.Permission{auth.ReadOwn}, serve: customerOfUser,
		},
	}
}

// customerOfUser is GET /paymentcustomers/{userId}.
func customerOfUser(c *call) (*answer, error) {
	return one(c.context(), c, func(ctx context.Context) (tables.Found[*readmodels.PaymentCustomer], error) {
		return c.api.tables.PaymentCustomer(ctx, c.tenant, c.id("userId"))
	})
}
