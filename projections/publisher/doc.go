// Package publisher sends what the log says to Kafka: db events (one per row change), index events (one per document
// change), route events (the answers of routes) and the journal (every event as stored).
//
// Three cursors, kept beside the log, say how far it came: db (which the journal shares), index and route. A cursor moves
// only after the broker acknowledged everything before it, so delivery is at least once: after a crash a suffix comes again
// with the same ce_id. Messages leave through lanes, one message of a lane at a time, so order per key holds.
package publisher
