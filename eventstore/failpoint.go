package eventstore

// Names of the failpoints, in the order in which the writer passes them. FailLocked and those named after a write are passed when the
// statement was sent.
const (
	FailTaken       = "writer.taken"
	FailLocked      = "writer.locked"
	FailRead        = "writer.read"
	FailNews        = "writer.news"
	FailDecided     = "writer.decided"
	FailEvents      = "writer.events"
	FailStreams     = "writer.streams"
	FailCommits     = "writer.commits"
	FailClaims      = "writer.claims"
	FailRoutes      = "writer.routes"
	FailErase       = "writer.erase"
	FailHead        = "writer.head"
	FailCommitSent  = "writer.commit_sent"
	FailCommitted   = "writer.committed"
	FailAnswered    = "writer.answered"
	FailReconnected = "writer.reconnected"
)

// Failpoints returns all names, for tests that kill the process at each. FailNews is passed only when a batch has to read events,
// FailReconnected only after a failure, FailErase only by an erasure, and a write's only when the batch has something of its kind to write.
func Failpoints() []string {
	return []string{
		FailTaken, FailLocked, FailRead, FailNews, FailDecided, FailEvents, FailStreams, FailCommits, FailClaims, FailRoutes, FailErase, FailHead,
		FailCommitSent, FailCommitted, FailAnswered, FailReconnected,
	}
}
