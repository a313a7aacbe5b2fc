package tables

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"payledger/domain/credit"
	"payledger/domain/customer"
	"payledger/domain/fee"
	"payledger/domain/gateway"
	"payledger/domain/payment"
	"payledger/readmodels"
	"payledger/readmodels/checkpoints"
)

// Querier is what a query can be run on: a transaction, a connection or a pool.
type Querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// Found is a row and what is needed to judge how fresh it is, all of one snapshot.
type Found[R any] struct {
	Row            R // nil if the table has no such row
	StreamExists   bool
	StreamPosition int64 // of the last event of the row's stream; beyond Checkpoint means that the row is old
	Checkpoint     int64 // of the projection
	Head           int64 // of the log
}

// FeeResult is a fee that was looked for.
type FeeResult = Found[*readmodels.Fee]

// A row of tenant $1 is found by $2, with its freshness: $3 and $4 name the projection, $5 is the name of its stream, or how that
// begins before what the row says. $6 is whose rows are looked at, empty for all.
const (
	freshness = `SELECT head.position, coalesce(served.position, 0), coalesce(streams.position, 0), r.* FROM ledger.head
LEFT JOIN ledger.checkpoints AS served ON served.projection = $3 AND served.version = $4
LEFT JOIN (SELECT `
	hasStream  = `) AS r ON true LEFT JOIN ledger.streams ON streams.tenant = $1 AND streams.stream = $5`
	namesIt    = ` || `
	ofOwner    = ` AND ($6 = '' OR owner_id = $6)`
	newestLive = ` AND is_active ORDER BY created_at DESC, id DESC LIMIT 1`

	sqlFee        = freshness + feeColumns + ` FROM tables_v2.fees WHERE tenant = $1 AND id = $2` + hasStream
	sqlFeePayment = freshness + feePaymentColumns + ` FROM tables_v2.fee_payments WHERE tenant = $1 AND id = $2` +
		hasStream + namesIt + `r.payment_id`
	sqlFeeEvent         = freshness + feeEventColumns + ` FROM tables_v2.fee_events WHERE tenant = $1 AND id = $2` + hasStream + namesIt + `r.fee_id`
	sqlGatewayPayment   = freshness + gatewayPaymentColumns + ` FROM tables_v2.gateway_payments WHERE tenant = $1 AND id = $2` + hasStream
	sqlGatewayByOrder   = freshness + gatewayPaymentColumns + ` FROM tables_v2.gateway_payments WHERE tenant = $1 AND order_id = $2` + ofOwner + newestLive + hasStream + namesIt + `r.id`
	sqlGatewayByPayment = freshness + gatewayPaymentColumns + ` FROM tables_v2.gateway_payments WHERE tenant = $1 AND payment_id = $2` + ofOwner + newestLive + hasStream + namesIt + `r.id`
	sqlPaymentCustomer  = freshness + paymentCustomerColumns + ` FROM tables_v2.payment_customers WHERE tenant = $1 AND id = $2` + hasStream + namesIt + `r.user_id`
	sqlCredit           = freshness + lotColumns + ` FROM tables_v2.credits WHERE tenant = $1 AND id = $2` + hasStream + namesIt + `r.user_id`
	sqlPaymentMethod    = freshness + paymentMethodColumns + ` FROM tables_v2.payment_methods WHERE tenant = $1 AND id = $2` + hasStream + namesIt + `r.user_id`
	sqlCustomerOfUser   = freshness + paymentCustomerColumns + ` FROM tables_v2.payment_customers WHERE tenant = $1 AND user_id = $2` + newestLive + hasStream
)

// Fee returns a fee by id. An unknown id is a result without row and stream. checkpoints.ErrNotBuilt: there are no tables yet;
// so it is with all queries by id.
func (q Queries) Fee(ctx context.Context, tenant, id string) (FeeResult, error) {
	return find(ctx, q, scanFee, "fee", sqlFee, tenant, id, fee.Stream(id))
}

// FeePayment returns a payment of a fee by id, that of the allocation. Its stream is the payment's: an id that the table doesn't
// know names none.
func (q Queries) FeePayment(ctx context.Context, tenant, id string) (Found[*readmodels.FeePayment], error) {
	return find(ctx, q, scanFeePayment, "payment of a fee", sqlFeePayment, tenant, id, payment.Stream(""))
}

// FeeEvent returns a feeEvent by id. Its stream is the fee's: an id that the table doesn't know names none.
func (q Queries) FeeEvent(ctx context.Context, tenant, id string) (Found[*readmodels.FeeEvent], error) {
	return find(ctx, q, scanFeeEvent, "event of a fee", sqlFeeEvent, tenant, id, fee.Stream(""))
}

// GatewayPayment returns a gateway payment by id.
func (q Queries) GatewayPayment(ctx context.Context, tenant, id string) (Found[*readmodels.GatewayPayment], error) {
	return find(ctx, q, scanGatewayPayment, "gateway payment", sqlGatewayPayment, tenant, id, gateway.Stream(id))
}

// GatewayPaymentByOrder returns the newest live gateway payment of an order, which is a fee: of an owner, or of all if that is empty.
// The newest was created last; of those created in the same millisecond it is the one with the highest id, as in lists.
func (q Queries) GatewayPaymentByOrder(ctx context.Context, tenant, orderID, owner string) (Found[*readmodels.GatewayPayment], error) {
	return find(ctx, q, scanGatewayPayment, "gateway payment of order", sqlGatewayByOrder, tenant, orderID, gateway.Stream(""), owner)
}

// GatewayPaymentByPaymentID returns the newest live gateway payment with an id of the gateway's, of an owner or of all as by order.
func (q Queries) GatewayPaymentByPaymentID(ctx context.Context, tenant, paymentID, owner string) (Found[*readmodels.GatewayPayment], error) {
	return find(ctx, q, scanGatewayPayment, "gateway payment of payment", sqlGatewayByPayment, tenant, paymentID, gateway.Stream(""), owner)
}

// PaymentCustomer returns the newest live customer of a person.
func (q Queries) PaymentCustomer(ctx context.Context, tenant, userID string) (Found[*readmodels.PaymentCustomer], error) {
	return find(ctx, q, scanPaymentCustomer, "customer of user", sqlCustomerOfUser, tenant, userID, customer.Stream(userID))
}

// ErrNoRows says that there are no rows of this object.
var ErrNoRows = errors.New("no such object")

// StreamOf returns, as Row, the name of the stream that a row is folded from, deleted ones included; empty for an id that the tables
// don't know, which is final only at a checkpoint that isn't below the head. ErrNoRows: unknown object.
func (q Queries) StreamOf(ctx context.Context, tenant string, object readmodels.Object, id string) (Found[string], error) {
	switch object {
	case readmodels.ObjectFee:
		res, err := q.Fee(ctx, tenant, id)
		return streamOf(res, func(r *readmodels.Fee) string { return fee.Stream(r.ID) }), err
	case readmodels.ObjectFeePayment:
		res, err := q.FeePayment(ctx, tenant, id)
		return streamOf(res, func(r *readmodels.FeePayment) string { return payment.Stream(r.PaymentID) }), err
	case readmodels.ObjectGatewayPayment:
		res, err := q.GatewayPayment(ctx, tenant, id)
		return streamOf(res, func(r *readmodels.GatewayPayment) string { return gateway.Stream(r.ID) }), err
	case readmodels.ObjectFeeEvent:
		res, err := q.FeeEvent(ctx, tenant, id)
		return streamOf(res, func(r *readmodels.FeeEvent) string { return fee.Stream(r.FeeID) }), err
	case readmodels.ObjectPaymentCustomer:
		res, err := find(ctx, q, scanPaymentCustomer, "customer", sqlPaymentCustomer, tenant, id, customer.Stream(""))
		return streamOf(res, func(r *readmodels.PaymentCustomer) string { return customer.Stream(r.UserID) }), err
	case readmodels.ObjectPaymentMethod:
		res, err := find(ctx, q, scanPaymentMethod, "payment method", sqlPaymentMethod, tenant, id, customer.Stream(""))
		return streamOf(res, func(r *readmodels.PaymentMethod) string { return customer.Stream(r.UserID) }), err
	case readmodels.ObjectCredit:
		res, err := find(ctx, q, scanCredit, "credit", sqlCredit, tenant, id, credit.Stream(""))
		return streamOf(res, func(r *readmodels.CreditLot) string { return credit.Stream(r.UserID) }), err
	}
	return Found[string]{}, fmt.Errorf("%w: %q", ErrNoRows, object)
}

func streamOf[R comparable](found Found[R], name func(R) string) Found[string] {
	res := Found[string]{StreamExists: found.StreamExists, StreamPosition: found.StreamPosition, Checkpoint: found.Checkpoint, Head: found.Head}
	var none R
	if found.Row != none {
		res.Row = name(found.Row)
	}
	return res
}

func find[R any](
	ctx context.Context, q Queries, scan func(pgx.CollectableRow, ...any) (R, error), what, sql, tenant, id, stream string,
	more ...any,
) (Found[R], error) {
	var res Found[R]
	rows, err := q.Pool.Query(ctx, sql, append([]any{tenant, id, ProjectionName, ProjectionVersion, stream}, more...)...)
	if err == nil {
		res.Row, err = pgx.CollectExactlyOneRow(rows, func(row pgx.CollectableRow) (R, error) {
			return scanOuter(row, scan, &res.Head, &res.Checkpoint, &res.StreamPosition)
		})
	}
	if err != nil {
		return Found[R]{}, fmt.Errorf("read %s %s: %w", what, id, checkpoints.NotBuilt(err))
	}
	res.StreamExists = res.StreamPosition > 0
	return res, nil
}

// scanOuter scans a row that an outer join brought, if it brought one, and what stands before it into lead.
func scanOuter[R any](row pgx.CollectableRow, scan func(pgx.CollectableRow, ...any) (R, error), lead ...any) (R, error) {
	if row.RawValues()[len(lead)] != nil {
		return scan(row, lead...)
	}
	var none R
	return none, row.Scan(append(lead, make([]any, len(row.FieldDescriptions())-len(lead))...)...)
}
