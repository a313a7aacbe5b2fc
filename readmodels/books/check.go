package books

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"payledger/domain/books"
	"payledger/domain/credit"
	"payledger/domain/fee"
	"payledger/domain/policy"
	"payledger/eventstore/catalog"
)

// ErrOutOfBalance reports that postings break what must hold of the books; the message names the invariant. The log is damaged, or
// the program is wrong: the projection halts.
var ErrOutOfBalance = errors.New("books are out of balance")

// Check holds postings against the events that they are of, one by one, and commits against themselves. The zero value is at the
// beginning of a log; behind another position it has to Resume.
type Check struct {
	commit   uuid.UUID
	position int64             // of its last event so far
	open     map[openKey]int64 // what the commit has left to allot, without zeros
}

// openKey is what money to allot is of.
type openKey struct {
	tenant, id, currency string // id of a payment, else of a credit
}

// Add looks at an event with what it posts, nil for nothing; given in order, at least all that post.
func (c *Check) Add(ev *catalog.Event, p *books.Posting) error {
	if ev.CommitID != c.commit {
		if err := c.ended(); err != nil {
			return err
		}
		c.commit = ev.CommitID
	}
	c.position = ev.Position
	if err := checkEvent(ev, p); err != nil || p == nil {
		return err
	}
	c.move(ev.Stream.Tenant, p)
	return nil
}

func (c *Check) move(tenant string, p *books.Posting) {
	minor := p.Amount.Minor()
	switch {
	case p.Credit == books.Unallotted:
	case p.Debit == books.Unallotted:
		minor = -minor
	default:
		return
	}
	if c.open == nil {
		c.open = make(map[openKey]int64)
	}
	key := openKey{tenant, cmp.Or(p.PaymentID, p.CreditID), p.Amount.Currency().Code()}
	if c.open[key] += minor; c.open[key] == 0 {
		delete(c.open, key)
	}
}

// ended demands of the commit that all its money is allotted.
func (c *Check) ended() error {
	for key, minor := range c.open {
		return fmt.Errorf(
			"%w at position %d: I22: commit %s leaves %d %s (minor units) of %s to allot", ErrOutOfBalance, c.position, c.commit, minor, key.currency, key.id,
		)
	}
	return nil
}

// checkEvent demands that an entry balances in each profile (I1, I2), that an event posts if it moves money (I3), and that the
// control accounts move as the fee's or credit's own stream does (I5).
func checkEvent(ev *catalog.Event, p *books.Posting) error {
	owed, kept, moves := int64(0), int64(0), p != nil // a payment's own money is checked by its commit
	switch e := ev.Data.(type) {
	case fee.Event:
		owed = fee.Moves(e).Minor()
		moves = owed != 0
	case credit.Event:
		kept = credit.Moves(e).Minor()
		moves = kept != 0
	}
	if moves != (p != nil) {
		return outOfBalance(ev, "I3", "the event moves money: %t, it posts: %t", moves, p != nil)
	}
	if p == nil {
		return nil
	}
	for _, profile := range policy.Profiles() {
		sum, receivables, credits := int64(0), int64(0), int64(0)
		for _, line := range p.Lines(profile) {
			sum += line.Debit - line.Credit
			switch {
			case line.Account.Name() == "", line.Debit < 0, line.Credit < 0, (line.Debit == 0) == (line.Credit == 0):
				return outOfBalance(ev, "I1", "bad line on account %d", line.Account)
			case line.Account == books.Receivables:
				receivables += line.Debit - line.Credit
			case line.Account == books.PatronCredits:
				credits += line.Credit - line.Debit
			}
		}
		switch {
		case sum != 0:
			return outOfBalance(ev, "I1", "debits less credits are %d", sum)
		case receivables != owed:
			return outOfBalance(ev, "I5", "the fee moves by %d, account %d by %d", owed, books.Receivables, receivables)
		case credits != kept:
			return outOfBalance(ev, "I5", "the credit moves by %d, account %d by %d", kept, books.PatronCredits, credits)
		}
	}
	return nil
}

func outOfBalance(ev *catalog.Event, invariant, format string, args ...any) error {
	return fmt.Errorf("%w at position %d: %s: %s", ErrOutOfBalance, ev.Position, invariant, fmt.Sprintf(format, args...))
}

const sqlCommit = `SELECT first_position, last_position FROM ledger.commits WHERE commit_id = $1`

// Resume makes ready for the next event, in whose commit there may be earlier ones that were posted before.
func (c *Check) Resume(ctx context.Context, tx pgx.Tx, ev *catalog.Event) error {
	*c = Check{commit: ev.CommitID}
	first, _, err := positionsOf(ctx, tx, ev.CommitID)
	if err != nil || first == 0 || first >= ev.Position {
		return err
	}
	entries, err := loadUnallotted(ctx, tx, ev.Stream.Tenant, first, ev.Position)
	if err != nil {
		return fmt.Errorf("load what the commit posted before: %w", err)
	}
	for i := range entries {
		c.move(entries[i].Tenant, &entries[i].Posting)
	}
	return nil
}

// End looks at the commit of the last event that was added, if that is the last of its commit.
func (c *Check) End(ctx context.Context, tx pgx.Tx, ev *catalog.Event) error {
	if len(c.open) == 0 {
		return nil
	}
	_, last, err := positionsOf(ctx, tx, ev.CommitID)
	if err != nil || last != ev.Position {
		return err
	}
	return c.ended()
}

// positionsOf returns the first and the last position of a commit, zeros for one that isn't there.
func positionsOf(ctx context.Context, tx pgx.Tx, id uuid.UUID) (first, last int64, err error) {
	err = tx.QueryRow(ctx, sqlCommit, id).Scan(&first, &last)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, 0, nil
	}
	if err != nil {
		return 0, 0, fmt.Errorf("read commit %s: %w", id, err)
	}
	return first, last, nil
}
