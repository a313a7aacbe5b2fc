package httpapi

import (
	"net/http"
	"slices"
	"strings"

	"payledger/cmd/payledger/internal/httpapi/auth"
)

// route is one line of the contract. To add a route, add an entry to routes and its serve function.
type route struct {
	method   string
	path     string // ServeMux pattern
	name     string // in errMsg_<name>RequiresLogin, logs and metrics
	dataName string
	action   string
	// topic is the last part of the route event's topic; empty when the route has none.
	topic string
	// needs lists permissions of which the caller must have at least one; serve may ask for more.
	needs []auth.Permission
	serve func(*call) (*answer, error)
}

// routes returns the route table of the library API.
func routes() []route {
	return []route{
		{
			method: http.MethodPost, path: "/fees", name: "createFee", dataName: "fee", action: "create", topic: "fee-created",
			needs: []auth.Permission{auth.AssessFee}, serve: createFee,
		},
		{
			method: http.MethodGet, path: "/fees/{feeId}", name: "getFee", dataName: "fee", action: "get",
			needs: []auth.Permission{auth.ReadOwn}, serve: getFee,
		},
		{
			method: http.MethodPatch, path: "/fees/{feeId}", name: "updateFee", dataName: "fee", action: "update", topic: "fee-updated",
			needs: []auth.Permission{auth.AnnotateFee, auth.WaiveFee, auth.CancelFee, auth.RecordPayment}, serve: updateFee,
		},
		{
			method: http.MethodGet, path: "/fees", name: "listFees", dataName: "fees", action: "getList",
			needs: []auth.Permission{auth.ReadOwn}, serve: listFees,
		},
		{
			method: http.MethodGet, path: "/fees/{feeId}/history", name: "getFeeHistory", dataName: "history", action: "getList",
			needs: []auth.Permission{auth.ReadOwn}, serve: feeHistory,
		},
		{
			method: http.MethodGet, path: "/search/fees", name: "searchFees", dataName: "fees", action: "getList",
			needs: []auth.Permission{auth.ReadOwn}, serve: searchFees,
		},
		{
			method: http.MethodPost, path: "/payments", name: "createPayment", dataName: "payment", action: "create",
			needs: []auth.Permission{auth.RecordPayment}, serve: createPayment,
		},
		{
			method: http.MethodGet, path: "/admin/health", name: "getAdminHealth",
			needs: []auth.Permission{auth.ReadHealth}, serve: adminHealth,
		},
	}
}

// mux serves the routes. What no route serves gets the error envelope as well.
func (a *API) mux(table []route) *http.ServeMux {
	mux := http.NewServeMux()
	allowed := map[string][]string{}
	for i := range table {
		rt := &table[i]
		mux.HandleFunc(rt.method+" "+rt.path, a.handle(rt))
		allowed[rt.path] = append(allowed[rt.path], rt.method)
		if rt.method == http.MethodGet {
			allowed[rt.path] = append(allowed[rt.path], http.MethodHead)
		}
	}
	for path, methods := range allowed {
		slices.Sort(methods)
		mux.HandleFunc(path, a.handle(wrongMethod(path, strings.Join(methods, ", "))))
	}
	mux.HandleFunc("/", a.handle(&route{path: "/", name: "unknown", serve: func(*call) (*answer, error) { return nil, errUnknownRoute }}))
	return mux
}

func wrongMethod(path, allow string) *route {
	return &route{path: path, name: "wrongMethod", serve: func(c *call) (*answer, error) {
		c.allow = allow
		return nil, errMethod
	}}
}
