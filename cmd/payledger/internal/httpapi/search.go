package httpapi

import (
	"errors"
	"fmt"
	"net/http"
	"slices"

	"payledger/cmd/payledger/internal/httpapi/auth"
	"payledger/cmd/payledger/internal/httpapi/input"
	"payledger/readmodels"
	"payledger/readmodels/search"
)

// searchRoutes are the routes over documents.
func searchRoutes() []route {
	return []route{
		{
			method: http.MethodGet, path: "/search/fees", name: "searchFees", dataName: "fees", action: actionList,
			summary: "Find fees by words and filters", doc: "Members find their own fees only. The newest first. Answers with documents, as they stand in index events.",
			answers: "fee.json#/$defs/documents", needs: []auth.Permission{auth.ReadOwn},
			query: slices.Concat([]input.Field{
				input.String("q").Says("Words that all must occur, as prefixes, whatever their accents and case. At most 255 bytes."),
				input.ID("userId"), input.ID("loanId"), input.Enum("status", readmodels.FeeStatuses()), input.String("reason"), input.Currency("currency", ""),
			}, pageFields()),
			serve: searchFees,
		},
	}
}

// searchFees is GET /search/fees. Its rows are the documents, as they stand in index events.
func searchFees(c *call) (*answer, error) {
	f := filters{query: c.query}
	p := c.page()
	q := search.Query{
		Tenant: c.tenant, Object: readmodels.ObjectFee, Owner: c.owner(), Text: f.text("q"), PageNumber: p.number, PageRowCount: p.rowCount,
		Cursor: c.query.Long("cursor"),
		Filters: []search.Filter{
			{Field: "userId", Value: f.id("userId")}, {Field: "loanId", Value: f.id("loanId")}, {Field: "reason", Value: f.text("reason")},
		},
	}
	if status := f.feeStatus("status"); status != nil {
		q.Filters = append(q.Filters, search.Filter{Field: "status", Value: status.String()})
	}
	if f.given("currency") {
		q.Filters = append(q.Filters, search.Filter{Field: "currency", Value: currencyOf(c.query).Code()})
	}
	if len(q.Text) > search.MaxTextLength {
		return nil, &input.Error{Param: "q", Rule: input.ValidString, Detail: "at most 255 bytes"}
	}
	if err := c.freshList(c.api.searched); err != nil {
		return nil, err
	}
	res, err := c.api.search.Search(c.context(), q)
	switch {
	case errors.Is(err, search.ErrCursor):
		return nil, &input.Error{Param: "cursor", Rule: input.ValidCursor, Detail: "one that this search gave"}
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
	return c.list(res.Checkpoint, res.AtLeast, len(res.Documents), func(dst []byte, i int) []byte {
		return append(dst, res.Documents[i]...)
	}, paging, f.names), nil
}
