package eventstore

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"
)

// writes are the rows of a batch, collected as columns while its requests are accepted.
type writes struct {
	events, newStreams, streams, commits, claims, answers, routes columns
	headerKeys                                                    []string
	text                                                          []byte
}

func newWrites() writes {
	return writes{
		events: newColumns(oidInt8, oidUUID, oidUUID, oidText, oidText, oidInt8, oidText, oidInt4, oidBytea, oidBytea, oidTimestamptz,
			oidBytea),
		newStreams: newColumns(oidText, oidText, oidInt8, oidInt8, oidText),
		streams:    newColumns(oidText, oidText, oidInt8, oidInt8, oidInt8),
		commits:    newColumns(oidUUID, oidInt8, oidInt8, oidInt8),
		claims:     newColumns(oidText, oidText, oidText, oidBytea, oidUUID, oidInt4, oidText, oidBytea, oidBytea, oidInt8),
		answers:    newColumns(oidText, oidText, oidText, oidInt4, oidText, oidBytea, oidBytea, oidInt8),
		routes:     newColumns(oidInt8, oidUUID, oidText, oidText, oidText, oidBytea),
	}
}

func (w *writes) reset() {
	for _, c := range []*columns{&w.events, &w.newStreams, &w.streams, &w.commits, &w.claims, &w.answers, &w.routes} {
		c.reset()
	}
}

// accept takes a decision into the batch: checks it, gives its events their places and hashes, and collects its rows. A refusal
// leaves the batch as it was; an error ends the attempt.
func (b *batch) accept(ctx context.Context, r *request, v *view, d *Decision) (refusal, err error) {
	if refusal := b.check(v, d); refusal != nil {
		return refusal, nil
	}
	if refusal, err := b.checkKeys(ctx, d.Keys); refusal != nil || err != nil {
		return refusal, err
	}
	first := b.head.Position + 1
	b.append(r, d)
	if len(r.recorded) > 0 {
		r.result.First, r.result.Last = first, b.head.Position
	}
	r.result.Head = b.head.Position
	if d.Answer != nil {
		r.result.Answer = *d.Answer
	}
	if len(r.recorded) == 0 && d.Route == nil && r.commit.Claim == nil {
		return nil, nil
	}
	b.addRoute(r, d.Route)
	b.addClaim(r, d.Answer)
	c := b.writes.commits.arrays
	c[0].addUUID(r.commit.ID)
	c[1].addInt64(r.result.First)
	c[2].addInt64(r.result.Last)
	c[3].addInt64(r.result.Head)
	b.stored[r.commit.ID] = Result{First: r.result.First, Last: r.result.Last, Head: r.result.Head}
	return nil, nil
}

// check refuses a decision that breaks a rule of the store.
func (b *batch) check(v *view, d *Decision) error {
	for i := range d.Appends {
		a := &d.Appends[i]
		if len(a.Events) == 0 {
			continue
		}
		if v.find(a.Stream) < 0 {
			return fmt.Errorf("%w: append to stream %s, which the commit does not name", ErrInvalid, a.Stream)
		}
		if subject := b.subject(d.Appends[:i], a); a.Subject != "" && a.Subject != subject {
			return fmt.Errorf("append to %s: %w", a.Stream, ErrSubjectChanged)
		}
		for j := range a.Events {
			if err := checkEvent(&a.Events[j]); err != nil {
				return fmt.Errorf("append to %s: %w", a.Stream, err)
			}
		}
	}
	return nil
}

// subject returns the person whom the stream of a is about: fixed by its first append, be it one of those before a in its decision.
func (b *batch) subject(before []Append, a *Append) string {
	if e := b.streams[a.Stream]; e.version > 0 {
		return e.subject
	}
	for i := range before {
		if before[i].Stream == a.Stream && len(before[i].Events) > 0 {
			return before[i].Subject
		}
	}
	return a.Subject
}

// Years that both Postgres and a count of microseconds can hold.
const (
	firstYear = -4000
	lastYear  = 290_000
)

func checkEvent(e *NewEvent) error {
	switch {
	case e.ID == uuid.Nil:
		return fmt.Errorf("%w: event %q has no id", ErrInvalid, e.Type)
	case e.Type == "" || e.Schema < 1 || e.Schema > 1<<31-1:
		return fmt.Errorf("%w: event %s has type %q and schema %d", ErrInvalid, e.ID, e.Type, e.Schema)
	case e.EffectiveAt.Year() < firstYear || e.EffectiveAt.Year() > lastYear:
		return fmt.Errorf("%w: event %s takes effect in the year %d", ErrStored, e.ID, e.EffectiveAt.Year())
	}
	return nil
}

// checkKeys refuses a decision whose texts are sealed under a key that does not live. Keys that no prepared decision named are
// looked up now.
func (b *batch) checkKeys(ctx context.Context, keys []uuid.UUID) (refusal, err error) {
	for _, id := range keys {
		alive, known := b.alive[id]
		if !known {
			if b.assumes {
				return nil, errReadFirst
			}
			p := &b.params.keys
			p.reset()
			p.arrays[0].addUUID(id)
			b.calls = append(b.calls[:0], call{stmt: stmtKeys, params: p.values(), read: b.takeKey})
			if err := b.conn.exchange(ctx, b.calls, nil); err != nil {
				return nil, fmt.Errorf("look up key %s: %w", id, err)
			}
			alive, known = b.alive[id]
		}
		switch {
		case !known:
			return fmt.Errorf("key %s: %w", id, ErrKeyUnknown), nil
		case !alive:
			return fmt.Errorf("key %s: %w", id, ErrKeyDestroyed), nil
		}
	}
	return nil, nil
}

// append gives the decision's events their places in the log and extends the chain by them.
func (b *batch) append(r *request, d *Decision) {
	n := 0
	for i := range d.Appends {
		n += len(d.Appends[i].Events)
	}
	if n == 0 {
		return
	}
	r.recorded = make([]Recorded, 0, n)
	for i := range d.Appends {
		a := &d.Appends[i]
		if len(a.Events) == 0 {
			continue
		}
		e := b.streams[a.Stream]
		if e.version == 0 {
			e.subject = a.Subject
		}
		from := len(r.recorded)
		for j := range a.Events {
			r.recorded = append(r.recorded, b.record(r, e, &a.Events[j]))
		}
		b.advance(r, e, r.recorded[from:len(r.recorded):len(r.recorded)])
	}
}

func (b *batch) record(r *request, e *entry, event *NewEvent) Recorded {
	b.head.Position++
	e.version++
	rec := Recorded{
		NewEvent: *event, Position: b.head.Position, Epoch: b.head.Epoch, CommitID: r.commit.ID, Stream: e.id, Version: e.version,
		RecordedAt: b.recordedAt,
	}
	rec.EffectiveAt = event.EffectiveAt.UTC().Truncate(time.Microsecond)
	rec.Hash = hashEvent(b.head.Hash, &rec)
	b.head.Hash = rec.Hash
	b.addEvent(&rec)
	return rec
}

// advance notes events as the news of their stream, for what is decided after them.
func (b *batch) advance(r *request, e *entry, events []Recorded) {
	if len(e.pending) == 0 {
		e.pending = events
	} else {
		e.pending = append(e.pending, events...)
	}
	e.position = b.head.Position
	if e.appender == nil && e.subject != "" {
		key := subjectKey{e.id.Tenant, e.subject}
		b.moved[key] = append(b.moved[key], e)
	}
	if e.appender == nil {
		b.changed = append(b.changed, e)
	}
	e.appender = r
}

func (b *batch) addEvent(r *Recorded) {
	c := b.writes.events.arrays
	c[0].addInt64(r.Position)
	c[1].addUUID(r.ID)
	c[2].addUUID(r.CommitID)
	c[3].addText(r.Stream.Tenant)
	c[4].addText(r.Stream.Name)
	c[5].addInt64(r.Version)
	c[6].addText(r.Type)
	c[7].addInt32(int32(r.Schema)) //nolint:gosec // checked by checkEvent
	c[8].addBytes(r.Data)
	c[9].addBytes(r.Metadata)
	c[10].addInt64(r.EffectiveAt.UnixMicro() - postgresEpoch)
	c[11].addBytes(r.Hash[:])
}

func (b *batch) addRoute(r *request, route *RouteEvent) {
	if route == nil {
		return
	}
	b.head.Route++
	c := b.writes.routes.arrays
	c[0].addInt64(b.head.Route)
	c[1].addUUID(r.commit.ID)
	c[2].addText(route.Topic)
	c[3].addText(route.Key)
	c[4].addBytes(b.writes.headers(route.Headers))
	c[5].addBytes(route.Body)
}

// addClaim stores the claim of a commit with its answer, if it has one yet; later requests of the batch find it.
func (b *batch) addClaim(r *request, answer *Answer) {
	claim := r.commit.Claim
	if claim == nil || claim.Holder != uuid.Nil && answer == nil {
		return
	}
	if claim.Holder == uuid.Nil {
		c := b.writes.claims.arrays
		addClaimKey(c, claim)
		c[3].addBytes(claim.Fingerprint[:])
		c[4].addUUID(r.commit.ID)
		addAnswer(c[5:], answer, r.result.Head)
	} else {
		c := b.writes.answers.arrays
		addClaimKey(c, claim)
		addAnswer(c[3:], answer, r.result.Head)
	}
	holder := claim.Holder
	if holder == uuid.Nil {
		holder = r.commit.ID
	}
	b.claims[claim.identity()] = &claimed{
		key: claim.identity(), fingerprint: claim.Fingerprint, commit: holder, answered: answer != nil, result: r.result,
	}
}

func addClaimKey(c []array, claim *Claim) {
	c[0].addText(claim.Tenant)
	c[1].addText(claim.Subject)
	c[2].addText(claim.Key)
}

func addAnswer(c []array, answer *Answer, head int64) {
	if answer == nil {
		for i := range 5 {
			c[i].addNull()
		}
		return
	}
	c[0].addInt32(int32(answer.Status)) //nolint:gosec // an HTTP status
	c[1].addText(answer.ETag)
	c[2].addBytes(answer.Body)
	c[3].addBytes(answer.Salt)
	c[4].addInt64(head)
}

// headers renders a JSON object with its keys in order. The bytes are valid until the next call.
func (w *writes) headers(h map[string]string) []byte {
	w.headerKeys = slices.AppendSeq(w.headerKeys[:0], maps.Keys(h))
	slices.Sort(w.headerKeys)
	w.text = append(w.text[:0], '{')
	for i, key := range w.headerKeys {
		if i > 0 {
			w.text = append(w.text, ',')
		}
		w.text = appendJSONString(w.text, key)
		w.text = append(w.text, ':')
		w.text = appendJSONString(w.text, h[key])
	}
	w.text = append(w.text, '}')
	return w.text
}

func appendJSONString(b []byte, s string) []byte {
	const hexDigits = "0123456789abcdef"
	b = append(b, '"')
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c < ' ':
			b = append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		default:
			b = append(b, c)
		}
	}
	return append(b, '"')
}

// write sends all rows, the new head, the notification and COMMIT in one round trip. A batch that stores nothing is rolled back,
// which costs no write to disk: its answers are true as of the head that it held.
func (b *batch) write(ctx context.Context, reqs []*request) error {
	if b.writes.commits.rows() == 0 {
		if b.mustFence(reqs) {
			return b.fence(ctx, reqs)
		}
		b.calls = append(b.calls[:0], call{stmt: stmtRollback})
		return b.conn.exchange(ctx, b.calls, nil)
	}
	b.calls = b.calls[:0]
	b.addRows()
	if who := reqs[0].commit.Erase; who != nil && reqs[0].result.First > 0 { // it is alone: see writer.write
		b.calls = append(b.calls, call{stmt: stmtErase, failpoint: FailErase, params: [][]byte{
			[]byte(who.Tenant), []byte(who.Subject), binaryInt64(reqs[0].result.First),
		}})
	}
	b.addHead()
	return b.commitCalls(ctx, reqs)
}

// mustFence says whether somebody is told that a commit isn't there, or might be, by a refusal that comes after it.
func (b *batch) mustFence(reqs []*request) bool {
	return b.store.adrift || slices.ContainsFunc(reqs, func(r *request) bool { return errors.Is(r.err, ErrCommitNotFound) })
}

// fence moves the time of the head on, though nothing is stored: an unread batch that was given up, and arrives only now with its COMMIT,
// finds another head than it expects.
func (b *batch) fence(ctx context.Context, reqs []*request) error {
	if next := b.found.Add(time.Microsecond); b.recordedAt.Before(next) {
		b.recordedAt = next
	}
	b.found = b.recordedAt
	b.calls = append(b.calls[:0], call{stmt: stmtFence, params: [][]byte{binaryTime(b.recordedAt)}})
	return b.commitCalls(ctx, reqs)
}

// commitCalls sends the calls that were collected and COMMIT behind them.
func (b *batch) commitCalls(ctx context.Context, reqs []*request) error {
	b.calls = append(b.calls, call{stmt: stmtCommit, failpoint: FailCommitSent})
	for _, r := range reqs {
		r.sent, r.wasSent = r.result, true
	}
	sent := clock()
	err := b.ahead(ctx, b.leaves(reqs), func() error { return b.conn.exchange(ctx, b.calls, b.store.config.Failpoint) })
	if clock().Sub(sent) > b.store.config.ClockWithin {
		b.clock = serverClock{}
	}
	return err
}

// addRows adds the statements that write the batch's rows.
func (b *batch) addRows() {
	w := &b.writes
	b.addStreams()
	at := binaryTime(b.recordedAt)
	b.send(stmtInsertEvents, FailEvents, &w.events, binaryInt64(b.head.Epoch), at)
	b.send(stmtInsertStreams, FailStreams, &w.newStreams)
	b.send(stmtUpdateStreams, FailStreams, &w.streams, binaryInt64(int64(w.streams.rows())))
	b.send(stmtInsertCommits, FailCommits, &w.commits)
	b.send(stmtInsertClaims, FailClaims, &w.claims, at)
	b.send(stmtAnswerClaims, FailClaims, &w.answers, at, binaryInt64(int64(w.answers.rows())))
	b.send(stmtInsertRoutes, FailRoutes, &w.routes, at)
}

// addHead adds the statement that moves the head on from where the batch began.
func (b *batch) addHead() {
	b.calls = append(b.calls, call{stmt: stmtUpdateHead, failpoint: FailHead, read: b.takeNow, params: [][]byte{
		binaryInt64(b.head.Position), b.head.Hash[:], binaryInt64(b.head.Route), binaryTime(b.recordedAt), binaryInt64(b.before.Position),
		binaryInt64(b.before.Route), binaryInt64(b.waited.Microseconds()), binaryInt64(b.store.underWay.Load()),
	}})
}

func (b *batch) send(stmt statement, failpoint string, rows *columns, single ...[]byte) {
	if rows.rows() > 0 {
		b.calls = append(b.calls, call{stmt: stmt, params: rows.values(single...), failpoint: failpoint})
	}
}

// addStreams collects the rows of the streams that the batch appended to.
func (b *batch) addStreams() {
	for _, e := range b.changed {
		if e.stored == 0 {
			c := b.writes.newStreams.arrays
			c[0].addText(e.id.Tenant)
			c[1].addText(e.id.Name)
			c[2].addInt64(e.version)
			c[3].addInt64(e.position)
			c[4].addText(e.subject)
			continue
		}
		c := b.writes.streams.arrays
		c[0].addText(e.id.Tenant)
		c[1].addText(e.id.Name)
		c[2].addInt64(e.stored)
		c[3].addInt64(e.version)
		c[4].addInt64(e.position)
	}
}
