package kafkabus_test

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"payledger/cmd/payledger/internal/kafkabus"
	"payledger/domain/fee"
	"payledger/internal/ledgertest"
)

// saying counts the messages that say a word.
func saying(all []kafkabus.Message, word string) (n int) {
	for _, m := range all {
		if strings.Contains(string(m.Value), word) {
			n++
		}
	}
	return n
}

// What wasn't sent when a person was erased is sent without the person's texts, though the publisher remembers them: it forgets when it
// comes to the erasure, and before, as soon as the vault knows.
func TestUnsentMessagesLoseErasedTexts(t *testing.T) {
	t.Parallel()
	l := ledgertest.Open(t, 91)
	w := worldOf(t, inProcess(t), l)
	ann, bob := l.Users[1], l.Users[2]
	fees := map[string]string{}
	for user, word := range map[string]string{ann: "annsecret", bob: "bobsecret"} {
		fees[user] = l.Assess(t, user, 1000)
		l.Change(t, fees[user], fee.Annotate{Note: word, At: l.Now()})
		l.Change(t, fees[user], fee.AddNote{NoteID: "note-" + user, Visibility: fee.VisibilityPatron, Note: word + " seen", At: l.Now()})
	}
	w.publish(t)
	w.found(t, l.Flush(t))
	w.published(t)
	before := w.messages(t)
	require.Positive(t, saying(before, "annsecret"))

	// The documents of the next stretch can't be found yet, so their messages wait while ann is erased.
	waive := func(reduction string) int64 {
		for _, user := range []string{ann, bob} {
			l.Change(t, fees[user], fee.Waive{ReductionID: reduction + user, Amount: ledgertest.USD(t, 100), Reason: "goodwill", At: l.Now()})
		}
		return l.Flush(t)
	}
	waited := waive("waited")
	erased := l.Erase(t, ann)
	end := waive("afterwards")
	w.found(t, waited)
	require.Eventually(t, func() bool { return w.cursors(t)["index"] == waited }, patience, 10*time.Millisecond)
	w.found(t, end)
	w.published(t)
	sent := map[bool][]kafkabus.Message{}
	for _, m := range w.messages(t) {
		position, err := strconv.ParseInt(m.Headers["ledger-position"], 10, 64)
		require.NoError(t, err)
		if index := strings.HasPrefix(m.Topic, "elastic-index-"); index && position >= waited-1 || position > erased {
			sent[index] = append(sent[index], m)
		}
	}
	for _, all := range sent {
		require.Zero(t, saying(all, "annsecret"))
		require.Positive(t, saying(all, "bobsecret"))
	}
	require.Len(t, sent, 2)
}
