package publisher_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"payledger/projections/publisher"
)

// The names stand in the contract letter by letter.
func TestTopicNames(t *testing.T) {
	t.Parallel()
	var names []string
	for _, topic := range publisher.Topics(publisher.TopicConfig{}) {
		require.Equal(t, "librarymanagementsystem-payment-service", topic.Service)
		names = append(names, topic.Topic)
	}
	require.Equal(t, []string{
		"librarymanagementsystem-payment-service-dbevent-fee-created",
		"librarymanagementsystem-payment-service-dbevent-fee-updated",
		"librarymanagementsystem-payment-service-dbevent-fee-deleted",
		"librarymanagementsystem-payment-service-dbevent-feepayment-created",
		"librarymanagementsystem-payment-service-dbevent-feepayment-updated",
		"librarymanagementsystem-payment-service-dbevent-feepayment-deleted",
		"elastic-index-librarymanagementsystem_fee-created",
		"elastic-index-librarymanagementsystem_fee-updated",
		"elastic-index-librarymanagementsystem_fee-deleted",
		"elastic-index-librarymanagementsystem_fee-extended",
		"librarymanagementsystem-payment-service-fee-created",
		"librarymanagementsystem-payment-service-fee-updated",
		"librarymanagementsystem-payment-service-journal",
	}, names)
}

func TestTopicNamesAreConfigurable(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, topic := range publisher.Topics(publisher.TopicConfig{LibraryService: "city-fees", LibraryIndexPrefix: "city"}) {
		require.Regexp(t, `^(city-fees-|elastic-index-city_)[a-z-]+$`, topic.Topic)
		require.False(t, seen[topic.Topic], topic.Topic)
		seen[topic.Topic] = true
	}
}
