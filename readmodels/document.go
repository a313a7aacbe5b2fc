package readmodels

import (
	"slices"
	"strconv"
)

// Document is what search holds and index messages carry for a fee: its row, and as extends what belongs to it. It is
// folded from the row changes that name the fee as their root, in order of position. Values are never changed in place.
type Document struct {
	Fee      *Fee          // nil before the fee's own first event
	Payments []*FeePayment // those shown, in order of their creation
}

// FoldDocument returns the document after a row change; d is nil before the first. A deleted row leaves the document, but
// a deleted root stays, with isActive false: the tombstone.
func FoldDocument(d *Document, c Change) *Document {
	next := Document{}
	if d != nil {
		next = *d
	}
	switch row := c.New.(type) {
	case *Fee:
		next.Fee = row
	case *FeePayment:
		next.Payments = foldChildren(next.Payments, row, c.Action)
	}
	return &next
}

// foldChildren returns a new list with the row added, replaced or taken out.
func foldChildren[R Row](rows []R, row R, action Action) []R {
	i := slices.IndexFunc(rows, func(r R) bool { return r.Key() == row.Key() })
	switch {
	case action == ActionDeleted && i < 0:
		return rows
	case action == ActionDeleted:
		return slices.Delete(slices.Clone(rows), i, i+1)
	case i < 0:
		return append(slices.Clip(rows), row)
	}
	rows = slices.Clone(rows)
	rows[i] = row
	return rows
}

// AppendJSON appends the fee's row with the guide's keys, and extends unless it is empty. Fee must not be nil.
func (d *Document) AppendJSON(dst []byte) []byte {
	dst = d.Fee.AppendJSON(dst, false)
	if len(d.Payments) == 0 {
		return dst
	}
	dst = append(dst[:len(dst)-1], `,"extends":`...)
	return append(appendFeePayments(dst, d.Payments, len(d.Payments)), '}')
}

// AppendExtended appends the payload of an extended message: the new payments, and how many the document has by now.
func (d *Document) AppendExtended(dst []byte, added []*FeePayment) []byte {
	dst = appendID(append(dst, '{'), "id", added[0].Root())
	dst = append(dst, `,"extends":`...)
	return append(appendFeePayments(dst, added, len(d.Payments)), '}')
}

func appendFeePayments(dst []byte, rows []*FeePayment, count int) []byte {
	dst = append(dst, `{"feePayments":[`...)
	for i, row := range rows {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = row.AppendJSON(dst, false)
	}
	dst = append(dst, `],"feePayments_count":`...)
	return append(strconv.AppendInt(dst, int64(count), 10), '}')
}
