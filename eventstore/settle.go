package eventstore

import (
	"context"
	"fmt"
	"strings"

	"github.com/google/uuid"
)

// settle finds the outcome of one request, under the lock and after those before it in the batch. An error ends the attempt; the
// request's own errors stand in it.
func (b *batch) settle(ctx context.Context, r *request) error {
	r.result, r.err, r.recorded = Result{}, nil, nil
	if stored, ok := b.commitOf(r); ok {
		r.result = b.earlier(r, stored)
		return nil
	}
	if r.lookup {
		r.err = ErrCommitNotFound
		return nil
	}
	if c := r.commit.Claim; c != nil {
		if first := b.claim(c); first != nil && !first.held(*c) {
			r.result, r.err = first.replay(*c)
			return nil
		} else if first == nil && c.Holder != uuid.Nil {
			r.err = fmt.Errorf("%w: idempotency key %q is not claimed by commit %s", ErrInvalid, c.Key, c.Holder)
			return nil
		}
	}
	decision, v, refusal, err := b.decide(ctx, r)
	if err != nil {
		return err
	}
	if refusal == nil {
		refusal, err = b.accept(ctx, r, v, &decision)
	}
	if refusal != nil {
		r.result, r.err = Result{Head: b.head.Position}, refusal
	}
	return err
}

// earlier is the result of a commit whose id is in the log: of an attempt of ours whose COMMIT's answer was lost, or of an earlier
// call with the same id.
func (b *batch) earlier(r *request, stored Result) Result {
	if r.wasSent && r.sent.First == stored.First && r.sent.Last == stored.Last && r.sent.Head == stored.Head {
		return r.sent
	}
	stored.Replayed = true
	if c := r.commit.Claim; c != nil {
		if first := b.claim(c); first != nil && first.answered && first.fingerprint == c.Fingerprint {
			stored.Answer = first.result.Answer
		}
	}
	return stored
}

// decide returns the decision that was prepared if everything it was made on still stands, else a new one, and the view it was
// made on. What was prepared stays as it is: another attempt may have to look at it again.
func (b *batch) decide(ctx context.Context, r *request) (d Decision, v *view, refusal, err error) {
	if b.stands(r) {
		return r.decision, &r.view, r.refusal, nil
	}
	b.store.counts.redecided.Add(1)
	v = r.view.copy()
	b.widen(r, v)
	for range maxRounds {
		if refusal = b.show(ctx, v); refusal != nil {
			return Decision{}, v, refusal, nil
		}
		if d, refusal = b.store.decide(ctx, r, v); refusal != nil || len(d.More) == 0 {
			return d, v, refusal, nil
		}
		first := len(v.ids)
		if v.add(d.More...) == 0 {
			break
		}
		if err := b.load(ctx, v.ids[first:]); err != nil {
			return Decision{}, v, nil, fmt.Errorf("read further streams: %w", err)
		}
	}
	return Decision{}, v, errEndless, nil
}

// stands says whether the request's streams are where its decision saw them, and its watch finds no others.
func (b *batch) stands(r *request) bool {
	if r.generation != b.generation {
		return false
	}
	for i, id := range r.view.ids {
		e := b.streams[id]
		if s := &r.view.states[i]; e.version != s.Version || e.position != s.Position {
			return false
		}
	}
	if r.commit.Watch == nil {
		return true
	}
	for _, id := range b.watched[r] {
		if !r.view.watches(id) {
			return false
		}
	}
	for _, e := range b.movedFor(r.commit.Watch) {
		if r.commit.Watch.finds(e) && !r.view.watches(e.id) {
			return false
		}
	}
	return true
}

// widen adds to a view what its watch finds: in the log, and among the streams that this batch appended to.
func (b *batch) widen(r *request, v *view) {
	if r.commit.Watch == nil {
		return
	}
	for _, id := range b.watched[r] {
		v.watch(id)
	}
	for _, e := range b.movedFor(r.commit.Watch) {
		if r.commit.Watch.finds(e) {
			v.watch(e.id)
		}
	}
}

func (b *batch) movedFor(w *Watch) []*entry { return b.moved[subjectKey{w.Tenant, w.Subject}] }

// claim returns what is known of an idempotency key, by this batch or the one before; nil for nothing.
func (b *batch) claim(c *Claim) *claimed {
	if first := b.claims[c.identity()]; first != nil || b.previous == nil {
		return first
	}
	return b.previous.claims[c.identity()]
}

// commitOf returns what is stored under the commit id of a request, as far as this batch or the one before knows.
func (b *batch) commitOf(r *request) (Result, bool) {
	if stored, ok := b.stored[r.commit.ID]; ok || b.previous == nil {
		return stored, ok
	}
	stored, ok := b.previous.stored[r.commit.ID]
	return stored, ok
}

// finds says whether the watch finds a stream of its person.
func (w *Watch) finds(e *entry) bool {
	return e.position > w.After && strings.HasPrefix(e.id.Name, w.Prefix)
}

// show gives a view the states as they are now. The error of a folder refuses the request: it can't read what the log holds.
func (b *batch) show(ctx context.Context, v *view) error {
	for i, id := range v.ids {
		e := b.streams[id]
		b.refold(ctx, e)
		if e.err != nil {
			return e.err
		}
		v.states[i] = e.state
	}
	return nil
}

func (b *batch) refold(ctx context.Context, e *entry) {
	if e.err != nil || len(e.pending) == 0 {
		return
	}
	e.state.Subject = e.subject
	state, err := b.store.fold(ctx, e.id, e.state, e.pending)
	if err != nil {
		e.err = err
		return
	}
	e.state, e.pending, e.refolded = state, nil, true
}

// load reads streams that no request of the batch has named before. Those that the batch knows are left as they are.
func (b *batch) load(ctx context.Context, ids []StreamID) error {
	from := len(b.entries)
	for _, id := range ids {
		b.entry(id)
	}
	added := b.entries[from:]
	if len(added) == 0 {
		return nil
	}
	if b.assumes {
		return errReadFirst
	}
	p := &b.params
	p.versions.reset()
	p.reads = p.reads[:0]
	for _, e := range added {
		p.versions.arrays[0].addText(e.id.Tenant)
		p.versions.arrays[1].addText(e.id.Name)
		p.reads = append(p.reads, e)
	}
	b.calls = append(b.calls[:0], call{stmt: stmtVersions, params: p.versions.values(), read: b.takeVersion})
	if err := b.conn.exchange(ctx, b.calls, nil); err != nil {
		return err
	}
	return b.readNews(ctx, added)
}

// learn puts what the batch knows of its streams into the cache: the COMMIT is known.
func (b *batch) learn() {
	b.store.counts.events.Add(b.head.Position - b.before.Position)
	for _, e := range b.entries {
		if e.err == nil && e.version > 0 && (e.refolded || e.appender != nil) {
			e.state.Subject = e.subject
			b.store.cache.put(e.id, cached{StreamState: e.state, news: e.pending, generation: b.generation})
		}
	}
}
