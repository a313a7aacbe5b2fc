package projections

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Errors that halt a projection. They are found inside a HaltedError.
var (
	// ErrNotDecided: the projection neither handles nor ignores an event type of the log.
	ErrNotDecided = errors.New("event type is neither handled nor ignored")
	// ErrOtherLog: the log holds another event, or none, where the checkpoint stands. After a restore, see migrate --new-epoch.
	ErrOtherLog = errors.New("the log holds another event at the checkpoint")
	// ErrPanic: the projection panicked on an event.
	ErrPanic = errors.New("projection panicked")
)

// errConnectionLost marks errors after which the connection was found broken.
var errConnectionLost = errors.New("connection lost")

// HaltedError says that a projection stands still at an event that it can't apply. Events before it are applied, it is
// never skipped. The projection tries again when its process is started again.
type HaltedError struct {
	Projection string
	Version    int
	Position   int64
	EventID    uuid.UUID // zero when there is no event
	Err        error
}

// Error names the projection, the event and the problem.
func (e *HaltedError) Error() string {
	return fmt.Sprintf("projection %s halted at position %d (event %s): %v", e.Projection, e.Position, e.EventID, e.Err)
}

// Unwrap returns the problem.
func (e *HaltedError) Unwrap() error { return e.Err }

// transientClasses are the SQLSTATE classes that say nothing about the event at hand: lost connections, transactions rolled
// back for others' sake, missing resources, operators. 0A is a statement prepared before a schema was swapped.
const transientClasses = "08 0A 25 28 3D 40 53 55 57 58 72 F0 XX"

// Transient reports whether the same step may succeed when it is repeated. Whatever isn't known to be transient halts: a
// ledger's projection must not circle silently around an event.
func Transient(err error) bool {
	var pgErr *pgconn.PgError
	var netErr net.Error
	var connectErr *pgconn.ConnectError
	switch {
	case err == nil:
		return false
	case errors.Is(err, errConnectionLost):
		return true
	case errors.As(err, &pgErr):
		return len(pgErr.Code) == 5 && strings.Contains(transientClasses, pgErr.Code[:2])
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded),
		errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed),
		errors.Is(err, pgx.ErrTxClosed), errors.Is(err, pgx.ErrTxCommitRollback),
		errors.As(err, &netErr), errors.As(err, &connectErr), pgconn.SafeToRetry(err), pgconn.Timeout(err):
		return true
	}
	return false
}

// storable cuts a text to what the checkpoint's row takes: valid UTF-8 without U+0000, of bounded length.
func storable(text string) string {
	text = strings.ReplaceAll(strings.ToValidUTF8(text, "?"), "\x00", "?")
	if len(text) <= maxProblem {
		return text
	}
	cut := maxProblem
	for !utf8.RuneStart(text[cut]) {
		cut--
	}
	return text[:cut]
}
