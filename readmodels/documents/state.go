package documents

import (
	"encoding/json"
	"fmt"
	"time"

	"payledger/domain/extension"
	"payledger/domain/money"
	"payledger/readmodels"
)

// state is the stored form of what a document is folded from, beside the body, which shows what belongs to the row: the row itself,
// one of the first six. Its parts are converted to and from the row types, which compiles only while the fields are the same: a changed row type asks for a
// new version of the projection here.
type state struct {
	Fee             *feeState             `json:"fee,omitempty"`
	FeePayment      *feePaymentState      `json:"feePayment,omitempty"`
	GatewayPayment  *gatewayPaymentState  `json:"gatewayPayment,omitempty"`
	FeeEvent        *feeEventState        `json:"feeEvent,omitempty"`
	PaymentCustomer *paymentCustomerState `json:"paymentCustomer,omitempty"`
	PaymentMethod   *paymentMethodState   `json:"paymentMethod,omitempty"`
	Lists           []listState           `json:"lists,omitempty"`   // of other services
	Extends         json.RawMessage       `json:"extends,omitempty"` // while there is no row, and so no body
}

// listState is a list of another service without the elements, which the body has. Their ids may look different there.
type listState struct {
	Name string   `json:"name"`
	IDs  []string `json:"ids"`
}

type feeState struct {
	Tenant           string               `json:"tenant"`
	ID               string               `json:"id"`
	UserID           string               `json:"userId"`
	LoanID           string               `json:"loanId"`
	Amount           money.Amount         `json:"amount"`
	Status           readmodels.FeeStatus `json:"status"`
	StatusUpdateDate time.Time            `json:"statusUpdateDate"`
	Reason           string               `json:"reason"`
	Note             string               `json:"note"`
	IsActive         bool                 `json:"isActive"`
	RecordVersion    int64                `json:"recordVersion"`
	CreatedAt        time.Time            `json:"createdAt"`
	UpdatedAt        time.Time            `json:"updatedAt"`
	Paid             money.Amount         `json:"paid"`
	Reduced          money.Amount         `json:"reduced"`
	Reserved         money.Amount         `json:"reserved"`
	Cancelled        bool                 `json:"cancelled"`
	StreamVersion    int64                `json:"streamVersion"`
	Position         int64                `json:"position"`
}

type feePaymentState struct {
	Tenant                string                   `json:"tenant"`
	ID                    string                   `json:"id"`
	PaymentID             string                   `json:"paymentId"`
	FeeID                 string                   `json:"feeId"`
	AmountPaid            money.Amount             `json:"amountPaid"`
	UserID                string                   `json:"userId"`
	PaymentMethod         readmodels.PaidBy        `json:"paymentMethod"`
	PaymentStatus         readmodels.PaymentStatus `json:"paymentStatus"`
	PaymentDate           time.Time                `json:"paymentDate"`
	StripePaymentIntentID string                   `json:"stripePaymentIntentId"`
	HandledByUserID       string                   `json:"handledByUserId"`
	Note                  string                   `json:"note"`
	IsActive              bool                     `json:"isActive"`
	RecordVersion         int64                    `json:"recordVersion"`
	CreatedAt             time.Time                `json:"createdAt"`
	UpdatedAt             time.Time                `json:"updatedAt"`
	Position              int64                    `json:"position"`
}

type gatewayPaymentState struct {
	Tenant        string    `json:"tenant"`
	ID            string    `json:"id"`
	OwnerID       string    `json:"ownerId"`
	OrderID       string    `json:"orderId"`
	PaymentID     string    `json:"paymentId"`
	PaymentStatus string    `json:"paymentStatus"`
	StatusLiteral string    `json:"statusLiteral"`
	RedirectURL   string    `json:"redirectUrl"`
	IsActive      bool      `json:"isActive"`
	RecordVersion int64     `json:"recordVersion"`
	CreatedAt     time.Time `json:"createdAt"`
	UpdatedAt     time.Time `json:"updatedAt"`
	Position      int64     `json:"position"`
}

type feeEventState struct {
	Tenant        string                  `json:"tenant"`
	ID            string                  `json:"id"`
	FeeID         string                  `json:"feeId"`
	UserID        string                  `json:"userId"`
	EventType     readmodels.FeeEventType `json:"eventType"`
	EventDate     time.Time               `json:"eventDate"`
	ActorUserID   string                  `json:"actorUserId"`
	Note          string                  `json:"note"`
	StaffOnly     bool                    `json:"staffOnly"`
	IsActive      bool                    `json:"isActive"`
	RecordVersion int64                   `json:"recordVersion"`
	CreatedAt     time.Time               `json:"createdAt"`
	UpdatedAt     time.Time               `json:"updatedAt"`
	Position      int64                   `json:"position"`
}

type paymentCustomerState struct {
	Tenant        string    `json:"tenant"`
	ID            string    `json:"id"`
	UserID        string    `json:"userId"`
	CustomerID    string    `json:"customerId"`
	Platform      string    `json:"platform"`
	IsActive      bool      `json:"isActive"`
	RecordVersion int64     `json:"recordVersion"`
	CreatedAt     time.Time `json:"createdAt"`
	UpdatedAt     time.Time `json:"updatedAt"`
	Position      int64     `json:"position"`
}

type paymentMethodState struct {
	Tenant          string          `json:"tenant"`
	ID              string          `json:"id"`
	PaymentMethodID string          `json:"paymentMethodId"`
	UserID          string          `json:"userId"`
	CustomerID      string          `json:"customerId"`
	CardHolderName  string          `json:"cardHolderName"`
	CardHolderZip   string          `json:"cardHolderZip"`
	Platform        string          `json:"platform"`
	Card            readmodels.Card `json:"card"`
	IsActive        bool            `json:"isActive"`
	RecordVersion   int64           `json:"recordVersion"`
	CreatedAt       time.Time       `json:"createdAt"`
	UpdatedAt       time.Time       `json:"updatedAt"`
	Position        int64           `json:"position"`
}

func encodeState(d *readmodels.Document) ([]byte, error) {
	var s state
	switch r := d.Row.(type) {
	case *readmodels.Fee:
		s.Fee = (*feeState)(r)
	case *readmodels.FeePayment:
		s.FeePayment = (*feePaymentState)(r)
	case *readmodels.GatewayPayment:
		s.GatewayPayment = (*gatewayPaymentState)(r)
	case *readmodels.FeeEvent:
		s.FeeEvent = (*feeEventState)(r)
	case *readmodels.PaymentCustomer:
		s.PaymentCustomer = (*paymentCustomerState)(r)
	case *readmodels.PaymentMethod:
		s.PaymentMethod = (*paymentMethodState)(r)
	}
	for _, e := range d.Extensions {
		list := listState{Name: e.Name, IDs: make([]string, len(e.Elements))}
		for i, element := range e.Elements {
			list.IDs[i] = element.ID
		}
		s.Lists = append(s.Lists, list)
	}
	if d.Row == nil {
		s.Extends = d.AppendExtends(nil)
	}
	return json.Marshal(s)
}

func decodeState(text, body []byte) (*readmodels.Document, error) {
	var s state
	if err := json.Unmarshal(text, &s); err != nil {
		return nil, fmt.Errorf("stored state of a document: %w", err)
	}
	var d readmodels.Document
	switch {
	case s.Fee != nil:
		d.Row = (*readmodels.Fee)(s.Fee)
	case s.FeePayment != nil:
		d.Row = (*readmodels.FeePayment)(s.FeePayment)
	case s.GatewayPayment != nil:
		d.Row = (*readmodels.GatewayPayment)(s.GatewayPayment)
	case s.FeeEvent != nil:
		d.Row = (*readmodels.FeeEvent)(s.FeeEvent)
	case s.PaymentCustomer != nil:
		d.Row = (*readmodels.PaymentCustomer)(s.PaymentCustomer)
	case s.PaymentMethod != nil:
		d.Row = (*readmodels.PaymentMethod)(s.PaymentMethod)
	}
	extends := s.Extends
	if d.Row != nil {
		var shown struct {
			Extends json.RawMessage `json:"extends"`
		}
		if err := json.Unmarshal(body, &shown); err != nil {
			return nil, fmt.Errorf("stored body of a document: %w", err)
		}
		extends = shown.Extends
	}
	if len(extends) == 0 {
		return &d, nil
	}
	if err := decodeExtends(&d, s.Lists, extends); err != nil {
		return nil, fmt.Errorf("stored extends of a document: %w", err)
	}
	return &d, nil
}

// decodeExtends fills in what belongs to a row, as it is shown.
func decodeExtends(d *readmodels.Document, others []listState, extends []byte) error {
	var lists map[string]json.RawMessage
	if err := json.Unmarshal(extends, &lists); err != nil {
		return err
	}
	var err error
	if d.Payments, err = children(lists[readmodels.PaymentsList]); err != nil {
		return err
	}
	if d.Events, err = children(lists[readmodels.EventsList]); err != nil {
		return err
	}
	for _, other := range others {
		list := readmodels.Extension{Name: other.Name, Elements: make([]extension.Element, len(other.IDs))}
		var values []json.RawMessage
		if err := json.Unmarshal(lists[other.Name], &values); err != nil {
			return err
		}
		for i, id := range other.IDs {
			list.Elements[i] = extension.Element{ID: id, Value: extension.Value(values[i])}
		}
		d.Extensions = append(d.Extensions, list)
	}
	return nil
}

// children are the rows of a list.
func children(list json.RawMessage) ([]readmodels.Child, error) {
	if list == nil {
		return nil, nil
	}
	var texts []json.RawMessage
	if err := json.Unmarshal(list, &texts); err != nil {
		return nil, err
	}
	all := make([]readmodels.Child, len(texts))
	for i, text := range texts {
		var shown struct {
			ID   string `json:"id"`
			Note string `json:"note"`
		}
		if err := json.Unmarshal(text, &shown); err != nil {
			return nil, err
		}
		all[i] = readmodels.Child{ID: shown.ID, Note: shown.Note, JSON: text}
	}
	return all, nil
}
