package documents

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"payledger/domain/customer"
	"payledger/domain/payment"
	"payledger/readmodels"
	"payledger/readmodels/digest"
	"payledger/readmodels/search"
)

// Indexed returns the document as an index holds it. One whose row isn't there yet is kept but never found.
func (e *Entry) Indexed() search.Document {
	d := search.Document{
		Tenant: e.Tenant, Object: e.Object, ID: e.ID, Deleted: true, Position: e.Position, Epoch: e.Epoch,
		CreatedAt: time.Unix(0, 0).UTC(), UpdatedAt: time.Unix(0, 0).UTC(), Body: json.RawMessage("null"),
	}
	row := e.Document.Row
	if row == nil {
		return d
	}
	d.Owner, d.Deleted = row.Owner(), !row.Active()
	d.Body = e.Document.AppendJSON(nil)
	switch r := row.(type) {
	case *readmodels.Fee:
		d.CreatedAt, d.UpdatedAt, d.Status, d.Reason = r.CreatedAt, r.UpdatedAt, r.Status.String(), r.Reason
		d.Amount, d.Currency = r.Amount.Minor(), r.Amount.Currency().Code()
		texts := []string{r.ID, r.UserID, r.LoanID, d.Status, r.Reason, r.Note, r.Amount.Decimal(), d.Currency}
		for _, p := range e.Document.Payments {
			texts = append(texts, p.Note)
		}
		for _, event := range e.Document.Events {
			texts = append(texts, event.Note)
		}
		d.Words = search.Index(texts, search.Filter{Field: "userId", Value: r.UserID}, search.Filter{Field: "loanId", Value: r.LoanID},
			search.Filter{Field: "status", Value: d.Status}, search.Filter{Field: "reason", Value: d.Reason},
			search.Filter{Field: "currency", Value: d.Currency})
	case *readmodels.FeePayment:
		d.CreatedAt, d.UpdatedAt, d.Status, d.Reason = r.CreatedAt, r.UpdatedAt, r.PaymentStatus.String(), r.PaymentMethod.String()
		d.Amount, d.Currency = r.AmountPaid.Minor(), r.AmountPaid.Currency().Code()
		d.Words = search.Index([]string{
			r.ID, r.FeeID, r.UserID, r.StripePaymentIntentID, d.Status, d.Reason, r.Note, r.AmountPaid.Decimal(), d.Currency,
		}, search.Filter{Field: "feeId", Value: r.FeeID}, search.Filter{Field: "userId", Value: r.UserID},
			search.Filter{Field: "paymentMethod", Value: d.Reason}, search.Filter{Field: "paymentStatus", Value: d.Status},
			search.Filter{Field: "currency", Value: d.Currency})
	case *readmodels.GatewayPayment:
		d.CreatedAt, d.UpdatedAt, d.Status, d.Reason = r.CreatedAt, r.UpdatedAt, r.StatusLiteral, r.PaymentStatus
		d.Words = search.Index([]string{r.ID, r.OwnerID, r.OrderID, r.PaymentID, r.PaymentStatus, r.StatusLiteral},
			search.Filter{Field: "ownerId", Value: r.OwnerID}, search.Filter{Field: "orderId", Value: r.OrderID},
			search.Filter{Field: "paymentId", Value: r.PaymentID}, search.Filter{Field: "paymentStatus", Value: r.PaymentStatus},
			search.Filter{Field: "statusLiteral", Value: r.StatusLiteral})
	case *readmodels.FeeEvent:
		d.CreatedAt, d.UpdatedAt, d.Status = r.CreatedAt, r.UpdatedAt, r.EventType.String()
		if r.StaffOnly {
			d.Owner = "" // no member finds it
		}
		// The most numerous documents: no words for what their filters and GET find.
		d.Words = search.Index([]string{r.FeeID, r.UserID, d.Status, r.Note},
			search.Filter{Field: "feeId", Value: r.FeeID}, search.Filter{Field: "eventType", Value: d.Status},
			search.Filter{Field: "actorUserId", Value: r.ActorUserID})
	case *readmodels.PaymentCustomer:
		d.CreatedAt, d.UpdatedAt, d.Reason = r.CreatedAt, r.UpdatedAt, r.Platform
		d.Words = search.Index([]string{r.ID, r.UserID, r.CustomerID, r.Platform},
			search.Filter{Field: "userId", Value: r.UserID}, search.Filter{Field: "customerId", Value: r.CustomerID},
			search.Filter{Field: "platform", Value: r.Platform})
	case *readmodels.PaymentMethod:
		d.CreatedAt, d.UpdatedAt, d.Reason = r.CreatedAt, r.UpdatedAt, r.Platform
		d.Words = search.Index([]string{
			r.ID, r.PaymentMethodID, r.UserID, r.CustomerID, r.CardHolderName, r.CardHolderZip, r.Platform, r.Card.Brand, r.Card.Last4,
		}, search.Filter{Field: "userId", Value: r.UserID}, search.Filter{Field: "paymentMethodId", Value: r.PaymentMethodID},
			search.Filter{Field: "customerId", Value: r.CustomerID}, search.Filter{Field: "platform", Value: r.Platform})
	}
	return d
}

// streamOf returns the stream of a row that has it in common with others, empty for other rows.
func streamOf(row readmodels.Row) string {
	switch r := row.(type) {
	case *readmodels.FeePayment:
		return payment.Stream(r.PaymentID)
	case *readmodels.PaymentCustomer:
		return customer.Stream(r.UserID)
	case *readmodels.PaymentMethod:
		return customer.Stream(r.UserID)
	}
	return ""
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
	tenant, object, id, owner, status, reason, currency, words, body, state, stream []string
	createdAt, updatedAt                                                            []time.Time
	deleted                                                                         []bool
	amount, position, epoch                                                         []int64
}

func (c *columns) add(e *Entry) error {
	state, err := encodeState(e.Document)
	if err != nil {
		return fmt.Errorf("document of %s %s: %w", e.Object, e.ID, err)
	}
	d := e.Indexed()
	c.tenant, c.object, c.id = append(c.tenant, d.Tenant), append(c.object, string(d.Object)), append(c.id, d.ID)
	c.owner, c.status, c.reason = append(c.owner, d.Owner), append(c.status, d.Status), append(c.reason, d.Reason)
	c.amount, c.currency = append(c.amount, d.Amount), append(c.currency, d.Currency)
	c.createdAt, c.updatedAt = append(c.createdAt, d.CreatedAt), append(c.updatedAt, d.UpdatedAt)
	c.words, c.deleted = append(c.words, Lexemes(d.Words)), append(c.deleted, d.Deleted)
	c.position, c.epoch = append(c.position, d.Position), append(c.epoch, d.Epoch)
	c.body, c.state = append(c.body, string(d.Body)), append(c.state, string(state))
	c.stream = append(c.stream, streamOf(e.Document.Row))
	return nil
}

// canonical appends the form of a document that digests are made of.
func canonical(row digest.Row, key Key, position int64, body []byte) digest.Row {
	return row.Text(key.Tenant).Text(string(key.Object)).Text(key.ID).Int(position).Bytes(body)
}
