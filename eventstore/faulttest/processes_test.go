package faulttest

import (
	"fmt"
	"maps"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"payledger/eventstore"
	"payledger/eventstore/pgtest"
	"payledger/eventstore/storetest"
)

// Two processes write to one log at the same time: none of their commits is refused, none is lost, all streams count right.
func TestTwoProcesses(t *testing.T) {
	t.Parallel()
	const workers = 6
	for name, streamsOf := range map[string]func(process, worker int) []string{
		"spread streams": func(p, w int) []string { return []string{fmt.Sprintf("own-%d-%d", p, w), fmt.Sprintf("shared-%d", w)} },
		"one hot stream": func(int, int) []string { return []string{"hot"} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := pgtest.NewFrom(t, storetest.Template())
			histories, children := [2]*history{newHistory(), newHistory()}, [2]*child{}
			for p := range children {
				plan := plan{URL: db.AppURL}
				for w := range workers {
					plan.Streams = append(plan.Streams, streamsOf(p, w))
				}
				children[p] = startChild(t, histories[p], plan)
			}
			for _, c := range children {
				c.begin(t)
			}
			// Until each has done so much after the other had begun, both were writing at the same time.
			for range 2 {
				for _, h := range histories {
					h.awaitAcks(t, 150)
				}
			}
			all := newHistory()
			var redecided int64
			for p, c := range children {
				c.end(t)
				require.Empty(t, histories[p].refused)
				require.Empty(t, histories[p].unacknowledged())
				redecided += c.stats
				maps.Copy(all.attempts, histories[p].attempts)
			}
			require.Positive(t, redecided, "the processes never met on a stream")
			checkLog(t, db.AppPool(t), all)
			store := openStore(t, db.AppURL)
			if hot, err := store.Load(t.Context(), storetest.Stream("hot")); name == "one hot stream" {
				require.NoError(t, err)
				require.Len(t, all.attempts, int(hot.Version))
			}
		})
	}
}

// A process that stands still while it holds the head doesn't stop the others for long, and does its work when it goes on.
func TestProcessThatHangsWithTheHead(t *testing.T) {
	t.Parallel()
	db := pgtest.NewFrom(t, storetest.Template())
	h := newHistory()
	c := startChild(t, h, plan{
		URL: db.AppURL, Streams: [][]string{{"hot"}}, Commits: 10,
		Failpoint: eventstore.FailRead, Hit: 4, Signal: syscall.SIGSTOP,
	})
	c.begin(t)
	h.awaitAcks(t, 3)
	awaitHolder(t, db)
	store := openStore(t, db.AppURL)
	for range 5 {
		_, err := h.commit(t.Context(), store, newCommit(newID(), "hot", "other"))
		require.NoError(t, err)
	}
	require.NoError(t, c.cmd.Process.Signal(syscall.SIGCONT))
	c.end(t)
	require.Empty(t, h.refused)
	require.Empty(t, h.unacknowledged())
	checkLog(t, db.AppPool(t), h)
}
