package proof

import (
	"bytes"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/tlog"
)

const origin = "ledger.example.org/library"

// journal is a log in memory: its events' bytes, and the tiles of its tree.
type journal struct {
	encoded [][]byte
	tree    *Tree
	tiles   map[[2]int64][]byte
	signers Signers
	epoch   int64 // of checkpoints
}

func newJournal(t require.TestingT, events int) *journal {
	private, _, err := NewKey(origin)
	require.NoError(t, err)
	signers, err := ParseSigners(private)
	require.NoError(t, err)
	j := &journal{signers: signers, epoch: 1, tiles: make(map[[2]int64][]byte)}
	j.tree, err = LoadTree(0, j.read)
	require.NoError(t, err)
	j.grow(events)
	return j
}

func (j *journal) read(level int, index int64) ([]byte, error) {
	return j.tiles[[2]int64{int64(level), index}], nil
}

func (j *journal) grow(events int) {
	for range events {
		j.append(fmt.Sprintf(`{"amount":%d}`, len(j.encoded)), 1)
	}
}

func (j *journal) append(data string, epoch int64) {
	e := Event{
		Position: int64(len(j.encoded) + 1), Epoch: epoch, ID: [16]byte{15: byte(len(j.encoded))}, Tenant: "main",
		Stream: "fee-1", Version: int64(len(j.encoded) + 1), Type: "fee.assessed", Schema: 1, Data: []byte(data),
		Metadata: []byte(`{"actor":"staff"}`), EffectiveAt: 1_700_000_000_123_456, RecordedAt: 1_700_000_000_000_000,
	}
	if len(j.encoded) > 0 {
		e.Before = HashOf(j.encoded[len(j.encoded)-1])
	}
	j.encoded = append(j.encoded, e.Encode())
	j.tree.Append(Leaf(e.Encode()))
	for _, tile := range j.tree.Take() {
		j.tiles[[2]int64{int64(tile.Level), tile.Index}] = bytes.Clone(tile.Hashes)
	}
}

// cut takes the events behind a size away, as a restore does.
func (j *journal) cut(t require.TestingT, size int) {
	j.encoded = j.encoded[:size]
	var err error
	j.tree, err = LoadTree(int64(size), j.read)
	require.NoError(t, err)
}

// at returns the checkpoint of a size, and its signed note.
func (j *journal) at(t require.TestingT, size int, change ...func(*Checkpoint)) (Checkpoint, []byte) {
	root, err := tlog.TreeHash(int64(size), Hashes(j.read))
	require.NoError(t, err)
	c := Checkpoint{Origin: origin, Size: int64(size), Root: root, Epoch: j.epoch, SignedAt: time.Unix(1_700_000_000, 0).UTC()}
	if size > 0 {
		c.Head = HashOf(j.encoded[size-1])
	}
	for _, fn := range change {
		fn(&c)
	}
	signed, err := j.signers.Sign(c)
	require.NoError(t, err)
	return c, signed
}

func (j *journal) path(t require.TestingT, size, position int) []tlog.Hash {
	path, err := tlog.ProveRecord(int64(size), int64(position-1), Hashes(j.read))
	require.NoError(t, err)
	return path
}

// inclusion returns a proof file.
func (j *journal) inclusion(t require.TestingT, position, size int) []byte {
	entry, err := NewEntry(j.encoded[position-1])
	require.NoError(t, err)
	_, signed := j.at(t, size)
	return marshal(t, Inclusion{FormatInclusion, entry, j.path(t, size, position), string(signed)})
}

func (j *journal) consistency(t require.TestingT, from, to int) []byte {
	path, err := tlog.ProveTree(int64(to), int64(from), Hashes(j.read))
	require.NoError(t, err)
	_, before := j.at(t, from)
	_, after := j.at(t, to)
	return marshal(t, Consistency{FormatConsistency, string(before), string(after), path})
}

func (j *journal) export(t require.TestingT, from, to, size int) []byte {
	var file bytes.Buffer
	x, err := NewExporter(&file, int64(from), int64(to))
	require.NoError(t, err)
	for _, b := range j.encoded[from-1 : to] {
		require.NoError(t, x.Event(b))
	}
	_, signed := j.at(t, size)
	require.NoError(t, x.End(j.path(t, size, to), signed))
	return file.Bytes()
}

func marshal(t require.TestingT, value any) []byte {
	b, err := json.MarshalIndent(value, "", "  ")
	require.NoError(t, err)
	return b
}

func (j *journal) check(file []byte, kept ...Checkpoint) (Result, error) {
	return Checker{Keys: j.signers.Keys(), Kept: kept}.Check(bytes.NewReader(file))
}

func requireDamage(t testing.TB, err error, position int64, words string) {
	t.Helper()
	var damage *DamageError
	require.ErrorAs(t, err, &damage)
	require.Equal(t, position, damage.Position, damage.Problem)
	require.Contains(t, damage.Problem, words)
}
