package commands

import (
	"context"

	"payledger/domain/policy"
	"payledger/eventstore"
)

// Reasons is the reason codes of a kind of command.
type Reasons struct {
	Kind  policy.Kind
	Codes []string
}

// SetReasons replaces the reason codes that a tenant has for a kind of command. Its own refusals are those of the decider.
func (s *Service) SetReasons(ctx context.Context, req Request, p Reasons) (eventstore.Result, error) {
	return s.run(ctx, req, plan{
		streams: []eventstore.StreamID{{Tenant: req.Tenant, Name: policy.Stream}},
		decide: func(d *draft) (Outcome, error) {
			d.takesEffect(policy.Stream)
			after, err := decide(d, d.stream(policy.Stream), "", policy.Decider, policy.Command(policy.SetReasons{Kind: p.Kind, Codes: p.Codes}))
			return Outcome{Reasons: &Reasons{Kind: p.Kind, Codes: after.state.Codes(p.Kind)}}, err
		},
	})
}

// SetProfile chooses how the tenant's books are read from now on. Its own refusals are those of the decider.
func (s *Service) SetProfile(ctx context.Context, req Request, profile policy.Profile) (eventstore.Result, error) {
	return s.run(ctx, req, plan{
		streams: []eventstore.StreamID{{Tenant: req.Tenant, Name: policy.BooksStream}},
		decide: func(d *draft) (Outcome, error) {
			d.takesEffect(policy.BooksStream)
			after, err := decide(d, d.stream(policy.BooksStream), "", policy.Decider, policy.Command(policy.SetProfile{Profile: profile}))
			return Outcome{Profile: after.state.Profile()}, err
		},
	})
}
