package commands_test

import (
	"context"
	"encoding/json"
	"errors"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"payledger/commands"
	"payledger/domain/customer"
	"payledger/domain/extension"
	"payledger/domain/fee"
	"payledger/domain/gateway"
	"payledger/domain/policy"
	"payledger/eventstore"
	"payledger/eventstore/catalog"
	"payledger/readmodels"
)

var errAway = errors.New("read model is away")

// awayRows is a read model that doesn't answer.
type awayRows struct{}

func (awayRows) StreamOf(context.Context, string, readmodels.Object, string) (string, error) {
	return "", errAway
}

func TestGatewayPayments(t *testing.T) {
	t.Parallel()
	d := setup(t)
	p := commands.NewGatewayPayment{ID: newID(), OrderID: newID(), PaymentID: "pi_1", PaymentStatus: "processing", StatusLiteral: "started"}
	create := func(ctx context.Context, req commands.Request) (eventstore.Result, error) {
		return d.CreateGatewayPayment(ctx, req, p)
	}
	update := func(id string, c gateway.Update) useCase {
		return func(ctx context.Context, req commands.Request) (eventstore.Result, error) {
			return d.UpdateGatewayPayment(ctx, req, id, c)
		}
	}
	remove := func(id string) useCase {
		return func(ctx context.Context, req commands.Request) (eventstore.Result, error) {
			return d.DeleteGatewayPayment(ctx, req, id)
		}
	}
	require.Contains(t, string(d.do(create).Answer.Body), `"ownerId":"desk-1"`)
	d.refused(commands.ErrIDInUse, create)
	paid := gateway.Update{PaymentStatus: new("succeeded"), StatusLiteral: new("success")}
	body := string(d.do(update(p.ID, paid), ifMatch(0)).Answer.Body)
	require.Contains(t, body, `"paymentStatus":"succeeded"`)
	require.Contains(t, body, `"paymentId":"pi_1"`)
	d.do(update(p.ID, paid)) // is so
	var mismatch *commands.VersionMismatchError
	_, err := update(p.ID, gateway.Update{PaymentID: new("pi_2")})(t.Context(), d.request(ifMatch(0)))
	require.ErrorAs(t, err, &mismatch)
	require.Equal(t, int64(1), mismatch.Current)
	require.Contains(t, string(d.do(remove(p.ID), ifMatch(1)).Answer.Body), `"isActive":false`)
	d.refused(commands.ErrRecordNotFound, remove(p.ID))
	d.refused(commands.ErrRecordNotFound, update(p.ID, paid))
	d.refused(commands.ErrRecordNotFound, update(newID(), paid))
	require.Equal(t, []string{"gateway_payment.recorded", "gateway_payment.updated", "gateway_payment.deleted"}, d.types(0))
	p.ID = ""
	d.do(create)
	require.Equal(t, uuid.Version(7), uuid.MustParse(d.events()[3].Data.(gateway.Recorded).ID).Version())
	d.requireSound()
}

func TestSetReasons(t *testing.T) {
	t.Parallel()
	d := setup(t)
	set := func(kind policy.Kind, codes ...string) useCase {
		return func(ctx context.Context, req commands.Request) (eventstore.Result, error) {
			return d.SetReasons(ctx, req, commands.Reasons{Kind: kind, Codes: codes})
		}
	}
	id := d.assess("u1", usd("10"))
	other := d.second()
	other.do(other.waive(id, usd("1"))) // who knows the default ones
	require.Contains(t, string(d.do(set(policy.KindWaive, "ours")).Answer.Body), `["ours"]`)
	other.refused(policy.ErrUnknownReason, other.waive(id, usd("1")))
	other.do(func(ctx context.Context, req commands.Request) (eventstore.Result, error) {
		return other.WaiveFee(ctx, req, commands.Reduction{FeeID: id, Amount: usd("1"), Reason: "ours"})
	})
	elsewhere := commands.NewFee{FeeID: newID(), UserID: "u1", Amount: usd("10")}
	_, err := d.AssessFee(t.Context(), d.request(func(r *commands.Request) { r.Tenant = "other" }), elsewhere)
	require.NoError(t, err)
	d.do(d.waive(elsewhere.FeeID, usd("1")), func(r *commands.Request) { r.Tenant = "other" })
	d.refused(policy.ErrBadCodes, set(policy.KindWaive))
	d.refused(policy.ErrUnknownKind, set("sing", "a"))
	d.requireSound()
}

func TestSetProfile(t *testing.T) {
	t.Parallel()
	d := setup(t)
	set := func(profile policy.Profile) useCase {
		return func(ctx context.Context, req commands.Request) (eventstore.Result, error) {
			return d.SetProfile(ctx, req, profile)
		}
	}
	require.Equal(t, "accrual", string(d.do(set(policy.ProfileAccrual)).Answer.Body))
	require.Empty(t, d.events(), "so it was")
	require.Equal(t, "cash", string(d.do(set(policy.ProfileCash)).Answer.Body))
	require.Equal(t, policy.ProfileSet{Profile: policy.ProfileCash}, d.events()[0].Data)
	d.refused(policy.ErrUnknownProfile, set("modified"))
	d.requireSound()
}

func TestPutExtension(t *testing.T) {
	t.Parallel()
	d := setup(t)
	put := func(object readmodels.Object, id string, elements ...extension.Element) useCase {
		return func(ctx context.Context, req commands.Request) (eventstore.Result, error) {
			return d.PutExtension(ctx, req, commands.Extension{Object: object, ID: id, Name: "reminders", Elements: elements})
		}
	}
	one, two := extension.Element{ID: "1", Value: `{"id":"1"}`}, extension.Element{ID: "2", Value: `{"id":"2"}`}
	id := d.assess("u1", usd("10"))
	d.do(put(readmodels.ObjectFee, id, one))
	result := d.do(put(readmodels.ObjectFee, id, two))
	var answer []extension.Element
	require.NoError(t, json.Unmarshal(result.Answer.Body, &answer))
	require.Equal(t, []extension.Element{one, two}, answer, "the whole list")
	last := d.events()[len(d.events())-1]
	require.Equal(t, extension.Put{Object: "fee", ID: id, Stream: "fee-" + id, Name: "reminders", Elements: []extension.Element{two}}, last.Data)
	head := len(d.events())
	d.do(put(readmodels.ObjectFee, id, one, two))
	require.Len(t, d.events(), head, "is so")

	ends, err := d.log.StreamsOf(t.Context(), tenant, "u1", 0)
	require.NoError(t, err)
	require.Len(t, ends, 2, "the fee's person is the extension's")

	row := feePayment(id, usd("1"), readmodels.PaymentComplete)
	row.ID = newID()
	d.do(d.createFeePayment(row))
	d.do(put(readmodels.ObjectFeePayment, row.ID, one))
	d.do(put(readmodels.ObjectFeeEvent, d.events()[0].ID.String(), one))
	gatewayID := newID()
	d.do(func(ctx context.Context, req commands.Request) (eventstore.Result, error) {
		return d.CreateGatewayPayment(ctx, req, commands.NewGatewayPayment{ID: gatewayID, OrderID: id})
	})
	d.do(put(readmodels.ObjectGatewayPayment, gatewayID, one))
	linked := customer.Linked{ID: newID(), UserID: "u1", CustomerID: "cus_1", Platform: "stripe"}
	d.append(customer.Stream("u1"), "u1", linked)
	d.do(put(readmodels.ObjectPaymentCustomer, linked.ID, one))

	d.refused(commands.ErrRecordNotFound, put(readmodels.ObjectFee, newID(), one))
	d.refused(commands.ErrRecordNotFound, put(readmodels.ObjectGatewayPayment, newID(), one))
	d.refused(commands.ErrRecordNotFound, put(readmodels.ObjectFeePayment, newID(), one))
	d.refused(commands.ErrUnknownObject, put("loan", newID(), one))
	d.refused(extension.ErrDuplicateElement, put(readmodels.ObjectFee, id, one, one))
}

// Nothing is added to the document of a row that is deleted, whichever object it is of; a paymentCustomer never is.
func TestPutExtensionToDeletedRows(t *testing.T) {
	t.Parallel()
	d := setup(t)
	id := d.assess("u1", usd("10"))
	row := feePayment(id, usd("1"), readmodels.PaymentComplete)
	note, method := newID(), newID()
	row.ID = newID()
	gatewayID := newID()
	d.do(d.createFeePayment(row))
	d.do(d.addNote(commands.NewNote{NoteID: note, FeeID: id, Visibility: fee.VisibilityStaff, Note: "n"}))
	d.do(func(ctx context.Context, req commands.Request) (eventstore.Result, error) {
		return d.CreateGatewayPayment(ctx, req, commands.NewGatewayPayment{ID: gatewayID, OrderID: id})
	})
	d.append(customer.Stream("u1"), "u1", customer.MethodAttached{ID: method, UserID: "u1", PaymentMethodID: "pm_1", CustomerID: "cus_1", Platform: "stripe"})
	cases := []struct {
		object readmodels.Object
		id     string
		remove func()
	}{
		{readmodels.ObjectFeePayment, row.ID, func() { d.do(d.deleteFeePayment(row.ID)) }},
		{readmodels.ObjectFeeEvent, note, func() { d.do(d.hideNote(note)) }},
		{readmodels.ObjectGatewayPayment, gatewayID, func() {
			d.do(func(ctx context.Context, req commands.Request) (eventstore.Result, error) {
				return d.DeleteGatewayPayment(ctx, req, gatewayID)
			})
		}},
		{readmodels.ObjectPaymentMethod, method, func() { d.append(customer.Stream("u1"), "u1", customer.MethodDetached{ID: method}) }},
		{readmodels.ObjectFee, id, func() { d.do(d.deleteFee(id)) }},
	}
	for _, c := range cases {
		put := func(element string) useCase {
			return func(ctx context.Context, req commands.Request) (eventstore.Result, error) {
				return d.PutExtension(ctx, req, commands.Extension{
					Object: c.object, ID: c.id, Name: "reminders", Elements: []extension.Element{{ID: element, Value: "{}"}},
				})
			}
		}
		d.do(put("before"))
		c.remove()
		d.refused(commands.ErrRecordNotFound, put("after"))
	}
}

// append stores an event that no command makes yet.
func (d *desk) append(stream, subject string, data any) {
	d.t.Helper()
	id := eventstore.StreamID{Tenant: tenant, Name: stream}
	ev, err := d.codec.Encode(catalog.EncodeArgs{Stream: id, ID: uuid.Must(uuid.NewV7()), Data: data, Meta: catalog.Meta{At: start()}, EffectiveAt: start()})
	require.NoError(d.t, err)
	_, err = d.Store.Commit(d.t.Context(), eventstore.Commit{ID: uuid.Must(uuid.NewV7()), Streams: []eventstore.StreamID{id}, Decide: func(eventstore.View) (eventstore.Decision, error) {
		return eventstore.Decision{Appends: []eventstore.Append{{Stream: id, Subject: subject, Events: []eventstore.NewEvent{ev}}}}, nil
	}})
	require.NoError(d.t, err)
}
