// Package proof shows to anybody, without a server, that an event stands in the log and that the log only grew.
//
// The events of the log are the leaves of a Merkle tree (RFC 9162, section 2.1): leaf n is the event at position n+1, hashed
// over the very bytes that the log's own chain hashes, so that a leaf binds every stored field and, by the hash before it,
// all events up to it. A checkpoint (C2SP tlog-checkpoint in a signed note) states size and root of the tree. From a
// checkpoint that somebody has kept it can be shown that an event was there then (inclusion) and that nothing has changed
// since (consistency).
//
// The package knows neither database nor network: what it can't see, it can't be fooled by. Hashing of the tree and the form of notes are
// those of golang.org/x/mod/sumdb.
package proof
