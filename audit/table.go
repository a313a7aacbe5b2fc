package audit

import (
	"cmp"
	"crypto/sha256"
	"hash"
	"slices"
	"strconv"
	"time"

	"payledger/domain/evidence"
	"payledger/domain/money"
	"payledger/internal/jsontext"
)

// ColumnKind says what the values of a column are.
type ColumnKind int

// The kinds of columns.
const (
	Text ColumnKind = iota
	Instant
	Number
	// Money columns stand for two in files: whole minor units and the decimal amount. The row's currency has a column of its own.
	Money
	// Note is a text about a person, opened for who makes the report. It is the last column, and no part of the digest: so an erasure, which
	// takes the text away, leaves the digest as it was, and the digest in the log confirms no guess of a text.
	Note
)

// Column is a column of a report.
type Column struct {
	Name string // in camelCase
	Kind ColumnKind
}

// Value is a cell. Which field holds it, the kind of its column says.
type Value struct {
	Text   string
	At     time.Time
	Number int64
	Amount money.Amount
}

// Row is the cells of a row, in the order of the columns.
type Row []Value

func text(s string) Value         { return Value{Text: s} }
func instant(at time.Time) Value  { return Value{At: at} }
func number(n int64) Value        { return Value{Number: n} }
func summed(t money.Total) Value  { return amount(t.Amount) }
func amount(a money.Amount) Value { return Value{Amount: a} }

// zero is the sum of nothing.
func zero(cur money.Currency) money.Total { return money.Total{Amount: money.Zero(cur)} }

// AppendJSON appends a row as one JSON object: all keys always, empty texts and zero instants as null, an amount as two keys.
func (r Row) AppendJSON(dst []byte, columns []Column) []byte {
	for i, c := range columns {
		lead := byte(',')
		if i == 0 {
			lead = '{'
		}
		dst = jsontext.AppendString(append(dst, lead), c.Name)
		switch v := r[i]; c.Kind {
		case Text, Note:
			dst = jsontext.AppendStringOrNull(append(dst, ':'), v.Text)
		case Instant:
			dst = appendInstant(append(dst, ':'), v.At)
		case Number:
			dst = strconv.AppendInt(append(dst, ':'), v.Number, 10)
		case Money:
			dst = v.appendMoney(append(dst, ':'), c.Name)
		}
	}
	return append(dst, '}')
}

// None reports whether an amount is absent, which is not the same as zero.
func (v Value) None() bool { return v.Amount.Currency() == money.Currency{} }

// appendMoney appends the value of an amount's key, and the key and value of its minor units.
func (v Value) appendMoney(dst []byte, name string) []byte {
	if v.None() {
		return append(jsontext.AppendString(append(dst, "null,"...), name+"Minor"), ":null"...)
	}
	dst = jsontext.AppendString(append(append(dst, v.Amount.Number()...), ','), name+"Minor")
	return strconv.AppendInt(append(dst, ':'), v.Amount.Minor(), 10)
}

func appendInstant(dst []byte, at time.Time) []byte {
	if at.IsZero() {
		return append(dst, "null"...)
	}
	return append(at.UTC().AppendFormat(append(dst, '"'), time.RFC3339Nano), '"')
}

// table takes the rows and totals of a report while it is made.
type table struct {
	columns []Column
	plain   []Column // the columns without notes
	each    func(Row) error
	rows    int64
	digest  hash.Hash
	line    []byte
	totals  map[totalKey]*evidence.Total
	// notes counts the rows that have one, and shown those of them whose note could be read.
	notes, shown int64
}

type totalKey struct{ name, currency string }

func newTable(columns []Column, each func(Row) error) *table {
	plain := slices.DeleteFunc(slices.Clone(columns), func(c Column) bool { return c.Kind == Note })
	return &table{columns: columns, plain: plain, each: each, digest: sha256.New(), totals: make(map[totalKey]*evidence.Total)}
}

// row hands a row on: of an earlier form of the report, as many cells as that had. Its line in the digest is that of the JSON Lines form,
// without the note.
func (t *table) row(cells ...Value) error {
	row := Row(cells[:len(t.columns)])
	t.line = append(row.AppendJSON(t.line[:0], t.plain), '\n')
	t.digest.Write(t.line)
	t.rows++
	return t.each(row)
}

// noted counts a row's note, if it has one and the report has a column for it, and whether it could be read.
func (t *table) noted(has, shown bool) {
	if has && len(t.plain) < len(t.columns) {
		t.notes++
		if shown {
			t.shown++
		}
	}
}

// total adds to a sum of the report.
func (t *table) total(name string, count int64, a money.Amount) error {
	key := totalKey{name, a.Currency().Code()}
	of := t.totals[key]
	if of == nil {
		of = &evidence.Total{Name: name, Amount: zero(a.Currency())}
		t.totals[key] = of
	}
	of.Count += int(count)
	var err error
	of.Amount, err = of.Amount.Add(a)
	return err
}

// sums returns the totals in order of name and currency.
func (t *table) sums() []evidence.Total {
	list := make([]evidence.Total, 0, len(t.totals))
	for _, total := range t.totals {
		list = append(list, *total)
	}
	slices.SortFunc(list, func(a, b evidence.Total) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Amount.Currency().Code(), b.Amount.Currency().Code()))
	})
	return list
}
