package httpapi_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"payledger/cmd/payledger/internal/httpapi"
	"payledger/cmd/payledger/internal/httpapi/auth"
)

// placesOf returns what stands in the braces of a route's path: a row of that person. A route with a place that nobody knows to
// fill is red.
func (w *world) placesOf(rt httpapi.RouteInfo, person string) map[string]string {
	w.t.Helper()
	values := map[string]string{}
	for _, name := range rt.Placeholders {
		switch name {
		case "name":
			values[name] = "fee.assess"
		case "paymentMethodId":
			values[name] = "pm_1"
		case "feeId":
			values[name] = w.assessFor(person, "5")
		default:
			require.FailNow(w.t, "no row for {"+name+"}", rt.Pattern)
		}
	}
	return values
}

// at returns the path of a route with its places filled.
func at(rt httpapi.RouteInfo, values map[string]string) string {
	path := rt.Path
	for name, value := range values {
		path = strings.ReplaceAll(path, "{"+name+"}", value)
	}
	return path
}

// memberMay tells whether members have a permission that the route asks for.
func memberMay(rt httpapi.RouteInfo) bool {
	return slices.ContainsFunc(rt.Needs, func(p auth.Permission) bool { return slices.Contains(auth.Granted(auth.Member), p) })
}

// Another's row looks to a member as if there were none; what members may not do at all is 403, whosever the row is.
func TestOthersRows(t *testing.T) {
	t.Parallel()
	w := setup(t)
	for _, rt := range httpapi.Routes() {
		if len(rt.Placeholders) == 0 || isWord(rt) {
			continue
		}
		path := at(rt, w.placesOf(rt, otherID))
		before := w.counts()
		r := w.do(rt.Method, path, w.member(), bodyOf(rt))
		if memberMay(rt) {
			require.Equal(t, http.StatusNotFound, r.status, "%s: %s", rt.Pattern, r.body)
			r.refused(http.StatusNotFound, "RecordNotFound", "errMsg_RecordNotFound")
		} else {
			require.Equal(t, http.StatusForbidden, r.status, "%s: %s", rt.Pattern, r.body)
		}
		require.Equal(t, before, w.counts(), rt.Pattern)
	}
}

// isWord tells whether no place of the path is that of a row.
func isWord(rt httpapi.RouteInfo) bool { return len(rt.Texts) == len(rt.Placeholders) }

// An id that names nothing is 404 to those who may see everything.
func TestUnknownRows(t *testing.T) {
	t.Parallel()
	w := setup(t)
	for _, rt := range httpapi.Routes() {
		if len(rt.Placeholders) == 0 || isWord(rt) {
			continue
		}
		values := w.placesOf(rt, memberID)
		for name := range values {
			if !slices.Contains(rt.Texts, name) {
				values[name] = uuid.NewString()
			}
		}
		before := w.counts()
		r := w.do(rt.Method, at(rt, values), w.token(staffID, "admin"), bodyOf(rt))
		require.Equal(t, http.StatusNotFound, r.status, "%s: %s", rt.Pattern, r.body)
		r.refused(http.StatusNotFound, "RecordNotFound", "errMsg_RecordNotFound")
		require.Equal(t, before, w.counts(), rt.Pattern)
	}
}

// Methods that a path doesn't have are 405 and name those that it has.
func TestWrongMethods(t *testing.T) {
	t.Parallel()
	w := setup(t)
	allowed := map[string][]string{}
	for _, rt := range httpapi.Routes() {
		allowed[rt.Path] = append(allowed[rt.Path], rt.Method)
		if rt.Method == http.MethodGet {
			allowed[rt.Path] = append(allowed[rt.Path], http.MethodHead)
		}
	}
	before := w.counts()
	for path, methods := range allowed {
		slices.Sort(methods)
		for _, method := range []string{"GET", "POST", "PUT", "PATCH", "DELETE"} {
			if slices.Contains(methods, method) {
				continue
			}
			r := w.do(method, strings.NewReplacer("{", "", "}", "").Replace(path), w.staff(), "").refused(405, "MethodNotAllowed", "errMsg_MethodNotAllowed")
			require.Equal(t, strings.Join(methods, ", "), r.header.Get("Allow"), "%s %s", method, path)
		}
	}
	require.Equal(t, before, w.counts())
}

// bodyOf is a good body of a route, nothing for a reading one.
func bodyOf(rt httpapi.RouteInfo) string {
	if !rt.Write {
		return ""
	}
	return bodyWith(rt, "", "")
}

// pay returns the body of a good payment with some fields set otherwise.
func pay(fields string) string {
	values := map[string]json.RawMessage{
		"userId": json.RawMessage(`"` + memberID + `"`), "tender": json.RawMessage(`"cash"`), "amount": json.RawMessage(`1`),
	}
	return with(values, fields)
}
