package httpapi

import (
	"net/http"

	"payledger/cmd/payledger/internal/httpapi/envelope"
	"payledger/cmd/payledger/internal/httpapi/input"
	"payledger/commands"
	"payledger/eventstore"
	"payledger/internal/jsontext"
)

// dryRun is the parameter of every command that asks for what it would do, and for nothing to be done.
const dryRun = "dryRun"

// withDryRun adds the parameter to the commands among the routes.
func withDryRun(table []route) []route {
	for i := range table {
		if rt := &table[i]; rt.writes() && rt.answers != "" {
			rt.query = append(rt.query, input.Bool(dryRun).Says("Answer with the events and balances that would come of it. Nothing is stored or published."))
		}
	}
	return table
}

// renderTrial prints what a command would do: in the envelope of the route, under the name dryRun.
func (c *call) renderTrial(t *commands.Trial) eventstore.Answer {
	head := c.head(http.StatusOK)
	head.DataName = dryRun
	return eventstore.Answer{Status: http.StatusOK, Body: envelope.AppendOne(nil, head, func(dst []byte) []byte { return appendTrial(dst, t) })}
}

func appendTrial(dst []byte, t *commands.Trial) []byte {
	dst = append(dst, `{"events":[`...)
	for i, ev := range t.Events {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = jsontext.AppendString(append(dst, `{"stream":`...), ev.Stream)
		dst = jsontext.AppendString(append(dst, `,"type":`...), ev.Type)
		dst = append(append(append(dst, `,"data":`...), ev.Data...), '}')
	}
	dst = append(dst, `],"fees":[`...)
	for i, f := range t.Fees {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = jsontext.AppendString(append(dst, `{"feeId":`...), f.FeeID)
		dst = append(append(dst, `,"amount":`...), f.Amount.Number()...)
		dst = append(append(dst, `,"reduced":`...), f.Reduced.Number()...)
		dst = append(append(dst, `,"paid":`...), f.Paid.Number()...)
		dst = append(append(dst, `,"reserved":`...), f.Reserved.Number()...)
		dst = append(append(dst, `,"outstanding":`...), f.Outstanding.Number()...)
		dst = jsontext.AppendString(append(dst, `,"currency":`...), f.Amount.Currency().Code())
		dst = append(jsontext.AppendString(append(dst, `,"status":`...), f.Status.String()), '}')
	}
	dst = append(dst, `],"credits":[`...)
	for i := range t.Credits {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendCredit(dst, &t.Credits[i])
	}
	return append(dst, "]}"...)
}
