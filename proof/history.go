package proof

import (
	"cmp"
	"slices"
)

// Standing returns the checkpoints that the log still has to bear out, in order of size. The others are of events that a restore
// took away, as a later checkpoint says that was signed at the end of what was restored (Restored). Without such a statement
// no event may be missing.
func Standing(all []Checkpoint) (standing, lost []Checkpoint) {
	for _, c := range all {
		taken := slices.ContainsFunc(all, func(by Checkpoint) bool { return by.takes(c) })
		if taken {
			lost = append(lost, c)
		} else {
			standing = append(standing, c)
		}
	}
	slices.SortStableFunc(standing, func(a, b Checkpoint) int { return cmp.Compare(a.Size, b.Size) })
	return standing, lost
}

// takes reports whether a checkpoint says that a restore took events of an earlier one away.
func (c Checkpoint) takes(earlier Checkpoint) bool {
	return c.Restored > 0 && c.Epoch > earlier.Epoch && c.Size < earlier.Size && earlier.Size <= c.Restored
}

// After reports whether a checkpoint was signed after another of the same log.
func (c Checkpoint) After(other Checkpoint) bool {
	return c.Epoch > other.Epoch || c.Epoch == other.Epoch && c.Size > other.Size
}
