package httpapi

import (
	"context"
	"net/http"

	"payledger/cmd/payledger/internal/httpapi/auth"
	"payledger/cmd/payledger/internal/httpapi/input"
	"payledger/commands"
	"payledger/domain/money"
	"payledger/domain/payment"
	"payledger/eventstore"
)

// maxAllocations is how many fees one payment may name.
const maxAllocations = 500

// paymentRoutes are the routes of money taken at the desk.
func paymentRoutes() []route {
	return []route{
		{
			method: http.MethodPost, path: "/payments", name: "createPayment", dataName: "payment", action: actionCreate,
			summary: "Record money taken at the desk", answers: "payment.json#/$defs/one",
			doc:   "Staff, supervisor and admin. What no fee takes becomes a credit of the member.",
			needs: []auth.Permission{auth.RecordPayment},
			body: []input.Field{
				input.ID("id"), input.ID("userId").Must(), input.Choice("tender", tenders()...).Must(), input.Amount("amount").Must(),
				input.Currency("currency", defaultCurrency),
				input.Objects("allocations", maxAllocations, input.ID("feeId").Must(), input.Amount("amount").Must()).
					Says("Which fee gets what. Without them the oldest fee is paid first."),
				input.Date("paymentDate"), input.Text("note"),
			},
			serve: createPayment,
		},
	}
}

// tenders are the ways in which money comes to the desk.
func tenders() []string {
	return []string{string(payment.TenderCash), string(payment.TenderPOS), string(payment.TenderCheck), string(payment.TenderOther)}
}

// createPayment is POST /payments: money taken at the desk.
func createPayment(c *call) (*answer, error) {
	in, err := c.body()
	if err != nil {
		return nil, err
	}
	cur := currencyOf(in)
	pay := commands.NewPayment{
		PaymentID: in.ID("id"), UserID: in.ID("userId"), Amount: in.Amount("amount", cur), Shares: shares(in, cur), Note: in.Text("note"),
		Tender: payment.Tender(in.Choice("tender", tenders()...)),
	}
	return c.command(in.Date("paymentDate"), func(ctx context.Context, req commands.Request) (eventstore.Result, error) {
		return c.api.commands.RecordPayment(ctx, req, pay)
	}, paymentRow)
}

// shares reads how the caller wants the payment divided; nothing means oldest fee first.
func shares(in *input.Values, cur money.Currency) []payment.Share {
	var list []payment.Share
	in.Objects("allocations", maxAllocations, func(v *input.Values) {
		list = append(list, payment.Share{FeeID: v.ID("feeId"), Amount: v.Amount("amount", cur)})
	})
	return list
}

func paymentRow(o commands.Outcome) row {
	return row{version: noVersion, appendJSON: o.Payment.AppendJSON}
}
