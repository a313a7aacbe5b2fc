package httpapi

import (
	"github.com/prometheus/client_golang/prometheus"

	"payledger/cmd/payledger/internal/httpapi/auth"
	"payledger/cmd/payledger/internal/httpapi/input"
	"payledger/commands"
	"payledger/readmodels"
)

// RouteInfo is what tests see of a route.
type RouteInfo struct {
	Pattern, Method, Path, Name, DataName, Action, Topic, Answers string
	Placeholders, Texts                                           []string
	Query, Body                                                   []input.Field
	Write, Raw, Versioned, Plain, Public, ShowsRow, File          bool
	Needs                                                         []auth.Permission
	Object                                                        readmodels.Object
}

// Routes returns the route table.
func Routes() []RouteInfo {
	var list []RouteInfo
	for _, r := range routes() {
		list = append(list, RouteInfo{
			Pattern: r.method + " " + r.path, Method: r.method, Path: r.path, Name: r.name, DataName: r.dataName, Action: r.action, Topic: r.topic,
			Answers: r.answers, Placeholders: r.placeholders(), Texts: r.texts, Query: r.query, Body: r.body, Write: r.writes(), Raw: r.raw,
			Versioned: r.versioned, Plain: r.plain, Public: r.public, ShowsRow: r.showsRow(), File: r.file, Needs: r.needs, Object: r.object,
		})
	}
	return list
}

// Answered returns the status and the message that the table has for an error, and whether the table has it at all.
func Answered(err error) (status int, message string, listed bool) {
	r := classify(err)
	for _, line := range rules {
		listed = listed || line == r
	}
	return r.status, problem(r, err).Message, listed
}

// Listed returns the errors that have a line of their own.
func Listed() []error {
	var list []error
	for _, r := range rules {
		list = append(list, r.err)
	}
	return list
}

// Refusal is an answer that the table of errors gives.
type Refusal struct {
	Status        int
	Code, Message string
}

// Refusals returns what callers can be told: the answers of the table, and of the errors that carry more than a line of it.
func Refusals() []Refusal {
	list := make([]Refusal, 0, len(rules)+2)
	for _, err := range append(Listed(), &input.Error{}, &commands.VersionMismatchError{}) {
		r := classify(err)
		list = append(list, Refusal{Status: r.status, Code: r.code, Message: problem(r, err).Message})
	}
	return list
}

// RegisterMetrics registers the API's metrics.
func RegisterMetrics(r prometheus.Registerer) error {
	_, err := newMetrics(r)
	return err
}

// FillSlow makes as if as many slow questions were worked on as there may be.
func (a *API) FillSlow() {
	for range maxSlow {
		a.slow <- struct{}{}
	}
}
