package publisher

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
)

// A reader that is stopped while it hands over a position hands over all of it: the next owner sends again whatever isn't
// acknowledged whole.
func TestStoppedReaderHandsOverWholePositions(t *testing.T) {
	t.Parallel()
	l := newLanes(&carrier{}, 0)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	const messages = 3
	for position := range int64(100) {
		_ = l.put(ctx, mark{position: position + 1}, make([]outgoing, messages)) // whether it is taken at all is left to chance
		handedOver := 0
		for _, queue := range l.queues {
			for range len(queue) {
				<-queue
				handedOver++
			}
		}
		require.Contains(t, []int{0, messages}, handedOver)
	}
}
