package docs_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"payledger/projections/publisher"
)

// ownTopics are those that the guide doesn't name: it prints the -created topic under every heading that says updated, and has no
// journal. docs/messages.md says so.
func ownTopics() []string {
	own := []string{"librarymanagementsystem-payment-service-journal"}
	for _, object := range []string{"fee", "feepayment", "feeevent", "paymentcustomer", "paymentmethod"} {
		own = append(own, "elastic-index-librarymanagementsystem_"+object+"-updated")
	}
	return own
}

// The 49 names of the event guide, letter by letter, and no other but our own.
func TestTopicsAreTheGuides(t *testing.T) {
	t.Parallel()
	guide := strings.Fields(read(t, "testdata/guide-topics.txt"))
	require.Len(t, guide, 49)
	var ours []string
	for _, topic := range publisher.Topics(publisher.TopicConfig{}) {
		ours = append(ours, topic.Topic)
	}
	for _, name := range guide {
		require.Contains(t, ours, name, "the guide's topic is missing")
	}
	extra := slices.DeleteFunc(slices.Clone(ours), func(name string) bool { return slices.Contains(guide, name) })
	require.ElementsMatch(t, ownTopics(), extra)
	require.Len(t, ours, 49+len(ownTopics()), "no name stands twice")
	section := section(t, read(t, "messages.md"), "## Topics")
	_, told, found := strings.Cut(section, "Ours, and not in the guide:")
	require.True(t, found)
	for _, name := range ownTopics() {
		require.Contains(t, told, "`"+name+"`", "docs/messages.md names what is ours")
	}
}
