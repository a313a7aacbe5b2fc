// Package books is the projection that keeps the books: what each event posts, and what that comes to each day.
package books

import (
	"context"
	"fmt"

	"github.com/hashicorp/golang-lru/v2/simplelru"
	"github.com/jackc/pgx/v5"

	domain "payledger/domain/books"
	"payledger/domain/policy"
	"payledger/eventstore/catalog"
	"payledger/readmodels/books"
)

// cachedOrigins bounds the origins that the projector remembers, about 0.2 kB each.
const cachedOrigins = 50_000

// Projector posts events. It belongs to one runner.
type Projector struct {
	origins *simplelru.LRU[originKey, domain.Origin]
	check   books.Check
	resumed bool // check knows the commit of the last event that was applied
}

type originKey struct{ tenant, key string }

// New returns a projector that remembers nothing.
func New() *Projector {
	origins, err := simplelru.NewLRU[originKey, domain.Origin](cachedOrigins, nil)
	if err != nil {
		panic(fmt.Sprintf("books: %v", err)) // only for a size below 1
	}
	return &Projector{origins: origins}
}

// Name returns "books".
func (p *Projector) Name() string { return books.ProjectionName }

// Version is the version of the tables' shape.
func (p *Projector) Version() int { return books.ProjectionVersion }

// Handles lists the events that post something, or say what others need to post.
func (p *Projector) Handles() []string {
	return []string{
		"fee.assessed", "fee.adjusted", "fee.waived", "fee.written_off", "fee.reduction_released", "fee.reduction_reversed",
		"fee.write_off_recovered", "fee.recovery_reversed", "fee.cancelled",
		"fee.payment_applied", "fee.payment_unapplied", "fee.credit_applied", "fee.credit_unapplied",
		"payment.captured", "payment.voided",
		"credit.granted", "credit.spent", "credit.returned", "credit.reversed",
		"policy.books_profile_set",
	}
}

// Ignores lists the others.
func (p *Projector) Ignores() []string {
	return []string{
		"fee.payment_reserved", "fee.reservation_released", "fee.annotated", "fee.note_added", "fee.note_changed", "fee.note_hidden",
		"payment.started", "payment.failed", "payment.cancelled", "payment.reallocated", "payment.annotated",
		"gateway_payment.recorded", "gateway_payment.updated", "gateway_payment.deleted",
		"customer.linked", "customer.method_attached", "customer.method_detached",
		"policy.reasons_set", "extends.put", "id.claimed", "report.made", "audit.read", "projection.rebuilt",
		"person.erased", "person.erasure_certified",
	}
}

// Tables names the tables.
func (p *Projector) Tables() []string { return books.Names() }

// EnsureSchema creates the tables if they are absent.
func (p *Projector) EnsureSchema(ctx context.Context, tx pgx.Tx) (bool, error) {
	return books.EnsureSchema(ctx, tx)
}

// EnsureIndexes creates the indexes that only readers need, if they are absent.
func (p *Projector) EnsureIndexes(ctx context.Context, tx pgx.Tx) error {
	return books.EnsureIndexes(ctx, tx)
}

// Reset forgets the origins, and what the last commit has left to allot.
func (p *Projector) Reset() {
	p.origins.Purge()
	p.resumed = false
}

// Apply posts the events, and holds each posting and each commit against the events themselves.
func (p *Projector) Apply(ctx context.Context, tx pgx.Tx, events []catalog.Event) error {
	if len(events) == 0 {
		return nil
	}
	if !p.resumed {
		if err := p.check.Resume(ctx, tx, &events[0]); err != nil {
			return err
		}
		p.resumed = true
	}
	known, err := p.load(ctx, tx, events)
	if err != nil {
		return err
	}
	var rows books.Rows
	for i := range events {
		if err := p.post(&events[i], known, &rows); err != nil {
			return err
		}
	}
	if err := p.check.End(ctx, tx, &events[len(events)-1]); err != nil {
		return err
	}
	if err := books.Write(ctx, tx, rows); err != nil {
		return err
	}
	for _, o := range rows.Origins {
		p.origins.Add(originKey{o.Tenant, o.Key}, o.Origin)
	}
	return nil
}

// post appends what an event adds to the books.
func (p *Projector) post(ev *catalog.Event, known map[originKey]domain.Origin, rows *books.Rows) error {
	tenant := ev.Stream.Tenant
	if e, ok := ev.Data.(policy.ProfileSet); ok {
		rows.Profiles = append(rows.Profiles, books.ProfileSet{Tenant: tenant, Position: ev.Position, Profile: e.Profile})
	}
	posting, posts, err := domain.Post(ev.Stream.Name, ev.Data, func(key string) (domain.Origin, bool) {
		o, found := known[originKey{tenant, key}]
		return o, found
	})
	if err != nil {
		return fmt.Errorf("post event %s: %w", ev.ID, err)
	}
	if key, o, begins := domain.Begins(ev.Stream.Name, ev.Data); begins {
		known[originKey{tenant, key}] = o
		rows.Origins = append(rows.Origins, books.Origin{Tenant: tenant, Key: key, Origin: o})
	}
	if !posts {
		return p.check.Add(ev, nil)
	}
	rows.Entries = append(rows.Entries, books.Entry{Tenant: tenant, Position: ev.Position, EffectiveAt: ev.EffectiveAt, Posting: posting})
	return p.check.Add(ev, &posting)
}

// load finds the origins that events need of earlier batches.
func (p *Projector) load(ctx context.Context, tx pgx.Tx, events []catalog.Event) (map[originKey]domain.Origin, error) {
	known := make(map[originKey]domain.Origin, len(events))
	begun := make(map[originKey]bool, len(events))
	var missing []books.Origin
	for i := range events {
		ev := &events[i]
		for _, key := range domain.Needs(ev.Stream.Name, ev.Data) {
			at := originKey{ev.Stream.Tenant, key}
			if begun[at] {
				continue
			}
			begun[at] = true // looked for once
			if o, ok := p.origins.Get(at); ok {
				known[at] = o
			} else {
				missing = append(missing, books.Origin{Tenant: at.tenant, Key: key})
			}
		}
		if key, _, begins := domain.Begins(ev.Stream.Name, ev.Data); begins {
			begun[originKey{ev.Stream.Tenant, key}] = true
		}
	}
	found, err := books.LoadOrigins(ctx, tx, missing)
	for _, o := range found {
		at := originKey{o.Tenant, o.Key}
		known[at] = o.Origin
		p.origins.Add(at, o.Origin)
	}
	return known, err
}
