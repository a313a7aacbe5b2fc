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
	"payledger/readmodels/totals"
)

// Limits of lists.
const (
	MaxPageRowCount = 500
	// MaxTotal is the count up to which totals are exact without being asked to.
	MaxTotal = totals.Exact
)

// Errors of lists.
var (
	// ErrSort: there is no sorting by this field.
	ErrSort = errors.New("can't sort by this field")
	// ErrCursor: the cursor is none of ours, or of another sorting.
	ErrCursor = errors.New("cursor is not valid")
	// ErrFilter: there is no list of the object, or none by this field with such a value.
	ErrFilter = errors.New("can't list by this field")
)

// Filter says which rows of an object a list shows, of those that are active. Zero values mean "any".
type Filter struct {
	Tenant string
	// Owner restricts the list to one person's rows, and to those that are not for staff alone: set for members.
	Owner string
	Where []Condition // all must be met
	Sort  Sort
	// PageNumber counts from 1; 0 asks for the first MaxPageRowCount rows. It is not looked at when Cursor is set.
	PageNumber   int
	PageRowCount int // 1 to MaxPageRowCount
	// Cursor goes on after the last row of the answer that gave it.
	Cursor string
	// CountExact counts beyond MaxTotal.
	CountExact bool
}

// Condition wants a field to have a value: a string, of which an empty one means "any", the number of an enum's word (int), or a
// money.Amount, which is met by exactly this amount in this currency. The fields of an object are those of FieldsOf.
type Condition struct {
	Field string // the contract's name
	Value any
}

// Sort is an order of a list. Rows with equal values go by createdAt and then by id, in the same direction. The zero value
// is the default: the newest first.
type Sort struct {
	field     string // a field of the list; empty for createdAt
	ascending bool
}

// ParseSort reads "createdAt" (ascending) or "-createdAt" (descending); empty text is the default. Amounts sort by minor
// units, enums by their numbers. It returns ErrSort for a field without an order.
func ParseSort(object readmodels.Object, text string) (Sort, error) {
	if text == "" {
		return Sort{}, nil
	}
	name, descending := strings.CutPrefix(text, "-")
	s := Sort{field: name, ascending: !descending}
	if name == createdAt {
		s.field = ""
		return s, nil
	}
	if _, ok := listingOf(object).field(name); !ok {
		return Sort{}, fmt.Errorf("%w: %q", ErrSort, name)
	}
	return s, nil
}

const createdAt = "createdAt"

// String is the inverse of ParseSort.
func (s Sort) String() string {
	name := s.field
	if name == "" {
		name = createdAt
	}
	if s.ascending {
		return name
	}
	return "-" + name
}

// cursor is the place after a row. It is sent as base64 of JSON, and means nothing to callers.
type cursor struct {
	Sort      string    `json:"s"`
	Value     string    `json:"v,omitempty"` // of the field that is sorted by
	CreatedAt time.Time `json:"c"`
	ID        string    `json:"i"`
}

func (c cursor) String() string {
	raw, err := json.Marshal(c)
	if err != nil {
		panic(fmt.Sprintf("tables: encode a cursor: %v", err)) // strings and a time of the database: can't fail
	}
	return base64.RawURLEncoding.EncodeToString(raw)
}

// parseCursor reads a cursor whose Value is a value of a type of Postgres.
func parseCursor(s Sort, of, text string) (cursor, error) {
	var c cursor
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err == nil {
		err = json.Unmarshal(raw, &c)
	}
	if err != nil || c.Sort != s.String() || c.ID == "" || strings.ContainsRune(c.ID+c.Value, 0) || c.CreatedAt.Year() < 1900 || c.CreatedAt.Year() > 2200 {
		return c, ErrCursor
	}
	if bits, isInteger := map[string]int{"bigint": 64, "smallint": 16}[of]; isInteger {
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

// meets adds a condition on a field.
func (b *builder) meets(l *listing, c Condition) error {
	field, ok := l.field(c.Field)
	switch value := c.Value.(type) {
	case string:
		ok = ok && field.of == "text"
		if value != "" {
			b.equal(field.column, value)
		}
	case int:
		ok = ok && field.of == "smallint"
		b.equal(field.column, value)
	case money.Amount:
		ok = ok && field.of == "bigint"
		b.equal(field.column, value.Minor())
		b.equal("currency", value.Currency().Code())
	default:
		ok = false
	}
	if !ok {
		return fmt.Errorf("%w: %s with a %T", ErrFilter, c.Field, c.Value)
	}
	return nil
}

func (b *builder) where() string { return strings.Join(b.conditions, " AND ") }

// statement is that of a list: checkpoint, total and rows in one snapshot, each row behind what a cursor says of it.
type statement struct {
	sql  string
	args []any
	list string // names the list in the memory of totals
}

// statement returns the one of a list. It counts up to totals.CountTo, but not at a checkpoint at which the list is known to be long.
func (l *listing) statement(f Filter, memory *totals.Memory) (statement, error) {
	var b builder
	b.equal("tenant", f.Tenant)
	b.conditions = append(b.conditions, "is_active")
	if f.Owner != "" {
		b.equal(l.owner, f.Owner)
		b.conditions = append(b.conditions, l.forMembers...)
	}
	for _, c := range f.Where {
		if err := b.meets(l, c); err != nil {
			return statement{}, err
		}
	}
	counted := `FROM ` + l.table + ` WHERE ` + b.where()
	list := totals.Key(counted, b.args)
	total := `(SELECT count(*) ` + counted + `)`
	if !f.CountExact {
		long := memory.Span(list)
		total = `CASE WHEN served.checkpoint BETWEEN ` + b.arg(long.First) + ` AND ` + b.arg(long.Last) + ` THEN ` + b.arg(MaxTotal+1) +
			` ELSE (SELECT count(*) FROM (SELECT ` + counted + ` LIMIT ` + strconv.Itoa(totals.CountTo) + `) AS counted) END`
	}
	by := l.sorted(f.Sort)
	if err := b.after(f, by); err != nil {
		return statement{}, err
	}
	orderBy := by.order(f.Sort)
	sql := `
WITH page AS (SELECT ` + l.columns + ` FROM ` + l.table + ` WHERE ` + b.where() + ` ORDER BY ` + orderBy + b.window(f) + `),
served AS (SELECT coalesce(max(position), 0) AS checkpoint FROM ledger.checkpoints WHERE projection = ` + b.arg(ProjectionName) +
		` AND version = ` + b.arg(ProjectionVersion) + `)
SELECT served.checkpoint, ` + total + ` AS total, ` + by.value() + ` AS after_value, created_at AS after_time, page.* FROM served LEFT JOIN page ON true ORDER BY ` + orderBy
	return statement{sql: sql, args: b.args, list: list}, nil
}

// after adds the condition of a cursor. All columns are compared at once, so that an index finds the place.
func (b *builder) after(f Filter, by field) error {
	if f.Cursor == "" {
		return nil
	}
	c, err := parseCursor(f.Sort, by.of, f.Cursor)
	if err != nil {
		return err
	}
	than := " < "
	if f.Sort.ascending {
		than = " > "
	}
	left, right := "created_at, id", b.arg(c.CreatedAt)+"::timestamptz, "+b.arg(c.ID)
	if by.column != "" {
		left, right = by.column+", "+left, b.arg(c.Value)+"::text::"+by.of+", "+right
	}
	b.conditions = append(b.conditions, "("+left+")"+than+"("+right+")")
	return nil
}

// window returns LIMIT and OFFSET. The limit is a constant: with one that it doesn't know, Postgres takes a page for a tenth of the table, and
// plans each page of a long list anew, which takes longer than reading it.
func (b *builder) window(f Filter) string {
	limit, offset := f.window()
	if offset == 0 {
		return ` LIMIT ` + strconv.Itoa(limit)
	}
	return ` LIMIT ` + strconv.Itoa(limit) + ` OFFSET ` + b.arg(offset)
}

// window returns the number of rows of the page, and of those before it.
func (f Filter) window() (limit, offset int) {
	if f.PageNumber == 0 && f.Cursor == "" {
		return MaxPageRowCount, 0
	}
	limit = min(max(f.PageRowCount, 1), MaxPageRowCount)
	if f.Cursor != "" {
		return limit, 0
	}
	return limit, (f.PageNumber - 1) * limit
}

// value is what a cursor says of the field, as text.
func (by field) value() string {
	if by.column == "" {
		return "NULL::text"
	}
	return by.column + "::text"
}

// order returns what stands behind ORDER BY.
func (by field) order(s Sort) string {
	direction := " DESC"
	if s.ascending {
		direction = ""
	}
	ties := "created_at" + direction + ", id" + direction
	if by.column == "" {
		return ties
	}
	return by.column + direction + ", " + ties
}
