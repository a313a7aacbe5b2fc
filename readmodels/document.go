package readmodels

import (
	"slices"
	"strconv"
	"strings"

	"payledger/domain/extension"
	"payledger/internal/jsontext"
)

// Ref is the identity of a document within its tenant.
type Ref struct {
	Object Object
	ID     string
}

// Documents returns the documents that show the changed row: its own, and that of the fee to which it belongs.
func (c Change) Documents() []Ref {
	refs := append(make([]Ref, 0, 2), Ref{c.Object, c.New.Key()})
	if parent := c.New.Parent(); parent != "" {
		refs = append(refs, Ref{ObjectFee, parent})
	}
	return refs
}

// ExtendedBy returns the document to which another service puts elements.
func ExtendedBy(put extension.Put) Ref { return Ref{Object(put.Object), put.ID} }

// Document is what search holds and index messages carry for a row: the row, and as extends what belongs to it. It is
// folded from the changes and extensions that name it, in order of position. Values are never changed in place.
type Document struct {
	Row        Row         // nil before its own first event
	Payments   []Child     // of a fee, in order of their creation
	Events     []Child     // of a fee, in order of their creation
	Extensions []Extension // of other services, in order of their first element
}

// Child is a row as the document of its fee shows it.
type Child struct {
	ID   string
	Note string
	JSON []byte
}

// The names of our own lists in extends.
const (
	PaymentsList = "feePayments"
	EventsList   = "feeEvents"
)

// countSuffix ends the name under which extends counts a list.
const countSuffix = "_count"

// ReservedList says whether extends has no place for another service's list of this name: it would be read as one of ours, those of
// tickets included, or as the count of a list.
func ReservedList(name string) bool {
	return slices.Contains([]string{PaymentsList, EventsList, "ticketPayments"}, name) || strings.HasSuffix(name, countSuffix)
}

// Extension is a list that another service has added to a document.
type Extension struct {
	Name     string
	Elements []extension.Element // in order of their first coming
}

// Fold returns the document ref after a row change that names it; d is nil before the first. A deleted row leaves the
// document of its fee, but its own document stays, with isActive false: the tombstone.
func (d *Document) Fold(ref Ref, c Change) *Document {
	next := d.copied()
	if ref.Object == c.Object {
		next.Row = c.New
		return next
	}
	switch row := c.New.(type) {
	case *FeePayment:
		next.Payments = foldChildren(next.Payments, childOf(row, row.Note), c.Action)
	case *FeeEvent:
		next.Events = foldChildren(next.Events, childOf(row, row.Note), c.Action)
	}
	return next
}

// With returns the document with another row: that of a fee knows its place in the stream, also after events that don't change it.
func (d *Document) With(row Row) *Document {
	next := d.copied()
	next.Row = row
	return next
}

// Extend returns the document after another service has put elements to it, and those of them that are new there.
func (d *Document) Extend(put extension.Put) (next *Document, added []extension.Element) {
	next = d.copied()
	next.Extensions = slices.Clone(next.Extensions)
	i := slices.IndexFunc(next.Extensions, func(e Extension) bool { return e.Name == put.Name })
	if i < 0 {
		i = len(next.Extensions)
		next.Extensions = append(next.Extensions, Extension{Name: put.Name})
	}
	elements := slices.Clone(next.Extensions[i].Elements)
	for _, element := range put.Elements {
		at := slices.IndexFunc(elements, func(e extension.Element) bool { return e.ID == element.ID })
		if at >= 0 {
			elements[at] = element
			continue
		}
		elements, added = append(elements, element), append(added, element)
	}
	next.Extensions[i].Elements = elements
	return next, added
}

func (d *Document) copied() *Document {
	if d == nil {
		return &Document{}
	}
	next := *d
	return &next
}

func childOf(row Row, note string) Child {
	return Child{ID: row.Key(), Note: note, JSON: row.AppendJSON(nil, false)}
}

// foldChildren returns a new list with the row added, replaced or taken out.
func foldChildren(rows []Child, row Child, action Action) []Child {
	i := slices.IndexFunc(rows, func(r Child) bool { return r.ID == row.ID })
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

// AppendJSON appends the row with the guide's keys, and extends unless it is empty. Row must not be nil.
func (d *Document) AppendJSON(dst []byte) []byte {
	dst = d.Row.AppendJSON(dst, false)
	row := len(dst) - 1
	dst = d.AppendExtends(append(dst[:row], `,"extends":`...))
	if dst[len(dst)-1] == ':' {
		dst = dst[:row]
	}
	return append(dst, '}')
}

// AppendExtends appends extends alone, nothing at all when it is empty.
func (d *Document) AppendExtends(dst []byte) []byte { return d.appendExtends(dst, *d) }

// AppendExtended appends the payload of an extended message: what is new in a document, as the lists of added, and how much
// of each the document has by now.
func (d *Document) AppendExtended(dst []byte, id string, added Document) []byte {
	dst = appendText(append(dst, '{'), "id", id)
	return append(d.appendExtends(append(dst, `,"extends":`...), added), '}')
}

// appendExtends appends the lists of shown that aren't empty, each with the document's count, as one object; nothing at all
// when all are empty.
func (d *Document) appendExtends(dst []byte, shown Document) []byte {
	lead := byte('{')
	list := func(name string, n, count int, element func([]byte, int) []byte) {
		if n == 0 {
			return
		}
		dst = jsontext.AppendString(append(dst, lead), name)
		dst = append(dst, ':', '[')
		for i := range n {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = element(dst, i)
		}
		dst = jsontext.AppendString(append(dst, ']', ','), name+countSuffix)
		dst = strconv.AppendInt(append(dst, ':'), int64(count), 10)
		lead = ','
	}
	list(PaymentsList, len(shown.Payments), len(d.Payments), func(dst []byte, i int) []byte { return append(dst, shown.Payments[i].JSON...) })
	list(EventsList, len(shown.Events), len(d.Events), func(dst []byte, i int) []byte { return append(dst, shown.Events[i].JSON...) })
	for _, e := range shown.Extensions {
		list(e.Name, len(e.Elements), d.count(e.Name), func(dst []byte, i int) []byte { return append(dst, e.Elements[i].Value...) })
	}
	if lead == ',' {
		dst = append(dst, '}')
	}
	return dst
}

// count returns how many elements another service's list has.
func (d *Document) count(name string) int {
	for _, e := range d.Extensions {
		if e.Name == name {
			return len(e.Elements)
		}
	}
	return 0
}
