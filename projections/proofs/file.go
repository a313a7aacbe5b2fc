package proofs

import (
	"errors"
	"fmt"
	"io"
	"os"

	"payledger/proof"
)

// errFile marks troubles with the file of checkpoints: they may pass.
var errFile = errors.New("file of checkpoints")

// fileTail is how much of the file's end is read to find its last note: many times the size of one.
const fileTail = 64 << 10

// appendToFile adds a note in one write, and waits until it is on the disk.
func appendToFile(path, note string) (err error) {
	file, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644) //nolint:gosec // for everybody to read and copy
	if err != nil {
		return fmt.Errorf("%w: %w", errFile, err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	if _, err := file.WriteString(note + "\n"); err != nil {
		return fmt.Errorf("%w: %w", errFile, err)
	}
	if err := file.Sync(); err != nil {
		return fmt.Errorf("%w: %w", errFile, err)
	}
	return nil
}

// lastOfFile returns the last checkpoint of the file, nil if there is none. The rest of a note that a crash has cut off is taken
// away: nobody has been told of it.
func lastOfFile(path string) (*proof.Checkpoint, error) {
	last, whole, size, err := readLast(path)
	if err != nil {
		return nil, err
	}
	if whole < size {
		if err := os.Truncate(path, whole); err != nil {
			return nil, fmt.Errorf("%w: %w", errFile, err)
		}
	}
	return last, nil
}

// LastEpoch returns the epoch of the last checkpoint of the file, which is the greatest there; 0 for a file that isn't there or holds none.
func LastEpoch(path string) (int64, error) {
	last, _, _, err := readLast(path)
	if err != nil || last == nil {
		return 0, err
	}
	return last.Epoch, nil
}

// readLast returns the last checkpoint of the file, nil if there is none, how far the file holds whole notes, and its size.
func readLast(path string) (last *proof.Checkpoint, whole, size int64, err error) {
	file, err := os.Open(path) //nolint:gosec // a setting of the operator
	if errors.Is(err, os.ErrNotExist) {
		return nil, 0, 0, nil
	}
	if err != nil {
		return nil, 0, 0, fmt.Errorf("%w: %w", errFile, err)
	}
	defer func() { _ = file.Close() }()
	if size, err = file.Seek(0, io.SeekEnd); err != nil {
		return nil, 0, 0, fmt.Errorf("%w: %w", errFile, err)
	}
	tail := make([]byte, min(size, fileTail))
	if _, err := file.ReadAt(tail, size-int64(len(tail))); err != nil {
		return nil, 0, 0, fmt.Errorf("%w: %w", errFile, err)
	}
	notes, rest := proof.SplitNotes(tail)
	whole = size - int64(len(rest))
	if len(notes) == 0 {
		return nil, whole, size, nil
	}
	c, err := proof.Unverified(notes[len(notes)-1])
	if err != nil {
		return nil, 0, 0, fmt.Errorf("%s: %w", path, err)
	}
	return &c, whole, size, nil
}
