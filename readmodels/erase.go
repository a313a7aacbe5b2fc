package readmodels

import "fmt"

// WithoutTexts returns a copy of a row without the texts that are sealed in the log.
func WithoutTexts(row Row) Row {
	switch r := row.(type) {
	case *Fee:
		c := *r
		c.Note = ""
		return &c
	case *FeePayment:
		c := *r
		c.Note = ""
		return &c
	case *FeeEvent:
		c := *r
		c.Note = ""
		return &c
	case *PaymentMethod:
		c := *r
		c.CardHolderName, c.CardHolderZip = "", ""
		return &c
	}
	return row // others have none
}

// HasTexts reports whether rows of an object may have texts that are sealed in the log.
func HasTexts(object Object) bool {
	switch object {
	case ObjectFee, ObjectFeePayment, ObjectFeeEvent, ObjectPaymentMethod:
		return true
	case ObjectGatewayPayment, ObjectPaymentCustomer:
	}
	return false
}

// WithoutTexts returns the document without the texts of its row and of the rows that it shows, which it gets from row by their ids. Its
// error is ErrUnexpectedEvent, for a row with a text that row doesn't know: it would be another person's.
func (d *Document) WithoutTexts(row func(object Object, id string) Row) (*Document, error) {
	next := *d
	if d.Row != nil {
		next.Row = WithoutTexts(d.Row)
	}
	var err error
	if next.Payments, err = childrenWithoutTexts(d.Payments, ObjectFeePayment, row); err != nil {
		return nil, err
	}
	next.Events, err = childrenWithoutTexts(d.Events, ObjectFeeEvent, row)
	return &next, err
}

func childrenWithoutTexts(children []Child, object Object, row func(Object, string) Row) ([]Child, error) {
	if children == nil {
		return nil, nil
	}
	blank := make([]Child, len(children))
	for i, child := range children {
		blank[i] = child
		if child.Note == "" {
			continue
		}
		of := row(object, child.ID)
		if of == nil {
			return nil, fmt.Errorf("%w: an erased person's document shows %s %s of somebody else", ErrUnexpectedEvent, object, child.ID)
		}
		blank[i] = childOf(WithoutTexts(of), "")
	}
	return blank, nil
}
