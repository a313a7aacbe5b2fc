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
func amount(a money.Amount) Value { return Value{Amount: a} }

// AppendJSON appends a row as one JSON object: all keys always, empty texts and zero instants as null, an amount as two keys.
func (r Row) AppendJSON(dst []byte, columns []Column) []byte {
	for i, c := range columns {
		lead := byte(',')
		if i == 0 {
			lead = '{'
		}
		dst = jsontext.AppendString(append(dst, lead), c.Name)
		switch v := r[i]; c.Kind {
		case Text:
			dst = jsontext.AppendStringOrNull(append(dst, ':'), v.Text)
		case Instant:
			dst = appendInstant(append(dst, ':'), v.At)
		case Number:
			dst = strconv.AppendInt(append(dst, ':'), v.Number, 10)
		case Money:
			dst = append(append(dst, ':'), v.Amount.Number()...)
			dst = jsontext.AppendString(append(dst, ','), c.Name+"Minor")
			dst = strconv.AppendInt(append(dst, ':'), v.Amount.Minor(), 10)
		}
	}
	return append(dst, '}')
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
	each    func(Row) error
	rows    int64
	digest  hash.Hash
	line    []byte
	totals  map[totalKey]*evidence.Total
}

type totalKey struct{ name, currency string }

func newTable(columns []Column, each func(Row) error) *table {
	return &table{columns: columns, each: each, digest: sha256.New(), totals: make(map[totalKey]*evidence.Total)}
}

// row hands a row on. Its line in the digest is that of the JSON Lines form.
func (t *table) row(cells ...Value) error {
	row := Row(cells)
	t.line = append(row.AppendJSON(t.line[:0], t.columns), '\n')
	t.digest.Write(t.line)
	t.rows++
	return t.each(row)
}

// total adds to a sum of the report.
func (t *table) total(name string, count int64, a money.Amount) error {
	key := totalKey{name, a.Currency().Code()}
	sum := t.totals[key]
	if sum == nil {
		sum = &evidence.Total{Name: name, Amount: money.Zero(a.Currency())}
		t.totals[key] = sum
	}
	sum.Count += int(count)
	var err error
	sum.Amount, err = sum.Amount.Add(a)
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
