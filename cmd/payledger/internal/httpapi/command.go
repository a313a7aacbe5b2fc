package httpapi

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"payledger/cmd/payledger/internal/httpapi/envelope"
	"payledger/cmd/payledger/internal/httpapi/input"
	"payledger/commands"
	"payledger/eventstore"
	"payledger/eventstore/catalog"
	"payledger/readmodels"
	"payledger/readmodels/tables"
)

// useCase is a method of commands.Service with its parameters bound.
type useCase func(context.Context, commands.Request) (eventstore.Result, error)

// row is what a command's answer shows. version is the row's recordVersion, noVersion for an answer without one.
type row struct {
	appendJSON func([]byte) []byte
	version    int64
}

// rowOf shows a row of the contract.
func rowOf(r readmodels.Row) row {
	return row{version: r.Version(), appendJSON: func(dst []byte) []byte { return r.AppendJSON(dst, true) }}
}

// command runs a use case and answers with the row that pick takes from its outcome. The answer is rendered inside the
// decision, so what the client gets, what is stored under the idempotency key and what goes to Kafka are the same bytes.
func (c *call) command(effectiveAt time.Time, run useCase, pick func(commands.Outcome) row) (*answer, error) {
	req, err := c.commandRequest(effectiveAt)
	if err != nil {
		return nil, err
	}
	req.Render = func(o commands.Outcome) (eventstore.Answer, *eventstore.RouteEvent, error) {
		if o.Trial != nil {
			return c.renderTrial(o.Trial), nil, nil
		}
		return c.render(req, pick(o))
	}
	res, err := run(c.context(), req)
	if err != nil {
		return c.refused(res, err)
	}
	if !req.DryRun {
		c.api.writes.note(c.tenant, c.subject(), res.Head)
	}
	return &answer{
		status: res.Answer.Status, body: res.Answer.Body, etag: res.Answer.ETag, position: res.Head, replayed: res.Replayed,
	}, nil
}

// refused answers a refusal with the position at which it was decided. That nothing has the id counts only once the projection
// has come as far as the log, as for a read.
func (c *call) refused(res eventstore.Result, err error) (*answer, error) {
	ans := &answer{position: res.Head}
	if stale, ok := errors.AsType[*commands.VersionMismatchError](err); ok {
		ans.etag = etag(stale.Current)
	}
	if res.Head > 0 && classify(err).status == http.StatusNotFound {
		if err := c.api.reach(c.context(), tables.Projection(), res.Head, c.api.patience); err != nil {
			return ans, err
		}
	}
	return ans, err
}

func (c *call) commandRequest(effectiveAt time.Time) (commands.Request, error) {
	id, err := c.api.newID()
	if err != nil {
		return commands.Request{}, err
	}
	return commands.Request{
		Tenant: c.tenant, Actor: c.actor(), CommandID: id, At: c.arrived.UTC().Truncate(time.Millisecond), EffectiveAt: effectiveAt,
		RequestID: c.requestID, TraceParent: c.traceParent(), Channel: "api", Claim: c.claim(), IfMatch: c.ifMatch(), DryRun: c.query.Bool(dryRun),
	}, nil
}

// actor names the caller in events. It comes from the token alone.
func (c *call) actor() catalog.Actor {
	roles := make([]string, len(c.identity.Roles))
	for i, r := range c.identity.Roles {
		roles[i] = string(r)
	}
	return catalog.Actor{Kind: c.identity.Kind(), ID: c.subject(), Roles: roles}
}

const (
	headerIdempotencyKey = "Idempotency-Key"
	maxIdempotencyKey    = 255
)

// readKey reads the idempotency key. It may stand in quotes, as the draft standard has it.
func (c *call) readKey() error {
	key := c.request.Header.Get(headerIdempotencyKey)
	if key == "" {
		return nil
	}
	if unquoted, ok := strings.CutPrefix(key, `"`); ok {
		key = strings.TrimSuffix(unquoted, `"`)
	}
	if key == "" || len(key) > maxIdempotencyKey || strings.ContainsFunc(key, func(r rune) bool { return r < ' ' || r > '~' }) {
		return &input.Error{Param: headerIdempotencyKey, Rule: input.ValidString, Detail: "1 to 255 printable ASCII characters"}
	}
	c.key = key
	return nil
}

// claim returns the claim on the idempotency key, nil without one.
func (c *call) claim() *eventstore.Claim {
	if c.key == "" {
		return nil
	}
	return &eventstore.Claim{Tenant: c.tenant, Subject: c.subject(), Key: c.key, Fingerprint: c.fingerprint()}
}

// traceParent returns the caller's trace context if it is well-formed, else nothing.
func (c *call) traceParent() string {
	t := c.request.Header.Get("Traceparent")
	if len(t) != 55 || t[2] != '-' || t[35] != '-' || t[52] != '-' {
		return ""
	}
	if strings.Trim(t[:2]+t[3:35]+t[36:52]+t[53:], "0123456789abcdef") != "" {
		return ""
	}
	return t
}

// render prints the answer of a command, and the route event if the route has a topic.
func (c *call) render(req commands.Request, r row) (eventstore.Answer, *eventstore.RouteEvent, error) {
	status := c.route.status()
	ans := eventstore.Answer{Status: status, Body: envelope.AppendOne(make([]byte, 0, 1280), c.head(status), r.appendJSON)}
	if r.version != noVersion {
		ans.ETag = etag(r.version)
	}
	if c.route.topic == "" {
		return ans, nil, nil
	}
	return ans, c.routeEvent(req.TraceParent, ans.Body), nil
}

// routeEvent is the message that says to Kafka what the client was told. The publisher adds what it knows of topic and commit.
func (c *call) routeEvent(traceParent string, body []byte) *eventstore.RouteEvent {
	headers := map[string]string{"ledger-tenant": c.tenant}
	if traceParent != "" {
		headers["traceparent"] = traceParent
	}
	return &eventstore.RouteEvent{Topic: c.api.service + "-" + c.route.topic, Key: c.requestID, Headers: headers, Body: body}
}

// tell hands the answer of a reading route with a topic to the writer: a commit without events, which takes a number among the
// route events. The answer goes out once that is durable.
func (c *call) tell(ctx context.Context, ans *answer) (*answer, error) {
	id, err := c.api.newID()
	if err != nil {
		return nil, err
	}
	event := c.routeEvent(c.traceParent(), ans.body)
	_, err = c.api.commands.Store.Commit(ctx, eventstore.Commit{ID: id, Decide: func(eventstore.View) (eventstore.Decision, error) {
		return eventstore.Decision{Route: event}, nil
	}})
	if err != nil {
		return nil, err
	}
	return ans, nil
}
