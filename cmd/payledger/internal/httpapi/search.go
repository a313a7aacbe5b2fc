package httpapi

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"payledger/cmd/payledger/internal/httpapi/auth"
	"payledger/cmd/payledger/internal/httpapi/input"
	"payledger/internal/jsontext"
	"payledger/readmodels"
	"payledger/readmodels/search"
)

// searchRoutes are the routes over documents, one for each object. Which filters an object has is in search.FieldsOf.
func searchRoutes() []route {
	return []route{
		searchRoute(readmodels.ObjectFee, "Fees", "fees", "fee.json", input.ID("userId"), input.ID("loanId"),
			input.Enum("status", readmodels.FeeStatuses()), input.String("reason"), input.Amount("amount"), input.Currency("currency", "")),
		searchRoute(readmodels.ObjectFeePayment, "FeePayments", "feePayments", "feePayment.json", input.ID("feeId"), input.ID("userId"),
			input.Enum("paymentMethod", readmodels.PaymentMethods()), input.Enum("paymentStatus", readmodels.PaymentStatuses()),
			input.Amount("amountPaid"), input.Currency("currency", "")),
		searchRoute(readmodels.ObjectGatewayPayment, "Payments", "feePayments", "feePayment.gateway.json", input.ID("ownerId"), input.ID("orderId"),
			input.String("paymentId"), input.String("paymentStatus"), input.String("statusLiteral")),
		searchRoute(readmodels.ObjectFeeEvent, "FeeEvents", "feeEvents", "feeEvent.json", input.ID("feeId"),
			input.Enum("eventType", readmodels.FeeEventTypes()), input.ID("actorUserId")),
		searchRoute(readmodels.ObjectPaymentCustomer, "PaymentCustomers", "paymentCustomers", "paymentCustomer.json", input.ID("userId"),
			input.String("customerId"), input.String("platform")),
		searchRoute(readmodels.ObjectPaymentMethod, "PaymentMethods", "paymentMethods", "paymentMethod.json", input.ID("userId"),
			input.String("paymentMethodId"), input.String("customerId"), input.String("platform")),
	}
}

func searchRoute(object readmodels.Object, name, dataName, schema string, by ...input.Field) route {
	var sorts []string
	for _, field := range search.SortsOf(object) {
		sorts = append(sorts, field, "-"+field)
	}
	return route{
		method: http.MethodGet, path: "/search/" + strings.ToLower(name), name: "search" + name, dataName: dataName, action: actionList,
		summary: "Find " + dataName + " by words and filters",
		doc:     "Members find their own only. Answers with documents, as they stand in index events, and with the number of each enum.",
		answers: schema + "#/$defs/documents", needs: []auth.Permission{auth.ReadOwn},
		query: slices.Concat([]input.Field{
			input.String("q").Says("Words that all must occur, as prefixes, whatever their accents and case. At most 255 bytes."),
		}, by, []input.Field{
			input.Choice("sort", sorts...).Says("A field; with - before it descending. Equal values go by id. Default -createdAt." + minorUnits(sorts)),
			input.Bool("facets").Says("Count all that is found by value, and add up amounts by currency."),
		}, pageFields()),
		object: object, serve: searchDocuments,
	}
}

// searchDocuments is GET /search/…. Its rows are the documents, as they stand in index events, with the numbers of enums.
func searchDocuments(c *call) (*answer, error) {
	object := c.route.object
	fields := search.FieldsOf(object)
	f := filters{query: c.query}
	p := c.page()
	q := search.Query{
		Tenant: c.tenant, Object: object, Owner: c.owner(), Text: f.text("q"), Facets: c.query.Bool("facets"),
		PageNumber: p.number, PageRowCount: p.rowCount, Cursor: c.query.Long("cursor"), CountExact: c.query.Has("count"),
	}
	for _, field := range c.route.query {
		switch isFilter := slices.Contains(fields.Filters, field.Name); {
		case field.Name == fields.Amount && f.given(field.Name):
			amount := c.query.Amount(field.Name, currencyOf(c.query))
			q.Amount = &amount
		case isFilter && f.given(field.Name):
			q.Filters = append(q.Filters, search.Filter{Field: field.Name, Value: f.word(field)})
		}
	}
	if len(q.Text) > search.MaxTextLength {
		return nil, &input.Error{Param: "q", Rule: input.ValidString, Detail: "at most 255 bytes"}
	}
	var err error
	if q.Sort, err = search.ParseSort(object, c.query.String("sort")); err != nil {
		return nil, err
	}
	if err := c.query.Err(); err != nil {
		return nil, err
	}
	if err := c.freshList(c.api.searched); err != nil {
		return nil, err
	}
	res, err := c.api.search.Search(c.context(), q)
	switch {
	case errors.Is(err, search.ErrCursor):
		return nil, &input.Error{Param: "cursor", Rule: input.ValidCursor, Detail: "one that this search gave, with the same sort"}
	case errors.Is(err, search.ErrTooFar):
		return nil, &input.Error{
			Param: "pageNumber", Rule: input.ValidInteger, Detail: fmt.Sprintf("a page of the first %d documents; a cursor leads beyond", search.MaxTotal),
		}
	case err != nil:
		return nil, err
	}
	paging := p.paging(res.Total)
	if p.number == 0 || q.Cursor != "" { // as in listFees
		paging.ByCursor, paging.Next = true, res.Next
	}
	ans := c.list(res.Checkpoint, res.AtLeast, len(res.Documents), func(dst []byte, i int) []byte {
		return readmodels.AppendFound(dst, res.Documents[i])
	}, paging, f.names)
	if q.Facets {
		ans.body = appendFacets(ans.body, res.Facets)
	}
	return ans, nil
}

// word reads a filter as it stands in documents.
func (f *filters) word(field input.Field) string {
	switch field.Kind {
	case input.KindID:
		return f.query.ID(field.Name)
	case input.KindEnum:
		if n, ok := f.query.Enum(field.Name, field.Words); ok {
			return field.Words[n]
		}
		return ""
	case input.KindCurrency:
		return currencyOf(f.query).Code()
	default:
		return f.query.String(field.Name)
	}
}

// appendFacets adds the facets to the end of an envelope.
func appendFacets(dst []byte, facets []search.Facet) []byte {
	dst = append(dst[:len(dst)-1], `,"facets":{`...)
	for i, f := range facets {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(jsontext.AppendString(dst, f.Field), `:{"values":[`...)
		for j, b := range f.Buckets {
			if j > 0 {
				dst = append(dst, ',')
			}
			dst = appendBucket(dst, b)
		}
		dst = append(dst, `],"others":`...)
		dst = append(strconv.AppendInt(dst, f.Others, 10), '}')
	}
	return append(dst, "}}"...)
}

func appendBucket(dst []byte, b search.Bucket) []byte {
	dst = jsontext.AppendStringOrNull(append(dst, `{"value":`...), b.Value)
	dst = append(dst, `,"count":`...)
	dst = append(strconv.AppendInt(dst, b.Count, 10), `,"sums":[`...)
	for i, s := range b.Sums {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = jsontext.AppendString(append(dst, `{"currency":`...), s.Currency.Code())
		dst = append(dst, `,"count":`...)
		dst = append(strconv.AppendInt(dst, s.Count, 10), `,"amount":`...)
		dst = append(append(dst, s.Number()...), '}')
	}
	return append(dst, "]}"...)
}
