package httpapi

import (
	"context"
	"net/http"
	"time"

	"payledger/cmd/payledger/internal/httpapi/auth"
	"payledger/cmd/payledger/internal/httpapi/envelope"
	"payledger/cmd/payledger/internal/httpapi/input"
	"payledger/commands"
	"payledger/domain/policy"
	"payledger/eventstore"
	"payledger/internal/jsontext"
)

// maxReasonCodes is how many codes a tenant may have for one kind of command.
const maxReasonCodes = 100

// reasonRoutes are the routes of the codes that commands take as their reasons: data of the tenant, with a default list.
func reasonRoutes() []route {
	return []route{
		{
			method: http.MethodGet, path: "/reasoncodes", name: "listReasonCodes", dataName: "reasonCodes", action: actionList,
			summary: "Which reasons commands take", doc: "All that read everything.", answers: "reasonCodes.json#/$defs/list", needs: []auth.Permission{auth.ReadAll},
			serve: listReasons,
		},
		{
			method: http.MethodPut, path: "/reasoncodes/{kind}", texts: []string{"kind"}, name: "setReasonCodes", dataName: "reasonCodes", action: actionUpdate,
			summary: "Replace the reasons of one kind of command", doc: "Admin. What was done for a reason stays as it is.", answers: "reasonCodes.json#/$defs/one",
			needs: []auth.Permission{auth.SetReasons}, body: []input.Field{input.Strings("codes", maxReasonCodes).Must()}, serve: setReasons,
		},
	}
}

// listReasons is GET /reasoncodes.
func listReasons(c *call) (*answer, error) {
	position, state, err := c.policy(policy.Stream)
	if err != nil {
		return nil, err
	}
	kinds := policy.Kinds()
	return c.list(position, false, len(kinds), func(dst []byte, i int) []byte {
		return appendReasons(dst, commands.Reasons{Kind: kinds[i], Codes: state.Codes(kinds[i])})
	}, envelope.Paging{PageNumber: 1, PageRowCount: len(kinds), TotalRowCount: int64(len(kinds))}, nil), nil
}

// policy returns what a stream of the tenant's rules comes to, and the head that it was read at. Such a stream is read itself: it is
// short and seldom grows.
func (c *call) policy(name string) (position int64, state policy.State, err error) {
	if _, err := c.loggedPosition(); err != nil { // the log itself is read: nothing to wait for
		return 0, state, err
	}
	head, err := c.api.head(c.context())
	if err != nil {
		return 0, state, err
	}
	state = policy.Decider.Initial()
	stream := eventstore.StreamID{Tenant: c.tenant, Name: name}
	for version := int64(0); ; {
		page, err := c.api.history.Log.ReadStream(c.context(), stream, version, streamPage)
		if err != nil {
			return 0, state, err
		}
		for i := range page {
			ev, err := c.api.history.Catalog.Decode(c.context(), c.api.history.Keys, &page[i])
			if err != nil {
				return 0, state, err
			}
			if e, ok := ev.Data.(policy.Event); ok {
				state = policy.Decider.Evolve(state, e)
			}
			version = page[i].Version
		}
		if len(page) < streamPage {
			return head.Position, state, nil
		}
	}
}

// streamPage is how many events of a stream are read at a time.
const streamPage = 1000

// setReasons is PUT /reasoncodes/{kind}.
func setReasons(c *call) (*answer, error) {
	in, err := c.body()
	if err != nil {
		return nil, err
	}
	p := commands.Reasons{Kind: policy.Kind(c.request.PathValue("kind")), Codes: in.Strings("codes", maxReasonCodes)}
	if policy.Defaults(p.Kind) == nil {
		return nil, errNotFound
	}
	return c.command(time.Time{}, func(ctx context.Context, req commands.Request) (eventstore.Result, error) {
		return c.api.commands.SetReasons(ctx, req, p)
	}, func(o commands.Outcome) row {
		return row{version: noVersion, appendJSON: func(dst []byte) []byte { return appendReasons(dst, *o.Reasons) }}
	})
}

func appendReasons(dst []byte, r commands.Reasons) []byte {
	dst = jsontext.AppendString(append(dst, `{"kind":`...), string(r.Kind))
	dst = append(dst, `,"codes":[`...)
	for i, code := range r.Codes {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = jsontext.AppendString(dst, code)
	}
	return append(dst, "]}"...)
}
