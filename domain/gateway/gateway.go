// Package gateway decides about records of payments at a gateway, kept for front ends
// that tell of them. They move no money.
package gateway

// Stream returns the name of the stream of a record. Its subject is the owner.
func Stream(id string) string { return "gatewaypayment-" + id }
