package httpapi

import (
	"errors"
	"fmt"

	"payledger/cmd/payledger/internal/httpapi/input"
	"payledger/readmodels"
	"payledger/readmodels/search"
)

// searchFees is GET /search/fees. Its rows are the documents, as they stand in index events.
func searchFees(c *call) (*answer, error) {
	f := filters{query: c.query}
	p := c.page()
	q := search.Query{
		Tenant: c.tenant, Object: readmodels.ObjectFee, Owner: c.owner(), Text: f.text("q"), UserID: f.id("userId"), LoanID: f.id("loanId"),
		Reason: f.text("reason"), PageNumber: p.number, PageRowCount: p.rowCount, Cursor: c.query.Long("cursor"),
	}
	if status := f.feeStatus("status"); status != nil {
		q.Status = status.String()
	}
	if f.given("currency") {
		q.Currency = currencyOf(c.query).Code()
	}
	if len(q.Text) > search.MaxTextLength {
		c.query.Fail("q", input.ValidString, "at most 255 bytes")
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
