package httpapi

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"time"

	"payledger/audit"
	"payledger/cmd/payledger/internal/httpapi/auth"
	"payledger/cmd/payledger/internal/httpapi/envelope"
	"payledger/cmd/payledger/internal/httpapi/input"
	"payledger/domain/evidence"
	"payledger/domain/money"
	"payledger/domain/payment"
	"payledger/domain/policy"
	"payledger/eventstore/catalog"
	"payledger/readmodels"
	"payledger/readmodels/books"
	"payledger/readmodels/history"
	"payledger/readmodels/tables"
)

// auditRoutes are the questions of auditors, which are answered from the log. Each answer is logged before it goes out.
func auditRoutes() []route {
	needs := []auth.Permission{auth.ReadAudit}
	asOf := input.Until("asOf").Says("Leaves out what took effect later. A date means the end of that day in TIME_ZONE.")
	knownAt := input.Position("knownAt").Says("Leaves out what was recorded behind this position of the log.")
	from := input.Date("from").Says("Leaves out what took effect earlier. Default the beginning of the log.")
	report := []input.Field{
		from, asOf.Says(asOf.Doc + " Default now."), knownAt, input.ID("by").Says("Only what this person did (activity, staff, waivers)."),
		input.Choice("type", audit.MoneyTypes()...).Says("Only events of this type (activity, staff)."),
		input.Choice("tender", string(payment.TenderCash), string(payment.TenderPOS), string(payment.TenderCheck), string(payment.TenderOther)).Says("Only this one (payments)."),
		input.Choice("profile", audit.Profiles()...).Says("Default what the tenant had chosen by then (accounts)."),
	}
	const kinds = "Auditor and admin. Kind is activity, staff, waivers, payments, aging, rollforward, credits or accounts, the trial balance. "
	return []route{
		{
			method: http.MethodGet, path: "/audit/history/{kind}/{id}", texts: []string{"kind"}, name: "auditHistory", dataName: "history", action: actionList,
			summary: "What happened to a fee, a payment or a member", doc: "Auditor and admin. Kind is fee, payment or member.",
			answers: "history.json#/$defs/list", needs: needs, query: []input.Field{asOf, knownAt}, question: "history", serve: auditHistory,
		},
		{
			method: http.MethodGet, path: "/audit/actions", name: "auditActions", dataName: "actions", action: actionList, slow: true,
			summary: "Who did what", doc: "Auditor and admin. In order of position; a page without a cursor is the last.",
			answers: "audit.json#/$defs/actions", needs: needs, question: "actions", serve: auditActions,
			query: []input.Field{
				input.ID("by").Says("Who did it. Default anybody."), input.Choice("type", audit.ActionTypes()...).Says("Default every event."), from, asOf, knownAt,
				input.Position("cursor").Says("Goes on after the page that gave it."),
				input.Int("pageRowCount", 1, tables.MaxPageRowCount).Says("Default 25."),
			},
		},
		{
			method: http.MethodGet, path: "/audit/state/{object}/{id}", texts: []string{"object"}, name: "auditState", dataName: "state", action: actionGet,
			summary: "A row as it was", doc: "Auditor and admin. Object is fee, feePayment, feePayment.gateway, feeEvent, paymentCustomer or paymentMethod.",
			answers: "audit.json#/$defs/state", needs: needs, query: []input.Field{asOf, knownAt}, question: "state", serve: auditState,
		},
		{
			method: http.MethodGet, path: "/audit/explain/{kind}/{id}", texts: []string{"kind"}, name: "auditExplain", dataName: "explanation", action: actionGet,
			summary: "How a balance came about, in words", doc: "Auditor and admin. Kind is fee, credit or member.",
			answers: "audit.json#/$defs/explanation", needs: needs, query: []input.Field{asOf, knownAt}, question: "explain", serve: auditExplain,
		},
		{
			method: http.MethodGet, path: "/audit/reports/{kind}", texts: []string{"kind"}, name: "auditReport", dataName: "report", action: actionGet, slow: true,
			summary: "Make a report, and store what it came to", doc: kinds + "Its columns: docs/audit.md. firstRows are the first 500; all are in a file.",
			answers: "audit.json#/$defs/reportAnswer", needs: needs, query: report, question: "report", serve: auditReport,
		},
		{
			method: http.MethodGet, path: "/audit/files/{kind}", texts: []string{"kind"}, name: "auditFile", slow: true,
			summary: "Make a report, store what it came to, and answer with a file of its rows",
			doc:     kinds + "The header Report-Id names the stored report, of which GET /audit/stored/{id} tells bounds, filters, totals and hash of the log.",
			answers: "audit.json#/$defs/reportAnswer", needs: needs, question: "report", serve: auditFile, plain: true, file: true,
			query: append([]input.Field{input.Choice("format", audit.Formats()...).Says("Default csv.")}, report...),
		},
		{
			method: http.MethodGet, path: "/audit/trial-balance", name: "auditTrialBalance", dataName: "trialBalance", action: actionGet,
			summary: "The balance of every account of the books", doc: "Auditor and admin. Of the books, which an answer without knownAt may show a moment behind the log: its knownAt says how far they had come.",
			answers: "audit.json#/$defs/trialBalanceAnswer", needs: needs, question: "trial-balance", serve: auditTrialBalance,
			query: []input.Field{
				asOf, knownAt, input.Currency("currency", "").Says("Only accounts of this one. Default all."),
				input.Choice("profile", profileNames()...).Says("Default what the tenant had chosen by then."),
			},
		},
		{
			method: http.MethodGet, path: "/audit/stored/{id}", name: "auditStored", dataName: "stored", action: actionGet,
			summary: "What a stored report was made of, and what it came to", doc: "Auditor and admin. Bounds, filters, totals and hash of the log, as they were: rows aren't stored.",
			answers: "audit.json#/$defs/storedAnswer", needs: needs, question: "stored", serve: auditStored,
		},
		{
			method: http.MethodGet, path: "/audit/reproduce/{id}", name: "auditReproduce", dataName: "reproduction", action: actionGet, slow: true,
			summary: "Make a stored report again, and say what was learnt since", doc: "Auditor and admin.",
			answers: "audit.json#/$defs/reproductionAnswer", needs: needs, question: "reproduce", serve: auditReproduce,
		},
	}
}

// moment reads what bounds a question. Min-Position holds: the log itself is read, so there is nothing to wait for.
func (c *call) moment() (audit.Moment, error) {
	var m audit.Moment
	if c.query.Has("asOf") {
		m.AsOf = new(c.query.Until("asOf"))
	}
	if c.query.Has("knownAt") {
		m.KnownAt = new(c.query.Position("knownAt"))
	}
	_, err := c.loggedPosition()
	return m, err
}

// bounds reads the bounds of a period: up to all that is known now.
func (c *call) bounds() (audit.Bounds, error) {
	m, err := c.moment()
	if err != nil {
		return audit.Bounds{}, err
	}
	b := audit.Bounds{AsOf: c.arrived.UTC().Truncate(time.Microsecond)}
	if b.KnownAt, _, err = c.api.audit.Known(c.context(), m.KnownAt); err != nil {
		return b, err
	}
	if m.AsOf != nil {
		b.AsOf = *m.AsOf
	}
	if c.query.Has("from") {
		b.From = c.query.Date("from")
	}
	return b, nil
}

// noteRead logs that a question was answered. No answer goes out without it.
func (c *call) noteRead(ctx context.Context, ans *answer) error {
	read := evidence.Read{
		Question: c.route.question, Object: c.request.PathValue("object") + c.request.PathValue("kind"), ID: c.id("id"), KnownAt: int(ans.position),
		Parameters: []evidence.Parameter{},
	}
	for _, f := range c.route.query {
		if !c.query.Has(f.Name) {
			continue
		}
		value := c.query.Long(f.Name)
		switch f.Kind { // what a date means hangs on a setting that the log doesn't know
		case input.KindDate:
			value = c.query.Date(f.Name).Format(time.RFC3339Nano)
		case input.KindUntil:
			value = c.query.Until(f.Name).Format(time.RFC3339Nano)
		default:
		}
		read.Parameters = append(read.Parameters, evidence.Parameter{Name: f.Name, Value: value})
	}
	return c.api.keeper.Read(ctx, c.asks(), read)
}

// asks says who asks, and when.
func (c *call) asks() audit.Asked {
	return audit.Asked{Tenant: c.tenant, Meta: catalog.Meta{
		Actor: c.actor(), At: c.arrived, RequestID: c.requestID, TraceParent: c.traceParent(), Channel: "api",
	}}
}

// told answers a question with one object.
func (c *call) told(position int64, object func([]byte) []byte) *answer {
	return &answer{status: http.StatusOK, body: envelope.AppendOne(nil, c.head(http.StatusOK), object), position: position}
}

// auditHistory is GET /audit/history/{kind}/{id}.
func auditHistory(c *call) (*answer, error) {
	ask := map[string]func(context.Context, string, string, history.Options) (history.History, error){
		"fee": c.api.history.Fee, "payment": c.api.history.Payment, "member": c.api.history.Member,
	}[c.request.PathValue("kind")]
	m, err := c.moment()
	if err == nil && ask == nil {
		err = errNotFound
	}
	if err != nil {
		return nil, err
	}
	h, err := ask(c.context(), c.tenant, c.id("id"), history.Options{AsOf: m.AsOf, KnownAt: m.KnownAt})
	if err != nil {
		return &answer{position: h.KnownAt}, err
	}
	n := len(h.Entries)
	return c.list(h.KnownAt, false, n, func(dst []byte, i int) []byte { return h.Entries[i].AppendJSON(dst) },
		envelope.Paging{PageNumber: 1, PageRowCount: n, TotalRowCount: int64(n)}, c.filterNames()), nil
}

// filterNames are the names of the parameters that were given.
func (c *call) filterNames() []string {
	var names []string
	for _, f := range c.route.query {
		if c.query.Has(f.Name) {
			names = append(names, f.Name)
		}
	}
	return names
}

// auditActions is GET /audit/actions.
func auditActions(c *call) (*answer, error) {
	bounds, err := c.bounds()
	if err != nil {
		return nil, err
	}
	q := audit.ActionQuery{
		Tenant: c.tenant, By: c.query.ID("by"), Type: c.query.Choice("type", audit.ActionTypes()...), Bounds: bounds, After: c.query.Position("cursor"),
		Limit: c.query.Int("pageRowCount", 1, tables.MaxPageRowCount, defaultRowCount),
	}
	var found []history.Entry
	if err := c.api.audit.Actions(c.context(), q, func(e history.Entry) error { found = append(found, e); return nil }); err != nil {
		return nil, err
	}
	p := envelope.Paging{PageNumber: 1, PageRowCount: q.Limit, TotalRowCount: int64(len(found)), ByCursor: true}
	if len(found) == q.Limit {
		p.Next = strconv.FormatInt(found[len(found)-1].Position, 10)
	}
	return c.list(bounds.KnownAt, p.Next != "", len(found), func(dst []byte, i int) []byte { return found[i].AppendJSON(dst) }, p, c.filterNames()), nil
}

// auditState is GET /audit/state/{object}/{id}.
func auditState(c *call) (*answer, error) {
	m, err := c.moment()
	if err != nil {
		return nil, err
	}
	s, err := c.api.audit.State(c.context(), Rows{Tables: c.api.tables}, c.tenant, readmodels.Object(c.request.PathValue("object")), c.id("id"), m)
	if err != nil {
		return &answer{position: s.KnownAt}, err
	}
	return c.told(s.KnownAt, s.AppendJSON), nil
}

// auditExplain is GET /audit/explain/{kind}/{id}.
func auditExplain(c *call) (*answer, error) {
	m, err := c.moment()
	if err != nil {
		return nil, err
	}
	x, err := c.api.audit.Explain(c.context(), Rows{Tables: c.api.tables}, c.tenant, c.request.PathValue("kind"), c.id("id"), m)
	if err != nil {
		return &answer{position: x.KnownAt}, err
	}
	return c.told(x.KnownAt, x.AppendJSON), nil
}

// auditStored is GET /audit/stored/{id}.
func auditStored(c *call) (*answer, error) {
	if _, err := c.loggedPosition(); err != nil {
		return nil, err
	}
	stored, err := c.api.audit.Report(c.context(), c.tenant, c.id("id"))
	if err != nil {
		return nil, err
	}
	return c.told(stored.Position, stored.AppendJSON), nil
}

// auditReproduce is GET /audit/reproduce/{id}.
func auditReproduce(c *call) (*answer, error) {
	if _, err := c.loggedPosition(); err != nil {
		return nil, err
	}
	res, err := c.api.audit.Reproduce(c.context(), c.tenant, c.id("id"))
	if err != nil {
		return nil, err
	}
	return c.told(res.Head, res.AppendJSON), nil
}

// auditTrialBalance is GET /audit/trial-balance.
func auditTrialBalance(c *call) (*answer, error) {
	if err := c.freshList(books.Projection()); err != nil {
		return nil, err
	}
	m, err := c.moment()
	if err != nil {
		return nil, err
	}
	bounds := books.Bounds{Tenant: c.tenant, AsOf: m.AsOf}
	if m.KnownAt != nil {
		known, _, err := c.api.audit.Known(c.context(), m.KnownAt)
		if err != nil {
			return nil, err
		}
		if err := c.api.reach(c.context(), books.Projection(), known, minPositionPatience); err != nil {
			return nil, err
		}
		bounds.KnownAt = &known
	}
	state, err := books.Queries{Pool: c.api.tables.Pool}.State(c.context(), bounds)
	if err != nil {
		return nil, err
	}
	t, err := books.TrialBalanceOf(state, policy.Profile(c.query.Choice("profile", profileNames()...)), c.query.Currency("currency", money.Currency{}))
	if err != nil {
		return nil, err
	}
	return c.told(t.KnownAt, t.AppendJSON), nil
}

// reportParams reads what a report is to be made of.
func (c *call) reportParams() (audit.Kind, audit.Params, error) {
	bounds, err := c.bounds()
	if err != nil {
		return audit.Kind{}, audit.Params{}, err
	}
	p := audit.Params{Tenant: c.tenant, Kind: c.request.PathValue("kind"), Bounds: bounds}
	for _, name := range []string{"by", "profile", "tender", "type"} {
		if c.query.Has(name) {
			p.Filters = append(p.Filters, evidence.Parameter{Name: name, Value: c.query.Long(name)})
		}
	}
	if i := slices.IndexFunc(p.Filters, func(f evidence.Parameter) bool { return f.Name == "by" }); i >= 0 {
		p.Filters[i].Value = c.query.ID("by") // in lower case, as ids are kept
	}
	kind, err := audit.KindOf(p.Kind)
	return kind, p, err
}

// maxFirstRows bounds the rows of a report in an envelope.
const maxFirstRows = 500

// auditReport is GET /audit/reports/{kind}.
func auditReport(c *call) (*answer, error) {
	kind, p, err := c.reportParams()
	if err != nil {
		return nil, err
	}
	var rows []audit.Row
	report, err := c.api.audit.Make(c.context(), p, func(row audit.Row) error {
		if len(rows) < maxFirstRows {
			rows = append(rows, row)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if report.ID, _, err = c.api.keeper.Report(c.context(), c.asks(), report); err != nil {
		return nil, err
	}
	return c.told(p.KnownAt, func(dst []byte) []byte {
		dst = report.AppendJSON(append(dst, `{"report":`...))
		dst = append(dst, `,"firstRows":[`...)
		for i, row := range rows {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = row.AppendJSON(dst, kind.Columns)
		}
		return append(dst, "]}"...)
	}), nil
}
