package proofs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"payledger/eventstore"
	"payledger/eventstore/pgtest"
	"payledger/eventstore/storetest"
	"payledger/projections"
	"payledger/proof"
	"payledger/readmodels/proofs"
)

const origin = "ledger.example.org/library"

// fixture is a log in a database of its own, with a projection that signs it.
type fixture struct {
	db      *pgtest.DB
	super   *pgxpool.Pool
	pool    *pgxpool.Pool // as the projector
	reader  *eventstore.Reader
	store   *eventstore.Store
	signers proof.Signers
	file    string
}

func newFixture(t testing.TB) *fixture {
	t.Helper()
	store, db := storetest.Open(t)
	super, err := pgxpool.New(t.Context(), db.SuperURL)
	require.NoError(t, err)
	t.Cleanup(super.Close)
	pool := db.ProjectorPool(t)
	return &fixture{
		db: db, super: super, pool: pool, reader: eventstore.NewReader(pool), store: store, signers: newSigners(t),
		file: filepath.Join(t.TempDir(), "checkpoints"),
	}
}

func newSigners(t testing.TB) proof.Signers {
	t.Helper()
	private, _, err := proof.NewKey(origin)
	require.NoError(t, err)
	signers, err := proof.ParseSigners(private)
	require.NoError(t, err)
	return signers
}

// grow commits events, one by one, over three streams of each of two tenants.
func (f *fixture) grow(t testing.TB, events int) {
	t.Helper()
	for i := range events {
		stream := eventstore.StreamID{Tenant: []string{storetest.Tenant, "other"}[i%2], Name: fmt.Sprintf("fee-%d", i%3)}
		add := storetest.Commit(func(eventstore.View) (eventstore.Decision, error) {
			return eventstore.Decision{Appends: []eventstore.Append{{Stream: stream, Events: []eventstore.NewEvent{storetest.Event(int64(i))}}}}, nil
		})
		add.Streams = []eventstore.StreamID{stream}
		_, err := f.store.Commit(t.Context(), add)
		require.NoError(t, err)
	}
}

func (f *fixture) head(t testing.TB) eventstore.Head {
	t.Helper()
	head, err := f.reader.Head(t.Context())
	require.NoError(t, err)
	return head
}

// run runs the projection until stop is called, which returns what Run returned.
func (f *fixture) run(t testing.TB, change ...func(*Config)) (stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	log := slog.New(slog.DiscardHandler)
	waker := eventstore.NewWaker(f.pool, log)
	cfg := Config{
		Pool: f.pool, Reader: f.reader, Waker: waker, Signers: f.signers, File: f.file, Logger: log, Now: time.Now,
		Metrics: projections.NewMetrics(prometheus.NewRegistry()), SignEvery: time.Millisecond, Interval: time.Millisecond, PageSize: 100,
	}
	for _, fn := range change {
		fn(&cfg)
	}
	var running sync.WaitGroup
	running.Go(func() { waker.Run(ctx) })
	var err error
	running.Go(func() { err = Run(ctx, cfg) })
	stop = sync.OnceValue(func() error {
		cancel()
		running.Wait()
		return err
	})
	t.Cleanup(func() { _ = stop() })
	return stop
}

// signed waits until a checkpoint of a size was signed, and returns it.
func (f *fixture) signed(t testing.TB, size int64) proofs.Signed {
	t.Helper()
	return f.signedWithin(t, size, 20*time.Second)
}

func (f *fixture) signedWithin(t testing.TB, size int64, wait time.Duration) proofs.Signed {
	t.Helper()
	var latest proofs.Signed
	require.Eventually(t, func() bool {
		var err error
		latest, err = proofs.Latest(t.Context(), f.pool)
		return err == nil && latest.Size == size
	}, wait, 2*time.Millisecond, "no checkpoint of %d events", size)
	return latest
}

// sign grows the log by some events and waits until that is signed, and in the file, which comes after the database.
func (f *fixture) sign(t testing.TB, events int) proofs.Signed {
	t.Helper()
	f.grow(t, events)
	signed := f.signed(t, f.head(t).Position)
	require.Eventually(t, func() bool {
		text, err := os.ReadFile(f.file)
		return err == nil && strings.Contains(string(text), signed.Note)
	}, 20*time.Second, 2*time.Millisecond)
	return signed
}

// halted waits until the projection has halted, and returns why.
func (f *fixture) halted(t testing.TB, stop func() error) *projections.HaltedError {
	t.Helper()
	require.Eventually(t, func() bool {
		var state string
		err := f.pool.QueryRow(t.Context(), `SELECT state FROM ledger.checkpoints WHERE projection = 'proofs'`).Scan(&state)
		return err == nil && state == "halted"
	}, 20*time.Second, 5*time.Millisecond)
	var halted *projections.HaltedError
	require.ErrorAs(t, stop(), &halted)
	return halted
}

// kept returns the checkpoints of the file, as an auditor has copied it.
func (f *fixture) kept(t testing.TB) []proof.Checkpoint {
	t.Helper()
	text, err := os.ReadFile(f.file)
	require.NoError(t, err)
	notes, _ := proof.SplitNotes(text) // one may be on its way
	all := make([]proof.Checkpoint, len(notes))
	for i, note := range notes {
		all[i], err = f.signers.Keys().Open(note)
		require.NoError(t, err)
	}
	return all
}

// verify verifies the log, as audit verify --checkpoints does.
func (f *fixture) verify(t testing.TB, kept []proof.Checkpoint) (chain, both eventstore.VerifyReport) {
	t.Helper()
	c := proofs.NewComparison(kept)
	chain, err := eventstore.Verify(t.Context(), f.reader, eventstore.VerifyOptions{Each: c.Add})
	require.NoError(t, err)
	both, err = c.Report(t.Context(), f.pool, f.reader, chain)
	require.NoError(t, err)
	return chain, both
}

// tamper runs SQL as the superuser with all triggers off.
func (f *fixture) tamper(t testing.TB, statements ...string) {
	t.Helper()
	err := pgx.BeginFunc(t.Context(), f.super, func(tx pgx.Tx) error {
		for _, sql := range append([]string{"SET LOCAL session_replication_role = replica"}, statements...) {
			if _, err := tx.Exec(t.Context(), sql); err != nil {
				return fmt.Errorf("%s: %w", sql, err)
			}
		}
		return nil
	})
	require.NoError(t, err)
}

// rechain is what a thorough attacker does: all hashes from a position on anew, then head, streams and commits to match.
func (f *fixture) rechain(t testing.TB, from int64) {
	t.Helper()
	events, err := f.reader.ReadAll(t.Context(), 0, 10_000)
	require.NoError(t, err)
	var sql []string
	var prev [32]byte
	for i := range events {
		e := &events[i]
		if e.Position >= from {
			e.Hash = proof.HashOf(eventstore.AppendHashed(nil, prev, e))
			sql = append(sql, fmt.Sprintf(`UPDATE ledger.events SET hash = '\x%x' WHERE position = %d`, e.Hash[:], e.Position))
		}
		prev = e.Hash
	}
	last := events[len(events)-1]
	f.tamper(t, append(sql,
		fmt.Sprintf(`UPDATE ledger.head SET position = %d, hash = '\x%x'`, last.Position, last.Hash[:]),
		`DELETE FROM ledger.streams`,
		`INSERT INTO ledger.streams SELECT tenant, stream, max(version), max(position) FROM ledger.events GROUP BY 1, 2`,
		`DELETE FROM ledger.commits`,
		`INSERT INTO ledger.commits SELECT commit_id, min(position), max(position), max(position) FROM ledger.events GROUP BY 1`)...)
}

// writerURL names the variable that makes the test binary a writer.
const writerURL = "PROOFS_TEST_WRITER"

func TestMain(m *testing.M) {
	if url := os.Getenv(writerURL); url != "" {
		if err := write(url, os.Args[len(os.Args)-1]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// write commits events until standard input ends.
func write(url, name string) error {
	store, err := eventstore.Open(context.Background(), eventstore.Config{URL: url, Folder: storetest.Folder{}})
	if err != nil {
		return err
	}
	defer store.Close()
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		_, _ = os.Stdin.Read(make([]byte, 1))
		cancel()
	}()
	for i := int64(0); ; i++ {
		_, err := store.Commit(ctx, storetest.Add(fmt.Sprintf("fee-%s-%d", name, i%7), i))
		if ctx.Err() != nil {
			return nil
		}
		if err != nil && !errors.Is(err, eventstore.ErrBusy) {
			return err
		}
	}
}

func itoa(n int64) string { return strconv.FormatInt(n, 10) }
