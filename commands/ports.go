package commands

import (
	"context"

	"github.com/google/uuid"

	"payledger/eventstore"
	"payledger/readmodels"
)

// Store writes commits; *eventstore.Store is one.
type Store interface {
	Commit(ctx context.Context, c eventstore.Commit) (eventstore.Result, error)
}

// Vault keeps the keys that seal personal texts; *eventstore.Vault is one.
type Vault interface {
	// Ensure returns the living key of a person; it makes one for a person without.
	Ensure(ctx context.Context, tenant, subject string) (eventstore.Key, error)
	// Forget drops a key from memory, after a commit was refused because the key was destroyed.
	Forget(id uuid.UUID)
}

// Rows is the read model that knows which stream a row is folded from.
type Rows interface {
	// StreamOf returns the name of the stream of a row, deleted ones included. ErrRecordNotFound is final: the read model has come
	// at least as far as the log was when it was asked.
	StreamOf(ctx context.Context, tenant string, object readmodels.Object, id string) (string, error)
}

// OpenFees is the read model that knows which fees of a person are still owed.
type OpenFees interface {
	// OpenFees returns the ids of the open fees of a person and the position up to which it has read. It may be behind:
	// decisions look at what came after the position themselves.
	OpenFees(ctx context.Context, tenant, userID string) (feeIDs []string, checkpoint int64, err error)
}
