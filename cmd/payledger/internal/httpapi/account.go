package httpapi

import (
	"net/http"
	"strconv"

	"payledger/cmd/payledger/internal/httpapi/auth"
	"payledger/cmd/payledger/internal/httpapi/envelope"
	"payledger/internal/jsontext"
	"payledger/readmodels"
	"payledger/readmodels/tables"
)

// accountRoutes are the routes of what a person owes and has.
func accountRoutes() []route {
	return []route{
		{
			method: http.MethodGet, path: "/members/{userId}/account", name: "getAccount", dataName: "account", action: actionGet,
			summary: "What a person owes, why, and what credit they have",
			doc:     "A member's own; another's looks like none. The oldest 500 open fees and 500 credits; the sums are of all.",
			answers: "account.json#/$defs/one", needs: []auth.Permission{auth.ReadOwn}, serve: account,
		},
	}
}

// account is GET /members/{userId}/account. Somebody without fees and credits has an empty account: whom the library knows is not
// known here.
func account(c *call) (*answer, error) {
	user := c.id("userId")
	if !c.identity.May(auth.ReadAll) && user != c.subject() {
		return nil, errNotFound
	}
	if err := c.freshList(tables.Projection()); err != nil {
		return nil, err
	}
	a, err := c.api.tables.Account(c.context(), c.tenant, user)
	if err != nil {
		return nil, err
	}
	body := envelope.AppendOne(nil, c.head(http.StatusOK), func(dst []byte) []byte { return appendAccount(dst, user, a) })
	return &answer{status: http.StatusOK, body: body, position: a.Checkpoint}, nil
}

func appendAccount(dst []byte, user string, a tables.Account) []byte {
	dst = jsontext.AppendString(append(dst, `{"userId":`...), user)
	dst = append(dst, `,"totals":[`...)
	for i, t := range a.Totals {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = jsontext.AppendString(append(dst, `{"currency":`...), t.Owed.Currency().Code())
		dst = append(append(dst, `,"owed":`...), t.Owed.Number()...)
		dst = append(append(dst, `,"reserved":`...), t.Reserved.Number()...)
		dst = append(append(dst, `,"credit":`...), t.Credit.Number()...)
		dst = append(strconv.AppendInt(append(dst, `,"openFees":`...), t.Fees, 10), '}')
	}
	dst = append(dst, `],"fees":[`...)
	for i, f := range a.Fees {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(append(dst, `{"outstanding":`...), f.Outstanding().Number()...)
		dst = append(append(dst, `,"paid":`...), f.Paid.Number()...)
		dst = append(append(dst, `,"reduced":`...), f.Reduced.Number()...)
		dst = append(f.AppendJSON(append(dst, `,"fee":`...), true), '}')
	}
	dst = append(dst, `],"credits":[`...)
	for i := range a.Credits {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendCredit(dst, a.Credits[i])
	}
	return append(dst, "]}"...)
}

// appendCredit appends a credit, and what is left of it.
func appendCredit(dst []byte, l *readmodels.CreditLot) []byte {
	dst = jsontext.AppendString(append(dst, `{"id":`...), l.ID)
	dst = jsontext.AppendString(append(dst, `,"userId":`...), l.UserID)
	dst = jsontext.AppendString(append(dst, `,"source":`...), l.Source)
	dst = jsontext.AppendStringOrNull(append(dst, `,"paymentId":`...), l.PaymentID)
	dst = append(append(dst, `,"granted":`...), l.Granted.Number()...)
	dst = append(append(dst, `,"remaining":`...), l.Remaining.Number()...)
	dst = jsontext.AppendString(append(dst, `,"currency":`...), l.Granted.Currency().Code())
	return append(jsontext.AppendTime(append(dst, `,"grantedAt":`...), l.GrantedAt), '}')
}
