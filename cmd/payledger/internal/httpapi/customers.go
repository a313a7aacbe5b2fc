package httpapi

import (
	"context"
	"net/http"

	"payledger/cmd/payledger/internal/httpapi/auth"
	"payledger/cmd/payledger/internal/httpapi/input"
	"payledger/readmodels"
	"payledger/readmodels/tables"
)

// customerRoutes are the routes of who people are to the payment platform, and of their cards.
func customerRoutes() []route {
	customers := listRoute(readmodels.ObjectPaymentCustomer, "/customers", "paymentCustomers", "paymentCustomer.json", input.ID("userId"))
	customers.topic = "customers-listed"
	methods := listRoute(readmodels.ObjectPaymentMethod, "/listethods", "paymentMethods", "paymentMethod.json")
	methods.topic, methods.own, methods.doc = "listethods-done", true, "The caller's own only, whoever calls."
	return []route{
		customers,
		methods,
		{
			method: http.MethodGet, path: "/user-payment-methods", name: "listOwnPaymentMethods", plain: true, own: true,
			summary: "The caller's stored cards, without an envelope", doc: "Members, their own. The newest 500.", answers: "paymentMethod.json#/$defs/bare",
			needs: []auth.Permission{auth.ManageMethods}, serve: ownMethods,
		},
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

// ownMethods is GET /user-payment-methods.
func ownMethods(c *call) (*answer, error) {
	if err := c.freshList(tables.Projection()); err != nil {
		return nil, err
	}
	page, err := c.api.tables.List(c.context(), readmodels.ObjectPaymentMethod, tables.Filter{Tenant: c.tenant, Owner: c.owner()})
	if err != nil {
		return nil, err
	}
	body := []byte{'['}
	for i, row := range page.Rows {
		if i > 0 {
			body = append(body, ',')
		}
		body = row.AppendJSON(body, true)
	}
	return &answer{status: http.StatusOK, body: append(body, ']')}, nil
}
