package commands

import (
	"context"
	"fmt"

	"payledger/domain/credit"
	"payledger/domain/fee"
	"payledger/domain/payment"
	"payledger/domain/person"
	"payledger/eventstore"
)

// ErasePerson destroys a person's keys. Again asks for it though the person was erased before and nothing came since, as after a restore of the
// vault; without, nothing is done then. Its own refusals are ErrRecordNotFound for somebody the log doesn't know, and those of the decider.
func (s *Service) ErasePerson(ctx context.Context, req Request, userID, reason string, again bool) (eventstore.Result, error) {
	who := eventstore.Person{Tenant: req.Tenant, Subject: userID}
	stream := eventstore.StreamID{Tenant: req.Tenant, Name: person.Stream(userID)}
	return s.run(ctx, req, plan{
		streams: []eventstore.StreamID{stream}, watch: &eventstore.Watch{Tenant: req.Tenant, Subject: userID}, erase: &who,
		decide: func(d *draft) (Outcome, error) {
			erase := person.Erase{UserID: userID, Reason: reason, Again: again}
			known, last := false, d.view.Stream(stream).Position
			for _, id := range d.view.Watched() {
				if id == stream {
					continue
				}
				state := d.view.Stream(id)
				known, erase.Again = true, erase.Again || state.Position > last
				erase.Open = append(erase.Open, open(id.Name, state.Value)...)
			}
			if !known {
				return Outcome{}, fmt.Errorf("person %s: %w", userID, ErrRecordNotFound)
			}
			d.takesEffect()
			_, err := decide(d, stream, userID, person.Decider, person.Command(erase))
			return Outcome{}, err
		},
	})
}

// open says in words what money a stream holds open.
func open(name string, value any) (all []string) {
	switch f := value.(type) {
	case folded[fee.State]:
		if owed := f.state.Outstanding(); owed.IsPositive() {
			all = append(all, fmt.Sprintf("%s owes %s", name, owed))
		}
	case folded[payment.State]:
		if f.state.Phase == payment.PhaseStarted {
			all = append(all, fmt.Sprintf("%s of %s is on its way", name, f.state.Amount))
		}
	case folded[credit.State]:
		for _, lot := range f.state.Lots {
			if lot.Remaining.IsPositive() {
				all = append(all, fmt.Sprintf("credit %s has %s left", lot.CreditID, lot.Remaining))
			}
		}
	}
	return all
}

// CertifyErasure keeps the certificate of a person's last erasure, once, and returns the one that is kept. Its refusal is person.ErrNotErased.
func (s *Service) CertifyErasure(ctx context.Context, req Request, certificate person.Certified) (person.Certified, error) {
	stream := eventstore.StreamID{Tenant: req.Tenant, Name: person.Stream(certificate.UserID)}
	_, err := s.run(ctx, req, plan{
		streams: []eventstore.StreamID{stream},
		decide: func(d *draft) (Outcome, error) {
			d.takesEffect()
			done, err := decide(d, stream, certificate.UserID, person.Decider, person.Command(person.Certify{Certificate: certificate}))
			if err == nil {
				certificate = *done.state.Certificate
			}
			return Outcome{}, err
		},
	})
	return certificate, err
}
