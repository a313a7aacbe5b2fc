package proof

import (
	"errors"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"
)

const (
	// tileHeight is how many levels of the tree a tile spans: it holds the hashes at its foot, up to tileWidth of them.
	tileHeight = 8
	tileWidth  = 1 << tileHeight
)

// Tile is a piece of the tree as C2SP tlog-tiles cuts it: up to 256 hashes of one level, one after the other.
type Tile struct {
	Level  int   // 0 for leaves; level l holds the roots of subtrees of 256^l leaves
	Index  int64 // from the left, from 0
	Hashes []byte
}

// Tree is a growing tree of which only the right edge is kept: a few kilobytes, however many leaves. The zero value is an empty
// tree for those who only want its root.
type Tree struct {
	size   int64
	edge   [][]byte // by level: the hashes of the tile that isn't full yet
	stored bool     // whether there is somebody to Take
	full   []Tile   // those that became full since the last Take
}

// LoadTree returns the tree of a size whose tiles are stored; a stored tile may hold more than there was at that size.
func LoadTree(size int64, read func(level int, index int64) ([]byte, error)) (*Tree, error) {
	t := &Tree{size: size, stored: true}
	for level, count := 0, size; count > 0; level, count = level+1, count>>tileHeight {
		var hashes []byte
		if width := int(count % tileWidth); width > 0 {
			tile, err := read(level, count>>tileHeight)
			if err != nil {
				return nil, err
			}
			if len(tile) < width*tlog.HashSize {
				return nil, fmt.Errorf("tile %d of level %d: %w", count>>tileHeight, level, ErrTile)
			}
			hashes = append(hashes, tile[:width*tlog.HashSize]...)
		}
		t.edge = append(t.edge, hashes)
	}
	return t, nil
}

// Size returns the number of leaves.
func (t *Tree) Size() int64 { return t.size }

// Append adds a leaf.
func (t *Tree) Append(leaf tlog.Hash) {
	t.size++
	for level, count := 0, t.size; ; level, count = level+1, count>>tileHeight {
		if level == len(t.edge) {
			t.edge = append(t.edge, nil)
		}
		t.edge[level] = append(t.edge[level], leaf[:]...)
		if len(t.edge[level]) < tileWidth*tlog.HashSize {
			return
		}
		if t.stored {
			t.full = append(t.full, Tile{level, count>>tileHeight - 1, t.edge[level]})
		}
		leaf = tileRoot(t.edge[level])
		t.edge[level] = nil
	}
}

// tileRoot returns the root of a full tile.
func tileRoot(tile []byte) tlog.Hash {
	var row [tileWidth]tlog.Hash
	for i := range row {
		copy(row[i][:], tile[i*tlog.HashSize:])
	}
	for width := tileWidth / 2; width > 0; width /= 2 {
		for i := range width {
			row[i] = tlog.NodeHash(row[2*i], row[2*i+1])
		}
	}
	return row[0]
}

// Take returns the tiles of a loaded tree that are to be stored: those that became full since the last call, and the right
// edge as it is. They are good until the next Append.
func (t *Tree) Take() []Tile {
	tiles := t.full
	t.full = nil
	for level, count := 0, t.size; level < len(t.edge); level, count = level+1, count>>tileHeight {
		if len(t.edge[level]) > 0 {
			tiles = append(tiles, Tile{level, count >> tileHeight, t.edge[level]})
		}
	}
	return tiles
}

// Root returns the root: of an empty tree the SHA-256 of nothing.
func (t *Tree) Root() tlog.Hash {
	root, err := tlog.TreeHash(t.size, Hashes(func(level int, _ int64) ([]byte, error) { return t.edge[level], nil }))
	if err != nil {
		panic(err) // the right edge has all hashes that the root is made of
	}
	return root
}

// ErrTile says that a stored tile has fewer hashes than the tree needs.
var ErrTile = errors.New("the tile is too short")

// Hashes makes tlog's view of a tree of its tiles: what ProveRecord and ProveTree read. Each tile is read once.
func Hashes(read func(level int, index int64) ([]byte, error)) tlog.HashReader {
	type place struct {
		level int
		index int64
	}
	known := make(map[place][]byte)
	return tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		hashes := make([]tlog.Hash, len(indexes))
		for i, index := range indexes {
			tile := tlog.TileForIndex(tileHeight, index)
			at := place{tile.L, tile.N}
			if _, ok := known[at]; !ok {
				b, err := read(at.level, at.index)
				if err != nil {
					return nil, err
				}
				known[at] = b
			}
			size := tile.W * tlog.HashSize
			if len(known[at]) < size {
				return nil, fmt.Errorf("tile %d of level %d: %w", at.index, at.level, ErrTile)
			}
			hash, err := tlog.HashFromTile(tile, known[at][:size], index)
			if err != nil {
				return nil, fmt.Errorf("tile %d of level %d: %w", at.index, at.level, err)
			}
			hashes[i] = hash
		}
		return hashes, nil
	})
}
