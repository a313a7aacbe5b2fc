// Package customer holds what is known of a person as a customer of a payment
// gateway: customer ids and stored cards, of which only the gateway has more than
// the last four digits.
package customer

// Stream returns the name of the stream of a person's customers and cards. Its
// subject is the person.
func Stream(userID string) string { return "customer-" + userID }

// Event is a fact about a person as a customer. An empty string means absent.
// Fields tagged sealed are stored encrypted under the person's key.
//
//sumtype:decl
type Event interface{ isCustomerEvent() }

// Linked (customer.linked) says under which id a platform knows the person.
type Linked struct {
	ID         string `json:"id"`
	UserID     string `json:"userId"`
	CustomerID string `json:"customerId"` // the platform's
	Platform   string `json:"platform"`   // stripe
}

// MethodAttached (customer.method_attached) says that the platform stores a card
// of the person.
type MethodAttached struct {
	ID              string `json:"id"`
	UserID          string `json:"userId"`
	PaymentMethodID string `json:"paymentMethodId"` // the platform's
	CustomerID      string `json:"customerId"`      // the platform's
	CardHolderName  string `json:"cardHolderName"  sealed:"true"`
	CardHolderZip   string `json:"cardHolderZip"   sealed:"true"`
	Platform        string `json:"platform"`
	Card            Card   `json:"card"`
}

// MethodDetached (customer.method_detached) says that the platform stores a card
// no longer.
type MethodDetached struct {
	ID    string `json:"id"`
	Cause string `json:"cause"` // user, expired, processor, erasure
}

func (Linked) isCustomerEvent()         {}
func (MethodAttached) isCustomerEvent() {}
func (MethodDetached) isCustomerEvent() {}

// Card is what may be known of a card, and no more.
type Card struct {
	Brand    string `json:"brand"`
	Last4    string `json:"last4"`
	ExpMonth int    `json:"expMonth"`
	ExpYear  int    `json:"expYear"`
}
