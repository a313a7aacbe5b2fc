package main

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"payledger/domain/fee"
	"payledger/domain/payment"
	"payledger/eventstore"
)

// libraryDatabase holds the ledger of a library, on which read models are built and commands run.
const libraryDatabase = "library"

// What each member has: so many fees, of which one payment settles the first paidFees later on. That makes nine events.
const (
	feesOfMember = 6
	paidFees     = 2
)

// openFees is how many of a member's fees are left to pay.
const openFees = feesOfMember - paidFees

// library is a ledger with a history.
type library struct {
	database string
	members  int
	events   int64
	pool     *pgxpool.Pool // as the owner
	reader   *eventstore.Reader
}

// useLibrary returns the library, which the first caller makes.
func (s *suite) useLibrary(ctx context.Context) (*library, error) {
	if s.library != nil {
		return s.library, nil
	}
	var err error
	s.library, err = s.newLibrary(ctx, libraryDatabase, s.members)
	return s.library, err
}

// newLibrary makes a database and the history of so many members in it.
func (s *suite) newLibrary(ctx context.Context, database string, members int) (*library, error) {
	if err := s.postgres.create(ctx, database); err != nil {
		return nil, err
	}
	pool, err := pgxpool.New(ctx, s.postgres.server.URL(database))
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", database, err)
	}
	l := &library{database: database, members: members, pool: pool, reader: eventstore.NewReader(pool)}
	if err := s.fill(ctx, l); err != nil {
		l.close()
		return nil, err
	}
	return l, nil
}

func (l *library) close() { l.pool.Close() }

// membersPerCommit bounds the size of the commits that fill the library.
const membersPerCommit = 40

// fill makes the history through the store: all fees first, the payments much later, when no cache knows the fees any more.
func (s *suite) fill(ctx context.Context, l *library) error {
	store, err := eventstore.Open(ctx, eventstore.Config{URL: s.postgres.url(l.database, roleApp), Folder: counting{}})
	if err != nil {
		return err
	}
	defer store.Close()
	began := time.Now()
	for pass, events := range []func(*filling, int64) error{(*filling).fees, (*filling).payment} {
		for first := 0; first < l.members; first += membersPerCommit {
			f := filling{data: s.data, pass: int64(pass), commit: eventstore.Commit{ID: newID(idCommit, int64(pass*l.members+first))}}
			for member := first; member < min(first+membersPerCommit, l.members); member++ {
				if err := events(&f, int64(member)); err != nil {
					return err
				}
			}
			if err := f.store(ctx, store); err != nil {
				return fmt.Errorf("fill the library: %w", err)
			}
		}
	}
	l.events = store.Stats().Events
	fmt.Fprintf(s.log, "  library of %d events made in %s\n", l.events, time.Since(began).Round(100*time.Millisecond))
	_, err = l.pool.Exec(ctx, "VACUUM ANALYZE ledger.events, ledger.streams, ledger.commits")
	return err
}

// filling is one commit of the history.
type filling struct {
	data   data
	pass   int64
	commit eventstore.Commit
	events []eventstore.Append
}

// fees adds the fees of a member.
func (f *filling) fees(member int64) error {
	for n := member * feesOfMember; n < (member+1)*feesOfMember; n++ {
		assessed := f.data.assessed(n, member)
		if err := f.add(fee.Stream(assessed.FeeID), assessed.UserID, n, assessed); err != nil {
			return err
		}
		f.commit.New = append(f.commit.New, f.events[len(f.events)-1].Stream)
	}
	return nil
}

// payment adds the payment of a member's first fees.
func (f *filling) payment(member int64) error {
	n := int64(feesOfMember)<<32 + member*(paidFees+1) // beyond the numbers of the fees' events
	captured := payment.Captured{
		PaymentID: newID(idPayment, member).String(), UserID: newID(idMember, member).String(), Tender: payment.TenderCash,
		Amount: f.data.amount(paidFees * 1250), HandledBy: newID(idStaff, 0).String(), Credit: f.data.amount(0),
	}
	for i := range int64(paidFees) {
		captured.Allocations = append(captured.Allocations, payment.Allocation{
			ID: newID(idAllocation, member*paidFees+i).String(), FeeID: newID(idFee, member*feesOfMember+i).String(), Amount: f.data.amount(1250),
		})
	}
	if err := f.add(payment.Stream(captured.PaymentID), captured.UserID, n, captured); err != nil {
		return err
	}
	f.commit.New = append(f.commit.New, f.events[len(f.events)-1].Stream)
	for i, a := range captured.Allocations {
		applied := fee.PaymentApplied{PaymentID: captured.PaymentID, AllocationID: a.ID, Amount: a.Amount}
		if err := f.add(fee.Stream(a.FeeID), captured.UserID, n+int64(i)+1, applied); err != nil {
			return err
		}
		f.commit.Streams = append(f.commit.Streams, f.events[len(f.events)-1].Stream)
	}
	return nil
}

func (f *filling) add(stream, subject string, n int64, event any) error {
	encoded, err := f.data.encode(stream, n, event)
	f.events = append(f.events, eventstore.Append{
		Stream: eventstore.StreamID{Tenant: tenant, Name: stream}, Subject: subject, Events: []eventstore.NewEvent{encoded},
	})
	return err
}

func (f *filling) store(ctx context.Context, store *eventstore.Store) error {
	f.commit.Decide = func(eventstore.View) (eventstore.Decision, error) { return eventstore.Decision{Appends: f.events}, nil }
	_, err := store.Commit(ctx, f.commit)
	return err
}

// openFee returns the number of the i-th fee that was left open, and its member.
func (l *library) openFee(i int64) (feeNumber, member int64, ok bool) {
	member = i % int64(l.members)
	nth := i / int64(l.members)
	return member*feesOfMember + paidFees + nth, member, nth < openFees
}
