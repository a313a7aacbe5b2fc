package httpapi

import (
	"net/http"
	"slices"
	"strings"

	"payledger/cmd/payledger/internal/httpapi/auth"
	"payledger/cmd/payledger/internal/httpapi/input"
	"payledger/readmodels"
)

// route is one line of the contract: what the route is called, who may call it, what it takes and what it answers. Login,
// roles, tenant, strict reading, envelope, idempotency, positions, route event, docs/openapi.yaml and the tests of bad input
// come from here. To add a route, add an entry to the list of its object, and its serve function beside it.
type route struct {
	method  string
	path    string // ServeMux pattern; what stands in braces is an id unless texts names it
	texts   []string
	name    string // in errMsg_<name>RequiresLogin, logs and metrics; operationId of the contract
	summary string
	doc     string // who may do what, and what else callers must know

	dataName string
	action   string
	// answers is the schema of a success, in docs/schemas.
	answers string
	// topic is the last part of the route event's topic; empty when the route has none.
	topic string
	// needs lists permissions of which the caller must have at least one; serve may ask for more.
	needs  []auth.Permission
	public bool // needs no login

	query []input.Field
	body  []input.Field // of commands; actorUserId and handledByUserId may stand in each

	takes []input.Field // body and actors; the mux sets it
	raw   bool          // the body is no object: serve reads it
	// versioned commands change one row: they take If-Match.
	versioned bool
	// plain answers have no envelope.
	plain bool
	// object is what lists and searches show.
	object readmodels.Object
	// own lists show the caller's rows only, also to those who may read all.
	own bool
	// question is what the log says was asked, once the answer is ready; empty for what isn't logged.
	question string
	// slow routes read the whole log: few run at a time, and they may take long.
	slow bool
	// file answers are files, without an envelope.
	file  bool
	serve func(*call) (*answer, error)
}

// routes returns the route table of the library API.
func routes() []route {
	return withDryRun(slices.Concat(
		feeRoutes(), feeCommandRoutes(), feePaymentRoutes(), feeEventRoutes(), paymentRoutes(), creditRoutes(), accountRoutes(), reasonRoutes(), bookRoutes(),
		gatewayRoutes(), customerRoutes(), checkoutRoutes(), searchRoutes(), extendRoutes(), sessionRoutes(), auditRoutes(),
	))
}

// writes tells whether the route is a command.
func (rt *route) writes() bool { return rt.method != http.MethodGet }

// status is that of a success.
func (rt *route) status() int {
	if rt.action == actionCreate {
		return http.StatusCreated
	}
	return http.StatusOK
}

// The actions of envelopes.
const (
	actionCreate = "create"
	actionUpdate = "update"
	actionDelete = "delete"
	actionGet    = "get"
	actionList   = "getList"
)

// placeholders returns the names that stand in braces in the path.
func (rt *route) placeholders() []string {
	var names []string
	for part := range strings.SplitSeq(rt.path, "/") {
		if name, ok := strings.CutPrefix(part, "{"); ok {
			names = append(names, strings.TrimSuffix(name, "}"))
		}
	}
	return names
}

// mux serves the routes. What no route serves gets the error envelope as well.
func (a *API) mux(table []route) *http.ServeMux {
	mux := http.NewServeMux()
	allowed := map[string][]string{}
	for i := range table {
		rt := &table[i]
		rt.takes = append(slices.Clip(rt.body), actorFields()...)
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
	mux.HandleFunc("/", a.handle(unknownRoute()))
	return mux
}

func unknownRoute() *route {
	return &route{path: "/", name: "unknown", serve: func(*call) (*answer, error) { return nil, errUnknownRoute }}
}

func wrongMethod(path, allow string) *route {
	return &route{path: path, name: "wrongMethod", serve: func(c *call) (*answer, error) {
		c.allow = allow
		return nil, errMethod
	}}
}
