package catalog

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"payledger/domain/claim"
	"payledger/domain/credit"
	"payledger/domain/customer"
	"payledger/domain/evidence"
	"payledger/domain/extension"
	"payledger/domain/fee"
	"payledger/domain/gateway"
	"payledger/domain/payment"
	"payledger/domain/person"
	"payledger/domain/policy"
	"payledger/eventstore"
)

// entries is every event of the log: its Go type, its wire name and the version of its payload's schema. Stored payloads
// are for ever: a changed payload is a new version, and the old type stays, with the step that lifts it: old.go.
func entries() []entry {
	return []entry{
		of[fee.Assessed]("fee.assessed", 1),
		of[fee.Adjusted]("fee.adjusted", 1),
		of[fee.Waived]("fee.waived", 1),
		of[fee.WrittenOff]("fee.written_off", 1),
		of[fee.ReductionReleased]("fee.reduction_released", 1),
		of[fee.ReductionReversed]("fee.reduction_reversed", 1),
		of[fee.WriteOffRecovered]("fee.write_off_recovered", 1),
		of[fee.RecoveryReversed]("fee.recovery_reversed", 1),
		lifted(of[cancelledV1]("fee.cancelled", 1), liftCancelled),
		of[fee.Cancelled]("fee.cancelled", 2),
		of[fee.PaymentReserved]("fee.payment_reserved", 1),
		of[fee.ReservationReleased]("fee.reservation_released", 1),
		of[fee.PaymentApplied]("fee.payment_applied", 1),
		of[fee.PaymentUnapplied]("fee.payment_unapplied", 1),
		of[fee.CreditApplied]("fee.credit_applied", 1),
		of[fee.CreditUnapplied]("fee.credit_unapplied", 1),
		of[fee.Annotated]("fee.annotated", 1),
		of[fee.NoteAdded]("fee.note_added", 1),
		of[fee.NoteChanged]("fee.note_changed", 1),
		of[fee.NoteHidden]("fee.note_hidden", 1),
		of[payment.Started]("payment.started", 1),
		lifted(of[capturedV1]("payment.captured", 1), liftCaptured),
		of[payment.Captured]("payment.captured", 2),
		of[payment.Failed]("payment.failed", 1),
		of[payment.Cancelled]("payment.cancelled", 1),
		of[payment.Voided]("payment.voided", 1),
		of[payment.Reallocated]("payment.reallocated", 1),
		of[payment.Annotated]("payment.annotated", 1),
		lifted(of[grantedV1]("credit.granted", 1), liftGranted),
		of[credit.Granted]("credit.granted", 2),
		of[credit.Spent]("credit.spent", 1),
		of[credit.Returned]("credit.returned", 1),
		of[credit.Reversed]("credit.reversed", 1),
		of[gateway.Recorded]("gateway_payment.recorded", 1),
		of[gateway.Updated]("gateway_payment.updated", 1),
		of[gateway.Deleted]("gateway_payment.deleted", 1),
		of[customer.Linked]("customer.linked", 1),
		of[customer.MethodAttached]("customer.method_attached", 1),
		of[customer.MethodDetached]("customer.method_detached", 1),
		of[policy.ReasonsSet]("policy.reasons_set", 1),
		of[policy.ProfileSet]("policy.books_profile_set", 1),
		of[extension.Put]("extends.put", 1),
		of[claim.Claimed]("id.claimed", 1),
		lifted(of[reportMadeV1]("report.made", 1), liftReportMade),
		of[evidence.ReportMade]("report.made", 2),
		of[evidence.Read]("audit.read", 1),
		of[evidence.Rebuilt]("projection.rebuilt", 1),
		of[person.Erased]("person.erased", 1),
		lifted(of[certifiedV1]("person.erasure_certified", 1), liftCertified),
		of[person.Certified]("person.erasure_certified", 2),
	}
}

var (
	// ErrUnknownType reports that the log holds an event type or schema version that this program doesn't know. It is never skipped:
	// a newer program wrote it.
	ErrUnknownType = errors.New("unknown event type or schema version")
	// ErrNotRegistered reports that a value was to be encoded that is no event of the catalog.
	ErrNotRegistered = errors.New("not an event of the catalog")
	// ErrNoKey reports an event with a text to seal that came without a key.
	ErrNoKey = errors.New("text to be sealed without a key")
)

// Catalog encodes and decodes events. It is immutable and safe for concurrent use.
type Catalog struct {
	byType map[reflect.Type]entry
	byName map[wireName]*entry
	types  []string
	meta   form
}

type wireName struct {
	name   string
	schema int
}

// New returns the catalog of all events.
func New() *Catalog { return build(entries()) }

// build panics for a list of entries that is wrong in itself.
func build(list []entry) *Catalog {
	c := &Catalog{byType: make(map[reflect.Type]entry, len(list)), byName: make(map[wireName]*entry, len(list))}
	for _, e := range list {
		if _, taken := c.byName[e.wireName]; taken {
			panic(fmt.Sprintf("catalog: %v is given twice", e.wireName))
		}
		if _, taken := c.byType[e.typ]; taken {
			panic(fmt.Sprintf("catalog: %s is given twice", e.typ))
		}
		e.hot = hot[e.wireName]
		c.byName[e.wireName], c.byType[e.typ] = &e, e
		if e.up == nil {
			c.types = append(c.types, e.name)
		}
	}
	for _, e := range list {
		if next := c.byType[e.next]; e.up != nil && (next.name != e.name || next.schema != e.schema+1) {
			panic(fmt.Sprintf("catalog: %v doesn't lead to its next version", e.wireName))
		}
	}
	slices.Sort(c.types)
	c.meta = mustForm(reflect.TypeFor[Meta]())
	return c
}

// Types returns the wire names of all events, sorted.
func (c *Catalog) Types() []string { return slices.Clone(c.types) }

// SealedKeys returns the keys of texts that are sealed in any event, sorted. Rows and answers name those texts alike, and whatever shows them
// empties them when the person is erased.
func (c *Catalog) SealedKeys() []string {
	var keys []string
	for _, e := range c.byName {
		for _, f := range e.sealed {
			keys = append(keys, f.name)
		}
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

// EncodeArgs is an event to be encoded.
type EncodeArgs struct {
	// Key is the key of the person whom the stream is about; nil is fine while there is no text to seal.
	Key    *eventstore.Key
	Stream eventstore.StreamID
	ID     uuid.UUID // UUIDv7
	// Data is a struct of a domain package, such as fee.Assessed.
	Data        any
	Meta        Meta
	EffectiveAt time.Time
}

// Encode makes the event that the store appends. Its errors are ErrNotRegistered, ErrNoKey, and those of values that have
// no stored form, such as text that isn't UTF-8.
func (c *Catalog) Encode(a EncodeArgs) (eventstore.NewEvent, error) {
	e, ok := c.byType[reflect.TypeOf(a.Data)]
	if !ok || e.up != nil { // only the newest version is written
		return eventstore.NewEvent{}, fmt.Errorf("%w: %T", ErrNotRegistered, a.Data)
	}
	v := reflect.New(e.typ).Elem() // a copy: forms need an address, and sealing must not change the caller's value
	v.Set(reflect.ValueOf(a.Data))
	if err := e.seal(v, a.Key, eventstore.Binding{Stream: a.Stream, EventID: a.ID}); err != nil {
		return eventstore.NewEvent{}, fmt.Errorf("encode %s: %w", e.name, err)
	}
	data, err := e.form.write(make([]byte, 0, dataSize), v)
	if err != nil {
		return eventstore.NewEvent{}, fmt.Errorf("encode %s: %w", e.name, err)
	}
	meta, err := c.meta.write(make([]byte, 0, metaSize), reflect.ValueOf(&a.Meta).Elem())
	if err != nil {
		return eventstore.NewEvent{}, fmt.Errorf("encode metadata of %s: %w", e.name, err)
	}
	return eventstore.NewEvent{
		ID: a.ID, Type: e.name, Schema: e.schema, Data: data, Metadata: meta, EffectiveAt: a.EffectiveAt,
	}, nil
}

// Room for the usual payload, and for the usual metadata with an answer's hash.
const (
	dataSize = 320
	metaSize = 448
)

// Plain returns the wire name of an event and its payload with texts that aren't sealed: to be shown, never stored. Its errors are
// ErrNotRegistered and those of values that have no stored form.
func (c *Catalog) Plain(data any) (name string, payload []byte, err error) {
	e, ok := c.byType[reflect.TypeOf(data)]
	if !ok || e.up != nil {
		return "", nil, fmt.Errorf("%w: %T", ErrNotRegistered, data)
	}
	v := reflect.New(e.typ).Elem()
	v.Set(reflect.ValueOf(data))
	if payload, err = e.form.write(make([]byte, 0, dataSize), v); err != nil {
		return "", nil, fmt.Errorf("encode %s: %w", e.name, err)
	}
	return e.name, payload, nil
}

// Decode reads an event of the log and opens its sealed texts; those of an erased person are empty. Its errors are
// ErrUnknownType, ErrMalformed, and those of keys and sealed texts.
func (c *Catalog) Decode(ctx context.Context, keys eventstore.Keys, rec *eventstore.Recorded) (Event, error) {
	var ev Event
	err := c.decodeData(ctx, keys, rec, c.byName[wireName{rec.Type, rec.Schema}], &ev, false)
	if err == nil {
		ev.Meta, err = c.decodeMeta(rec)
	}
	if err != nil {
		return Event{}, err
	}
	return ev, nil
}

// decodeData reads all of an event of an entry, nil for none, but its metadata, into ev. With lent its texts may be those of the payload.
func (c *Catalog) decodeData(ctx context.Context, keys eventstore.Keys, rec *eventstore.Recorded, e *entry, ev *Event, lent bool) error {
	if e == nil {
		return fmt.Errorf("decode event %s: %w: %s v%d", rec.ID, ErrUnknownType, rec.Type, rec.Schema)
	}
	// One by one: a whole Event would be made elsewhere and copied.
	ev.ID, ev.CommitID, ev.Stream, ev.Version, ev.Position, ev.Epoch = rec.ID, rec.CommitID, rec.Stream, rec.Version, rec.Position, rec.Epoch
	ev.Type, ev.Schema, ev.EffectiveAt, ev.RecordedAt = rec.Type, rec.Schema, rec.EffectiveAt.UTC(), rec.RecordedAt.UTC()
	if e.hot != cold {
		text := lend(rec.Data)
		if !lent {
			text = strings.Clone(text)
		}
		var ok bool
		if ev.Data, ok = readHot(e.hot, text); ok {
			return nil
		}
	}
	open := func(v reflect.Value) error {
		return e.open(ctx, v, keys, eventstore.Binding{Stream: rec.Stream, EventID: rec.ID})
	}
	data, err := e.decode(rec.Data, open)
	if err != nil {
		return fmt.Errorf("decode event %s, %s v%d: %w", rec.ID, rec.Type, rec.Schema, err)
	}
	ev.Data = c.lift(*e, data)
	return nil
}

func (c *Catalog) decodeMeta(rec *eventstore.Recorded) (Meta, error) {
	m, ok := readMeta(rec.Metadata)
	if !ok {
		if err := read(c.meta, rec.Metadata, reflect.ValueOf(&m).Elem()); err != nil {
			return Meta{}, fmt.Errorf("decode metadata of event %s: %w", rec.ID, err)
		}
	}
	return m, nil
}

// lift takes a value up to the newest version, step by step.
func (c *Catalog) lift(e entry, data any) any {
	for e.up != nil {
		data = e.up(data)
		e = c.byType[reflect.TypeOf(data)]
	}
	return data
}

func read(f form, data []byte, v reflect.Value) error {
	s := newScanner(data)
	f.read(s, v)
	return s.done()
}

func mustForm(t reflect.Type) form {
	f, err := formOf(t)
	if err != nil {
		panic("catalog: " + err.Error())
	}
	return f
}
