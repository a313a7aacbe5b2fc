// Package evidence holds what the log says of its use: reports that were made of it,
// questions of auditors that were answered, and read models that were built anew.
// Nothing is decided about them, and no money moves. They hold no text about a person.
package evidence

import (
	"time"

	"payledger/domain/money"
)

// ReportStream returns the name of the stream of a report. It is about no person.
func ReportStream(id string) string { return "report-" + id }

// ReadStream returns the name of the stream of an answered question. It is about no
// person: whom it asks after stands in the event.
func ReadStream(id string) string { return "read-" + id }

// RebuildStream returns the name of the stream of a rebuild. It is about no person.
func RebuildStream(id string) string { return "rebuild-" + id }

// Event is a fact about a use of the log. An empty string means absent.
//
//sumtype:decl
type Event interface{ isEvidenceEvent() }

// ReportMade (report.made) says what a report was made of and what it came to, so
// that it can be made again and compared.
type ReportMade struct {
	ReportID string      `json:"reportId"`
	Kind     string      `json:"kind"`    // such as aging
	Form     int         `json:"form"`    // version of the kind's columns and rules
	From     time.Time   `json:"from"`    // beginning of the period, 0001-01-01 for that of the log
	AsOf     time.Time   `json:"asOf"`    // what took effect later is left out
	KnownAt  int         `json:"knownAt"` // position; what was recorded behind it is left out
	HeadHash string      `json:"headHash"`
	Filters  []Parameter `json:"filters"`
	Rows     int         `json:"rows"`
	Digest   string      `json:"digest"` // hex SHA-256 of the rows as JSON Lines, without their notes
	Notes    int         `json:"notes"`  // rows with a note about a person
	Shown    int         `json:"shown"`  // of them those that could be read then
	Totals   []Total     `json:"totals"`
}

// Read (audit.read) says that somebody asked the log a question and got the answer.
type Read struct {
	Question   string      `json:"question"` // such as history
	Object     string      `json:"object"`   // such as fee
	ID         string      `json:"id"`
	Parameters []Parameter `json:"parameters"`
	KnownAt    int         `json:"knownAt"` // position up to which the answer goes
}

// Rebuilt (projection.rebuilt) certifies that a read model was built anew from the log
// and took the place of the live one.
type Rebuilt struct {
	RebuildID  string    `json:"rebuildId"`
	Projection string    `json:"projection"` // such as tables
	Version    int       `json:"version"`    // of the projection
	Position   int       `json:"position"`   // of the log, at which the two were swapped
	HeadHash   string    `json:"headHash"`   // hex, of the event there
	Rows       int       `json:"rows"`       // of what was built
	Digest     string    `json:"digest"`     // hex, of what was built
	LiveDigest string    `json:"liveDigest"` // hex, of what was live
	Equal      bool      `json:"equal"`      // false: they differ, and the operator accepted that
	Code       string    `json:"code"`       // version of the program
	SwappedAt  time.Time `json:"swappedAt"`
}

// Parameter is one that was given, as text.
type Parameter struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Total is a sum of a report, of one currency.
type Total struct {
	Name   string      `json:"name"`
	Count  int         `json:"count"`
	Amount money.Total `json:"amount"`
}

func (ReportMade) isEvidenceEvent() {}
func (Read) isEvidenceEvent()       {}
func (Rebuilt) isEvidenceEvent()    {}
