package httpapi

import (
	"context"
	"net/http"

	"payledger/cmd/payledger/internal/httpapi/input"
	"payledger/commands"
	"payledger/domain/money"
	"payledger/domain/payment"
	"payledger/eventstore"
)

// maxAllocations is how many fees one payment may name.
const maxAllocations = 500

// createPayment is POST /payments: money taken at the desk.
func createPayment(c *call) (*answer, error) {
	in, err := c.body()
	if err != nil {
		return nil, err
	}
	in.Require("userId", "tender", "amount")
	cur := currencyOf(in)
	pay := commands.NewPayment{
		PaymentID: in.ID("id"), UserID: in.ID("userId"), Amount: in.Amount("amount", cur), Shares: shares(in, cur), Note: in.Text("note"),
		Tender: payment.Tender(in.Choice("tender",
			string(payment.TenderCash), string(payment.TenderPOS), string(payment.TenderCheck), string(payment.TenderOther))),
	}
	at := in.Date("paymentDate")
	if err := in.Err(); err != nil {
		return nil, err
	}
	return c.command(http.StatusCreated, at, func(ctx context.Context, req commands.Request) (eventstore.Result, error) {
		return c.api.commands.RecordPayment(ctx, req, pay)
	}, paymentRow)
}

// shares reads how the caller wants the payment divided; nothing means oldest fee first.
func shares(in *input.Values, cur money.Currency) []payment.Share {
	var list []payment.Share
	in.Objects("allocations", maxAllocations, func(v *input.Values) {
		v.Require("feeId", "amount")
		list = append(list, payment.Share{FeeID: v.ID("feeId"), Amount: v.Amount("amount", cur)})
	})
	return list
}

func paymentRow(o commands.Outcome) row {
	return row{version: noVersion, appendJSON: o.Payment.AppendJSON}
}
