package tables

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"payledger/domain/money"
	"payledger/readmodels"
)

// Limits of lists.
const (
	MaxPageRowCount = 500
	// MaxTotal is the count up to which totals are exact without being asked to.
	MaxTotal = 10_000
)

// Errors of filters that a caller made.
var (
	// ErrSort: there is no sorting by this field.
	ErrSort = errors.New("can't sort by this field")
	// ErrCursor: the cursor is none of ours, or of another sorting.
	ErrCursor = errors.New("cursor is not valid")
)

// FeeFilter says which fees a list shows. Zero values mean "any".
type FeeFilter struct {
	Tenant string
	// Owner restricts the list to one person's fees: set for members.
	Owner  string
	UserID string
	LoanID string
	Amount *money.Amount // exactly this amount in this currency
	Status *readmodels.FeeStatus
	Reason string
	Sort   Sort
	// PageNumber counts from 1; 0 asks for the first MaxPageRowCount rows. It is not looked at when Cursor is set.
	PageNumber   int
	PageRowCount int // 1 to MaxPageRowCount
	// Cursor goes on after the last row of the answer that gave it.
	Cursor string
	// CountExact counts beyond MaxTotal.
	CountExact bool
}

// Sort is an order of a list. Rows with equal values go by createdAt and then by id, in the same direction. The zero value
// is the default: the newest first.
type Sort struct {
	field     string // a key of sortColumns; empty for createdAt
	ascending bool
}

// ParseSort reads "createdAt" (ascending) or "-createdAt" (descending); empty text is the default. Amounts sort by minor
// units. It returns ErrSort for a field without an order.
func ParseSort(text string) (Sort, error) {
	if text == "" {
		return Sort{}, nil
	}
	field, descending := strings.CutPrefix(text, "-")
	if _, ok := sortColumn(field); !ok {
		return Sort{}, fmt.Errorf("%w: %q", ErrSort, field)
	}
	return Sort{field: field, ascending: !descending}, nil
}

// String is the inverse of ParseSort.
func (s Sort) String() string {
	switch {
	case s.field == "":
		return "-createdAt"
	case s.ascending:
		return s.field
	}
	return "-" + s.field
}

// order is what a field is sorted by: a column with an index, and how its value stands in a cursor.
type order struct {
	column string
	cast   string
	value  func(*readmodels.Fee) string
}

// sortColumn returns the order by a field; createdAt needs no column beside the tie breakers.
func sortColumn(field string) (order, bool) {
	switch field {
	case "", "createdAt":
		return order{}, true
	case "userId":
		return order{"user_id", "text", func(f *readmodels.Fee) string { return f.UserID }}, true
	case "loanId":
		return order{"loan_id", "text", func(f *readmodels.Fee) string { return f.LoanID }}, true
	case "amount":
		return order{"amount", "bigint", func(f *readmodels.Fee) string { return strconv.FormatInt(f.Amount.Minor(), 10) }}, true
	case "status":
		return order{"status", "smallint", func(f *readmodels.Fee) string { return strconv.Itoa(int(f.Status)) }}, true
	case "reason":
		return order{"reason", "text", func(f *readmodels.Fee) string { return f.Reason }}, true
	}
	return order{}, false
}

// cursor is the place after a row. It is sent as base64 of JSON, and means nothing to callers.
type cursor struct {
	Sort      string    `json:"s"`
	Value     string    `json:"v,omitempty"`
	CreatedAt time.Time `json:"c"`
	ID        string    `json:"i"`
}

func cursorAfter(s Sort, last *readmodels.Fee) string {
	c := cursor{Sort: s.String(), CreatedAt: last.CreatedAt, ID: last.ID}
	if o, _ := sortColumn(s.field); o.column != "" {
		c.Value = o.value(last)
	}
	raw, err := json.Marshal(c)
	if err != nil {
		panic(fmt.Sprintf("tables: encode a cursor: %v", err)) // strings and a time of the database: can't fail
	}
	return base64.RawURLEncoding.EncodeToString(raw)
}

func parseCursor(s Sort, text string) (cursor, error) {
	var c cursor
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err == nil {
		err = json.Unmarshal(raw, &c)
	}
	if err != nil || c.Sort != s.String() || c.ID == "" || strings.ContainsRune(c.ID+c.Value, 0) {
		return c, ErrCursor
	}
	if o, _ := sortColumn(s.field); o.cast == "bigint" || o.cast == "smallint" {
		bits := 64
		if o.cast == "smallint" {
			bits = 16
		}
		if _, err := strconv.ParseInt(c.Value, 10, bits); err != nil {
			return c, ErrCursor
		}
	}
	return c, nil
}

// builder is the one place where SQL is put together. Its parts are constants; every value is an argument.
type builder struct {
	conditions []string
	args       []any
}

// arg adds an argument and returns its placeholder.
func (b *builder) arg(v any) string {
	b.args = append(b.args, v)
	return "$" + strconv.Itoa(len(b.args))
}

func (b *builder) equal(column string, v any) {
	b.conditions = append(b.conditions, column+" = "+b.arg(v))
}

func (b *builder) equalText(column, v string) {
	if v != "" {
		b.equal(column, v)
	}
}

func (b *builder) where() string { return strings.Join(b.conditions, " AND ") }

// feesSQL returns the statement of a list and its arguments: checkpoint, total and rows in one snapshot.
func feesSQL(f FeeFilter) (string, []any, error) {
	var b builder
	b.equal("tenant", f.Tenant)
	b.equalText("user_id", f.Owner)
	b.equalText("user_id", f.UserID)
	b.equalText("loan_id", f.LoanID)
	b.equalText("reason", f.Reason)
	if f.Status != nil {
		b.equal("status", enum(*f.Status))
	}
	if f.Amount != nil {
		b.equal("amount", f.Amount.Minor())
		b.equal("currency", f.Amount.Currency().Code())
	}
	counted := b.where()
	countLimit := ""
	if !f.CountExact {
		countLimit = " LIMIT " + b.arg(MaxTotal+1)
	}
	if err := b.after(f); err != nil {
		return "", nil, err
	}
	limit, offset := f.window()
	orderBy := f.Sort.sql()
	return `
WITH page AS (SELECT ` + feeColumns + ` FROM tables_v1.fees WHERE ` + b.where() +
		` ORDER BY ` + orderBy + ` LIMIT ` + b.arg(limit) + ` OFFSET ` + b.arg(offset) + `),
total AS (SELECT count(*) AS n FROM (SELECT FROM tables_v1.fees WHERE ` + counted + countLimit + `) AS counted),
served AS (SELECT coalesce(max(position), 0) AS checkpoint FROM ledger.checkpoints WHERE projection = ` + b.arg(ProjectionName) +
		` AND version = ` + b.arg(ProjectionVersion) + `)
SELECT served.checkpoint, total.n, page.* FROM served CROSS JOIN total LEFT JOIN page ON true ORDER BY ` + orderBy, b.args, nil
}

// after adds the condition of a cursor. The bare comparison in front lets an index find the place.
func (b *builder) after(f FeeFilter) error {
	if f.Cursor == "" {
		return nil
	}
	c, err := parseCursor(f.Sort, f.Cursor)
	if err != nil {
		return err
	}
	o, _ := sortColumn(f.Sort.field)
	than := " < "
	if f.Sort.ascending {
		than = " > "
	}
	created, id := b.arg(c.CreatedAt)+"::timestamptz", b.arg(c.ID)
	if o.column == "" {
		b.conditions = append(b.conditions, "(created_at, id)"+than+"("+created+", "+id+")")
		return nil
	}
	value := b.arg(c.Value) + "::text::" + o.cast
	b.conditions = append(b.conditions, "("+o.column+", created_at, id)"+than+"("+value+", "+created+", "+id+")")
	return nil
}

// window returns LIMIT and OFFSET.
func (f FeeFilter) window() (limit, offset int64) {
	if f.PageNumber == 0 && f.Cursor == "" {
		return MaxPageRowCount, 0
	}
	limit = int64(min(max(f.PageRowCount, 1), MaxPageRowCount))
	if f.Cursor != "" {
		return limit, 0
	}
	return limit, int64(f.PageNumber-1) * limit
}

func (s Sort) sql() string {
	direction := " DESC"
	if s.ascending {
		direction = ""
	}
	o, _ := sortColumn(s.field)
	if o.column == "" {
		return "created_at" + direction + ", id" + direction
	}
	return o.column + direction + ", created_at" + direction + ", id" + direction
}
