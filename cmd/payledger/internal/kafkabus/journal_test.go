package kafkabus_test

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"payledger/cmd/payledger/internal/kafkabus"
	"payledger/domain/money"
	"payledger/eventstore"
	"payledger/eventstore/catalog"
	"payledger/readmodels"
)

// event rebuilds an event from its message on the journal, as a consumer elsewhere would.
func event(t require.TestingT, m kafkabus.Message) eventstore.Recorded {
	number := func(name string) int64 {
		n, err := strconv.ParseInt(m.Headers[name], 10, 64)
		require.NoError(t, err, name)
		return n
	}
	instant := func(name string) time.Time {
		at, err := time.Parse(time.RFC3339Nano, m.Headers[name])
		require.NoError(t, err, name)
		return at
	}
	typ, schema, ok := strings.Cut(m.Headers["ledger-schema"], ".v")
	require.True(t, ok)
	require.Equal(t, m.Headers["ce_type"], typ)
	version, err := strconv.Atoi(schema)
	require.NoError(t, err)
	hash, err := hex.DecodeString(m.Headers["ledger-hash"])
	require.NoError(t, err)
	return eventstore.Recorded{
		NewEvent: eventstore.NewEvent{
			ID: uuid.MustParse(m.Headers["ledger-event-id"]), Type: typ, Schema: version, Data: m.Value,
			Metadata: []byte(m.Headers["ledger-metadata"]), EffectiveAt: instant("ledger-effective-at"),
		},
		Position: number("ledger-position"), Epoch: number("ledger-epoch"), CommitID: uuid.MustParse(m.Headers["ledger-commit-id"]),
		Stream:  eventstore.StreamID{Tenant: m.Headers["ledger-tenant"], Name: m.Headers["ledger-stream"]},
		Version: number("ledger-stream-version"), RecordedAt: instant("ce_time"), Hash: [32]byte(hash),
	}
}

// chained is the hash of an event as the documentation of the log describes it.
func chained(prev [32]byte, r eventstore.Recorded) [32]byte {
	b := append([]byte{1}, prev[:]...)
	field := func(f string) { b = append(binary.BigEndian.AppendUint32(b, uint32(len(f))), f...) }
	number := func(n int64) { field(string(binary.BigEndian.AppendUint64(nil, uint64(n)))) }
	number(r.Position)
	number(r.Epoch)
	field(string(r.ID[:]))
	field(string(r.CommitID[:]))
	field(r.Stream.Tenant)
	field(r.Stream.Name)
	number(r.Version)
	field(r.Type)
	number(int64(r.Schema))
	field(string(r.Data))
	field(string(r.Metadata))
	number(r.EffectiveAt.UnixMicro())
	number(r.RecordedAt.UnixMicro())
	return sha256.Sum256(b)
}

// Random accepted commands; then a consumer that knows nothing but the journal restores the total order by the dense
// positions, recomputes the hash chain, and folds the same rows that a consumer of the db events has by copying them.
func TestJournalRebuildsEverything(t *testing.T) {
	t.Parallel()
	cfg := plain(t)
	cfg.Partitions = 4
	w := newWorld(t, cfg)
	w.foundAll(t)
	stop := w.publish(t)
	rapid.Check(t, func(t *rapid.T) { w.randomCommands(t) })
	w.published(t)
	require.NoError(t, stop())
	all := w.messages(t)

	var events []eventstore.Recorded
	for _, m := range where(all, w.names.Journal()) {
		require.Equal(t, m.Headers["ledger-stream"], m.Key)
		events = append(events, event(t, m))
	}
	slices.SortFunc(events, func(a, b eventstore.Recorded) int { return int(a.Position - b.Position) })
	var prev [32]byte
	for i, rec := range events {
		require.EqualValues(t, i+1, rec.Position, "positions are dense")
		require.Equal(t, rec.Hash, chained(prev, rec), "position %d", rec.Position)
		prev = rec.Hash
	}
	require.Empty(t, cmp.Diff(w.log(t), events))
	require.Empty(t, cmp.Diff(w.foldRows(t, events), copiedRows(t, all, w.names.LibraryService)))
}

// foldRows folds events into rows, by object and id.
func (w *world) foldRows(t testing.TB, events []eventstore.Recorded) map[string]string {
	t.Helper()
	rows, states := map[string]string{}, map[eventstore.StreamID]any{}
	for i := range events {
		ev, err := catalog.New().Decode(t.Context(), w.vault, &events[i])
		require.NoError(t, err)
		state, changes, err := readmodels.Fold(states[ev.Stream], ev)
		require.NoError(t, err)
		states[ev.Stream] = state
		for _, c := range changes {
			rows[string(c.Object)+" "+c.New.Key()] = string(c.New.AppendJSON(nil, false))
		}
	}
	return rows
}

// copiedRows applies db events as a consumer does that copies rows: the old row of an updated must be the one it has. The
// topics come one after the other, so ledger-position orders them.
func copiedRows(t testing.TB, all []kafkabus.Message, service string) map[string]string {
	t.Helper()
	var changes []kafkabus.Message
	for _, m := range all {
		if strings.HasPrefix(m.Topic, service+"-dbevent-") {
			changes = append(changes, m)
		}
	}
	slices.SortStableFunc(changes, func(a, b kafkabus.Message) int { return int(positionOf(t, a) - positionOf(t, b)) })
	rows := map[string]string{}
	for _, m := range changes {
		object := m.Headers["ledger-schema"]
		at := object + " " + m.Key
		if m.Headers["ledger-action"] == "created" {
			require.NotContains(t, rows, at)
			rows[at] = string(m.Value)
			continue
		}
		var body map[string]json.RawMessage
		require.NoError(t, json.Unmarshal(m.Value, &body))
		require.Len(t, body, 2)
		require.Equal(t, rows[at], string(body["old_"+object]), "position %s", m.Headers["ledger-position"])
		rows[at] = string(body[object])
	}
	return rows
}

func positionOf(t testing.TB, m kafkabus.Message) int64 {
	t.Helper()
	n, err := strconv.ParseInt(m.Headers["ledger-position"], 10, 64)
	require.NoError(t, err)
	return n
}

// randomCommands assesses a few fees and does things to them that the ledger may well refuse.
func (w *world) randomCommands(t *rapid.T) {
	var fees []string
	for range rapid.IntRange(1, 3).Draw(t, "fees") {
		fees = append(fees, w.assess(t, rapid.Int64Range(1, money.MaxMinor).Draw(t, "amount")))
	}
	for range rapid.IntRange(0, 6).Draw(t, "steps") {
		w.anything(t, rapid.SampledFrom(fees).Draw(t, "fee"))
	}
}

func (w *world) anything(t *rapid.T, feeID string) {
	ctx := context.Background()
	var err error
	switch rapid.IntRange(0, 2).Draw(t, "kind") {
	case 0:
		amount := rapid.Int64Range(1, 1000).Draw(t, "paid")
		_, err = w.service.RecordPayment(ctx, w.request(""), paymentOf(amount+rapid.Int64Range(0, 5).Draw(t, "over"), share(feeID, amount)))
	case 1:
		status := readmodels.FeeStatus(rapid.IntRange(2, 4).Draw(t, "status"))
		_, err = w.service.PatchFee(ctx, w.request("fee-updated"), patchOf(feeID, &status, ""))
	case 2:
		_, err = w.service.PatchFee(ctx, w.request("fee-updated"), patchOf(feeID, nil, rapid.StringMatching(`[^\x00]{1,40}`).Draw(t, "note")))
	}
	_ = err // a refusal is as good: nothing may be published for it
}
