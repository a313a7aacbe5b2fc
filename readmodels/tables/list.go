package tables

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"payledger/readmodels"
	"payledger/readmodels/checkpoints"
)

// listing is how the rows of one object are listed.
type listing struct {
	table   string
	columns string
	scan    func(row pgx.CollectableRow, lead ...any) (readmodels.Row, error)
	owner   string // column
	// forMembers are conditions on what a member sees.
	forMembers []string
	fields     []field // each is a filter and an order, with an index
}

// field is a column under the contract's name.
type field struct {
	name   string
	column string
	of     string // text, smallint (the number of an enum's word) or bigint (minor units)
}

// listingOf returns how an object is listed, nil for an unknown one.
func listingOf(object readmodels.Object) *listing {
	user := field{"userId", "user_id", "text"}
	switch object {
	case readmodels.ObjectFee:
		return fees.listed("user_id", user, field{"loanId", "loan_id", "text"}, field{"amount", "amount", "bigint"},
			field{"status", "status", "smallint"}, field{"reason", "reason", "text"})
	case readmodels.ObjectFeePayment:
		return feePayments.listed("user_id", field{"feeId", "fee_id", "text"}, user, field{"paymentMethod", "payment_method", "smallint"},
			field{"paymentStatus", "payment_status", "smallint"})
	case readmodels.ObjectGatewayPayment:
		return gatewayPayments.listed("owner_id", field{"ownerId", "owner_id", "text"}, field{"orderId", "order_id", "text"},
			field{"paymentId", "payment_id", "text"}, field{"paymentStatus", "payment_status", "text"}, field{"statusLiteral", "status_literal", "text"})
	case readmodels.ObjectFeeEvent:
		l := feeEvents.listed("user_id", field{"feeId", "fee_id", "text"}, field{"eventType", "event_type", "smallint"},
			field{"actorUserId", "actor_user_id", "text"})
		l.forMembers = []string{"NOT staff_only"}
		return l
	case readmodels.ObjectPaymentCustomer:
		return paymentCustomers.listed("user_id", user)
	case readmodels.ObjectPaymentMethod:
		return paymentMethods.listed("user_id", user)
	}
	return nil
}

func (t table[R]) listed(owner string, fields ...field) *listing {
	scan := func(row pgx.CollectableRow, lead ...any) (readmodels.Row, error) {
		r, err := t.scan(row, lead...)
		listed, _ := any(r).(readmodels.Row) // all but credits are
		return listed, err
	}
	return &listing{table: "tables_v2." + t.name, columns: t.columns, scan: scan, owner: owner, fields: fields}
}

// FieldsOf returns the contract's names of the fields by which an object is filtered; lists sort by them and by createdAt.
func FieldsOf(object readmodels.Object) []string {
	var names []string
	if l := listingOf(object); l != nil {
		for _, f := range l.fields {
			names = append(names, f.name)
		}
	}
	return names
}

func (l *listing) field(name string) (field, bool) {
	if l != nil {
		for _, f := range l.fields {
			if f.name == name {
				return f, true
			}
		}
	}
	return field{}, false
}

// sorted returns the field of a sort; createdAt needs no column beside the tie breakers.
func (l *listing) sorted(s Sort) field {
	by, _ := l.field(s.field)
	return by
}

// Page is a page of a list.
type Page struct {
	Rows       []readmodels.Row
	Total      int64 // of the whole list
	AtLeast    bool  // Total is MaxTotal and there are more
	Checkpoint int64
	Next       string // cursor of the next page; empty when this page isn't full
}

// List returns a page of an object's rows. Errors: ErrCursor, ErrFilter, checkpoints.ErrNotBuilt.
func (q Queries) List(ctx context.Context, object readmodels.Object, f Filter) (Page, error) {
	l := listingOf(object)
	if l == nil {
		return Page{}, fmt.Errorf("%w: %s", ErrFilter, object)
	}
	list, err := l.statement(f, q.Totals)
	if err != nil {
		return Page{}, err
	}
	var (
		page  Page
		value *string // of the last row
		at    *time.Time
	)
	rows, err := q.Pool.Query(ctx, list.sql, list.args...)
	if err == nil {
		page.Rows, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (readmodels.Row, error) {
			return scanOuter(row, l.scan, &page.Checkpoint, &page.Total, &value, &at)
		})
	}
	if err != nil {
		return Page{}, fmt.Errorf("list %s: %w", object, checkpoints.NotBuilt(err))
	}
	if len(page.Rows) == 1 && page.Rows[0] == nil { // the outer join's row that carries the numbers
		page.Rows = nil
	}
	q.Totals.Note(list.list, page.Checkpoint, page.Total)
	if !f.CountExact && page.Total > MaxTotal {
		page.Total, page.AtLeast = MaxTotal, true
	}
	if limit, _ := f.window(); len(page.Rows) == limit {
		after := cursor{Sort: f.Sort.String(), CreatedAt: at.UTC(), ID: page.Rows[limit-1].Key()}
		if value != nil {
			after.Value = *value
		}
		page.Next = after.String()
	}
	return page, nil
}
