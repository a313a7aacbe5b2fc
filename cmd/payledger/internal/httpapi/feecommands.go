package httpapi

import (
	"context"
	"net/http"
	"time"

	"payledger/cmd/payledger/internal/httpapi/auth"
	"payledger/cmd/payledger/internal/httpapi/input"
	"payledger/commands"
	"payledger/domain/fee"
	"payledger/domain/money"
	"payledger/eventstore"
)

// feeCommandRoutes are our own commands on a fee. Each answers with the fee.
func feeCommandRoutes() []route {
	command := func(path, name, summary, doc string, need auth.Permission, serve func(*call) (*answer, error), body ...input.Field) route {
		return route{
			method: http.MethodPost, path: "/fees/{feeId}/" + path, name: name, dataName: "fee", action: actionUpdate, summary: summary, doc: doc,
			answers: "fee.json#/$defs/one", needs: []auth.Permission{need}, versioned: true, body: body, serve: serve,
		}
	}
	currency := input.Currency("currency", "").Says("That of the fee if it is left out.")
	reason := input.String("reason").Must().Says("One of the tenant's codes: GET /reasoncodes.")
	note := input.Text("note")
	all := input.Amount("amount").Says("All that is owed and not reserved if it is left out.")
	return []route{
		command("waivers", "waiveFee", "Forgive part or all of what is owed", "Staff, supervisor and admin.", auth.WaiveFee, waiveFee, all, currency, reason, note),
		command("write-offs", "writeOffFee", "Give up part or all of what is owed", "Finance and admin.", auth.WriteOffFee, writeOffFee, all, currency, reason, note),
		command("reversals", "reverseReduction", "Take a waiver or write-off back", "Supervisor and admin. Refused when all of a write-off came after all.", auth.ReverseReduction, reverseReduction,
			input.ID("reductionId").Must().Says("Id of the feeEvent that tells of the waiver or write-off."), reason, note),
		command("adjustments", "adjustFee", "Charge more or less", "Supervisor and admin. What was paid beyond a smaller charge becomes a credit.", auth.AdjustFee, adjustFee,
			input.Choice("direction", string(fee.DirectionIncrease), string(fee.DirectionDecrease)).Must(), input.Amount("amount").Must(), currency, reason, note),
		command("notes", "addFeeNote", "Say something about a fee", "Staff, supervisor and admin. It is a feeEvent.", auth.AnnotateFee, addFeeNote,
			input.ID("id"), input.Text("note").Must(), visibility().Says("Default staff: the member doesn't see it.")),
	}
}

func visibility() input.Field {
	return input.Choice("visibility", string(fee.VisibilityStaff), string(fee.VisibilityPatron))
}

// onFee runs a command on the fee of the path.
func (c *call) onFee(run useCase) (*answer, error) { return c.command(time.Time{}, run, feeRow) }

// amountOf reads an amount of a fee; the fee says in which currency, unless the body does.
func (c *call) amountOf(in *input.Values, feeID string) (money.Amount, error) {
	if !in.Has("amount") {
		return money.Amount{}, nil
	}
	var cur money.Currency
	if in.Has("currency") {
		cur = in.Currency("currency", cur)
	} else {
		res, err := c.freshFee(feeID)
		if err == nil && res.Row == nil {
			err = errNotFound
		}
		if err != nil {
			return money.Amount{}, err
		}
		cur = res.Row.Amount.Currency()
	}
	amount := in.Amount("amount", cur)
	return amount, in.Err()
}

// reduction reads what waivers and write-offs have in common.
func (c *call) reduction() (commands.Reduction, error) {
	in, err := c.body()
	if err != nil {
		return commands.Reduction{}, err
	}
	id := c.id("feeId")
	amount, err := c.amountOf(in, id)
	return commands.Reduction{FeeID: id, Amount: amount, Reason: in.String("reason"), Note: in.Text("note")}, err
}

// waiveFee is POST /fees/{feeId}/waivers.
func waiveFee(c *call) (*answer, error) {
	p, err := c.reduction()
	if err != nil {
		return nil, err
	}
	return c.onFee(func(ctx context.Context, req commands.Request) (eventstore.Result, error) {
		return c.api.commands.WaiveFee(ctx, req, p)
	})
}

// writeOffFee is POST /fees/{feeId}/write-offs.
func writeOffFee(c *call) (*answer, error) {
	p, err := c.reduction()
	if err != nil {
		return nil, err
	}
	return c.onFee(func(ctx context.Context, req commands.Request) (eventstore.Result, error) {
		return c.api.commands.WriteOffFee(ctx, req, p)
	})
}

// reverseReduction is POST /fees/{feeId}/reversals.
func reverseReduction(c *call) (*answer, error) {
	in, err := c.body()
	if err != nil {
		return nil, err
	}
	p := commands.Reversal{FeeID: c.id("feeId"), ReductionID: in.ID("reductionId"), Reason: in.String("reason"), Note: in.Text("note")}
	return c.onFee(func(ctx context.Context, req commands.Request) (eventstore.Result, error) {
		return c.api.commands.ReverseReduction(ctx, req, p)
	})
}

// adjustFee is POST /fees/{feeId}/adjustments.
func adjustFee(c *call) (*answer, error) {
	in, err := c.body()
	if err != nil {
		return nil, err
	}
	p := commands.Adjustment{
		FeeID: c.id("feeId"), Direction: fee.Direction(in.Choice("direction", string(fee.DirectionIncrease), string(fee.DirectionDecrease))),
		Reason: in.String("reason"), Note: in.Text("note"),
	}
	if p.Amount, err = c.amountOf(in, p.FeeID); err != nil {
		return nil, err
	}
	return c.onFee(func(ctx context.Context, req commands.Request) (eventstore.Result, error) {
		return c.api.commands.AdjustFee(ctx, req, p)
	})
}

// addFeeNote is POST /fees/{feeId}/notes.
func addFeeNote(c *call) (*answer, error) {
	in, err := c.body()
	if err != nil {
		return nil, err
	}
	p := commands.NewNote{NoteID: in.ID("id"), FeeID: c.id("feeId"), Visibility: fee.VisibilityStaff, Note: in.Text("note")}
	if in.Has("visibility") {
		p.Visibility = fee.Visibility(in.Choice("visibility", visibility().Words...))
	}
	return c.onFee(func(ctx context.Context, req commands.Request) (eventstore.Result, error) {
		return c.api.commands.AddFeeNote(ctx, req, p)
	})
}
