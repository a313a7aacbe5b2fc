package extension

// Event is a fact about what other services add to a search document.
//
//sumtype:decl
type Event interface{ isExtensionEvent() }

// Put (extends.put) adds elements to a list of a document, or replaces those with
// the same id. Elements that are as they were aren't in it.
type Put struct {
	Object   string    `json:"object"` // of the document, such as fee
	ID       string    `json:"id"`     // of the document
	Stream   string    `json:"stream"` // that the document's row is folded from
	Name     string    `json:"name"`   // of the list
	Elements []Element `json:"elements"`
}

func (Put) isExtensionEvent() {}

// Element is one element of a list.
type Element struct {
	ID    string `json:"id"`
	Value Value  `json:"value"`
}

// Value is the text of a JSON object, as it was sent. It holds its id too.
type Value string
