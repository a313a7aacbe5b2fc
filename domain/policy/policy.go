// Package policy holds the rules that a tenant sets for itself: the reason codes of
// its commands.
package policy

// Stream is the name of the stream of a tenant's reason codes. It is about no person.
const Stream = "policy-reasons"

// Kind says which command a list of reason codes is for.
type Kind string

// The kinds.
const (
	KindWaive      Kind = "waive"
	KindWriteOff   Kind = "writeOff"
	KindAdjust     Kind = "adjust"
	KindReverse    Kind = "reverse" // of a waiver or write-off
	KindVoid       Kind = "void"
	KindReallocate Kind = "reallocate"
	KindGrant      Kind = "grant" // of a credit
)
