package publisher

import (
	"strings"

	"payledger/readmodels"
)

// Kind says what a topic carries.
type Kind string

// The kinds of topics.
const (
	KindDB      Kind = "db"      // one message per row change
	KindIndex   Kind = "index"   // one message per search document change
	KindRoute   Kind = "route"   // the answer of a route
	KindJournal Kind = "journal" // every event of the log, as stored
)

// The defaults of the contract for TopicConfig.
const (
	DefaultLibraryService     = "librarymanagementsystem-payment-service"
	DefaultLibraryIndexPrefix = "librarymanagementsystem"
)

// TopicConfig holds the configurable parts of topic names. Empty fields mean the contract's defaults.
type TopicConfig struct {
	LibraryService     string // first part of db, route and journal topics
	LibraryIndexPrefix string // stands in index topics: elastic-index-<prefix>_<object>-<action>
}

// Topic is one line of the catalogue of wire topics.
type Topic struct {
	Topic   string `json:"topic"`
	Service string `json:"service"`
	Kind    Kind   `json:"kind"`
	Object  string `json:"object"` // in camelCase, as in payloads; event for the journal
	Action  string `json:"action"`
	Schema  string `json:"schema"` // the shape of row, document or envelope: header ledger-schema of its messages; of two shapes both, separated by a comma
}

// Topics returns the catalogue: the topics of every object, of every route that names one, and the journal. Actions that no
// command of this version causes are in it too, so that consumers can subscribe before the first such message.
func Topics(cfg TopicConfig) []Topic {
	cfg = cfg.withDefaults()
	schemas := make(map[string]string) // by the name of the object
	var objects []string
	for _, object := range readmodels.Objects() {
		if known, ok := schemas[object.Name()]; ok {
			schemas[object.Name()] = known + "," + string(object)
			continue
		}
		schemas[object.Name()] = string(object)
		objects = append(objects, object.Name())
	}
	var all []Topic
	for _, object := range objects {
		for _, action := range rowActions() {
			all = append(all, Topic{cfg.DB(object, string(action)), cfg.LibraryService, KindDB, object, string(action), schemas[object]})
		}
	}
	for _, object := range objects {
		for _, action := range documentActions() {
			all = append(all, Topic{cfg.Index(object, action), cfg.LibraryService, KindIndex, object, action, schemas[object]})
		}
	}
	all = append(all, routes(cfg)...)
	return append(all, Topic{cfg.Journal(), cfg.LibraryService, KindJournal, "event", "appended", "event"})
}

func rowActions() []readmodels.Action {
	return []readmodels.Action{readmodels.ActionCreated, readmodels.ActionUpdated, readmodels.ActionDeleted}
}

func documentActions() []string {
	return []string{actionCreated, actionUpdated, actionDeleted, actionExtended}
}

// routes returns the topics of routes. Their spelling is the contract's, letter by letter.
func routes(cfg TopicConfig) []Topic {
	topic := func(name string, object readmodels.Object, action string) Topic {
		return Topic{cfg.Route(name), cfg.LibraryService, KindRoute, object.Name(), action, string(object)}
	}
	return []Topic{
		topic("fee-created", readmodels.ObjectFee, "created"),
		topic("fee-updated", readmodels.ObjectFee, "updated"),
		topic("fee-checkoutstartked", readmodels.ObjectFee, "updated"),
		topic("fee-checkoutcompleted", readmodels.ObjectFee, "updated"),
		topic("fee-checkoutrefreshked", readmodels.ObjectFee, "updated"),
		topic("feepayment-created", readmodels.ObjectFeePayment, "created"),
		topic("feepayment-updated", readmodels.ObjectFeePayment, "updated"),
		topic("feeevent-created", readmodels.ObjectFeeEvent, "created"),
		topic("feeevent-updated", readmodels.ObjectFeeEvent, "updated"),
		topic("payment-retrived", readmodels.ObjectGatewayPayment, "retrieved"),
		topic("paymentbyorderid-retrived", readmodels.ObjectGatewayPayment, "retrieved"),
		topic("paymentbypaymentid-retrived", readmodels.ObjectGatewayPayment, "retrieved"),
		topic("payment-created", readmodels.ObjectGatewayPayment, "created"),
		topic("payment-updated", readmodels.ObjectGatewayPayment, "updated"),
		topic("payments-listed", readmodels.ObjectGatewayPayment, "listed"),
		topic("payment-deleted", readmodels.ObjectGatewayPayment, "deleted"),
		topic("customerbyuserid-retrived", readmodels.ObjectPaymentCustomer, "retrieved"),
		topic("customers-listed", readmodels.ObjectPaymentCustomer, "listed"),
		topic("listethods-done", readmodels.ObjectPaymentMethod, "listed"),
	}
}

// DB returns the topic of a row change, such as <service>-dbevent-feepayment-created for feePayment and created.
func (c TopicConfig) DB(object, action string) string {
	return c.withDefaults().LibraryService + "-dbevent-" + strings.ToLower(object) + "-" + action
}

// Index returns the topic of a document change, such as elastic-index-<prefix>_fee-extended.
func (c TopicConfig) Index(object, action string) string {
	return "elastic-index-" + c.withDefaults().LibraryIndexPrefix + "_" + strings.ToLower(object) + "-" + action
}

// Route returns the topic of a route event; name is the last column of the contract's route tables, such as fee-created.
func (c TopicConfig) Route(name string) string { return c.withDefaults().LibraryService + "-" + name }

// Journal returns the topic that carries every event of the log.
func (c TopicConfig) Journal() string { return c.withDefaults().LibraryService + "-journal" }

func (c TopicConfig) withDefaults() TopicConfig {
	if c.LibraryService == "" {
		c.LibraryService = DefaultLibraryService
	}
	if c.LibraryIndexPrefix == "" {
		c.LibraryIndexPrefix = DefaultLibraryIndexPrefix
	}
	return c
}
