package gateway

// Event is a fact about a gateway payment. An empty string means absent.
//
//sumtype:decl
type Event interface{ isGatewayEvent() }

// Recorded (gateway_payment.recorded) says that somebody told of a payment at a
// gateway. PaymentStatus is the gateway's word, StatusLiteral the front end's.
type Recorded struct {
	ID            string `json:"id"`
	OwnerID       string `json:"ownerId"`
	OrderID       string `json:"orderId"`
	PaymentID     string `json:"paymentId"`
	PaymentStatus string `json:"paymentStatus"`
	StatusLiteral string `json:"statusLiteral"`
	RedirectURL   string `json:"redirectUrl"`
}

// Updated (gateway_payment.updated) replaces what was told: all four, also those
// that stay as they were.
type Updated struct {
	PaymentID     string `json:"paymentId"`
	PaymentStatus string `json:"paymentStatus"`
	StatusLiteral string `json:"statusLiteral"`
	RedirectURL   string `json:"redirectUrl"`
}

// Deleted (gateway_payment.deleted) says that the record is shown no longer.
type Deleted struct {
	ID string `json:"id"`
}

func (Recorded) isGatewayEvent() {}
func (Updated) isGatewayEvent()  {}
func (Deleted) isGatewayEvent()  {}
