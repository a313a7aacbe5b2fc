package publisher

import "payledger/readmodels"

// topicNames are the topics of a session, worked out once.
type topicNames struct {
	rows      map[rowChange]string
	documents map[string]string // by action, of the fee
	routes    map[string]Topic  // by topic
	journal   string
}

type rowChange struct {
	object readmodels.Object
	action readmodels.Action
}

func newTopicNames(cfg TopicConfig) topicNames {
	n := topicNames{rows: make(map[rowChange]string), documents: make(map[string]string), routes: make(map[string]Topic)}
	for _, topic := range Topics(cfg) {
		switch topic.Kind {
		case KindDB:
			n.rows[rowChange{readmodels.Object(topic.Object), readmodels.Action(topic.Action)}] = topic.Topic
		case KindIndex:
			n.documents[topic.Action] = topic.Topic
		case KindRoute:
			n.routes[topic.Topic] = topic
		case KindJournal:
			n.journal = topic.Topic
		}
	}
	return n
}
