package proof

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/tlog"
	"pgregory.net/rapid"
)

// The leaves and roots that implementations of RFC 6962 and 9162 share as test vectors.
func vectors(t testing.TB) (leaves [][]byte, roots []string) {
	t.Helper()
	for _, leaf := range []string{"", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"} {
		b, err := hex.DecodeString(leaf)
		require.NoError(t, err)
		leaves = append(leaves, b)
	}
	return leaves, []string{
		"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
		"6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
		"fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
		"aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
		"d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
		"4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
		"76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
		"ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
		"5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
	}
}

func TestRootsOfTheVectors(t *testing.T) {
	t.Parallel()
	leaves, roots := vectors(t)
	var tree Tree
	for n, want := range roots {
		root := tree.Root()
		require.Equal(t, want, hex.EncodeToString(root[:]), "%d leaves", n)
		if n < len(leaves) {
			tree.Append(Leaf(leaves[n]))
		}
	}
}

// RFC 9162, section 2.1.5: the paths of a tree of seven leaves, written as the ranges of leaves below each node.
func TestPathsOfTheRFC(t *testing.T) {
	t.Parallel()
	leaves, _ := vectors(t)
	tree := loaded(t)
	for _, leaf := range leaves[:7] {
		tree.grow(Leaf(leaf))
	}
	node := func(from, to int) tlog.Hash { return rootOf(leaves[from:to]) }
	for _, tt := range []struct {
		leaf int64
		want []tlog.Hash
	}{
		{0, []tlog.Hash{node(1, 2), node(2, 4), node(4, 7)}},
		{3, []tlog.Hash{node(2, 3), node(0, 2), node(4, 7)}},
		{4, []tlog.Hash{node(5, 6), node(6, 7), node(0, 4)}},
		{6, []tlog.Hash{node(4, 6), node(0, 4)}},
	} {
		path, err := tlog.ProveRecord(7, tt.leaf, Hashes(tree.read))
		require.NoError(t, err)
		require.Equal(t, tt.want, []tlog.Hash(path), "leaf %d", tt.leaf)
	}
	for _, tt := range []struct {
		from int64
		want []tlog.Hash
	}{
		{3, []tlog.Hash{node(2, 3), node(3, 4), node(0, 2), node(4, 7)}},
		{4, []tlog.Hash{node(4, 7)}},
		{6, []tlog.Hash{node(4, 6), node(6, 7), node(0, 4)}},
	} {
		path, err := tlog.ProveTree(7, tt.from, Hashes(tree.read))
		require.NoError(t, err)
		require.Equal(t, tt.want, []tlog.Hash(path), "from %d", tt.from)
	}
}

// rootOf is the definition of RFC 9162, section 2.1.1, word by word.
func rootOf(leaves [][]byte) tlog.Hash {
	if len(leaves) == 1 {
		return sha256.Sum256(append([]byte{0}, leaves[0]...))
	}
	k := 1
	for 2*k < len(leaves) {
		k *= 2
	}
	left, right := rootOf(leaves[:k]), rootOf(leaves[k:])
	return sha256.Sum256(append(append([]byte{1}, left[:]...), right[:]...))
}

// storedTree is a tree whose tiles are kept, as the projection keeps them.
type storedTree struct {
	*Tree
	tiles map[[2]int64][]byte
}

func loaded(t require.TestingT) *storedTree {
	s := &storedTree{tiles: make(map[[2]int64][]byte)}
	var err error
	s.Tree, err = LoadTree(0, s.read)
	require.NoError(t, err)
	return s
}

func (s *storedTree) read(level int, index int64) ([]byte, error) {
	return s.tiles[[2]int64{int64(level), index}], nil
}

func (s *storedTree) grow(leaves ...tlog.Hash) {
	for _, leaf := range leaves {
		s.Append(leaf)
	}
	for _, tile := range s.Take() {
		s.tiles[[2]int64{int64(tile.Level), tile.Index}] = bytes.Clone(tile.Hashes)
	}
}

// Whatever the size, whenever it was stored and loaded again, and also over the edges of tiles: the root is that
// of the definition, every leaf is included, and every earlier tree is the beginning of every later one.
func TestTreesOfAnySize(t *testing.T) {
	t.Parallel()
	var leaves [][]byte
	var hashes []tlog.Hash
	for i := range 1_000 {
		leaf := []byte{byte(i), byte(i >> 8), byte(i >> 16)}
		leaves, hashes = append(leaves, leaf), append(hashes, Leaf(leaf))
	}
	rapid.Check(t, func(t *rapid.T) {
		sizes := rapid.SliceOfNDistinct(rapid.IntRange(1, len(leaves)), 1, 4, rapid.ID[int]).Draw(t, "sizes")
		tree := loaded(t)
		roots := map[int64]tlog.Hash{}
		at := 0
		for _, size := range slices.Sorted(slices.Values(sizes)) {
			tree.grow(hashes[at:size]...)
			at = size
			require.Equal(t, rootOf(leaves[:size]), tree.Root(), "%d leaves", size)
			roots[int64(size)] = tree.Root()
			again, err := LoadTree(tree.Size(), tree.read)
			require.NoError(t, err)
			require.Equal(t, tree.Root(), again.Root())
			tree.Tree = again
		}
		for size, root := range roots {
			old, err := LoadTree(size, tree.read)
			require.NoError(t, err)
			require.Equal(t, root, old.Root(), "a tree of before")
			leaf := rapid.Int64Range(0, size-1).Draw(t, "leaf")
			path, err := tlog.ProveRecord(size, leaf, Hashes(tree.read))
			require.NoError(t, err)
			require.NoError(t, tlog.CheckRecord(path, size, root, leaf, hashes[leaf]))
			growth, err := tlog.ProveTree(tree.Size(), size, Hashes(tree.read))
			require.NoError(t, err)
			require.NoError(t, tlog.CheckTree(growth, tree.Size(), tree.Root(), size, root))
		}
	})
}

func TestAShortTileIsToldApart(t *testing.T) {
	t.Parallel()
	tree := loaded(t)
	for i := range 300 {
		tree.grow(Leaf([]byte{byte(i)}))
	}
	tree.tiles[[2]int64{0, 1}] = tree.tiles[[2]int64{0, 1}][:40*tlog.HashSize]
	_, err := LoadTree(300, tree.read)
	require.ErrorIs(t, err, ErrTile)
	_, err = tlog.ProveRecord(300, 299, Hashes(tree.read))
	require.ErrorIs(t, err, ErrTile)
}

// Where tiles of the first two levels become full.
func TestTreesAroundFullTiles(t *testing.T) {
	t.Parallel()
	var leaves [][]byte
	tree := loaded(t)
	for size := 1; size <= 1<<16+2; size++ {
		leaf := []byte{byte(size), byte(size >> 8)}
		leaves = append(leaves, leaf)
		tree.Append(Leaf(leaf))
		if size < 200 || size%(1<<15) > 2 && size%(1<<15) < 1<<15-2 {
			continue
		}
		tree.grow()
		require.Equal(t, rootOf(leaves), tree.Root(), "%d leaves", size)
		again, err := LoadTree(tree.Size(), tree.read)
		require.NoError(t, err)
		require.Equal(t, tree.Root(), again.Root())
		path, err := tlog.ProveRecord(tree.Size(), 100, Hashes(tree.read))
		require.NoError(t, err)
		require.NoError(t, tlog.CheckRecord(path, tree.Size(), tree.Root(), 100, Leaf(leaves[100])))
	}
}

// A tree for its root only keeps a few kilobytes, whatever its size.
func TestATreeKeepsItsRightEdgeOnly(t *testing.T) {
	t.Parallel()
	var tree Tree
	for i := range 200_000 {
		tree.Append(tlog.Hash{byte(i)})
	}
	require.Empty(t, tree.full)
	require.Len(t, tree.edge, 3)
}
