package commands

import (
	"context"
	"errors"
	"fmt"

	"payledger/domain/gateway"
	"payledger/eventstore"
)

// NewGatewayPayment is what CreateGatewayPayment needs. Without an id one is made. The owner is the actor.
type NewGatewayPayment struct {
	ID, OrderID                                          string
	PaymentID, PaymentStatus, StatusLiteral, RedirectURL string
}

// CreateGatewayPayment keeps what the caller tells of a payment at a gateway. Its own refusals are ErrIDInUse and ErrEffectiveInFuture.
func (s *Service) CreateGatewayPayment(ctx context.Context, req Request, p NewGatewayPayment) (eventstore.Result, error) {
	if p.ID == "" {
		ids := sequence{req.CommandID}
		p.ID = ids.next().String()
	}
	return s.run(ctx, req, plan{
		fresh: []eventstore.StreamID{{Tenant: req.Tenant, Name: gateway.Stream(p.ID)}},
		decide: func(d *draft) (Outcome, error) {
			d.ids.next() // the record's
			d.takesEffect()
			outcome, err := d.onGateway(p.ID, req.Actor.ID, gateway.Record{
				ID: p.ID, OwnerID: req.Actor.ID, OrderID: p.OrderID,
				PaymentID: p.PaymentID, PaymentStatus: p.PaymentStatus, StatusLiteral: p.StatusLiteral, RedirectURL: p.RedirectURL,
			})
			if errors.Is(err, gateway.ErrExists) {
				return outcome, fmt.Errorf("gateway payment %s: %w", p.ID, ErrIDInUse)
			}
			return outcome, err
		},
	})
}

// UpdateGatewayPayment replaces what was told. Its own refusals are ErrRecordNotFound, *VersionMismatchError and ErrEffectiveInFuture.
func (s *Service) UpdateGatewayPayment(ctx context.Context, req Request, id string, c gateway.Update) (eventstore.Result, error) {
	return s.onGatewayPayment(ctx, req, id, c)
}

// DeleteGatewayPayment ends the showing of a record. Its own refusals are those of UpdateGatewayPayment.
func (s *Service) DeleteGatewayPayment(ctx context.Context, req Request, id string) (eventstore.Result, error) {
	return s.onGatewayPayment(ctx, req, id, gateway.Delete{})
}

func (s *Service) onGatewayPayment(ctx context.Context, req Request, id string, c gateway.Command) (eventstore.Result, error) {
	return s.run(ctx, req, plan{
		streams: []eventstore.StreamID{{Tenant: req.Tenant, Name: gateway.Stream(id)}},
		decide: func(d *draft) (Outcome, error) {
			before := now(d, gateway.Stream(id), gateway.Decider)
			if !before.state.Exists || before.state.Deleted {
				return Outcome{}, fmt.Errorf("gateway payment %s: %w", id, ErrRecordNotFound)
			}
			if err := d.matches(gatewayRow(before).RecordVersion); err != nil {
				return Outcome{}, err
			}
			d.takesEffect(gateway.Stream(id))
			return d.onGateway(id, before.state.OwnerID, c)
		},
	})
}

func (d *draft) onGateway(id, ownerID string, c gateway.Command) (Outcome, error) {
	after, err := decide(d, d.stream(gateway.Stream(id)), ownerID, gateway.Decider, c)
	return Outcome{GatewayPayment: gatewayRow(after)}, err
}
