package eventstore

import (
	"context"

	"github.com/google/uuid"
)

// Commit is one command's write: everything its decision returns is stored in one transaction, or nothing is.
type Commit struct {
	// ID is the same for all attempts of one command. It is how a caller finds out what became of it (Store.Lookup).
	ID uuid.UUID
	// Streams are loaded and folded before Decide is called. Their versions are asserted: when one has moved on by the
	// time the writer holds the head, Decide is called again on the news. Naming a stream without appending to it is an assertion.
	Streams []StreamID
	// New are further streams that most likely don't exist yet, as those whose ids the command just made. Unless they are cached they
	// are taken as empty without being read first, which saves a query; the writer checks them like all others.
	New []StreamID
	// Watch, when set, also loads the streams of a person that moved after a position that a read model has seen.
	Watch *Watch
	// Claim, when set, is the idempotency key under which the answer is stored.
	Claim *Claim
	// Erase, when set, destroys the keys of a person in the same transaction, if the decision appends events: the first must be of type
	// person.erased, on a stream about this person. Such a commit is written alone.
	Erase *Person
	// Decide makes the decision. It is pure and may be called several times, also from the writer's goroutine under the
	// head lock: no I/O, no clock. An error is a refusal; it is returned by Store.Commit only after it was checked under the lock.
	Decide func(View) (Decision, error)
}

// Watch names the streams of one person with the given name prefix that moved after a position.
type Watch struct {
	Tenant  string
	Subject string
	Prefix  string // such as "fee-"
	After   int64
}

// Person is whom streams and keys are about.
type Person struct {
	Tenant  string
	Subject string
}

// View is what a decision sees: every named stream, all folded up to the same moment of the log.
type View interface {
	// Stream returns the state of a stream. A stream without events has Version 0 and a nil Value.
	// Asking for a stream that the commit did not name is a programming fault and panics.
	Stream(id StreamID) StreamState
	// Has reports whether a stream is there to be asked for: the commit named it, or Decision.More did before.
	Has(id StreamID) bool
	// Watched returns the streams that Commit.Watch found, in order of name; each can be asked for with Stream.
	Watched() []StreamID
}

// StreamState is a stream's folded state at a version. Values are shared between goroutines: never change one.
type StreamState struct {
	Version  int64
	Position int64  // of the stream's last event
	Subject  string // the person whom the stream is about, fixed by its first append; empty for none
	Value    any    // what the Folder made
}

// Decision is what a commit stores. An empty Decision is "already so": it stores nothing but what Route and Answer ask for.
type Decision struct {
	Appends []Append // in order of position
	// More names further streams that the decision needs: they are loaded, Decide is called again, the rest is ignored.
	More []StreamID
	// Keys are the ids of the vault keys that sealed fields of Appends: all must be alive under the head lock.
	Keys []uuid.UUID
	// Answer is what the caller gets and what is stored under the commit's Claim.
	Answer *Answer
	// Route is the route event to publish, if the route has a topic.
	Route *RouteEvent
}

// Append is the events for one stream. Subject is used when the stream is new; later appends may leave it empty.
type Append struct {
	Stream  StreamID
	Subject string
	Events  []NewEvent
}

// Claim is an idempotency key: its scope is tenant and token subject, Key the caller's, Fingerprint the SHA-256 of the request.
type Claim struct {
	Tenant      string
	Subject     string
	Key         string
	Fingerprint [32]byte
	// Holder is the id of the commit that claimed the key without an answer, for the commit that answers it later. Zero for a
	// command of one commit, which claims and answers at once.
	Holder uuid.UUID
}

// Answer is the stored answer of a command, byte for byte. Salt is the salt of the answer's hash in the log.
type Answer struct {
	Status int
	ETag   string
	Body   []byte
	Salt   []byte
}

// RouteEvent is the message of an answered route; it gets a dense number of its own.
type RouteEvent struct {
	Topic   string
	Key     string
	Headers map[string]string
	Body    []byte
}

// Result is what became of a commit.
type Result struct {
	First, Last int64  // positions of its events; 0 when it stored none
	Head        int64  // the head at which it was decided; equals Last when it stored events
	Answer      Answer // the decision's answer, or the stored one when Replayed
	Replayed    bool   // the claim was answered before: nothing was decided or stored
}

// Folder makes states of streams out of events. It is pure; value is never changed in place.
type Folder interface {
	// Fold returns the state after events; value is nil for a new stream. An error means that the log holds what this
	// code can't read: the commit is refused with it.
	Fold(ctx context.Context, keys Keys, id StreamID, value any, events []Recorded) (any, error)
}

// Keys opens sealed text. Errors: ErrKeyDestroyed for an erased person, ErrKeyUnknown for a key that should be there.
type Keys interface {
	Key(ctx context.Context, id uuid.UUID) (Key, error)
}

// Key is a person's data key, unwrapped. It stays inside the process.
type Key struct {
	ID     uuid.UUID
	Secret [32]byte
}
