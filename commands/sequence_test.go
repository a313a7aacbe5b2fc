package commands

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

// Counting up stays within the random bits: time, version and variant of the id are those of the command's.
func TestSequenceWrapsWithinTheRandomBits(t *testing.T) {
	t.Parallel()
	ids := sequence{uuid.MustParse("01937b2a-0000-7000-bfff-fffffffffffe")}
	require.Equal(t, "01937b2a-0000-7000-bfff-ffffffffffff", ids.next().String())
	require.Equal(t, "01937b2a-0000-7000-8000-000000000000", ids.next().String())
	require.Equal(t, "01937b2a-0000-7000-8000-000000000001", ids.next().String())
}
