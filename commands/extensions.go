package commands

import (
	"context"
	"fmt"
	"slices"

	"payledger/domain/extension"
	"payledger/domain/fee"
	"payledger/domain/gateway"
	"payledger/eventstore"
	"payledger/readmodels"
)

// Extension is elements of a list of a search document.
type Extension struct {
	Object   readmodels.Object
	ID, Name string
	Elements []extension.Element
}

// PutExtension adds elements to a list of a document, or replaces those with the same id; the answer has the whole list. Its own
// refusals are ErrUnknownObject, ErrRecordNotFound for a document that isn't there, and those of the decider.
func (s *Service) PutExtension(ctx context.Context, req Request, p Extension) (eventstore.Result, error) {
	if !slices.Contains(readmodels.Objects(), p.Object) {
		return eventstore.Result{}, fmt.Errorf("%w: %q", ErrUnknownObject, p.Object)
	}
	of, err := s.streamOf(ctx, req.Tenant, p.Object, p.ID)
	if err != nil {
		return eventstore.Result{}, err
	}
	stream := extension.Stream(string(p.Object), p.ID)
	return s.run(ctx, req, plan{
		streams: []eventstore.StreamID{{Tenant: req.Tenant, Name: of}, {Tenant: req.Tenant, Name: stream}},
		decide: func(d *draft) (Outcome, error) {
			root := d.view.Stream(d.stream(of))
			if !shows(root.Value, p.Object, p.ID) {
				return Outcome{}, fmt.Errorf("%s %s: %w", p.Object, p.ID, ErrRecordNotFound)
			}
			d.takesEffect(stream)
			after, err := decide(d, d.stream(stream), root.Subject, extension.Decider, extension.Command(extension.Add{
				Object: string(p.Object), ID: p.ID, Stream: of, Name: p.Name, Elements: p.Elements,
			}))
			list := Extension{Object: p.Object, ID: p.ID, Name: p.Name, Elements: after.state.List(p.Name)}
			return Outcome{Extension: &list}, err
		},
	})
}

// streamOf names the stream of a document's row. That of a fee or a gateway payment has its id; whether it is there, the decision sees.
func (s *Service) streamOf(ctx context.Context, tenant string, object readmodels.Object, id string) (string, error) {
	switch object {
	case readmodels.ObjectFee:
		return fee.Stream(id), nil
	case readmodels.ObjectGatewayPayment:
		return gateway.Stream(id), nil
	case readmodels.ObjectFeePayment, readmodels.ObjectFeeEvent, readmodels.ObjectPaymentCustomer, readmodels.ObjectPaymentMethod:
	}
	stream, err := s.Rows.StreamOf(ctx, tenant, object, id)
	if err != nil {
		return "", fmt.Errorf("find %s %s: %w", object, id, err)
	}
	return stream, nil
}

// shows reports whether the state of a stream has a row, and not as a deleted one. What happened to a fee has no row among those
// that may still change: it is shown as long as its fee is.
func shows(value any, object readmodels.Object, id string) bool {
	stream, ok := value.(interface{ rows() any })
	if !ok {
		return false
	}
	switch rows := stream.rows().(type) {
	case *readmodels.FeeState:
		note := rows.Note(id)
		return rows.Fee.IsActive && (object == readmodels.ObjectFee || note == nil || note.IsActive)
	case *readmodels.Payment:
		return slices.ContainsFunc(rows.Rows, func(r readmodels.FeePayment) bool { return r.ID == id && r.IsActive })
	case *readmodels.GatewayPayment:
		return rows.IsActive
	case *readmodels.CustomerState:
		return object == readmodels.ObjectPaymentCustomer ||
			slices.ContainsFunc(rows.Methods, func(m *readmodels.PaymentMethod) bool { return m.ID == id && m.IsActive })
	}
	return false
}
