package commands_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"payledger/commands"
	"payledger/domain/credit"
	"payledger/domain/fee"
	"payledger/eventstore"
	"payledger/eventstore/catalog"
	"payledger/readmodels"
)

// A dry run tells the events and balances that the command then really has, and stores nothing: no event, no key, no claim.
func TestDryRun(t *testing.T) {
	t.Parallel()
	d := setup(t)
	id := d.assess("u1", usd("10"))
	d.do(d.pay(cash("u1", usd("8"), share(id, usd("8")))))
	p := commands.Adjustment{FeeID: id, Direction: fee.DirectionDecrease, Amount: usd("5"), Reason: "priceCorrection", Note: "sorry"}
	head := len(d.events())

	var trial *commands.Trial
	dry := d.request(claim("k1"), func(r *commands.Request) {
		r.DryRun = true
		r.Render = func(o commands.Outcome) (eventstore.Answer, *eventstore.RouteEvent, error) {
			trial = o.Trial
			return eventstore.Answer{Status: 200, Body: o.Fee.AppendJSON(nil, true)}, &eventstore.RouteEvent{Topic: "fee-updated", Body: []byte("{}")}, nil
		}
	})
	result, err := d.AdjustFee(t.Context(), dry, p)
	require.NoError(t, err)
	require.Contains(t, string(result.Answer.Body), `"note":"sorry"`)
	require.Equal(t, int64(head), result.Head)
	require.Zero(t, result.Last)
	require.Len(t, d.events(), head)
	var stored int
	require.NoError(t, d.db.Pool(t).QueryRow(t.Context(), `SELECT (SELECT count(*) FROM vault.keys) + (SELECT count(*) FROM ledger.idempotency) + (SELECT count(*) FROM ledger.route_events)`).Scan(&stored))
	require.Zero(t, stored)

	require.Equal(t, []commands.FeeBalance{{
		FeeID: id, Amount: usd("5"), Reduced: usd("0"), Paid: usd("5"), Reserved: usd("0"), Outstanding: usd("0"), Status: readmodels.FeePaid,
	}}, trial.Fees)
	require.Len(t, trial.Credits, 1)
	require.Equal(t, "3", trial.Credits[0].Remaining.Number())

	wet := d.request(claim("k1"))
	wet.CommandID, wet.At = dry.CommandID, dry.At
	_, err = d.AdjustFee(t.Context(), wet, p)
	require.NoError(t, err)
	var events []commands.TrialEvent
	for _, ev := range d.events()[head:] {
		name, data, err := catalog.New().Plain(ev.Data)
		require.NoError(t, err)
		events = append(events, commands.TrialEvent{Stream: ev.Stream.Name, Type: name, Data: data})
	}
	require.Equal(t, trial.Events, events)
	require.Equal(t, credit.Stream("u1"), events[len(events)-1].Stream)

	refused := d.request(func(r *commands.Request) { r.DryRun = true })
	p.Amount = usd("5.01")
	_, err = d.AdjustFee(t.Context(), refused, p)
	require.ErrorIs(t, err, fee.ErrExceedsGross, "refused as the command would be")
	d.requireSound()
}
