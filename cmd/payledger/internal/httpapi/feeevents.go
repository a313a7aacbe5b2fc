package httpapi

import (
	"context"
	"net/http"
	"time"

	"payledger/cmd/payledger/internal/httpapi/auth"
	"payledger/cmd/payledger/internal/httpapi/input"
	"payledger/commands"
	"payledger/domain/fee"
	"payledger/eventstore"
	"payledger/readmodels"
	"payledger/readmodels/tables"
)

// feeEventRoutes are the routes of what happened to fees. Only notes are written here: the rest follows from commands.
func feeEventRoutes() []route {
	const answers = "feeEvent.json#/$defs/one"
	eventType := input.Enum("eventType", readmodels.FeeEventTypes())
	return []route{
		{
			method: http.MethodPost, path: "/feeevents", name: "createFeeEvent", dataName: "feeEvent", action: actionCreate, topic: "feeevent-created",
			summary: "Add a note to a fee", doc: "Staff, supervisor and admin.", answers: answers, needs: []auth.Permission{auth.AnnotateFee},
			body: []input.Field{
				input.ID("id"), input.ID("feeId").Must(), eventType.Must().Says("note in any form. The others follow from commands and are refused."),
				input.Date("eventDate"), input.Text("note").Must(), visibility().Says("Default patron: the member sees it."),
			},
			serve: createFeeEvent,
		},
		{
			method: http.MethodGet, path: "/feeevents/{feeEventId}", name: "getFeeEvent", dataName: "feeEvent", action: actionGet,
			summary: "Read an event of a fee", doc: "A member's own; another's, and notes among the staff, look like none.", answers: answers,
			needs: []auth.Permission{auth.ReadOwn}, serve: byID("feeEventId", tables.Queries.FeeEvent),
		},
		{
			method: http.MethodPatch, path: "/feeevents/{feeEventId}", name: "updateFeeEvent", dataName: "feeEvent", action: actionUpdate, topic: "feeevent-updated",
			summary: "Change a note", doc: "Staff, supervisor and admin. Other events say what happened and can't be changed.", answers: answers,
			needs: []auth.Permission{auth.AnnotateFee}, versioned: true, body: []input.Field{input.Text("note").Must()}, serve: updateFeeEvent,
		},
		{
			method: http.MethodDelete, path: "/feeevents/{feeEventId}", name: "deleteFeeEvent", dataName: "feeEvent", action: actionDelete,
			summary: "Hide a note", doc: "Staff, supervisor and admin.", answers: answers, needs: []auth.Permission{auth.AnnotateFee}, versioned: true,
			serve: deleteFeeEvent,
		},
		listRoute(readmodels.ObjectFeeEvent, "/feeevents", "feeEvents", "feeEvent.json", input.ID("feeId"), eventType, input.ID("actorUserId")),
	}
}

// createFeeEvent is POST /feeevents.
func createFeeEvent(c *call) (*answer, error) {
	in, err := c.body()
	if err != nil {
		return nil, err
	}
	if n, _ := in.Enum("eventType", readmodels.FeeEventTypes()); readmodels.FeeEventType(n) != readmodels.EventNote {
		return nil, commands.ErrNotANote
	}
	p := commands.NewNote{NoteID: in.ID("id"), FeeID: in.ID("feeId"), Visibility: fee.VisibilityPatron, Note: in.Text("note")}
	if in.Has("visibility") {
		p.Visibility = fee.Visibility(in.Choice("visibility", visibility().Words...))
	}
	return c.command(in.Date("eventDate"), func(ctx context.Context, req commands.Request) (eventstore.Result, error) {
		return c.api.commands.AddFeeNote(ctx, req, p)
	}, feeEventRow)
}

// updateFeeEvent is PATCH /feeevents/{feeEventId}.
func updateFeeEvent(c *call) (*answer, error) {
	in, err := c.body()
	if err != nil {
		return nil, err
	}
	id, note := c.id("feeEventId"), in.Text("note")
	return c.command(time.Time{}, func(ctx context.Context, req commands.Request) (eventstore.Result, error) {
		return c.api.commands.ChangeFeeNote(ctx, req, id, note)
	}, feeEventRow)
}

// deleteFeeEvent is DELETE /feeevents/{feeEventId}.
func deleteFeeEvent(c *call) (*answer, error) {
	if _, err := c.body(); err != nil {
		return nil, err
	}
	id := c.id("feeEventId")
	return c.command(time.Time{}, func(ctx context.Context, req commands.Request) (eventstore.Result, error) {
		return c.api.commands.HideFeeNote(ctx, req, id)
	}, feeEventRow)
}

func feeEventRow(o commands.Outcome) row { return rowOf(o.FeeEvent) }
