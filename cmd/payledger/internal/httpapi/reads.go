package httpapi

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"payledger/cmd/payledger/internal/httpapi/auth"
	"payledger/cmd/payledger/internal/httpapi/envelope"
	"payledger/cmd/payledger/internal/httpapi/input"
	"payledger/domain/money"
	"payledger/readmodels"
	"payledger/readmodels/tables"
)

// one answers with a row by its id. A row that isn't there, is deleted, or is another's to a member: they look the same.
func one[R pointer](ctx context.Context, c *call, read func(context.Context) (tables.Found[R], error)) (*answer, error) {
	res, err := fresh(ctx, c, read)
	var none R
	switch {
	case err != nil:
		return &answer{position: res.Checkpoint}, err
	case res.Row == none || !c.mayRead(res.Row):
		return &answer{position: res.Checkpoint}, errNotFound
	}
	ans := &answer{status: http.StatusOK, etag: etag(res.Row.Version()), position: res.Checkpoint}
	if c.unchanged(ans.etag) {
		ans.status = http.StatusNotModified
		return ans, nil
	}
	ans.body = envelope.AppendOne(nil, c.head(http.StatusOK), func(dst []byte) []byte { return res.Row.AppendJSON(dst, true) })
	return ans, nil
}

// mayRead tells whether the row is there for this caller. Notes among the staff aren't for the member whom they are about.
func (c *call) mayRead(row readmodels.Row) bool {
	if !row.Active() {
		return false
	}
	if c.identity.May(auth.ReadAll) {
		return true
	}
	event, ok := row.(*readmodels.FeeEvent)
	return row.Owner() == c.subject() && (!ok || !event.StaffOnly)
}

// byID serves GET of one object's rows by the id in a place of the path.
func byID[R pointer](place string, read func(tables.Queries, context.Context, string, string) (tables.Found[R], error)) func(*call) (*answer, error) {
	return func(c *call) (*answer, error) {
		return one(c.context(), c, func(ctx context.Context) (tables.Found[R], error) {
			return read(c.api.tables, ctx, c.tenant, c.id(place))
		})
	}
}

// page is which part of a list is asked for.
type page struct {
	number   int // 0: the first rows
	rowCount int
}

const (
	defaultRowCount = 25
	maxPageNumber   = 1_000_000
)

// listFields are the parameters of a list that sorts by some fields.
func listFields(sorts ...string) []input.Field {
	words := make([]string, 0, 2*len(sorts))
	for _, field := range sorts {
		words = append(words, field, "-"+field)
	}
	return append(pageFields(),
		input.Choice("sort", words...).Says("A field; with - before it descending. Equal values go by createdAt, then id. Default -createdAt."+minorUnits(sorts)))
}

// minorUnits says how amounts are sorted, where they are.
func minorUnits(sorts []string) string {
	for _, field := range sorts {
		if strings.HasPrefix(field, "amount") {
			return " Amounts go by their minor units, whatever the currency."
		}
	}
	return ""
}

// pageFields are the parameters that say which part of a list is asked for.
func pageFields() []input.Field {
	return []input.Field{
		input.Int("pageNumber", 0, maxPageNumber).Says("Default 1. 0 asks for the first 500 rows."),
		input.Int("pageRowCount", 1, tables.MaxPageRowCount).Says("Default 25."),
		input.Word("cursor").Says("Goes on after the page that gave it, with the same sort. Pages by cursor begin with pageNumber 0. " +
			"Whatever changes meanwhile, a row that is there all the time is seen exactly once, unless its place in the order changes: " +
			"by createdAt and what doesn't change after create none does; by status, amount or updatedAt a row that moves may be seen twice or not at all."),
		input.Choice("count", "exact").Says("Count beyond 10000."),
	}
}

func (c *call) page() page {
	p := page{
		number:   c.query.Int("pageNumber", 0, maxPageNumber, 1),
		rowCount: c.query.Int("pageRowCount", 1, tables.MaxPageRowCount, defaultRowCount),
	}
	if p.number == 0 {
		p.rowCount = tables.MaxPageRowCount
	}
	return p
}

func (p page) paging(total int64) envelope.Paging {
	return envelope.Paging{PageNumber: p.number, PageRowCount: p.rowCount, TotalRowCount: total}
}

// filters reads the filters of a list and keeps the names of those that were given.
type filters struct {
	query *input.Values
	names []string
}

func (f *filters) given(name string) bool {
	if !f.query.Has(name) {
		return false
	}
	f.names = append(f.names, name)
	return true
}

func (f *filters) text(name string) string {
	f.given(name)
	return f.query.String(name)
}

// amount reads an amount. A currency that stands alone filters nothing, and is refused.
func (f *filters) amount(name string) *money.Amount {
	if !f.given(name) {
		if f.query.Has("currency") {
			f.query.Fail("currency", input.Known, "only with "+name)
		}
		return nil
	}
	a := f.query.Amount(name, currencyOf(f.query))
	return &a
}

// listRoute is a list of an object's rows, filtered by these fields. It sorts by those that tables.FieldsOf names.
func listRoute(object readmodels.Object, path, dataName, schema string, by ...input.Field) route {
	return route{
		method: http.MethodGet, path: path, name: "list" + strings.ToUpper(dataName[:1]) + dataName[1:], dataName: dataName, action: actionList,
		summary: "List " + dataName, doc: "Members see their own only.", answers: schema + "#/$defs/list",
		needs:  []auth.Permission{auth.ReadOwn},
		query:  slices.Concat(by, listFields(append([]string{"createdAt"}, tables.FieldsOf(object)...)...)),
		object: object, serve: listRows,
	}
}

// listRows serves the list of the route's object.
func listRows(c *call) (*answer, error) {
	f := filters{query: c.query}
	p := c.page()
	filter := tables.Filter{
		Tenant: c.tenant, Owner: c.owner(), PageNumber: p.number, PageRowCount: p.rowCount, Cursor: c.query.Long("cursor"),
		CountExact: c.query.Has("count"),
	}
	object := c.route.object
	for _, field := range c.route.query {
		if !slices.Contains(tables.FieldsOf(object), field.Name) {
			continue
		}
		if condition, given := f.condition(field); given {
			filter.Where = append(filter.Where, condition)
		}
	}
	err := c.query.Err()
	if err != nil {
		return nil, err
	}
	if filter.Sort, err = tables.ParseSort(object, c.query.String("sort")); err != nil {
		return nil, err
	}
	if err := c.freshList(tables.Projection()); err != nil {
		return nil, err
	}
	res, err := c.api.tables.List(c.context(), object, filter)
	if errors.Is(err, tables.ErrCursor) {
		return nil, &input.Error{Param: "cursor", Rule: input.ValidCursor, Detail: "one that this list gave, with the same sort"}
	}
	if err != nil {
		return nil, err
	}
	paging := p.paging(res.Total)
	if p.number == 0 || filter.Cursor != "" { // cursors are told to those who page by them
		paging.ByCursor, paging.Next = true, res.Next
	}
	return c.list(res.Checkpoint, res.AtLeast, len(res.Rows), func(dst []byte, i int) []byte {
		return res.Rows[i].AppendJSON(dst, true)
	}, paging, f.names), nil
}

// condition reads a filter of a list.
func (f *filters) condition(field input.Field) (tables.Condition, bool) {
	condition := tables.Condition{Field: field.Name}
	if field.Kind == input.KindAmount {
		amount := f.amount(field.Name)
		if amount != nil {
			condition.Value = *amount
		}
		return condition, amount != nil
	}
	if !f.given(field.Name) {
		return condition, false
	}
	if field.Kind == input.KindEnum {
		condition.Value, _ = f.query.Enum(field.Name, field.Words)
	} else {
		condition.Value = f.word(field)
	}
	return condition, true
}

// list answers with the envelope of a list.
func (c *call) list(checkpoint int64, atLeast bool, count int, row func([]byte, int) []byte, p envelope.Paging, filterNames []string) *answer {
	granted := c.identity.Permissions()
	permissions := make([]string, len(granted))
	for i, g := range granted {
		permissions[i] = string(g)
	}
	body := envelope.AppendList(nil, c.head(http.StatusOK), count, row, p, filterNames, permissions)
	return &answer{status: http.StatusOK, body: body, position: checkpoint, atLeast: atLeast}
}
