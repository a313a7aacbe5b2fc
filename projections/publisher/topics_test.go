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
		"librarymanagementsystem-payment-service-dbevent-feeevent-created",
		"librarymanagementsystem-payment-service-dbevent-feeevent-updated",
		"librarymanagementsystem-payment-service-dbevent-feeevent-deleted",
		"librarymanagementsystem-payment-service-dbevent-paymentcustomer-created",
		"librarymanagementsystem-payment-service-dbevent-paymentcustomer-updated",
		"librarymanagementsystem-payment-service-dbevent-paymentcustomer-deleted",
		"librarymanagementsystem-payment-service-dbevent-paymentmethod-created",
		"librarymanagementsystem-payment-service-dbevent-paymentmethod-updated",
		"librarymanagementsystem-payment-service-dbevent-paymentmethod-deleted",
		"elastic-index-librarymanagementsystem_fee-created",
		"elastic-index-librarymanagementsystem_fee-updated",
		"elastic-index-librarymanagementsystem_fee-deleted",
		"elastic-index-librarymanagementsystem_fee-extended",
		"elastic-index-librarymanagementsystem_feepayment-created",
		"elastic-index-librarymanagementsystem_feepayment-updated",
		"elastic-index-librarymanagementsystem_feepayment-deleted",
		"elastic-index-librarymanagementsystem_feepayment-extended",
		"elastic-index-librarymanagementsystem_feeevent-created",
		"elastic-index-librarymanagementsystem_feeevent-updated",
		"elastic-index-librarymanagementsystem_feeevent-deleted",
		"elastic-index-librarymanagementsystem_feeevent-extended",
		"elastic-index-librarymanagementsystem_paymentcustomer-created",
		"elastic-index-librarymanagementsystem_paymentcustomer-updated",
		"elastic-index-librarymanagementsystem_paymentcustomer-deleted",
		"elastic-index-librarymanagementsystem_paymentcustomer-extended",
		"elastic-index-librarymanagementsystem_paymentmethod-created",
		"elastic-index-librarymanagementsystem_paymentmethod-updated",
		"elastic-index-librarymanagementsystem_paymentmethod-deleted",
		"elastic-index-librarymanagementsystem_paymentmethod-extended",
		"librarymanagementsystem-payment-service-fee-created",
		"librarymanagementsystem-payment-service-fee-updated",
		"librarymanagementsystem-payment-service-fee-checkoutstartked",
		"librarymanagementsystem-payment-service-fee-checkoutcompleted",
		"librarymanagementsystem-payment-service-fee-checkoutrefreshked",
		"librarymanagementsystem-payment-service-feepayment-created",
		"librarymanagementsystem-payment-service-feepayment-updated",
		"librarymanagementsystem-payment-service-feeevent-created",
		"librarymanagementsystem-payment-service-feeevent-updated",
		"librarymanagementsystem-payment-service-payment-retrived",
		"librarymanagementsystem-payment-service-paymentbyorderid-retrived",
		"librarymanagementsystem-payment-service-paymentbypaymentid-retrived",
		"librarymanagementsystem-payment-service-payment-created",
		"librarymanagementsystem-payment-service-payment-updated",
		"librarymanagementsystem-payment-service-payments-listed",
		"librarymanagementsystem-payment-service-payment-deleted",
		"librarymanagementsystem-payment-service-customerbyuserid-retrived",
		"librarymanagementsystem-payment-service-customers-listed",
		"librarymanagementsystem-payment-service-listethods-done",
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
