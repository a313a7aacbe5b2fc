// Package commands holds the use cases: each loads the streams that it is about, decides with the pure deciders of the
// domain, renders the answer from the rows as they will be, and commits events and answer together.
package commands

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"payledger/domain/claim"
	"payledger/domain/policy"
	"payledger/eventstore"
	"payledger/eventstore/catalog"
	"payledger/readmodels"
)

// Service runs the use cases. It holds no state of its own and is safe for concurrent use.
type Service struct {
	Store    Store
	Catalog  *catalog.Catalog
	Vault    Vault
	OpenFees OpenFees
	Rows     Rows
}

// Request is what every command brings along: who asks for it, when, and how the answer is to look.
type Request struct {
	Tenant string
	Actor  catalog.Actor
	// CommandID is a UUIDv7, the same for all attempts of the command. It is the commit's id, and the ids that the command
	// makes (events, fees, payments, allocations) are counted up from it: a decision made again makes the same ones.
	CommandID uuid.UUID
	// At is the command's time, cut to milliseconds: createdAt and updatedAt of the rows.
	At time.Time
	// EffectiveAt is when it happened, if the caller said so, cut to microseconds; else zero.
	EffectiveAt time.Time
	RequestID   string
	TraceParent string
	Channel     string // how the command came: api, job, webhook
	// Claim is the idempotency key, nil without one.
	Claim *eventstore.Claim
	// IfMatch has the recordVersions of which the changed row must have one, nil for any.
	IfMatch []int64
	// DryRun asks for what the command would do: Render gets the events and balances, and nothing is stored, nor the claim looked at.
	DryRun bool
	// Render makes the answer, and the route event if the route has a topic. It is called inside the decision, possibly
	// several times and under the lock on the log: it must be pure but for the time that has elapsed.
	Render func(Outcome) (eventstore.Answer, *eventstore.RouteEvent, error)
}

// Outcome is what a command came to: the rows as they are once its events are stored. What a command isn't about is nil.
type Outcome struct {
	Fee            *readmodels.Fee
	Payment        *readmodels.Payment
	FeePayment     *readmodels.FeePayment
	FeeEvent       *readmodels.FeeEvent
	GatewayPayment *readmodels.GatewayPayment
	Credit         *readmodels.CreditLot
	Reasons        *Reasons
	Profile        policy.Profile // empty for a command that isn't about it
	Extension      *Extension
	// Trial is set for a dry run.
	Trial   *Trial
	Changed bool // false when all was so already, and nothing is stored but the answer
}

// plan is a use case made ready: the streams to load, and the decision on them.
type plan struct {
	streams []eventstore.StreamID // that should exist
	fresh   []eventstore.StreamID // that shouldn't, or rarely do
	watch   *eventstore.Watch
	erase   *eventstore.Person // whose keys are destroyed if there are events
	// sealFor is the person under whose key notes are sealed, when there is a note and the person is known beforehand.
	sealFor string
	decide  func(*draft) (Outcome, error)
}

// keyAttempts bounds how often a command is decided again because a key was missing: once to learn whose it is, and once when
// it was destroyed meanwhile.
const keyAttempts = 3

// run carries a plan out.
func (s *Service) run(ctx context.Context, req Request, p plan) (eventstore.Result, error) {
	req.At = req.At.UTC().Truncate(time.Millisecond)
	req.EffectiveAt = req.EffectiveAt.UTC().Truncate(time.Microsecond)
	if req.EffectiveAt.After(req.At) {
		return eventstore.Result{}, ErrEffectiveInFuture
	}
	salt := make([]byte, saltSize)
	_, _ = rand.Read(salt) // never fails: the program ends if the system has no randomness
	sealFor := p.sealFor
	if req.DryRun { // nothing is sealed, and no key made for it
		sealFor, req.Claim = "", nil
	}
	for attempt := 1; ; attempt++ {
		key, err := s.key(ctx, req.Tenant, sealFor)
		if err != nil {
			return eventstore.Result{}, err
		}
		result, err := s.Store.Commit(ctx, s.commit(req, p, key, salt))
		if err == nil || attempt == keyAttempts {
			return result, err
		}
		var needed *keyNeededError
		switch {
		case errors.As(err, &needed):
			sealFor = needed.subject
		case errors.Is(err, eventstore.ErrKeyDestroyed) && key != nil:
			s.Vault.Forget(key.ID)
		default:
			return result, err
		}
	}
}

// key returns the key of a person, nil for nobody.
func (s *Service) key(ctx context.Context, tenant, subject string) (*eventstore.Key, error) {
	if subject == "" {
		return nil, nil //nolint:nilnil // no person, no key
	}
	key, err := s.Vault.Ensure(ctx, tenant, subject)
	if err != nil {
		return nil, fmt.Errorf("get the key to seal a note: %w", err)
	}
	return &key, nil
}

func (s *Service) commit(req Request, p plan, key *eventstore.Key, salt []byte) eventstore.Commit {
	return eventstore.Commit{
		ID: req.CommandID, Streams: p.streams, New: p.fresh, Watch: p.watch, Erase: p.erase, Claim: req.Claim,
		Decide: func(view eventstore.View) (eventstore.Decision, error) {
			d := &draft{catalog: s.Catalog, req: &req, view: view, key: key, salt: salt, ids: sequence{req.CommandID}}
			outcome, err := p.decide(d)
			if needed, ok := errors.AsType[*streamsNeededError](err); ok {
				return eventstore.Decision{More: needed.streams}, nil
			}
			if err != nil {
				return eventstore.Decision{}, err
			}
			return d.decision(outcome)
		},
	}
}

// keyNeededError asks for the key of a person: the command has a note, and whom it is about was known only inside the decision.
type keyNeededError struct{ subject string }

// Error never leaves the package: run acts on it.
func (e *keyNeededError) Error() string { return "the key of a person is needed" }

// streamsNeededError asks for further streams: which they are was known only inside the decision.
type streamsNeededError struct{ streams []eventstore.StreamID }

// Error never leaves the package: commit acts on it.
func (e *streamsNeededError) Error() string { return "further streams are needed" }

// free refuses an id of a caller's that is the id of a row already. What is named from here on is kept out by a claim.
func (s *Service) free(ctx context.Context, tenant string, object readmodels.Object, id string) error {
	_, err := s.Rows.StreamOf(ctx, tenant, object, id)
	switch {
	case errors.Is(err, ErrRecordNotFound):
		return nil
	case err != nil:
		return fmt.Errorf("find %s %s: %w", object, id, err)
	}
	return fmt.Errorf("%s %s: %w", object, id, ErrIDInUse)
}

// claim takes an id of a caller's for something that no stream is named after.
func (d *draft) claim(object readmodels.Object, id, stream string) error {
	name := d.stream(claim.Stream(object.Name(), id))
	_, err := decide(d, name, "", claim.Decider, claim.Command(claim.Claim{Object: object.Name(), ID: id, Stream: stream}))
	if errors.Is(err, claim.ErrTaken) {
		return fmt.Errorf("%s %s: %w", object, id, ErrIDInUse)
	}
	return err
}
