package commands_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"payledger/commands"
	"payledger/domain/credit"
	"payledger/domain/fee"
	"payledger/domain/money"
	"payledger/domain/payment"
	"payledger/eventstore"
	"payledger/eventstore/catalog"
	"payledger/eventstore/pgtest"
	"payledger/eventstore/storetest"
	"payledger/readmodels"
)

const tenant = "main"

// desk is a service on a real event store, and what a test asks it for.
type desk struct {
	t     testing.TB
	db    *pgtest.DB
	pool  *pgxpool.Pool
	vault *eventstore.Vault
	log   *eventstore.Reader
	codec *catalog.Catalog
	clock *atomic.Int64 // milliseconds since start
	*commands.Service
}

func start() time.Time { return time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC) }

func setup(tb testing.TB) *desk {
	tb.Helper()
	db := pgtest.NewFrom(tb, storetest.Template())
	return openDesk(tb, db, new(atomic.Int64))
}

// second returns another process's service on the same log.
func (d *desk) second() *desk { return openDesk(d.t, d.db, d.clock) }

func openDesk(tb testing.TB, db *pgtest.DB, clock *atomic.Int64) *desk {
	tb.Helper()
	d := &desk{t: tb, db: db, pool: db.AppPool(tb), codec: catalog.New(), clock: clock}
	d.vault = eventstore.OpenVault(d.pool, [32]byte{1})
	d.log = eventstore.NewReader(d.pool)
	store := storetest.OpenOn(tb, db, func(c *eventstore.Config) {
		c.Folder, c.Keys = commands.Folder{Catalog: d.codec}, d.vault
	})
	d.Service = &commands.Service{Store: store, Catalog: d.codec, Vault: d.vault, OpenFees: tablesAt{}, Rows: logRows{d}}
	return d
}

// tablesAt is a read model that stands still: what it knows, and up to where.
type tablesAt struct {
	ids        []string
	checkpoint int64
}

func (f tablesAt) OpenFees(context.Context, string, string) ([]string, int64, error) {
	return f.ids, f.checkpoint, nil
}

func newID() string { return uuid.Must(uuid.NewV7()).String() }

func usd(text string) money.Amount { return amount(text, "USD") }

func amount(text, code string) money.Amount {
	cur, err := money.ParseCurrency(code)
	if err != nil {
		panic(err)
	}
	a, err := money.Parse(text, cur)
	if err != nil {
		panic(err)
	}
	return a
}

// request is a request of the desk's staff, a millisecond after the one before.
func (d *desk) request(change ...func(*commands.Request)) commands.Request {
	req := commands.Request{
		Tenant: tenant, Actor: catalog.Actor{Kind: "staff", ID: "desk-1", Roles: []string{"staff"}}, Channel: "api",
		CommandID: uuid.Must(uuid.NewV7()), At: start().Add(time.Duration(d.clock.Add(1)) * time.Millisecond), RequestID: "r-1", Render: render,
	}
	for _, fn := range change {
		fn(&req)
	}
	return req
}

// logRows is a read model that is never behind.
type logRows struct{ *desk }

func (r logRows) StreamOf(ctx context.Context, inTenant string, object readmodels.Object, id string) (string, error) {
	states := map[eventstore.StreamID]any{}
	for _, ev := range r.decoded(ctx) {
		next, changes, err := readmodels.Fold(states[ev.Stream], ev)
		if err != nil {
			return "", err
		}
		states[ev.Stream] = next
		if granted, ok := ev.Data.(credit.Granted); ok && object == readmodels.ObjectCredit && granted.CreditID == id && ev.Stream.Tenant == inTenant {
			return ev.Stream.Name, nil
		}
		for _, c := range changes {
			if ev.Stream.Tenant == inTenant && c.Object == object && c.New.Key() == id {
				return ev.Stream.Name, nil
			}
		}
	}
	return "", commands.ErrRecordNotFound
}

// render answers with the row, as the API does within its envelope.
func render(o commands.Outcome) (eventstore.Answer, *eventstore.RouteEvent, error) {
	switch {
	case o.FeePayment != nil:
		return eventstore.Answer{Status: 200, Body: o.FeePayment.AppendJSON(nil, true)}, nil, nil
	case o.Payment != nil:
		return eventstore.Answer{Status: 201, Body: o.Payment.AppendJSON(nil)}, nil, nil
	case o.FeeEvent != nil:
		return eventstore.Answer{Status: 200, Body: o.FeeEvent.AppendJSON(nil, true)}, nil, nil
	case o.GatewayPayment != nil:
		return eventstore.Answer{Status: 200, Body: o.GatewayPayment.AppendJSON(nil, true)}, nil, nil
	case o.Fee != nil:
		return eventstore.Answer{Status: 200, Body: o.Fee.AppendJSON(nil, true)}, nil, nil
	case o.Credit != nil:
		return eventstore.Answer{Status: 200, Body: []byte(o.Credit.Remaining.Number())}, nil, nil
	case o.Profile != "":
		return eventstore.Answer{Status: 200, Body: []byte(o.Profile)}, nil, nil
	case o.Reasons != nil:
		body, err := json.Marshal(o.Reasons.Codes)
		return eventstore.Answer{Status: 200, Body: body}, nil, err
	}
	if o.Extension == nil { // about a person
		return eventstore.Answer{Status: 200, Body: []byte(`{}`)}, nil, nil
	}
	body, err := json.Marshal(o.Extension.Elements)
	return eventstore.Answer{Status: 200, Body: body}, nil, err
}

func at(t time.Time) func(*commands.Request) {
	return func(r *commands.Request) { r.EffectiveAt = t }
}

func ifMatch(version int64) func(*commands.Request) {
	return func(r *commands.Request) { r.IfMatch = []int64{version} }
}

func claim(key string) func(*commands.Request) {
	return func(r *commands.Request) {
		r.Claim = &eventstore.Claim{Tenant: tenant, Subject: "desk-1", Key: key, Fingerprint: [32]byte{7}}
	}
}

// assess charges a fee and returns its id.
func (d *desk) assess(userID string, owed money.Amount) string {
	d.t.Helper()
	p := commands.NewFee{FeeID: newID(), UserID: userID, Amount: owed, Reason: "overdue"}
	_, err := d.AssessFee(context.WithoutCancel(d.t.Context()), d.request(), p)
	require.NoError(d.t, err)
	return p.FeeID
}

func cash(userID string, taken money.Amount, shares ...payment.Share) commands.NewPayment {
	return commands.NewPayment{UserID: userID, Tender: payment.TenderCash, Amount: taken, Shares: shares}
}

func share(feeID string, part money.Amount) payment.Share {
	return payment.Share{FeeID: feeID, Amount: part}
}

// events returns the log, decoded.
func (d *desk) events() []catalog.Event {
	d.t.Helper()
	return d.decoded(d.t.Context())
}

func (d *desk) decoded(ctx context.Context) []catalog.Event {
	d.t.Helper()
	recorded, err := d.log.ReadAll(ctx, 0, 100_000)
	require.NoError(d.t, err)
	events := make([]catalog.Event, len(recorded))
	for i := range recorded {
		events[i], err = d.codec.Decode(ctx, d.vault, &recorded[i])
		require.NoError(d.t, err)
	}
	return events
}

// types returns the wire names of the events after a position.
func (d *desk) types(after int64) []string {
	d.t.Helper()
	var types []string
	for _, ev := range d.events() {
		if ev.Position > after {
			types = append(types, ev.Type)
		}
	}
	return types
}

// row returns a fee as the log tells it.
func (d *desk) row(feeID string) *readmodels.Fee {
	d.t.Helper()
	var rows *readmodels.FeeState
	for _, ev := range d.events() {
		if ev.Stream.Name == fee.Stream(feeID) {
			next, _, err := readmodels.FoldFee(rows, ev)
			require.NoError(d.t, err)
			rows = next
		}
	}
	require.NotNil(d.t, rows)
	return rows.Fee
}

// paymentAnswer is the answer of RecordPayment.
type paymentAnswer struct {
	ID          string `json:"id"`
	Allocations []struct {
		ID     string      `json:"id"`
		FeeID  string      `json:"feeId"`
		Amount json.Number `json:"amount"`
	} `json:"allocations"`
	Credit json.Number `json:"credit"`
}

func readPayment(t *testing.T, r eventstore.Result) paymentAnswer {
	t.Helper()
	var p paymentAnswer
	require.NoError(t, json.Unmarshal(r.Answer.Body, &p))
	return p
}

// shares returns what the payment gave to each fee.
func (p paymentAnswer) shares() map[string]string {
	shares := map[string]string{}
	for _, a := range p.Allocations {
		shares[a.FeeID] = a.Amount.String()
	}
	return shares
}

func isOneOf(err error, targets ...error) bool {
	return slices.ContainsFunc(targets, func(target error) bool { return errors.Is(err, target) })
}
