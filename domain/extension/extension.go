// Package extension decides about what other services add to search documents:
// named lists of elements, each with an id.
package extension

// Stream returns the name of the stream of a document's lists. Its subject is the
// person whom the document is about.
func Stream(object, id string) string { return "extends-" + object + "-" + id }
