package httpapi

import (
	"net/http"

	"payledger/cmd/payledger/internal/httpapi/auth"
	"payledger/cmd/payledger/internal/httpapi/input"
)

// checkoutRoutes are the routes that a payment gateway is needed for. This version has none: whatever passes all checks is told so.
func checkoutRoutes() []route {
	const doc = "The member whose fee it is. Staff get 403. Needs a payment gateway: without one 503."
	user := input.Object("paymentUserParams", input.String("paymentMethodId"), input.Word("return_url"), input.Bool("storeCard"))
	needs := []auth.Permission{auth.Checkout, auth.ReadAll} // who may read it is told why not to pay it
	own := []auth.Permission{auth.ManageMethods}
	return []route{
		{
			method: http.MethodPatch, path: "/startcheckout/fee/{feeId}", name: "startFeeCheckout", dataName: "fee", action: actionUpdate,
			topic: "fee-checkoutstartked", summary: "Begin to pay a fee by card", doc: doc, needs: needs, body: []input.Field{user}, serve: checkout,
		},
		{
			method: http.MethodPatch, path: "/completecheckout/fee/{feeId}", name: "completeFeeCheckout", dataName: "fee", action: actionUpdate,
			topic: "fee-checkoutcompleted", summary: "Go on with a payment by card", doc: doc, needs: needs, body: []input.Field{user}, serve: checkout,
		},
		{
			method: http.MethodPatch, path: "/refreshcheckout/fee/{feeId}", name: "refreshFeeCheckout", dataName: "fee", action: actionUpdate,
			topic: "fee-checkoutrefreshked", summary: "Ask how a payment by card stands", doc: doc, needs: needs, serve: checkout,
		},
		{
			method: http.MethodPost, path: "/checkout-webhook/fee", name: "feeCheckoutWebhook", plain: true, public: true, raw: true,
			summary: "What the payment gateway tells by itself", doc: "Signed by the gateway. Without one 503.", serve: noGateway,
		},
		{
			method: http.MethodPost, path: "/add-payment-method", name: "addPaymentMethod", plain: true, summary: "Store a card of the caller",
			doc: "Members, their own. Needs a payment gateway: without one 503.", needs: own,
			body: []input.Field{input.String("paymentMethodId").Must()}, serve: changeMethod,
		},
		{
			method: http.MethodDelete, path: "/delete-payment-method/{paymentMethodId}", texts: []string{"paymentMethodId"}, name: "deletePaymentMethod",
			plain: true, summary: "Forget a card of the caller", doc: "Members, their own. Needs a payment gateway: without one 503.", needs: own, serve: changeMethod,
		},
	}
}

// checkout serves the three steps of paying a fee by card.
func checkout(c *call) (*answer, error) {
	if _, err := c.body(); err != nil {
		return nil, err
	}
	res, err := c.freshFee(c.id("feeId"))
	switch {
	case err != nil:
		return &answer{position: res.Checkpoint}, err
	case res.Row == nil || !c.mayRead(res.Row):
		return &answer{position: res.Checkpoint}, errNotFound
	case res.Row.Owner() != c.subject() && !c.identity.Is(auth.Admin):
		return nil, errNotTheOwner
	}
	if err := c.require(auth.Checkout); err != nil { // who works here pays no fee of their own with these rights
		return nil, err
	}
	return nil, errNoGateway
}

// changeMethod serves the routes that store or forget a card.
func changeMethod(c *call) (*answer, error) {
	if _, err := c.body(); err != nil {
		return nil, err
	}
	return nil, errNoGateway
}

func noGateway(*call) (*answer, error) { return nil, errNoGateway }
