package httpapi

import (
	"context"
	"net/http"
	"time"

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
	reason := input.String("reason").Must().Says("One of the tenant's codes: GET /reasoncodes.")
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
					Says("Which fee gets what. Without them the oldest fee is paid first. One that names a written-off fee recovers what was written off."),
				input.Date("paymentDate"), input.Text("note"),
			},
			serve: createPayment,
		},
		{
			method: http.MethodPost, path: "/payments/{paymentId}/void", name: "voidPayment", dataName: "payment", action: actionUpdate,
			summary: "Say that a payment was a mistake", doc: "Supervisor and admin. Its fees owe again, its credit is taken back; refused once that is spent.",
			answers: "payment.json#/$defs/one", needs: []auth.Permission{auth.VoidPayment}, body: []input.Field{reason, input.Text("note")}, serve: voidPayment,
		},
		{
			method: http.MethodPost, path: "/payments/{paymentId}/reallocations", name: "reallocatePayment", dataName: "payment", action: actionUpdate,
			summary: "Move money of a payment to other fees of the same person", doc: "Supervisor and admin. What is taken and not given becomes a credit.",
			answers: "payment.json#/$defs/one", needs: []auth.Permission{auth.ReallocatePayment},
			body: []input.Field{
				input.Objects("taken", maxAllocations, input.ID("allocationId").Must(), input.Amount("amount").Says("All of it if it is left out.")).Must(),
				input.Objects("given", maxAllocations, input.ID("feeId").Must(), input.Amount("amount").Must()),
				input.Currency("currency", defaultCurrency), reason, input.Text("note"),
			},
			serve: reallocatePayment,
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
		PaymentID: in.ID("id"), UserID: in.ID("userId"), Amount: in.Amount("amount", cur), Shares: shares(in, "allocations", cur), Note: in.Text("note"),
		Tender: payment.Tender(in.Choice("tender", tenders()...)),
	}
	return c.command(in.Date("paymentDate"), func(ctx context.Context, req commands.Request) (eventstore.Result, error) {
		return c.api.commands.RecordPayment(ctx, req, pay)
	}, paymentRow)
}

// voidPayment is POST /payments/{paymentId}/void.
func voidPayment(c *call) (*answer, error) {
	in, err := c.body()
	if err != nil {
		return nil, err
	}
	p := commands.Voiding{PaymentID: c.id("paymentId"), Reason: in.String("reason"), Note: in.Text("note")}
	return c.command(time.Time{}, func(ctx context.Context, req commands.Request) (eventstore.Result, error) {
		return c.api.commands.VoidPayment(ctx, req, p)
	}, paymentRow)
}

// reallocatePayment is POST /payments/{paymentId}/reallocations.
func reallocatePayment(c *call) (*answer, error) {
	in, err := c.body()
	if err != nil {
		return nil, err
	}
	cur := currencyOf(in)
	p := commands.Reallocation{PaymentID: c.id("paymentId"), Given: shares(in, "given", cur), Reason: in.String("reason"), Note: in.Text("note")}
	in.Objects("taken", maxAllocations, func(v *input.Values) {
		p.Taken = append(p.Taken, payment.Taken{AllocationID: v.ID("allocationId"), Amount: v.Amount("amount", cur)})
	})
	return c.command(time.Time{}, func(ctx context.Context, req commands.Request) (eventstore.Result, error) {
		return c.api.commands.ReallocatePayment(ctx, req, p)
	}, paymentRow)
}

// shares reads which fee gets what of a payment.
func shares(in *input.Values, name string, cur money.Currency) []payment.Share {
	var list []payment.Share
	in.Objects(name, maxAllocations, func(v *input.Values) {
		list = append(list, payment.Share{FeeID: v.ID("feeId"), Amount: v.Amount("amount", cur)})
	})
	return list
}

func paymentRow(o commands.Outcome) row {
	return row{version: noVersion, appendJSON: o.Payment.AppendJSON}
}
