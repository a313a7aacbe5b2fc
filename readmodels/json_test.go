package readmodels_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"payledger/domain/customer"
	"payledger/domain/fee"
	"payledger/domain/gateway"
	"payledger/domain/money"
	"payledger/domain/payment"
	"payledger/readmodels"
)

var update = flag.Bool("update", false, "write the golden files")

func goldenFee(t require.TestingT) *readmodels.Fee {
	state, _ := foldFee(t, assessed(t))
	return state.Fee
}

func goldenFeeEvent(t require.TestingT) *readmodels.FeeEvent {
	state, _ := foldFee(t, assessed(t), fee.NoteAdded{NoteID: allocB, Visibility: fee.VisibilityPatron, Note: "asked for a receipt"})
	return state.Notes[0]
}

func goldenGatewayPayment(t require.TestingT) *readmodels.GatewayPayment {
	state, _, err := readmodels.Fold(nil, recorded(gateway.Stream(payID), 1, gateway.Recorded{
		ID: payID, OwnerID: userID, OrderID: feeID, PaymentID: "pi_1", PaymentStatus: "requires_action", StatusLiteral: "started",
		RedirectURL: "https://pay.example/1",
	}))
	require.NoError(t, err)
	return state.(*readmodels.GatewayPayment)
}

func goldenCustomer(t require.TestingT) *readmodels.CustomerState {
	var state any
	for i, data := range []any{
		customer.Linked{ID: allocA, UserID: userID, CustomerID: "cus_1", Platform: "stripe"},
		customer.MethodAttached{
			ID: allocB, UserID: userID, PaymentMethodID: "pm_1", CustomerID: "cus_1", CardHolderName: "Zoë Ω", CardHolderZip: "8000", Platform: "stripe",
			Card: customer.Card{Brand: "visa", Last4: "4242", ExpMonth: 4, ExpYear: 2031},
		},
	} {
		var err error
		state, _, err = readmodels.Fold(state, recorded(customer.Stream(userID), int64(i+1), data))
		require.NoError(t, err)
	}
	return state.(*readmodels.CustomerState)
}

func goldenPayment(t require.TestingT) *readmodels.Payment {
	p, _, err := readmodels.FoldPayment(nil, recorded(payment.Stream(payID), 1, captured(t, payment.TenderPOS)))
	require.NoError(t, err)
	return p
}

// bare is a fee with nothing that may be absent, in a currency without decimals.
func bare(t require.TestingT) *readmodels.Fee {
	e := assessed(t)
	e.LoanID, e.Reason, e.Note, e.Amount = "", "", "", amount(t, "500", "JPY")
	state, _ := foldFee(t, e)
	return state.Fee
}

// The goldens stand indented, to be read; what is printed has no white space.
func TestPrintedForms(t *testing.T) {
	t.Parallel()
	fee, pay, event, cust := goldenFee(t), goldenPayment(t), goldenFeeEvent(t), goldenCustomer(t)
	for name, printed := range map[string][]byte{
		"fee":                     fee.AppendJSON(nil, false),
		"fee.rest":                fee.AppendJSON(nil, true),
		"fee.bare":                bare(t).AppendJSON(nil, false),
		"feepayment":              pay.Rows[0].AppendJSON(nil, false),
		"feepayment.rest":         pay.Rows[0].AppendJSON(nil, true),
		"feepayment.bare":         (&readmodels.FeePayment{AmountPaid: amount(t, "1.5", "KWD")}).AppendJSON(nil, true),
		"feeevent":                event.AppendJSON(nil, false),
		"feeevent.rest":           event.AppendJSON(nil, true),
		"feeevent.bare":           (&readmodels.FeeEvent{}).AppendJSON(nil, false),
		"feepayment.gateway":      goldenGatewayPayment(t).AppendJSON(nil, true),
		"feepayment.gateway.bare": (&readmodels.GatewayPayment{}).AppendJSON(nil, false),
		"paymentcustomer":         cust.Customers[0].AppendJSON(nil, true),
		"paymentmethod":           cust.Methods[0].AppendJSON(nil, true),
		"paymentmethod.bare":      (&readmodels.PaymentMethod{}).AppendJSON(nil, false),
		"payment":                 pay.AppendJSON(nil),
		"payment.no-shares":       (&readmodels.Payment{ID: payID, UserID: userID, Tender: "cash", Amount: amount(t, "9.9", "USD"), Credit: amount(t, "9.9", "USD")}).AppendJSON(nil),
	} {
		var indented, compact bytes.Buffer
		require.NoError(t, json.Indent(&indented, printed, "", "  "), name)
		require.NoError(t, json.Compact(&compact, printed), name)
		require.Equal(t, compact.String(), string(printed), name)
		path := filepath.Join("testdata", name+".json")
		if *update {
			require.NoError(t, os.WriteFile(path, append(indented.Bytes(), '\n'), 0o644))
		}
		want, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Equal(t, string(want), indented.String()+"\n", name)
	}
}

// The guide's keys in the guide's order, whatever is in the row.
func TestKeysAreTheGuides(t *testing.T) {
	t.Parallel()
	common := []string{"isActive", "recordVersion", "createdAt", "updatedAt"}
	fee := append([]string{"id", "_owner", "userId", "loanId", "amount", "currency", "status", "status_", "statusUpdateDate", "reason", "note"}, common...)
	pay := append([]string{
		"id", "_owner", "feeId", "amountPaid", "currency", "userId", "paymentMethod", "paymentMethod_", "paymentStatus", "paymentStatus_",
		"paymentDate", "stripePaymentIntentId", "handledByUserId", "note",
	}, common...)
	require.Equal(t, fee, keysInOrder(t, goldenFee(t).AppendJSON(nil, false)))
	require.Equal(t, fee, keysInOrder(t, bare(t).AppendJSON(nil, false)))
	require.Equal(t, pay, keysInOrder(t, goldenPayment(t).Rows[0].AppendJSON(nil, false)))
	require.Equal(t, pay, keysInOrder(t, (&readmodels.FeePayment{}).AppendJSON(nil, false)))
	event := append([]string{"id", "_owner", "feeId", "eventType", "eventType_", "eventDate", "actorUserId", "note"}, common...)
	require.Equal(t, event, keysInOrder(t, goldenFeeEvent(t).AppendJSON(nil, false)))
	gateway := append([]string{"id", "_owner", "ownerId", "orderId", "paymentId", "paymentStatus", "statusLiteral", "redirectUrl"}, common...)
	require.Equal(t, gateway, keysInOrder(t, goldenGatewayPayment(t).AppendJSON(nil, false)))
	require.Equal(t, append([]string{"id", "_owner", "userId", "customerId", "platform"}, common...),
		keysInOrder(t, goldenCustomer(t).Customers[0].AppendJSON(nil, false)))
	method := append([]string{
		"id", "_owner", "paymentMethodId", "userId", "customerId", "cardHolderName", "cardHolderZip", "platform", "cardInfo",
	}, common...)
	require.Equal(t, method, keysInOrder(t, goldenCustomer(t).Methods[0].AppendJSON(nil, false)))
	require.Equal(t, method, keysInOrder(t, (&readmodels.PaymentMethod{}).AppendJSON(nil, false)))
}

func keysInOrder(t *testing.T, object []byte) []string {
	t.Helper()
	dec := json.NewDecoder(bytes.NewReader(object))
	var keys []string
	_, err := dec.Token()
	require.NoError(t, err)
	for dec.More() {
		key, err := dec.Token()
		require.NoError(t, err)
		keys = append(keys, key.(string))
		var value json.RawMessage
		require.NoError(t, dec.Decode(&value))
	}
	return keys
}

// Any text comes out as JSON that holds it, and money to the last digit.
func TestPrintedTextIsReadBack(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		row := *goldenFee(t)
		row.Note, row.Reason = rapid.String().Draw(t, "note"), rapid.String().Draw(t, "reason")
		row.Amount = money.New(rapid.Int64Range(0, money.MaxMinor).Draw(t, "minor"), row.Amount.Currency())
		row.UpdatedAt = time.UnixMilli(rapid.Int64Range(0, 7_000_000_000_000).Draw(t, "updated"))
		var got struct {
			Note      *string     `json:"note"`
			Reason    *string     `json:"reason"`
			Amount    json.Number `json:"amount"`
			UpdatedAt time.Time   `json:"updatedAt"`
		}
		require.NoError(t, json.Unmarshal(row.AppendJSON(nil, true), &got))
		require.Equal(t, orNil(row.Note), got.Note)
		require.Equal(t, orNil(row.Reason), got.Reason)
		amount, err := money.Parse(got.Amount.String(), row.Amount.Currency())
		require.NoError(t, err)
		require.Equal(t, row.Amount, amount)
		require.True(t, row.UpdatedAt.Equal(got.UpdatedAt))
	})
}

func orNil(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func TestEnumsHaveWords(t *testing.T) {
	t.Parallel()
	for n, word := range readmodels.FeeStatuses() {
		require.Equal(t, word, readmodels.FeeStatus(n).String())
	}
	for n, word := range readmodels.PaymentMethods() {
		require.Equal(t, word, readmodels.PaidBy(n).String())
	}
	for n, word := range readmodels.PaymentStatuses() {
		require.Equal(t, word, readmodels.PaymentStatus(n).String())
	}
	require.Equal(t, []string{"assessed", "paymentAttempt", "paymentSuccess", "paymentFail", "waived", "canceled", "note"}, readmodels.FeeEventTypes())
	require.Equal(t, "note", readmodels.EventNote.String())
	require.Equal(t, "9", readmodels.FeeStatus(9).String())
}

func BenchmarkFeeRow(b *testing.B) {
	row, buf := goldenFee(b), make([]byte, 0, 1024)
	b.ReportAllocs()
	for b.Loop() {
		buf = row.AppendJSON(buf[:0], true)
	}
}
