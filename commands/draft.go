package commands

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"payledger/domain"
	"payledger/domain/credit"
	"payledger/domain/fee"
	"payledger/domain/payment"
	"payledger/domain/policy"
	"payledger/eventstore"
	"payledger/eventstore/catalog"
)

// saltSize is the number of random bytes before an answer in its hash: an answer can't be guessed from the log.
const saltSize = 16

// AnswerHash is what the metadata of a command's last event says about its answer: the hex SHA-256 of salt and body.
func AnswerHash(a eventstore.Answer) string {
	h := sha256.New()
	h.Write(a.Salt)
	h.Write(a.Body)
	return hex.EncodeToString(h.Sum(nil))
}

// draft is a decision in the making: the events so far, and states and rows folded on by them. One draft makes one
// decision; all it knows is in the request and the view, so that it comes out the same each time.
type draft struct {
	catalog *catalog.Catalog
	req     *Request
	view    eventstore.View
	key     *eventstore.Key
	salt    []byte
	ids     sequence
	at      time.Time // when the events take effect
	touched []*drafted
}

// drafted is a stream with the events that the draft adds to it.
type drafted struct {
	id      eventstore.StreamID
	subject string
	version int64
	value   any
	events  []catalog.Event
}

func (d *draft) stream(name string) eventstore.StreamID {
	return eventstore.StreamID{Tenant: d.req.Tenant, Name: name}
}

// need asks for streams that the decision can't do without and that are not in the view yet. Its error goes back to the store.
func (d *draft) need(names ...string) error {
	var missing []eventstore.StreamID
	for _, name := range names {
		if id := d.stream(name); !d.view.Has(id) {
			missing = append(missing, id)
		}
	}
	if missing == nil {
		return nil
	}
	return &streamsNeededError{missing}
}

// now returns the state of a stream as the draft leaves it so far.
func now[C, E, S any](d *draft, name string, decider domain.Decider[C, E, S]) folded[S] {
	id := d.stream(name)
	for _, s := range d.touched {
		if s.id == id {
			return as(decider, s.value)
		}
	}
	return as(decider, d.view.Stream(id).Value)
}

func (d *draft) fee(id string) folded[fee.State] { return now(d, fee.Stream(id), fee.Decider) }

func (d *draft) payment(id string) folded[payment.State] {
	return now(d, payment.Stream(id), payment.Decider)
}

func (d *draft) credit(userID string) folded[credit.State] {
	return now(d, credit.Stream(userID), credit.Decider)
}

func (d *draft) policy() policy.State { return now(d, policy.Stream, policy.Decider).state }

// takesEffect fixes when the events of the draft take effect: at the caller's date. A command without one takes effect at its
// own time, or with the latest event of the streams that it changes: clocks differ a little between processes, and a
// command may wait while a fee is assessed that it then pays.
func (d *draft) takesEffect(streams ...string) {
	d.at = d.req.EffectiveAt
	if !d.at.IsZero() {
		return
	}
	d.at = d.req.At
	for _, name := range streams {
		if t := when(d.view.Stream(d.stream(name)).Value).latest; t.After(d.at) {
			d.at = t
		}
	}
}

// matches refuses a command whose If-Match doesn't have the version of the row.
func (d *draft) matches(version int64) error {
	if match := d.req.IfMatch; match != nil && !slices.Contains(match, version) {
		return &VersionMismatchError{Current: version}
	}
	return nil
}

// peek returns the id of the event that is added next, unless another id is made before.
func (d *draft) peek() string {
	ids := d.ids
	return ids.next().String()
}

// onFee and its sisters decide a command on a stream and add its events to the draft.
func (d *draft) onFee(id, userID string, c fee.Command) (folded[fee.State], error) {
	return decide(d, d.stream(fee.Stream(id)), userID, fee.Decider, c)
}

func (d *draft) onPayment(id, userID string, c payment.Command) (folded[payment.State], error) {
	return decide(d, d.stream(payment.Stream(id)), userID, payment.Decider, c)
}

func (d *draft) onCredit(userID string, c credit.Command) (folded[credit.State], error) {
	return decide(d, d.stream(credit.Stream(userID)), userID, credit.Decider, c)
}

func decide[C, E, S any](d *draft, id eventstore.StreamID, subject string, decider domain.Decider[C, E, S], c C) (folded[S], error) {
	stream := d.touch(id, subject)
	current := as(decider, stream.value)
	events, err := decider.Decide(current.state, c)
	if err != nil {
		return current, fmt.Errorf("%s: %w", id.Name, err)
	}
	for _, e := range events {
		if d.at.Before(current.dates.began) {
			return current, fmt.Errorf("%s: %w", id.Name, domain.ErrBeforeFirstEvent)
		}
		if d.at.Before(current.dates.of(e)) {
			return current, fmt.Errorf("%s: %w", id.Name, ErrBeforeTakenBack)
		}
		ev := catalog.Event{
			ID: d.ids.next(), CommitID: d.req.CommandID, Stream: id, Version: stream.version + 1,
			EffectiveAt: d.at, Meta: d.meta(), Data: e,
		}
		if current, err = evolve(decider, current, ev); err != nil {
			return current, err
		}
		stream.version++
		stream.events = append(stream.events, ev)
	}
	stream.value = current
	return current, nil
}

// touch returns the draft of a stream, as it stands in the view at first.
func (d *draft) touch(id eventstore.StreamID, subject string) *drafted {
	for _, s := range d.touched {
		if s.id == id {
			return s
		}
	}
	before := d.view.Stream(id)
	s := &drafted{id: id, subject: subject, version: before.Version, value: before.Value}
	d.touched = append(d.touched, s)
	return s
}

func (d *draft) meta() catalog.Meta {
	return catalog.Meta{
		Actor: d.req.Actor, At: d.req.At, RequestID: d.req.RequestID, TraceParent: d.req.TraceParent, Channel: d.req.Channel,
	}
}

// decision renders the answer and encodes the events, the last of them with the answer's hash. A dry run stores nothing.
func (d *draft) decision(outcome Outcome) (eventstore.Decision, error) {
	var last *catalog.Event
	for _, s := range d.touched {
		if n := len(s.events); n > 0 {
			last = &s.events[n-1]
		}
	}
	outcome.Changed = last != nil
	if d.req.DryRun {
		trial, err := d.trial()
		if err != nil {
			return eventstore.Decision{}, err
		}
		outcome.Trial = trial
	}
	answer, route, err := d.req.Render(outcome)
	if err != nil {
		return eventstore.Decision{}, fmt.Errorf("render the answer: %w", err)
	}
	if d.req.DryRun {
		return eventstore.Decision{Answer: &answer}, nil
	}
	answer.Salt = d.salt
	if last == nil {
		return eventstore.Decision{Answer: &answer, Route: route}, nil
	}
	last.Meta.AnswerHash = AnswerHash(answer)
	appends, err := d.appends()
	if err != nil {
		return eventstore.Decision{}, err
	}
	decision := eventstore.Decision{Appends: appends, Answer: &answer, Route: route}
	if d.key != nil {
		decision.Keys = []uuid.UUID{d.key.ID}
	}
	return decision, nil
}

func (d *draft) appends() ([]eventstore.Append, error) {
	appends := make([]eventstore.Append, 0, len(d.touched))
	for _, s := range d.touched {
		if len(s.events) == 0 {
			continue
		}
		a := eventstore.Append{Stream: s.id, Subject: s.subject, Events: make([]eventstore.NewEvent, len(s.events))}
		for i := range s.events {
			ev := &s.events[i]
			var err error
			a.Events[i], err = d.catalog.Encode(catalog.EncodeArgs{
				Key: d.key, Stream: s.id, ID: ev.ID, Data: ev.Data, Meta: ev.Meta, EffectiveAt: ev.EffectiveAt,
			})
			if errors.Is(err, catalog.ErrNoKey) {
				return nil, &keyNeededError{subject: s.subject}
			}
			if err != nil {
				return nil, fmt.Errorf("%s: %w", s.id.Name, err)
			}
		}
		appends = append(appends, a)
	}
	return appends, nil
}

// sequence makes the ids of one command: the command's own, a UUIDv7, counted up in its random bits.
type sequence struct{ last uuid.UUID }

func (s *sequence) next() uuid.UUID {
	const variant = 3 << 62 // the two fixed bits before the random ones
	low := binary.BigEndian.Uint64(s.last[8:])
	binary.BigEndian.PutUint64(s.last[8:], low&variant|(low+1)&^variant)
	return s.last
}
