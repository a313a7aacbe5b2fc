package httpapi

import (
	"errors"

	"payledger/cmd/payledger/internal/httpapi/auth"
	"payledger/cmd/payledger/internal/httpapi/envelope"
	"payledger/readmodels/history"
)

// feeHistory is GET /fees/{feeId}/history: what happened to a fee, read from the log itself.
func feeHistory(c *call) (*answer, error) {
	id := c.id("feeId")
	var o history.Options
	f := filters{query: c.query}
	if f.given("asOf") {
		o.AsOf = new(c.query.Until("asOf"))
	}
	if f.given("knownAt") {
		o.KnownAt = new(c.query.Position("knownAt"))
	}
	if _, err := c.loggedPosition(); err != nil { // the log itself is read: nothing to wait for
		return nil, err
	}
	if !c.identity.May(auth.ReadAll) { // whose fee it is stands in its row
		res, err := c.freshFee(id)
		if err == nil && (res.Row == nil || !c.mayRead(res.Row)) {
			err = errNotFound
		}
		if err != nil {
			return &answer{position: res.Checkpoint}, err
		}
		o.ForMember = true
	}
	h, err := c.api.history.Fee(c.context(), c.tenant, id, o)
	if errors.Is(err, history.ErrNotFound) {
		return &answer{position: h.KnownAt}, errNotFound
	}
	if err != nil {
		return nil, err
	}
	n := len(h.Entries)
	return c.list(h.KnownAt, false, n, func(dst []byte, i int) []byte { return h.Entries[i].AppendJSON(dst) },
		envelope.Paging{PageNumber: 1, PageRowCount: n, TotalRowCount: int64(n)}, f.names), nil
}
