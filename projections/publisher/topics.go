package publisher

import "strings"

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
	Schema  string `json:"schema"` // the shape of row, document or envelope: header ledger-schema of its messages
}

// Topics returns the catalogue: the topics of every object that has rows or documents in this version, of every route that
// names a topic, and the journal. Actions that no command of this version causes yet (deleted) are in it, so that consumers
// can subscribe before the first such message; objects without rows are not.
func Topics(cfg TopicConfig) []Topic {
	cfg = cfg.withDefaults()
	var all []Topic
	for _, object := range []string{"fee", "feePayment"} {
		for _, action := range []string{"created", "updated", "deleted"} {
			all = append(all, Topic{cfg.DB(object, action), cfg.LibraryService, KindDB, object, action, object})
		}
	}
	for _, action := range []string{"created", "updated", "deleted", "extended"} {
		all = append(all, Topic{cfg.Index("fee", action), cfg.LibraryService, KindIndex, "fee", action, "fee"})
	}
	for _, action := range []string{"created", "updated"} {
		all = append(all, Topic{cfg.Route("fee-" + action), cfg.LibraryService, KindRoute, "fee", action, "fee"})
	}
	return append(all, Topic{cfg.Journal(), cfg.LibraryService, KindJournal, "event", "appended", "event"})
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
