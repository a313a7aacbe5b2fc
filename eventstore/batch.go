package eventstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
)

// batch is one attempt of the writer at a set of requests. Its memory is used again for the next.
//
// It takes two round trips: lock the head and, under the lock, read versions, watches, claims, keys and commit ids; write and COMMIT.
// Between them everything is decided in memory, request by request, so each sees what those before it in the batch append.
// Only streams that have moved on since they were loaded cost one more round trip, for all of them together.
// While nobody else writes, one round trip is enough: see assume.
type batch struct {
	store *Store
	conn  *conn
	calls []call
	scan  scanner
	ahead func(ctx context.Context, leaves footprint, exchange func() error) error // runs the round trip that ends the transaction

	reqs     []*request
	size     int       // bytes that reqs store, about
	prepared bool      // all of reqs are settled, on basis
	basis    footprint // where the log is assumed to be
	previous *batch    // not known to be written when this one was begun

	head       Head // grows with what is accepted
	before     Head // as it was locked
	recordedAt time.Time
	found      time.Time // recordedAt of the head as it was locked
	erased     int64     // position of the last erasure
	assumes    bool      // nothing was read: see assume
	clock      serverClock
	generation int64         // of the store's memory
	waited     time.Duration // of the request that is under way the longest

	streams map[StreamID]*entry
	entries []*entry // those of streams, in order of first mention; beyond len they wait to be used again
	stored  map[uuid.UUID]Result
	claims  map[claimKey]*claimed
	alive   map[uuid.UUID]bool // vault keys by id: false when destroyed
	watched map[*request][]StreamID
	changed []*entry                // streams that this batch appended to
	moved   map[subjectKey][]*entry // the same by person

	writes writes
	params params
}

type subjectKey struct{ tenant, subject string }

// entry is a stream as this batch sees it.
type entry struct {
	id       StreamID
	version  int64 // with what the batch has appended
	position int64
	subject  string
	stored   int64       // version in the log, as read under the lock
	state    StreamState // folded so far
	pending  []Recorded  // events after state
	err      error       // of folding them
	refolded bool        // folded within this batch: a hot stream, or one with news
	appender *request    // the last to append in this batch
}

// params are the arguments of the reading statements.
type params struct {
	versions, watches, commits, claims, keys, news columns
	watchers                                       []*request // of the rows of watches
	reads                                          []*entry   // of the rows of versions or news
}

func newBatch(s *Store, ahead func(context.Context, footprint, func() error) error) *batch {
	return &batch{
		store:   s,
		ahead:   ahead,
		streams: map[StreamID]*entry{},
		stored:  map[uuid.UUID]Result{},
		claims:  map[claimKey]*claimed{},
		alive:   map[uuid.UUID]bool{},
		watched: map[*request][]StreamID{},
		moved:   map[subjectKey][]*entry{},
		writes:  newWrites(),
		params: params{
			versions: newColumns(oidText, oidText),
			watches:  newColumns(oidText, oidText, oidText, oidInt8),
			commits:  newColumns(oidUUID),
			claims:   newColumns(oidText, oidText, oidText),
			keys:     newColumns(oidUUID),
			news:     newColumns(oidText, oidText, oidInt8),
		},
	}
}

// full says whether nothing more is to be taken.
func (b *batch) full() bool { return len(b.reqs) >= b.store.config.MaxBatch || b.size >= maxBatchBytes }

// take adds a request, unless its caller has given it up.
func (b *batch) take(ctx context.Context, r *request) {
	if r.state.CompareAndSwap(waiting, taken) {
		b.reqs = append(b.reqs, r)
		b.size += r.size
		b.prepared = b.prepared && b.admit(ctx, r)
	}
}

// empty forgets the requests.
func (b *batch) empty() {
	clear(b.reqs)
	b.reqs, b.size, b.prepared = b.reqs[:0], 0, false
}

func (b *batch) reset() {
	b.prepared, b.assumes, b.previous = false, false, nil
	b.clock = b.conn.clock
	b.calls = b.calls[:0]
	clear(b.streams)
	for _, e := range b.entries {
		*e = entry{}
	}
	b.entries = b.entries[:0]
	clear(b.stored)
	clear(b.claims)
	clear(b.alive)
	clear(b.watched)
	clear(b.moved)
	b.changed = b.changed[:0]
	b.writes.reset()
}

// commit decides and writes reqs in one transaction. When it returns nil the outcome of every request is final and stands in it;
// otherwise nothing is known and nothing has left.
func (b *batch) commit(ctx context.Context, c *conn, reqs []*request) error {
	b.conn = c
	b.waited = waited(reqs)
	err := b.assume(ctx, reqs)
	if errors.Is(err, errReadFirst) {
		err = b.readAndWrite(ctx, reqs)
	}
	if err != nil {
		return err
	}
	b.store.failpoint(FailCommitted)
	b.store.adrift = false
	c.left, c.clock = b.leaves(reqs), b.clock
	b.learn()
	return nil
}

// readAndWrite is commit in two round trips.
func (b *batch) readAndWrite(ctx context.Context, reqs []*request) error {
	b.reset()
	if err := b.read(ctx, reqs); err != nil {
		return fmt.Errorf("lock the head and read: %w", err)
	}
	b.store.failpoint(FailRead)
	if err := b.readNews(ctx, b.entries); err != nil {
		return fmt.Errorf("read news: %w", err)
	}
	for _, r := range reqs {
		if err := b.settle(ctx, r); err != nil {
			return err
		}
	}
	b.store.failpoint(FailDecided)
	if err := b.write(ctx, reqs); err != nil {
		return fmt.Errorf("write batch: %w", err)
	}
	return nil
}

// read begins the transaction, waits for the head, and asks for everything that the whole batch needs to know. Each statement begins
// after the one before it has ended, and READ COMMITTED gives it a snapshot of its own: what stands behind the lock is
// read under the lock, though nobody waits for its answer in between.
func (b *batch) read(ctx context.Context, reqs []*request) error {
	b.ask(reqs)
	p := &b.params
	b.calls = append(b.calls[:0], call{stmt: stmtBegin}, call{stmt: stmtLock, read: b.takeHead, failpoint: FailLocked}, call{stmt: stmtClock, read: b.takeClock})
	for _, c := range []struct {
		stmt statement
		args *columns
		read func([][]byte) error
	}{
		{stmtCommits, &p.commits, b.takeCommit},
		{stmtVersions, &p.versions, b.takeVersion},
		{stmtWatched, &p.watches, b.takeWatched},
		{stmtClaims, &p.claims, b.takeClaim},
		{stmtKeys, &p.keys, b.takeKey},
	} {
		if c.args.rows() > 0 {
			b.calls = append(b.calls, call{stmt: c.stmt, params: c.args.values(), read: c.read})
		}
	}
	if err := b.conn.exchange(ctx, b.calls, b.store.config.Failpoint); err != nil {
		return err
	}
	if err := b.remember(ctx); err != nil {
		return err
	}
	b.adopt(reqs)
	return nil
}

// remember begins another generation when the log was restored beneath us, or somebody was erased: what the cache holds is not found
// any more, and what was decided on it is decided again. Keys are forgotten before, so that nothing is opened that is gone.
func (b *batch) remember(ctx context.Context) error {
	s, now := b.store, memory{b.head.Epoch, b.erased}
	if s.known != now {
		if err := RefreshKeys(ctx, s.config.Keys); err != nil {
			return err
		}
		s.known = now
		s.generation.Add(1)
	}
	b.generation = s.generation.Load()
	return nil
}

func (b *batch) takeHead(row [][]byte) error {
	b.head = Head{Position: readInt64(row[0]), Epoch: readInt64(row[1]), Route: readInt64(row[3])}
	copy(b.head.Hash[:], row[2])
	b.before = b.head
	b.recordedAt = readTimeOrZero(row[4])
	b.found = b.recordedAt
	b.erased = readInt64(row[5])
	return nil
}

// ask collects the arguments of read.
func (b *batch) ask(reqs []*request) {
	p := &b.params
	b.askKeysAndWatches(reqs)
	b.askCommitsAndClaims(reqs, func(*request) bool { return true })
	p.versions.reset()
	p.reads = p.reads[:0]
	for _, r := range reqs {
		for _, id := range r.view.ids {
			b.entry(id)
		}
	}
	for _, e := range b.entries {
		p.versions.arrays[0].addText(e.id.Tenant)
		p.versions.arrays[1].addText(e.id.Name)
		p.reads = append(p.reads, e)
	}
}

// askCommitsAndClaims collects what might have been answered before, of some requests.
func (b *batch) askCommitsAndClaims(reqs []*request, wanted func(*request) bool) {
	p := &b.params
	p.commits.reset()
	p.claims.reset()
	for _, r := range reqs {
		if !wanted(r) {
			continue
		}
		p.commits.arrays[0].addUUID(r.commit.ID)
		if c := r.commit.Claim; c != nil && b.claim(c) == nil {
			p.claims.arrays[0].addText(c.Tenant)
			p.claims.arrays[1].addText(c.Subject)
			p.claims.arrays[2].addText(c.Key)
		}
	}
}

// askKeysAndWatches collects the keys and watches of all requests.
func (b *batch) askKeysAndWatches(reqs []*request) {
	p := &b.params
	p.watches.reset()
	p.keys.reset()
	p.watchers = p.watchers[:0]
	for _, r := range reqs {
		if w := r.commit.Watch; w != nil {
			p.watches.arrays[0].addText(w.Tenant)
			p.watches.arrays[1].addText(w.Subject)
			p.watches.arrays[2].addText(w.Prefix)
			p.watches.arrays[3].addInt64(w.After)
			p.watchers = append(p.watchers, r)
		}
		for _, id := range r.decision.Keys {
			p.keys.arrays[0].addUUID(id)
		}
	}
}

// waited returns for how long the oldest of reqs has been under way.
func waited(reqs []*request) time.Duration {
	oldest := reqs[0].began
	for _, r := range reqs[1:] {
		if r.began.Before(oldest) {
			oldest = r.began
		}
	}
	return time.Since(oldest)
}

// adopt takes over what the requests have loaded, the newest of each stream, unless it is of another generation.
func (b *batch) adopt(reqs []*request) {
	for _, r := range reqs {
		if r.generation != b.generation {
			continue
		}
		for i, id := range r.view.ids {
			if e := b.entry(id); r.view.states[i].Version > e.state.Version {
				e.state = r.view.states[i]
			}
		}
	}
}

func (b *batch) takeClock(row [][]byte) error {
	b.clock.set(readTime(row[0]))
	b.stamp()
	return nil
}

// takeNow sets the clock by an answer of stmtUpdateHead.
func (b *batch) takeNow(row [][]byte) error {
	b.clock.set(readTime(row[2]))
	return nil
}

// stamp gives the batch its time: that of the server's clock, but never one before the last batch's.
func (b *batch) stamp() {
	if now := b.clock.now(); now.After(b.recordedAt) {
		b.recordedAt = now
	}
}

func (b *batch) takeCommit(row [][]byte) error {
	b.stored[readUUID(row[0])] = Result{First: readInt64(row[1]), Last: readInt64(row[2]), Head: readInt64(row[3])}
	return nil
}

func (b *batch) takeClaim(row [][]byte) error {
	c := readClaim(row)
	b.claims[c.key] = &c
	return nil
}

func (b *batch) takeVersion(row [][]byte) error {
	b.params.reads[readInt64(row[0])-1].locate(readInt64(row[1]), readInt64(row[2]), row[3])
	return nil
}

func (b *batch) takeWatched(row [][]byte) error {
	r := b.params.watchers[readInt64(row[0])-1]
	id := StreamID{Tenant: r.commit.Watch.Tenant, Name: string(row[1])}
	b.entry(id).locate(readInt64(row[2]), readInt64(row[3]), row[4])
	b.watched[r] = append(b.watched[r], id)
	return nil
}

func (b *batch) takeKey(row [][]byte) error {
	b.alive[readUUID(row[0])] = row[1][0] != 0
	return nil
}

// readNews reads, in one query, the events that the states of entries lack. The versions of the entries are known; their states and
// pending events then reach up to them.
func (b *batch) readNews(ctx context.Context, entries []*entry) error {
	p := &b.params
	p.news.reset()
	p.reads = p.reads[:0]
	for _, e := range entries {
		if !b.behind(ctx, e) {
			continue
		}
		p.news.arrays[0].addText(e.id.Tenant)
		p.news.arrays[1].addText(e.id.Name)
		p.news.arrays[2].addInt64(e.state.Version)
		p.reads = append(p.reads, e)
	}
	if len(p.reads) == 0 {
		return nil
	}
	found := make([]news, len(p.reads))
	b.calls = append(b.calls[:0], call{stmt: stmtNews, params: p.news.values(), read: func(row [][]byte) error {
		return readNews(row, found, &b.scan)
	}})
	if err := b.conn.exchange(ctx, b.calls, nil); err != nil {
		return err
	}
	for i, e := range p.reads {
		e.pending = found[i].events
		e.state.Subject = e.subject
		if n := e.state.Version + int64(len(e.pending)); n != e.version {
			e.err = fmt.Errorf("stream %s: its events end at version %d, not %d", e.id, n, e.version)
		}
	}
	b.store.failpoint(FailNews)
	return nil
}

// behind says whether the state of an entry lacks events that are in the log, and takes the cache's state when that is newer.
func (b *batch) behind(ctx context.Context, e *entry) bool {
	if len(e.pending) > 0 || e.state.Version == e.version && e.state.Position == e.position {
		return false
	}
	if c, _ := b.store.remembered(ctx, e.id, b.generation); c.Version > e.state.Version && c.Version <= e.version {
		e.state = c
	}
	if e.state.Version >= e.version && e.state.Position != e.position {
		e.state = StreamState{} // not of this log
	}
	return e.state.Version < e.version
}

// entry returns the batch's entry for a stream, a new one if it has none.
func (b *batch) entry(id StreamID) *entry {
	if e, ok := b.streams[id]; ok {
		return e
	}
	n := len(b.entries)
	b.entries = slices.Grow(b.entries, 1)[:n+1]
	if b.entries[n] == nil {
		b.entries[n] = new(entry)
	}
	e := b.entries[n]
	e.id = id
	b.streams[id] = e
	return e
}

// locate notes where the log has the stream.
func (e *entry) locate(version, position int64, subject []byte) {
	if e.stored == 0 {
		e.version, e.stored, e.position, e.subject = version, version, position, string(subject)
	}
}

// readTimeOrZero reads a timestamptz; -infinity, of a log without events, is the zero time.
func readTimeOrZero(b []byte) time.Time {
	if n := readInt64(b); n == -1<<63 {
		return time.Time{}
	}
	return readTime(b)
}
