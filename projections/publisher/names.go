package publisher

import "payledger/readmodels"

// topicNames are the topics of a session, worked out once.
type topicNames struct {
	rows      map[rowChange]string
	documents map[readmodels.Object]map[string]string // by object and action
	routes    map[string]Topic                        // by topic
	journal   string
}

type rowChange struct {
	object readmodels.Object
	action readmodels.Action
}

func newTopicNames(cfg TopicConfig) topicNames {
	n := topicNames{
		rows: make(map[rowChange]string), documents: make(map[readmodels.Object]map[string]string), routes: make(map[string]Topic), journal: cfg.Journal(),
	}
	for _, object := range readmodels.Objects() {
		for _, action := range rowActions() {
			n.rows[rowChange{object, action}] = cfg.DB(object.Name(), string(action))
		}
		n.documents[object] = make(map[string]string)
		for _, action := range documentActions() {
			n.documents[object][action] = cfg.Index(object.Name(), action)
		}
	}
	for _, topic := range routes(cfg.withDefaults()) {
		n.routes[topic.Topic] = topic
	}
	return n
}
