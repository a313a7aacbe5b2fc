package proofs

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"payledger/eventstore"
	"payledger/eventstore/pgtest"
	"payledger/eventstore/storetest"
	"payledger/internal/sqltest"
	"payledger/projections"
	"payledger/proof"
	"payledger/readmodels/checkpoints"
	"payledger/readmodels/proofs"
)

func TestStatementsFitTheSchema(t *testing.T) {
	t.Parallel()
	db := pgtest.NewFrom(t, storetest.Template())
	sqltest.Prepare(t, ".", db.ProjectorURL, map[string]string{"sqlNoSync": sqlNoSync, "sqlLastOfEpoch": sqlLastOfEpoch})
}

// What is signed is the log: sizes, roots and hashes are recomputed from the events, and every kind of file that is made of it can be
// checked with the public key alone.
func TestSignsWhatTheLogHolds(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.run(t)
	for _, events := range []int{1, 299, 257} { // over tiles and pages
		f.sign(t, events)
	}
	kept := f.kept(t)
	chain, both := f.verify(t, kept)
	require.True(t, chain.OK && both.OK, both.Problem)
	require.Equal(t, f.head(t).Hash, kept[len(kept)-1].Head)
	var tree proof.Tree
	prover := proofs.Prover{DB: f.pool, Reader: f.reader}
	sizes := map[int64]proof.Checkpoint{}
	for _, c := range kept {
		sizes[c.Size] = c
	}
	require.NoError(t, prover.Each(t.Context(), 1, 557, func(encoded []byte) error {
		tree.Append(proof.Leaf(encoded))
		if c, ok := sizes[tree.Size()]; ok {
			require.Equal(t, tree.Root(), c.Root)
		}
		return nil
	}))

	checker := proof.Checker{Keys: f.signers.Keys(), Kept: kept}
	latest := f.signed(t, 557)
	check := func(file any) proof.Result {
		text, err := json.Marshal(file)
		require.NoError(t, err)
		result, err := checker.Check(bytes.NewReader(text))
		require.NoError(t, err)
		return result
	}
	for _, position := range []int64{1, 2, 256, 257, 556, 557} {
		file, err := prover.Inclusion(t.Context(), position, latest.Checkpoint, latest.Note)
		require.NoError(t, err)
		require.Equal(t, position, check(file).From)
	}
	for _, c := range kept {
		from, err := proofs.OfSize(t.Context(), f.pool, c.Size)
		require.NoError(t, err)
		file, err := prover.Consistency(t.Context(), from, latest)
		require.NoError(t, err)
		require.Equal(t, c.Size, check(file).From)
	}
}

func TestProofsThatCantBeMade(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	prover := proofs.Prover{DB: f.pool, Reader: f.reader}
	_, err := proofs.Latest(t.Context(), f.pool)
	require.ErrorIs(t, err, checkpoints.ErrNotBuilt)
	f.run(t)
	signed := f.sign(t, 9)
	for _, position := range []int64{0, -1} {
		_, err = prover.Inclusion(t.Context(), position, signed.Checkpoint, signed.Note)
		require.ErrorIs(t, err, proofs.ErrNoEvent)
	}
	_, err = prover.Inclusion(t.Context(), 10, signed.Checkpoint, signed.Note)
	require.ErrorIs(t, err, proofs.ErrNotSigned)
	_, err = prover.Position(t.Context(), uuid.New())
	require.ErrorIs(t, err, proofs.ErrNoEvent)
	_, err = proofs.OfSize(t.Context(), f.pool, 8000)
	require.ErrorIs(t, err, proofs.ErrNoCheckpoint)
	events, err := f.reader.ReadAll(t.Context(), 4, 1)
	require.NoError(t, err)
	position, err := prover.Position(t.Context(), events[0].ID)
	require.NoError(t, err)
	require.EqualValues(t, 5, position)

	f.tamper(t, "UPDATE ledger.events SET data = 'x' WHERE position = 5")
	_, err = prover.Inclusion(t.Context(), 5, signed.Checkpoint, signed.Note)
	require.ErrorIs(t, err, proofs.ErrOtherTree)
	f.rechain(t, 5)
	_, err = prover.Inclusion(t.Context(), 5, signed.Checkpoint, signed.Note)
	require.ErrorIs(t, err, proofs.ErrOtherTree)
	f.tamper(t, "DELETE FROM proofs_v1.tiles")
	_, err = prover.Inclusion(t.Context(), 4, signed.Checkpoint, signed.Note)
	require.ErrorIs(t, err, proofs.ErrOtherTree)
}

// A stopped projection goes on where it was; what hasn't grown isn't signed again.
func TestGoesOnAfterAStop(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	stop := f.run(t)
	f.sign(t, 150)
	require.NoError(t, stop())
	before, err := os.ReadFile(f.file)
	require.NoError(t, err)
	stop = f.run(t)
	require.Eventually(t, func() bool { // it has the lease and has looked
		var owner string
		err := f.pool.QueryRow(t.Context(), `SELECT lease_owner FROM ledger.checkpoints WHERE projection = 'proofs'`).Scan(&owner)
		return err == nil && owner != ""
	}, 20*time.Second, 5*time.Millisecond)
	f.sign(t, 1)
	require.NoError(t, stop())
	after, err := os.ReadFile(f.file)
	require.NoError(t, err)
	require.Equal(t, string(before), string(after[:len(before)]), "the file only grows")
	notes, _ := proof.SplitNotes(after[len(before):])
	require.Len(t, notes, 1)
	_, both := f.verify(t, f.kept(t))
	require.True(t, both.OK, both.Problem)
}

// A tree that somebody has dropped is built anew; what was signed still binds it.
func TestADroppedTreeIsBuiltAnew(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	stop := f.run(t)
	f.sign(t, 20)
	require.NoError(t, stop())
	f.tamper(t, "DROP SCHEMA proofs_v1 CASCADE")
	stop = f.run(t)
	f.sign(t, 5)
	require.NoError(t, stop())
	_, both := f.verify(t, f.kept(t))
	require.True(t, both.OK, both.Problem)
	require.EqualValues(t, 25, f.kept(t)[len(f.kept(t))-1].Size)
}

// What a crash has cut off, or kept from the file, is there after the next start.
func TestTheFileIsMendedAtTheStart(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	stop := f.run(t)
	f.sign(t, 3)
	f.sign(t, 3)
	f.sign(t, 3)
	require.NoError(t, stop())
	whole, err := os.ReadFile(f.file)
	require.NoError(t, err)
	for _, cut := range []int{1, 2, 3, 100, len(whole) / 2, len(whole)} {
		require.NoError(t, os.WriteFile(f.file, whole[:len(whole)-cut], 0o644))
		stop := f.run(t)
		f.sign(t, 1)
		require.NoError(t, stop())
		mended, err := os.ReadFile(f.file)
		require.NoError(t, err)
		require.Equal(t, strings.ReplaceAll(string(whole), "\n\n", "\n"), strings.ReplaceAll(string(mended[:min(len(whole)-1, len(mended))])+"\n", "\n\n", "\n"))
		whole = mended
	}
}

func TestADamagedLogIsNotSigned(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.grow(t, 9)
	f.tamper(t, "UPDATE ledger.events SET data = '1 ' WHERE position = 5")
	halted := f.halted(t, f.run(t))
	require.ErrorIs(t, halted, ErrNotHashed)
	require.EqualValues(t, 5, halted.Position)
	_, err := proofs.Latest(t.Context(), f.pool)
	require.ErrorIs(t, err, proofs.ErrNoCheckpoint)
	require.NoFileExists(t, f.file)

	f.tamper(t, "DELETE FROM ledger.events WHERE position = 2", "DELETE FROM proofs_v1.tiles",
		"UPDATE ledger.checkpoints SET position = 0, hash = decode(repeat('00', 32), 'hex'), state = 'running' WHERE projection = 'proofs'")
	require.ErrorIs(t, f.halted(t, f.run(t)), eventstore.ErrGap)
}

// A replaced history is never signed, however thorough the attacker was, as long as the file remembers.
func TestAReplacedHistoryIsNotSigned(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	stop := f.run(t)
	f.sign(t, 9)
	require.NoError(t, stop())
	before, err := os.ReadFile(f.file)
	require.NoError(t, err)
	f.tamper(t, "UPDATE ledger.events SET data = '77' WHERE position = 5")
	f.rechain(t, 5)
	require.ErrorIs(t, f.halted(t, f.run(t)), projections.ErrOtherLog)
	f.tamper(t, "DROP SCHEMA proofs_v1 CASCADE", "DELETE FROM ledger.checkpoints")
	require.ErrorIs(t, f.halted(t, f.run(t)), ErrOtherHistory)
	f.tamper(t, "DELETE FROM ledger.checkpoints", "DELETE FROM ledger.events WHERE position > 7")
	f.rechain(t, 5)
	require.ErrorIs(t, f.halted(t, f.run(t)), ErrOtherHistory, "a shorter one without a new epoch")
	after, err := os.ReadFile(f.file)
	require.NoError(t, err)
	require.Equal(t, string(before), string(after))
}

// restore puts the database back to where it had so many events, its epoch too, and begins a new one, as migrate --new-epoch does.
func (f *fixture) restore(t *testing.T, size int64) {
	t.Helper()
	f.store.Close()
	f.tamper(t,
		"DELETE FROM ledger.events WHERE position > "+itoa(size), "DELETE FROM ledger.commits WHERE first_position > "+itoa(size),
		"DELETE FROM proofs_v1.checkpoints WHERE size > "+itoa(size))
	f.rechain(t, size+1)
	f.tamper(t, "UPDATE ledger.head SET epoch = (SELECT max(epoch) FROM ledger.events)")
	last, err := LastEpoch(f.file)
	require.NoError(t, err)
	_, err = eventstore.NewEpoch(t.Context(), f.db.OwnerURL, last+1)
	require.NoError(t, err)
	f.store = storetest.OpenOn(t, f.db)
}

// After a restore with a new epoch the first checkpoint tells, signed, where the old history ends; checkpoints of lost events count as lost from
// then on, and all others still bind.
func TestARestoreIsSigned(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	stop := f.run(t)
	f.sign(t, 6)
	f.sign(t, 4)
	require.NoError(t, stop())
	f.restore(t, 8)
	stop = f.run(t)
	f.sign(t, 4)
	require.NoError(t, stop())
	kept := f.kept(t)
	var fork *proof.Checkpoint
	for _, c := range kept {
		if c.Restored > 0 {
			require.Nil(t, fork)
			fork = &c
		}
	}
	require.NotNil(t, fork)
	require.Equal(t, []int64{8, 2, 10}, []int64{fork.Size, fork.Epoch, fork.Restored})
	chain, both := f.verify(t, kept)
	require.True(t, chain.OK && both.OK, both.Problem)
	_, lost := proof.Standing(kept)
	require.NotEmpty(t, lost)

	withoutFork := append([]proof.Checkpoint{}, kept...)
	for i := range withoutFork {
		withoutFork[i].Restored = 0
	}
	_, both = f.verify(t, withoutFork)
	require.False(t, both.OK, "a new epoch alone excuses nothing")
	require.Contains(t, []int64{9, 10}, both.FirstBadPosition, both.Problem) // both histories signed something between 8 and 10

	require.Contains(t, both.Problem, "epoch 1, is of a future that a restore took away: the log forked behind position 8, where epoch 2 begins")

	f.restore(t, 10) // at 10 the file has signed more: 12 and perhaps 11
	stop = f.run(t)
	f.sign(t, 1)
	require.NoError(t, stop())
	_, both = f.verify(t, f.kept(t))
	require.True(t, both.OK, both.Problem)
}

// A backup has forgotten the epochs that began after it: when it is restored again, or an older one is, the log goes on all the same, however
// far it had come and however far it comes.
func TestRestoresOfOneBackup(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	stop := f.run(t)
	f.sign(t, 10)
	f.sign(t, 4)
	require.NoError(t, stop())
	for i, to := range []struct{ size, events int64 }{{10, 3}, {10, 2}, {10, 9}, {6, 2}} {
		f.restore(t, to.size)
		stop = f.run(t)
		f.sign(t, int(to.events))
		require.NoError(t, stop())
		kept := f.kept(t)
		_, both := f.verify(t, kept)
		require.True(t, both.OK, both.Problem)
		restored := make(map[int64]int64)
		for _, c := range kept {
			if c.Restored > 0 {
				require.NotContains(t, restored, c.Epoch)
				restored[c.Epoch] = c.Restored
			}
		}
		require.Len(t, restored, i+1)
	}
}

// A checkpoint of a lost future isn't called a cut tail, whether the log has grown beyond it or not; it is an error all the same.
func TestACheckpointOfALostFuture(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	stop := f.run(t)
	f.sign(t, 6)
	f.sign(t, 4)
	require.NoError(t, stop())
	old := f.kept(t)
	f.restore(t, 8)
	for grown := range 4 {
		_, both := f.verify(t, old)
		require.False(t, both.OK)
		require.EqualValues(t, 9, both.FirstBadPosition, grown)
		require.Regexp(t, `the signed checkpoint of (9|10) events, epoch 1, is of a future that a restore took away: the log forked behind position 8, where epoch 2 begins`, both.Problem)
		f.grow(t, 1)
	}
	f.tamper(t, "DELETE FROM ledger.events WHERE position = 3")
	_, both := f.verify(t, old)
	require.EqualValues(t, 3, both.FirstBadPosition, "damage before that is told first: %s", both.Problem)
}

// No history before the restored end may change under the cover of a restore.
func TestARestoreCoversNoChange(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	stop := f.run(t)
	f.sign(t, 6)
	f.sign(t, 4)
	require.NoError(t, stop())
	f.restore(t, 8)
	f.tamper(t, "UPDATE ledger.events SET data = '77' WHERE position = 5")
	f.rechain(t, 5)
	f.tamper(t, "UPDATE ledger.checkpoints SET position = 0, hash = decode(repeat('00', 32), 'hex') WHERE projection = 'proofs'")
	require.ErrorIs(t, f.halted(t, f.run(t)), ErrOtherHistory)
}

// Of two processes one signs; the other takes over.
func TestOneOfTwoSigns(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	first := f.run(t)
	f.sign(t, 3)
	second := f.run(t)
	f.sign(t, 3)
	require.NoError(t, first())
	f.sign(t, 3)
	require.NoError(t, second())
	kept := f.kept(t)
	for i := 1; i < len(kept); i++ {
		require.Greater(t, kept[i].Size, kept[i-1].Size)
	}
	_, both := f.verify(t, kept)
	require.True(t, both.OK, both.Problem)
}

// No false alarm: two processes write, a third signs, while the log is verified again and again against all that was signed so far.
func TestNoFalseAlarmWhileProcessesWrite(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	stop := f.run(t, func(c *Config) { c.SignEvery = 20 * time.Millisecond })
	f.sign(t, 1)
	for _, name := range []string{"a", "b"} {
		cmd := exec.Command(os.Args[0], name)
		cmd.Env = append(os.Environ(), writerURL+"="+f.db.AppURL)
		cmd.Stderr = os.Stderr
		stdin, err := cmd.StdinPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		t.Cleanup(func() { require.NoError(t, stdin.Close()); require.NoError(t, cmd.Wait()) })
	}
	var events int64
	for runs, began := 0, time.Now(); runs < 10 || time.Since(began) < 3*time.Second; runs++ {
		kept := f.kept(t) // whole notes only, also while one is being written
		_, both := f.verify(t, kept)
		require.True(t, both.OK, "position %d: %s", both.FirstBadPosition, both.Problem)
		events = both.Events
	}
	require.Greater(t, events, int64(20))
	require.Greater(t, len(f.kept(t)), 3)
	require.NoError(t, stop())
}

func TestSchemaIsMadeOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for _, want := range []bool{true, false} {
		require.NoError(t, pgx.BeginFunc(t.Context(), f.pool, func(tx pgx.Tx) error {
			created, err := proofs.EnsureSchema(t.Context(), tx)
			require.Equal(t, want, created)
			return err
		}))
	}
	unsent, err := proofs.Unsent(t.Context(), f.pool)
	require.NoError(t, err)
	require.Empty(t, unsent)
}
