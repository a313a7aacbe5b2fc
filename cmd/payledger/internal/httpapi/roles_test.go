package httpapi_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"payledger/cmd/payledger/internal/httpapi"
)

// Who may do what, route by route, as the contract's table of roles has it: m member, s staff, v supervisor, f finance, i service,
// a auditor. An admin may do everything. Members are asked about rows of their own.
var rolesOf = map[string]string{
	"createFee": "svi", "getFee": "msvfa", "updateFee": "sv", "deleteFee": "v", "listFees": "msvfa", "getFeeHistory": "msvfa",
	"waiveFee": "sv", "writeOffFee": "f", "reverseReduction": "v", "adjustFee": "v", "addFeeNote": "sv",
	"createFeePayment": "sv", "getFeePayment": "msvfa", "updateFeePayment": "sv", "deleteFeePayment": "v", "listFeePayments": "msvfa",
	"createFeeEvent": "sv", "getFeeEvent": "msvfa", "updateFeeEvent": "sv", "deleteFeeEvent": "sv", "listFeeEvents": "msvfa",
	"createPayment": "sv", "voidPayment": "v", "reallocatePayment": "v", "grantCredit": "f", "applyCredit": "sv", "getAccount": "msvfa",
	"listReasonCodes": "svfa", "setReasonCodes": "", "getBooksProfile": "svfa", "setBooksProfile": "f", "extendDocument": "i",
	"getPayment": "msvfa", "getPaymentByOrderId": "msvfa", "getPaymentByPaymentId": "msvfa", "listPayments": "msvfa",
	"createPaymentRecord": "sv", "updatePaymentRecord": "sv", "deletePaymentRecord": "v",
	"getPaymentCustomer": "msvfa", "listPaymentCustomers": "msvfa", "listPaymentMethods": "msvfa", "listOwnPaymentMethods": "m",
	"startFeeCheckout": "m", "completeFeeCheckout": "m", "refreshFeeCheckout": "m", "addPaymentMethod": "m", "deletePaymentMethod": "m",
	"getCurrentUser": "msvfia", "listPermissions": "msvfia", "getPermission": "msvfia", "getAdminHealth": "a",
	"searchFees": "msvfa", "searchFeePayments": "msvfa", "searchPayments": "msvfa", "searchFeeEvents": "msvfa", "searchPaymentCustomers": "msvfa",
	"searchPaymentMethods": "msvfa",
	"auditHistory":         "a", "auditActions": "a", "auditState": "a", "auditExplain": "a", "auditReport": "a", "auditFile": "a", "auditReproduce": "a",
	"auditTrialBalance": "a", "auditStored": "a",
}

var letters = map[string]string{"member": "m", "staff": "s", "supervisor": "v", "finance": "f", "service": "i", "auditor": "a"}

// Each route as each role. The caller is somebody else than the member but for the member's own case, and the admin.
func TestEveryRouteAsksForItsRole(t *testing.T) {
	t.Parallel()
	w := setup(t)
	for _, rt := range httpapi.Routes() {
		if rt.Public {
			continue
		}
		may, known := rolesOf[rt.Name]
		require.True(t, known, "who may call %s, %s?", rt.Name, rt.Pattern)
		for _, role := range []string{"member", "staff", "supervisor", "finance", "service", "auditor", "admin"} {
			person := map[string]string{"member": memberID}[role]
			if person == "" {
				person = staffID
			}
			values := w.placesOf(rt, memberID)
			body := ""
			if rt.Write {
				body = w.goodBody(rt, values)
			}
			before := w.counts()
			r := w.do(rt.Method, at(rt, values), w.token(person, role), body)
			if role != "admin" && !strings.Contains(may, letters[role]) {
				require.Equal(t, http.StatusForbidden, r.status, "%s as %s: %s", rt.Pattern, role, r.body)
				require.Equal(t, before, w.counts(), rt.Pattern)
				continue
			}
			want := []int{http.StatusOK, http.StatusCreated}
			if rt.Answers == "" {
				want = []int{http.StatusServiceUnavailable} // no gateway
			}
			require.Contains(t, want, r.status, "%s as %s: %s", rt.Pattern, role, r.body)
		}
	}
	names := make([]string, 0, len(rolesOf))
	for _, rt := range httpapi.Routes() {
		names = append(names, rt.Name)
	}
	for name := range rolesOf {
		if !strings.HasPrefix(name, "search") && !strings.HasPrefix(name, "list") {
			require.True(t, slices.Contains(names, name), "no route is called %s", name)
		}
	}
}
