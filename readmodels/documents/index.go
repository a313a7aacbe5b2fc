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
		CreatedAt: time.Unix(0, 0).UTC(), UpdatedAt: time.Unix(0, 0).UTC(), Body: json.RawMessage("null"),
	}
	fee := e.Document.Fee
	if fee == nil {
		return d
	}
	d.Owner, d.Status, d.Reason = fee.Owner(), fee.Status.String(), fee.Reason
	d.Amount, d.Currency = fee.Amount.Minor(), fee.Amount.Currency().Code()
	d.CreatedAt, d.UpdatedAt, d.Deleted = fee.CreatedAt, fee.UpdatedAt, !fee.IsActive
	d.Words = search.Index(texts(e.Document),
		search.Filter{Field: "userId", Value: fee.UserID}, search.Filter{Field: "loanId", Value: fee.LoanID},
		search.Filter{Field: "status", Value: d.Status}, search.Filter{Field: "reason", Value: d.Reason},
		search.Filter{Field: "currency", Value: d.Currency})
	d.Body = e.Document.AppendJSON(nil)
	return d
}

// texts are what a document can be found by: its ids, amount and texts, and the notes of its payments.
func texts(d *readmodels.Document) []string {
	fee := d.Fee
	texts := make([]string, 0, 8+len(d.Payments))
	texts = append(texts, fee.ID, fee.UserID, fee.LoanID, fee.Status.String(), fee.Reason, fee.Note,
		fee.Amount.Decimal(), fee.Amount.Currency().Code())
	for _, p := range d.Payments {
		texts = append(texts, p.Note)
	}
	return texts
}

// Lexemes returns words in the text form of a tsvector.
func Lexemes(words []string) string {
	var text strings.Builder
	for _, word := range words {
		text.WriteString(Lexeme(word))
		text.WriteByte(' ')
	}
	return text.String()
}

// Lexeme returns a word as it stands in the text form of a tsvector or tsquery.
func Lexeme(word string) string { return "'" + lexemes.Replace(word) + "'" }

var lexemes = strings.NewReplacer(`'`, `''`, `\`, `\\`)

// columns are the arguments of sqlUpsert.
type columns struct {
	tenant, id, owner, status, reason, currency, words, body, state []string
	createdAt, updatedAt                                            []time.Time
	deleted                                                         []bool
	amount, position, epoch                                         []int64
}

func (c *columns) add(e *Entry) error {
	state, err := encodeState(e.Document)
	if err != nil {
		return fmt.Errorf("document of fee %s: %w", e.FeeID, err)
	}
	d := e.Indexed()
	c.tenant, c.id = append(c.tenant, d.Tenant), append(c.id, d.ID)
	c.owner, c.status, c.reason = append(c.owner, d.Owner), append(c.status, d.Status), append(c.reason, d.Reason)
	c.amount, c.currency = append(c.amount, d.Amount), append(c.currency, d.Currency)
	c.createdAt, c.updatedAt = append(c.createdAt, d.CreatedAt), append(c.updatedAt, d.UpdatedAt)
	c.words, c.deleted = append(c.words, Lexemes(d.Words)), append(c.deleted, d.Deleted)
	c.position, c.epoch = append(c.position, d.Position), append(c.epoch, d.Epoch)
	c.body, c.state = append(c.body, string(d.Body)), append(c.state, string(state))
	return nil
}

// canonical appends the form of a document that digests are made of.
func canonical(row digest.Row, tenant, id string, position int64, body []byte) digest.Row {
	return row.Text(tenant).Text(string(readmodels.ObjectFee)).Text(id).Int(position).Bytes(body)
}
