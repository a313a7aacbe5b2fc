package httpapi_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"

	"payledger/cmd/payledger/internal/httpapi"
)

// One case for each row of the contract's table, against every route: what isn't listed is 403.
func TestRolesOnRoutes(t *testing.T) {
	t.Parallel()
	w := setup(t)
	ok, no := 0, http.StatusForbidden
	cases := []struct {
		name, method, path, body string
		want                     map[string]int // by role, in the order below
	}{
		{"assess", "POST", "/fees", newFee(``), roles(no, ok, ok, no, ok, no)},
		{"read", "GET", "/fees/{own}", "", roles(ok, ok, ok, ok, no, ok)},
		{"read another's", "GET", "/fees/{other}", "", roles(http.StatusNotFound, ok, ok, ok, no, ok)},
		{"history", "GET", "/fees/{own}/history", "", roles(ok, ok, ok, ok, no, ok)},
		{"another's history", "GET", "/fees/{other}/history", "", roles(http.StatusNotFound, ok, ok, ok, no, ok)},
		{"list", "GET", "/fees", "", roles(ok, ok, ok, ok, no, ok)},
		{"search", "GET", "/search/fees?q=x", "", roles(ok, ok, ok, ok, no, ok)},
		{"note", "PATCH", "/fees/{own}", `{"note":"n"}`, roles(no, ok, ok, no, no, no)},
		{"no change", "PATCH", "/fees/{own}", `{}`, roles(no, ok, ok, no, no, no)},
		{"waive", "PATCH", "/fees/{own}", `{"status":"waived"}`, roles(no, ok, ok, no, no, no)},
		{"cancel", "PATCH", "/fees/{own}", `{"status":"canceled"}`, roles(no, no, ok, no, no, no)},
		{"settle", "PATCH", "/fees/{own}", `{"status":"paid"}`, roles(no, ok, ok, no, no, no)},
		{"readiness", "GET", "/admin/health", "", roles(no, no, no, no, no, ok)},
		{"pay", "POST", "/payments", `{"userId":"` + memberID + `","tender":"pos","amount":1}`, roles(no, ok, ok, no, no, no)},
	}
	for _, c := range cases {
		for role, want := range c.want {
			other := w.do("POST", "/fees", w.staff(), newFee(`"userId":"`+otherID+`"`)).str("fee", "id")
			path := strings.NewReplacer("{own}", w.assess("5"), "{other}", other).Replace(c.path)
			before := w.head()
			r := w.do(c.method, path, w.token(memberID, role), c.body)
			if want == ok {
				require.Less(t, r.status, 300, "%s as %s: %s", c.name, role, r.body)
				continue
			}
			require.Equal(t, want, r.status, "%s as %s: %s", c.name, role, r.body)
			require.Equal(t, before, w.head(), "nothing is stored")
		}
		w.do(c.method, strings.NewReplacer("{own}", memberID, "{other}", otherID).Replace(c.path), w.token(memberID, "librarian"), c.body).
			refused(403, "Forbidden", "errMsg_userHasNoPermission")
	}
}

// roles are what each role gets; an admin may do everything.
func roles(member, staff, supervisor, finance, service, auditor int) map[string]int {
	return map[string]int{
		"member": member, "staff": staff, "supervisor": supervisor, "finance": finance, "service": service, "auditor": auditor, "admin": 0,
	}
}

// Only the owner pays by card; who may see the fee is told so. Without a gateway the owner is told that.
func TestCheckoutIsTheOwners(t *testing.T) {
	t.Parallel()
	w := setup(t)
	id := w.assess("5")
	for _, path := range []string{"/startcheckout/fee/", "/completecheckout/fee/", "/refreshcheckout/fee/"} {
		before := w.counts()
		w.do("PATCH", path+id, w.member(), `{}`).refused(503, "GatewayNotConfigured", "errMsg_gatewayNotConfigured")
		w.do("PATCH", path+id, w.staff(), `{}`).refused(403, "NotTheOwner", "errMsg_feeCanBeAccessedByOwner")
		w.do("PATCH", path+id, w.token(otherID, "member"), `{}`).refused(404, "RecordNotFound", "errMsg_RecordNotFound")
		for _, role := range []string{"staff", "finance", "auditor"} { // even of a fee of their own: only members pay by card
			w.do("PATCH", path+id, w.token(memberID, role), `{}`).refused(403, "Forbidden", "errMsg_userHasNoPermission")
		}
		w.do("PATCH", path+id, w.token(staffID, "admin"), `{}`).refused(503, "GatewayNotConfigured", "errMsg_gatewayNotConfigured")
		require.Equal(t, before, w.counts())
	}
	r := w.do("POST", "/checkout-webhook/fee", "", `{"type":"payment_intent.succeeded"}`, "Stripe-Signature", "t=1,v1=00")
	r.refused(503, "GatewayNotConfigured", "errMsg_gatewayNotConfigured")
	require.Equal(t, "1", r.header.Get("Retry-After"))
}

func TestSession(t *testing.T) {
	t.Parallel()
	w := setup(t)
	require.JSONEq(t, `{"userId":"`+memberID+`","sessionId":"session-of-`+memberID+`","tenant":"`+tenant+`","roles":["member"]}`,
		string(w.do("GET", "/currentuser", w.member(), "").wants(200).body))
	require.JSONEq(t, `[{"permissionName":"session.read","canDo":true},{"permissionName":"rows.readOwn","canDo":true},
		{"permissionName":"fee.checkout","canDo":true},{"permissionName":"paymentMethod.manage","canDo":true}]`,
		string(w.do("GET", "/permissions", w.member(), "").wants(200).body))
	require.JSONEq(t, `{"permissionName":"fee.waive","canDo":false}`, string(w.do("GET", "/permissions/fee.waive", w.member(), "").wants(200).body))
	require.JSONEq(t, `{"permissionName":"fee.waive","canDo":true}`, string(w.do("GET", "/permissions/fee.waive", w.staff(), "").wants(200).body))
	w.do("GET", "/permissions/fee.burn", w.staff(), "").refused(404, "RecordNotFound", "errMsg_RecordNotFound")
	require.Equal(t, string(w.do("GET", "/openapi.yaml", "", "").wants(200).body), string(w.do("GET", "/swagger", "", "").wants(200).body))
	require.Contains(t, string(w.do("GET", "/schemas/events/fee.assessed.v1.json", "", "").wants(200).body), "fee.assessed, version 1")
	for _, path := range []string{"/schemas/fee.xml", "/schemas/", "/schemas/events"} {
		require.NotEqual(t, 200, w.do("GET", path, "", "").status, path)
	}
}

// Every route asks for a login first, whatever else is wrong with the request.
func TestLoginIsRequired(t *testing.T) {
	t.Parallel()
	w := setup(t)
	for _, route := range httpapi.Routes() {
		if route.Public {
			continue
		}
		method, path, _ := strings.Cut(route.Pattern, " ")
		path = strings.NewReplacer("{", "", "}", "").Replace(path) + "?unknown=1&unknown=2"
		for name, token := range map[string]string{"none": "", "rubbish": "rubbish", "unsigned": unsigned(t)} {
			r := w.do(method, path, token, "")
			r.refused(401, "LoginRequired", "errMsg_"+route.Name+"RequiresLogin")
			require.Equal(t, "Bearer", r.header.Get("WWW-Authenticate"), name)
		}
		w.do(method, path+"&access_token="+w.staff(), "", "").wants(401)
		w.do(method, path, "", "", "Authorization", "Basic "+w.staff()).wants(401)
	}
	require.NotContains(t, w.logs.String(), "unknown=1", "no query in the log")
	require.NotContains(t, w.logs.String(), w.staff()[:20])
}

func unsigned(t *testing.T) string {
	t.Helper()
	token, err := jwt.NewWithClaims(jwt.SigningMethodNone, jwt.MapClaims{"sub": staffID, "aud": audience, "roles": []string{"admin"}}).
		SignedString(jwt.UnsafeAllowNoneSignatureType)
	require.NoError(t, err)
	return token
}

func TestWhereTokensMayStand(t *testing.T) {
	t.Parallel()
	w := setup(t)
	id := w.assess("5")
	const name = "librarymanagementsystem-access-token"
	get := func(header ...string) reply { return w.do("GET", "/fees/"+id, "", "", header...) }
	get("Authorization", "bearer "+w.member()).wants(200)
	get(name, w.member()).wants(200)
	get("Cookie", "other=1; "+name+"="+w.member()).wants(200)
	get("Cookie", name+"=rubbish").wants(401)
	get("Authorization", "Bearer rubbish", "Cookie", name+"="+w.member()).wants(401)

	// A page of another site makes the browser send the cookie, but can't make it send a header.
	patch := func(header ...string) reply { return w.do("PATCH", "/fees/"+id, "", `{"note":"x"}`, header...) }
	patch("Cookie", name+"="+w.staff(), "Sec-Fetch-Site", "same-origin").wants(200)
	patch("Cookie", name+"="+w.staff(), "Sec-Fetch-Site", "cross-site").refused(403, "CrossOrigin", "errMsg_requestComesFromAnotherSite")
	patch("Cookie", name+"="+w.staff(), "Origin", "https://evil.example").wants(403)
	patch("Authorization", "Bearer "+w.staff(), "Sec-Fetch-Site", "cross-site").wants(200)
}

func TestTenants(t *testing.T) {
	t.Parallel()
	w := setup(t)
	id := w.assess("5")
	two := w.sign(jwt.MapClaims{"sub": staffID, "tenant": []string{"north", tenant}, "roles": []string{"admin"}})
	get := func(token string, header ...string) reply { return w.do("GET", "/fees/"+id, token, "", header...) }
	get(two, "mbx-organizer-id", tenant).wants(200)
	get(two, "mbx-organizer-id", "north").refused(404, "RecordNotFound", "errMsg_RecordNotFound")
	get(two, "mbx-organizer-id", "south").refused(404, "TenantNotFound", "errMsg_TenantNotFound")
	get(two).refused(404, "TenantNotFound", "errMsg_TenantNotFound")
	get(w.staff(), "mbx-organizer-id", "north").refused(404, "TenantNotFound", "errMsg_TenantNotFound")
	get(w.sign(jwt.MapClaims{"sub": staffID, "roles": []string{"admin"}})).refused(404, "TenantNotFound", "errMsg_TenantNotFound")

	require.Empty(t, idsOf(t, w.do("GET", "/fees", two, "", "mbx-organizer-id", "north")))
	w.do("PATCH", "/fees/"+id, two, `{"note":"x"}`, "mbx-organizer-id", "north").wants(404)
	north := w.do("POST", "/fees", two, newFee(`"id":"`+id+`"`), "mbx-organizer-id", "north").wants(201)
	require.Equal(t, id, north.str("fee", "id"), "ids belong to a tenant")
	w.do("POST", "/payments", two, `{"userId":"`+memberID+`","tender":"cash","amount":100}`, "mbx-organizer-id", "north").wants(201)
	require.Equal(t, "unpaid", get(w.staff()).str("fee", "status"))
}

// Ids are the same in upper and lower case, and so is a token's subject.
func TestSubjectsInUpperCase(t *testing.T) {
	t.Parallel()
	w := setup(t)
	mixed := "ABCDEF00-1111-4111-8111-111111111111"
	r := w.do("POST", "/fees", w.staff(), newFee(`"userId":"`+mixed+`"`)).wants(201)
	require.Equal(t, strings.ToLower(mixed), r.str("fee", "userId"))
	id := strings.ToUpper(r.str("fee", "id"))
	w.do("GET", "/fees/"+id, w.token(mixed, "member"), "").wants(200)
	require.Len(t, idsOf(t, w.do("GET", "/fees?userId="+mixed, w.token(strings.ToLower(mixed), "member"), "")), 1)
	w.do("POST", "/payments", w.token(strings.ToLower(mixed), "staff"), pay(`"handledByUserId":"`+mixed+`"`)).wants(201)
}
