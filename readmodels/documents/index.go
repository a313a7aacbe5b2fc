package documents

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"payledger/readmodels"
	"payledger/readmodels/digest"
	"payledger/readmodels/search"
)

// Indexed returns the document as an index holds it. One whose fee isn't there yet is kept but never found.
func (e *Entry) Indexed() search.Document {
	d := search.Document{
		Tenant: e.Tenant, Object: readmodels.ObjectFee, ID: e.FeeID, Deleted: true, Position: e.Position, Epoch: e.Epoch,
		CreatedAt: time.Unix(0, 0).UTC(), Body: json.RawMessage("null"),
	}
	fee := e.Document.Fee
	if fee == nil {
		return d
	}
	d.Owner, d.UserID, d.LoanID = fee.Owner(), fee.UserID, fee.LoanID
	d.Status, d.Reason, d.Currency = fee.Status.String(), fee.Reason, fee.Amount.Currency().Code()
	d.CreatedAt, d.Deleted = fee.CreatedAt, !fee.IsActive
	d.Words = words(e.Document)
	d.Body = e.Document.AppendJSON(nil)
	return d
}

// words are what a document can be found by: its ids, amount and texts, and the notes of its payments.
func words(d *readmodels.Document) []string {
	fee := d.Fee
	texts := make([]string, 0, 8+len(d.Payments))
	texts = append(texts, fee.ID, fee.UserID, fee.LoanID, fee.Status.String(), fee.Reason, fee.Note,
		fee.Amount.Decimal(), fee.Amount.Currency().Code())
	for _, p := range d.Payments {
		texts = append(texts, p.Note)
	}
	return search.Words(texts...)
}

// columns are the arguments of sqlUpsert.
type columns struct {
	tenant, id, userID, loanID, status, reason, currency, words, body, state []string
	createdAt                                                                []time.Time
	deleted                                                                  []bool
	position, epoch                                                          []int64
}

func (c *columns) add(e *Entry) error {
	state, err := encodeState(e.Document)
	if err != nil {
		return fmt.Errorf("document of fee %s: %w", e.FeeID, err)
	}
	d := e.Indexed()
	c.tenant, c.id = append(c.tenant, d.Tenant), append(c.id, d.ID)
	c.userID, c.loanID = append(c.userID, d.UserID), append(c.loanID, d.LoanID)
	c.status, c.reason = append(c.status, d.Status), append(c.reason, d.Reason)
	c.currency, c.createdAt = append(c.currency, d.Currency), append(c.createdAt, d.CreatedAt)
	c.words, c.deleted = append(c.words, strings.Join(d.Words, " ")), append(c.deleted, d.Deleted)
	c.position, c.epoch = append(c.position, d.Position), append(c.epoch, d.Epoch)
	c.body, c.state = append(c.body, string(d.Body)), append(c.state, string(state))
	return nil
}

// canonical appends the form of a document that digests are made of.
func canonical(row digest.Row, tenant, id string, position int64, body []byte) digest.Row {
	return row.Text(tenant).Text(string(readmodels.ObjectFee)).Text(id).Int(position).Bytes(body)
}
