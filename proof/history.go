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
		taken := slices.ContainsFunc(all, func(by Checkpoint) bool {
			return by.Restored > 0 && by.Epoch > c.Epoch && by.Size < c.Size && c.Size <= by.Restored
		})
		if taken {
			lost = append(lost, c)
		} else {
			standing = append(standing, c)
		}
	}
	slices.SortStableFunc(standing, func(a, b Checkpoint) int { return cmp.Compare(a.Size, b.Size) })
	return standing, lost
}

// After reports whether a checkpoint was signed after another of the same log.
func (c Checkpoint) After(other Checkpoint) bool {
	return c.Epoch > other.Epoch || c.Epoch == other.Epoch && c.Size > other.Size
}
