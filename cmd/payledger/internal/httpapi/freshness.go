package httpapi

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"payledger/cmd/payledger/internal/httpapi/input"
	"payledger/readmodels"
	"payledger/readmodels/checkpoints"
	"payledger/readmodels/tables"
)

// minPositionPatience is how long a read waits for its projection when the caller asked by Min-Position. So that a front end that
// knows nothing of positions sees what it just wrote, reads wait without it too, for Config.Patience.
const minPositionPatience = 2 * time.Second

// maxWriters bounds the callers whose last write is remembered.
const maxWriters = 50_000

// lastWrites remembers the position of each caller's last write through this process.
type lastWrites struct {
	cache *lru.Cache[writer, int64]
}

type writer struct{ tenant, subject string }

func newLastWrites() (lastWrites, error) {
	cache, err := lru.New[writer, int64](maxWriters)
	if err != nil {
		return lastWrites{}, fmt.Errorf("remember writes: %w", err)
	}
	return lastWrites{cache: cache}, nil
}

// note remembers a write. A replayed answer names an old position, which is no reason to forget a newer one.
func (l lastWrites) note(tenant, subject string, position int64) {
	if position > l.of(tenant, subject) {
		l.cache.Add(writer{tenant, subject}, position)
	}
}

func (l lastWrites) of(tenant, subject string) int64 {
	position, _ := l.cache.Get(writer{tenant, subject})
	return position
}

// errBeyondHead refuses a Min-Position that the log hasn't reached.
func errBeyondHead() error {
	return &input.Error{Param: headerMinPosition, Rule: input.WithinLog, Detail: "a position that the log has reached"}
}

// minPosition returns what the caller asks for by Min-Position, 0 for nothing.
func (c *call) minPosition() (int64, error) {
	header := c.request.Header.Get(headerMinPosition)
	if header == "" {
		return 0, nil
	}
	position, err := strconv.ParseInt(header, 10, 64)
	if err != nil || position < 0 {
		return 0, &input.Error{Param: headerMinPosition, Rule: input.ValidInteger, Detail: "a position of the log"}
	}
	return position, nil
}

// reach waits until a projection has come to a position; out of patience it is errNotYetVisible.
func (a *API) reach(ctx context.Context, p checkpoints.Projection, position int64, patience time.Duration) error {
	checkpoint, err := a.tables.WaitFor(ctx, p, position, patience)
	if err != nil {
		return err
	}
	if checkpoint < position {
		return fmt.Errorf("%s is at %d of %d: %w", p.Name, checkpoint, position, errNotYetVisible)
	}
	return nil
}

// loggedPosition returns the Min-Position of a request whose answer doesn't name the head by itself; the log has reached it.
func (c *call) loggedPosition() (int64, error) {
	asked, err := c.minPosition()
	if err != nil || asked == 0 {
		return 0, err
	}
	head, err := c.api.head(c.context())
	if err == nil && asked > head.Position {
		err = errBeyondHead()
	}
	return asked, err
}

// freshList waits before a list is read: as long as Min-Position asks, else a short while for the caller's own last write.
func (c *call) freshList(p checkpoints.Projection) error {
	asked, err := c.loggedPosition()
	if err != nil {
		return err
	}
	if asked > 0 {
		return c.api.reach(c.context(), p, asked, minPositionPatience)
	}
	own := c.api.writes.of(c.tenant, c.subject())
	if own == 0 {
		return nil
	}
	if err := c.api.reach(c.context(), p, own, c.api.patience); !errors.Is(err, errNotYetVisible) {
		return err
	}
	return nil // an old list is better than none: Ledger-Position says how old
}

// pointer is a row as the tables return it: nil for none.
type pointer interface {
	comparable
	readmodels.Row
}

// fresh reads a row, again after a while when the projection hasn't come far enough: to Min-Position, else to the last event of
// the row's stream, else, for an id that nothing has, to the head as it was on arrival.
func fresh[R pointer](ctx context.Context, c *call, read func(context.Context) (tables.Found[R], error)) (tables.Found[R], error) {
	asked, err := c.minPosition()
	if err != nil {
		return tables.Found[R]{}, err
	}
	res, err := read(ctx)
	if errors.Is(err, checkpoints.ErrNotBuilt) { // the first projector may be at it
		if err = c.api.reach(ctx, tables.Projection(), 1, c.api.patience); err == nil {
			res, err = read(ctx)
		}
	}
	if err != nil {
		return res, err
	}
	head, want, patience := res.Head, res.Head, c.api.patience
	switch {
	case asked > head:
		return res, errBeyondHead()
	case asked > 0:
		want, patience = asked, minPositionPatience
	case res.StreamExists:
		want = res.StreamPosition
	}
	if res.Checkpoint < want {
		err := c.api.reach(ctx, tables.Projection(), want, patience)
		if err != nil && (asked > 0 || !errors.Is(err, errNotYetVisible)) {
			return res, err
		}
		if res, err = read(ctx); err != nil {
			return res, err
		}
	}
	var none R
	if res.Row == none && (res.StreamExists || res.Checkpoint < head) {
		return res, errNotYetVisible
	}
	return res, nil
}

// freshFee reads a fee.
func (c *call) freshFee(id string) (tables.FeeResult, error) {
	return fresh(c.context(), c, func(ctx context.Context) (tables.FeeResult, error) { return c.api.tables.Fee(ctx, c.tenant, id) })
}
