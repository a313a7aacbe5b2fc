package proofs

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"payledger/eventstore"
	"payledger/eventstore/storetest"
	"payledger/proof"
)

var tableFile = flag.String("table", "", "file to write the table of TestEveryTamperingIsFound to")

// tampering is what an attacker does to a log of 40 events, of which 10, 20, 30 and 40 were signed.
type tampering struct {
	name string
	sql  []string
	// from, if set, is where the attacker computes hashes anew from, with head, streams and commits to match.
	from int64
	// also is done in the end.
	also func(*testing.T, *fixture)
	// first is the position that must be named.
	first int64
	// chain is what the chain alone must find; 0: nothing, since what was done is a chain as good as the old one.
	chain int64
}

// columns has a change of event 15 for every column of events that somebody who computes hashes anew can make.
func columns() map[string]string {
	return map[string]string{
		"epoch": "epoch = 2", "id": "id = gen_random_uuid()", "commit_id": "commit_id = gen_random_uuid()", "tenant": "tenant = 'third'",
		"stream": "stream = 'fee-9'", "version": "version = 20", "type": "type = 'test.removed'", "schema": "schema = 2", "data": "data = '7000'",
		"metadata": "metadata = '{\"actor\":\"nobody\"}'", "effective_at": "effective_at = effective_at - interval '1 day'",
		"recorded_at": "recorded_at = recorded_at - interval '1 microsecond'",
	}
}

func tamperings(t *testing.T, f *fixture) []tampering {
	t.Helper()
	all := []tampering{
		{name: "position", sql: []string{"UPDATE ledger.events SET position = 50 WHERE position = 15"}, first: 15, chain: 15},
		{name: "hash", sql: []string{"UPDATE ledger.events SET hash = set_byte(hash, 31, get_byte(hash, 31) # 1) WHERE position = 15"}, first: 15, chain: 15},
	}
	var known []string
	require.NoError(t, f.super.QueryRow(t.Context(), `SELECT array_agg(column_name::text) FROM information_schema.columns
		WHERE table_schema = 'ledger' AND table_name = 'events'`).Scan(&known))
	require.Len(t, known, len(columns())+len(all), "a column without its case")
	slices.Sort(known)
	for _, column := range known {
		change, ok := columns()[column]
		if !ok {
			continue
		}
		sql := []string{"UPDATE ledger.events SET " + change + " WHERE position = 15"}
		all = append(all, tampering{name: column, sql: sql, first: 15, chain: 15})
		again := tampering{name: column + ", hashes anew to the end", sql: sql, from: 15, first: 15}
		switch column { // here even a chain with right hashes contradicts itself
		case "epoch":
			again.chain = 16 // which is of an earlier one than 15
		case "tenant", "stream", "version":
			again.chain = 15 // no first version of that stream
		case "commit_id":
		}
		all = append(all, again)
	}
	const renumber = "UPDATE ledger.events SET position = position + 1000 WHERE position > %d; UPDATE ledger.events SET position = position - 1000 %+d WHERE position > 1000"
	unlocked := []string{"ALTER TABLE ledger.events DROP CONSTRAINT events_stream_version_key"}
	const tenants = "UPDATE ledger.events SET tenant = CASE tenant WHEN 'main' THEN 'other' ELSE 'main' END"
	const versions = "WITH v AS (SELECT position, row_number() OVER (PARTITION BY tenant, stream ORDER BY position) AS n FROM ledger.events) UPDATE ledger.events e SET version = v.n FROM v WHERE v.position = e.position"
	return append(all,
		tampering{name: "event deleted", sql: []string{"DELETE FROM ledger.events WHERE position = 15"}, first: 15, chain: 15},
		tampering{name: "event deleted, the rest moved up, hashes anew", sql: slices.Concat(unlocked, []string{"DELETE FROM ledger.events WHERE position = 15"}, split(fmt.Sprintf(renumber, 15, -1)), []string{versions}), from: 15, first: 15},
		tampering{name: "event inserted, the rest moved down, hashes anew", sql: slices.Concat(unlocked, split(fmt.Sprintf(renumber, 14, 1)), []string{
			"INSERT INTO ledger.events SELECT 15, epoch, gen_random_uuid(), gen_random_uuid(), tenant, stream, 5000, type, schema, data, metadata, effective_at, recorded_at, hash FROM ledger.events WHERE position = 14", versions,
		}), from: 15, first: 15},
		tampering{name: "two events swapped", sql: swap(14, 15), first: 14, chain: 14},
		tampering{name: "two events swapped, hashes anew", sql: slices.Concat(unlocked, swap(14, 15), []string{"UPDATE ledger.events a SET recorded_at = b.recorded_at FROM (SELECT min(recorded_at) AS recorded_at FROM ledger.events WHERE position IN (14, 15)) b WHERE position IN (14, 15)", versions}), from: 14, first: 14},
		tampering{name: "tenants swapped", sql: slices.Concat(unlocked, []string{tenants}), first: 1, chain: 1},
		tampering{name: "tenants swapped, hashes anew", sql: slices.Concat(unlocked, []string{tenants}), from: 1, first: 1},
		tampering{name: "tail cut off", sql: []string{"DELETE FROM ledger.events WHERE position > 35"}, first: 36, chain: 36},
		tampering{name: "tail cut off, head and tables with it", sql: []string{"DELETE FROM ledger.events WHERE position > 35"}, from: 36, first: 36},
		tampering{name: "tail cut off between two checkpoints, head and tables with it", sql: []string{"DELETE FROM ledger.events WHERE position > 20"}, from: 21, first: 21},
		tampering{name: "tail cut off after 35 and event 33 changed, hashes anew", sql: []string{"DELETE FROM ledger.events WHERE position > 35", "UPDATE ledger.events SET data = '7' WHERE position = 33"}, from: 33, first: 33},
		tampering{name: "all deleted", sql: []string{"DELETE FROM ledger.events"}, first: 1, chain: 1},
		tampering{name: "fork: other events after 25, longer than before", sql: []string{"DELETE FROM ledger.events WHERE position > 25"}, from: 26, also: grown(20), first: 26},
		tampering{name: "fork under a new epoch that nobody has signed", sql: []string{"DELETE FROM ledger.events WHERE position > 25"}, from: 26, also: func(t *testing.T, f *fixture) {
			t.Helper()
			f.tamper(t, "UPDATE ledger.head SET epoch = 2")
			grown(20)(t, f)
		}, first: 26},
		tampering{name: "whole history written anew, stored tree and checkpoints deleted", sql: []string{"UPDATE ledger.events SET metadata = '{\"a\":1}'"}, from: 1, also: func(t *testing.T, f *fixture) {
			t.Helper()
			f.tamper(t, "DROP SCHEMA proofs_v1 CASCADE")
		}, first: 1},
		tampering{name: "history changed, stored tree written anew to match", sql: []string{"UPDATE ledger.events SET data = '7000' WHERE position = 15"}, from: 15, also: rebuilt, first: 11},
		tampering{name: "history changed, and signed again with another key", sql: []string{"UPDATE ledger.events SET data = '7000' WHERE position = 15"}, from: 15, also: resigned, first: 11},
	)
}

func split(sql string) []string { return strings.Split(sql, "; ") }

func swap(a, b int) []string {
	return split(fmt.Sprintf("UPDATE ledger.events SET position = position + 1000 WHERE position IN (%d, %d); UPDATE ledger.events SET position = %d - position WHERE position > 1000", a, b, a+b+1000))
}

// grown lets honest writers go on over what the attacker has left.
func grown(events int) func(*testing.T, *fixture) {
	return func(t *testing.T, f *fixture) {
		t.Helper()
		f.store = storetest.OpenOn(t, f.db)
		f.grow(t, events)
	}
}

// rebuilt is an attacker who deletes the checkpoints and lets the projection build the tree of his history, with the key of his choice.
func rebuilt(t *testing.T, f *fixture) {
	t.Helper()
	f.tamper(t, "DROP SCHEMA proofs_v1 CASCADE", "DELETE FROM ledger.checkpoints")
	stop := f.run(t, func(c *Config) { c.Signers, c.File = newSigners(t), "" })
	f.signed(t, f.head(t).Position)
	require.NoError(t, stop())
}

// resigned is one who replaces the file as well: his own checkpoints open with no key that is known.
func resigned(t *testing.T, f *fixture) {
	t.Helper()
	f.tamper(t, "DROP SCHEMA proofs_v1 CASCADE", "DELETE FROM ledger.checkpoints")
	require.NoError(t, os.Remove(f.file))
	forger := newSigners(t)
	stop := f.run(t, func(c *Config) { c.Signers = forger })
	f.signed(t, f.head(t).Position)
	require.NoError(t, stop())
	text, err := os.ReadFile(f.file)
	require.NoError(t, err)
	notes, _ := proof.SplitNotes(text)
	require.NotEmpty(t, notes)
	for _, note := range notes {
		_, err := f.signers.Keys().Open(note)
		require.ErrorIs(t, err, proof.ErrSignature)
		_, err = forger.Keys().Open(note)
		require.NoError(t, err)
	}
}

// Whatever is done to the log in the database, by whomever, is found by the chain or by comparison with what was signed earlier, and the
// first position that is wrong is named.
func TestEveryTamperingIsFound(t *testing.T) {
	t.Parallel()
	list := tamperings(t, newFixture(t))
	rows := make([]string, len(list))
	t.Cleanup(func() { printTable(t, rows) }) // when all are done
	for i, tt := range list {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			stop := f.run(t)
			for range 4 {
				f.sign(t, 10)
			}
			require.NoError(t, stop())
			kept := slices.DeleteFunc(f.kept(t), func(c proof.Checkpoint) bool { return c.Size%10 != 0 })
			require.Len(t, kept, 4)
			_, before := f.verify(t, kept)
			require.True(t, before.OK, before.Problem)

			f.tamper(t, tt.sql...)
			if tt.from > 0 {
				f.store.Close()
				f.rechain(t, tt.from)
			}
			if tt.also != nil {
				tt.also(t, f)
			}
			chain, both := f.verify(t, kept)
			require.Equal(t, tt.chain == 0, chain.OK, chain.Problem)
			require.Equal(t, tt.chain, chain.FirstBadPosition, chain.Problem)
			require.False(t, both.OK)
			require.Equal(t, tt.first, both.FirstBadPosition, both.Problem)
			rows[i] = fmt.Sprintf("| %s | %s | %s | %d |", tt.name, foundBy(chain), foundBy(both), both.FirstBadPosition)
		})
	}
}

func printTable(t *testing.T, rows []string) {
	t.Helper()
	table := "| what was done to event 15 (or as said) | chain alone | with checkpoints of 10, 20, 30 and 40 events | first bad position |\n|---|---|---|---|\n" + strings.Join(rows, "\n") + "\n"
	t.Log("\n" + table)
	if *tableFile != "" {
		require.NoError(t, os.WriteFile(*tableFile, []byte(table), 0o644))
	}
}

func foundBy(r eventstore.VerifyReport) string {
	if r.OK {
		return "nothing"
	}
	return fmt.Sprintf("%d: %s", r.FirstBadPosition, r.Problem)
}

// The stored tree is believed only as far as a signed root vouches for it: a changed tile accuses no honest event.
func TestAChangedTreeAccusesNobody(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	stop := f.run(t)
	f.sign(t, 10)
	require.NoError(t, stop())
	f.tamper(t, "UPDATE proofs_v1.tiles SET hashes = set_byte(hashes, 100, get_byte(hashes, 100) # 1)")
	_, both := f.verify(t, f.kept(t))
	require.True(t, both.OK, both.Problem)
}
