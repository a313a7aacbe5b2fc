package eventstore

import "errors"

// Errors of the store. Callers compare with errors.Is.
var (
	// ErrBusy: the queue of waiting commits is full, or the database did not answer in time. Nothing is stored unless Lookup says so; try again later.
	ErrBusy = errors.New("event store is busy")
	// ErrCommitNotFound: no commit with that id was stored, and none will be.
	ErrCommitNotFound = errors.New("commit not found")
	// ErrFingerprint: the idempotency key was used before for another request.
	ErrFingerprint = errors.New("idempotency key was used for another request")
	// ErrClaimRunning: the idempotency key is claimed by a command that has not been answered yet.
	ErrClaimRunning = errors.New("a command with this idempotency key is still running")
	// ErrKeyDestroyed: the person was erased; the text can't be read any more.
	ErrKeyDestroyed = errors.New("key was destroyed by an erasure")
	// ErrKeyUnknown: a key is missing without a tombstone. That is damage, not erasure.
	ErrKeyUnknown = errors.New("key is not in the vault")
	// ErrNoHead: the one row that says where the log ends is gone. That is damage.
	ErrNoHead = errors.New("the log has no head")
	// ErrNotInLog: positions were asked for that the log doesn't have.
	ErrNotInLog = errors.New("not in a log")
	// ErrSubjectChanged: an append names another person than the stream's first event did.
	ErrSubjectChanged = errors.New("stream belongs to another person")
	// ErrStored: Postgres refused a row of this commit (SQLSTATE classes 22, 23, 54); nothing of it is stored.
	ErrStored = errors.New("commit can't be stored")
	// ErrPanic: the decision panicked; nothing of it is stored.
	ErrPanic = errors.New("decision panicked")
	// ErrInvalid: the commit or its decision breaks a rule of the store, as an append to a stream that it does not name. A programming fault.
	ErrInvalid = errors.New("invalid commit")
	// ErrClosed: the store was stopped.
	ErrClosed = errors.New("event store is closed")
)
