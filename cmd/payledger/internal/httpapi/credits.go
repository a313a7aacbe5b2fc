package httpapi

import (
	"context"
	"net/http"
	"time"

	"payledger/cmd/payledger/internal/httpapi/auth"
	"payledger/cmd/payledger/internal/httpapi/input"
	"payledger/commands"
	"payledger/eventstore"
)

// creditRoutes are our own commands on money that the library holds for people.
func creditRoutes() []route {
	return []route{
		{
			method: http.MethodPost, path: "/credits", name: "grantCredit", dataName: "credit", action: actionCreate,
			summary: "Give a person a credit without a payment", doc: "Finance and admin.", answers: "credit.json#/$defs/one", needs: []auth.Permission{auth.GrantCredit},
			body: []input.Field{
				input.ID("id"), input.ID("userId").Must(), input.Amount("amount").Must(), input.Currency("currency", defaultCurrency),
				input.String("reason").Must().Says("One of the tenant's codes: GET /reasoncodes."), input.Text("note"),
			},
			serve: grantCredit,
		},
		{
			method: http.MethodPost, path: "/credits/{creditId}/applications", name: "applyCredit", dataName: "credit", action: actionUpdate,
			summary: "Settle part or all of what is owed on a fee with a credit of the same person", doc: "Staff, supervisor and admin. Answers with what is left.",
			answers: "credit.json#/$defs/one", needs: []auth.Permission{auth.ApplyCredit},
			body: []input.Field{
				input.ID("feeId").Must(), input.Amount("amount").Says("As much as the fee owes and the credit has if it is left out."),
				input.Currency("currency", "").Says("That of the fee if it is left out."),
			},
			serve: applyCredit,
		},
	}
}

// grantCredit is POST /credits.
func grantCredit(c *call) (*answer, error) {
	in, err := c.body()
	if err != nil {
		return nil, err
	}
	p := commands.NewCredit{
		CreditID: in.ID("id"), UserID: in.ID("userId"), Amount: in.Amount("amount", currencyOf(in)), Reason: in.String("reason"), Note: in.Text("note"),
	}
	return c.command(time.Time{}, func(ctx context.Context, req commands.Request) (eventstore.Result, error) {
		return c.api.commands.GrantCredit(ctx, req, p)
	}, creditRow)
}

// applyCredit is POST /credits/{creditId}/applications.
func applyCredit(c *call) (*answer, error) {
	in, err := c.body()
	if err != nil {
		return nil, err
	}
	p := commands.CreditUse{CreditID: c.id("creditId"), FeeID: in.ID("feeId")}
	if p.Amount, err = c.amountOf(in, p.FeeID); err != nil {
		return nil, err
	}
	return c.command(time.Time{}, func(ctx context.Context, req commands.Request) (eventstore.Result, error) {
		return c.api.commands.ApplyCredit(ctx, req, p)
	}, creditRow)
}

func creditRow(o commands.Outcome) row {
	return row{version: noVersion, appendJSON: func(dst []byte) []byte { return appendCredit(dst, o.Credit) }}
}
