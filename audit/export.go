package audit

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"payledger/internal/jsontext"
)

// Format is the form of a file.
type Format string

// The formats.
const (
	CSV       Format = "csv"
	JSONLines Format = "jsonl"
	XLSX      Format = "xlsx"
)

// Formats returns the names of all formats.
func Formats() []string { return []string{string(CSV), string(JSONLines), string(XLSX)} }

// MediaType returns the format's media type.
func (f Format) MediaType() string {
	switch f {
	case CSV:
		return "text/csv; charset=utf-8; header=present"
	case XLSX:
		return "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
	case JSONLines:
	}
	return "application/jsonl"
}

// Exporter writes the rows of a report as they come; it keeps none of them.
type Exporter interface {
	// Row writes a row.
	Row(Row) error
	// Close writes what stands behind the rows, and all that is still buffered. The underlying writer stays open.
	Close(Report) error
}

// NewExporter returns an exporter of a kind of report.
func NewExporter(format Format, kind Kind, to io.Writer) (Exporter, error) {
	switch format {
	case CSV:
		return newCSV(kind, to)
	case JSONLines:
		return &jsonLines{columns: kind.Columns, to: bufio.NewWriter(to)}, nil
	case XLSX:
		return newXLSX(kind, to)
	}
	return nil, fmt.Errorf("%w: format %q is not one of %s", ErrBadFilter, format, strings.Join(Formats(), ", "))
}

// names are the heads of the columns in a file: those of money are two.
func names(columns []Column) []string {
	var list []string
	for _, c := range columns {
		list = append(list, c.Name)
		if c.Kind == Money {
			list = append(list, c.Name+"Minor")
		}
	}
	return list
}

type jsonLines struct {
	columns []Column
	to      *bufio.Writer
	line    []byte
}

func (e *jsonLines) Row(row Row) error {
	e.line = append(row.AppendJSON(e.line[:0], e.columns), '\n')
	_, err := e.to.Write(e.line)
	return err
}

// Close writes the report itself as the last line: it is no part of the digest.
func (e *jsonLines) Close(report Report) error {
	e.line = append(report.AppendJSON(append(e.line[:0], `{"report":`...)), "}\n"...)
	_, _ = e.to.Write(e.line) // Flush has its error
	return e.to.Flush()
}

// csvFile is RFC 4180: CRLF, a header, UTF-8 without a mark. Line ends inside texts stay what they are, which encoding/csv changes.
type csvFile struct {
	columns []Column
	to      *bufio.Writer
	line    []byte
}

func newCSV(kind Kind, to io.Writer) (*csvFile, error) {
	e := &csvFile{columns: kind.Columns, to: bufio.NewWriter(to)}
	for _, name := range names(kind.Columns) {
		e.cell(name)
	}
	return e, e.end()
}

// cell appends a cell to the line.
func (e *csvFile) cell(s string) {
	if strings.ContainsAny(s, "\",\r\n") {
		s = `"` + strings.ReplaceAll(s, `"`, `""`) + `"`
	}
	e.line = append(append(e.line, s...), ',')
}

// end writes the line.
func (e *csvFile) end() error {
	_, err := e.to.Write(append(e.line[:len(e.line)-1], "\r\n"...))
	e.line = e.line[:0]
	return err
}

func (e *csvFile) Row(row Row) error {
	for i, c := range e.columns {
		switch v := row[i]; c.Kind {
		case Text, Note:
			e.cell(harmless(v.Text))
		case Instant:
			e.cell(isoText(v.At))
		case Number:
			e.cell(strconv.FormatInt(v.Number, 10))
		case Money:
			if v.None() {
				e.cell("")
				e.cell("")
			} else {
				e.cell(v.Amount.Decimal())
				e.cell(strconv.FormatInt(v.Amount.Minor(), 10))
			}
		}
	}
	return e.end()
}

// Close writes nothing of the report: a CSV file has rows of one form only.
func (e *csvFile) Close(Report) error { return e.to.Flush() }

// dangerous are the beginnings that make a spreadsheet take a text for a formula, also those of full width.
const dangerous = "=+-@\t\r\n＝＋－＠"

// inside are those that stand behind what a spreadsheet may split lines at whatever is quoted, as one that is set to German or French does at semicolons.
var inside = regexp.MustCompile("([;\t\r\n])([=+@＝＋－＠-])")

// harmless puts an apostrophe before what a spreadsheet would take for a formula. Numbers of ours are no texts.
func harmless(s string) string {
	if strings.ContainsAny(s, ";\t\r\n") { // few have
		s = inside.ReplaceAllString(s, "$1'$2")
	}
	if first, _ := utf8.DecodeRuneInString(s); s != "" && strings.ContainsRune(dangerous, first) {
		return "'" + s
	}
	return s
}

func isoText(at time.Time) string {
	if at.IsZero() {
		return ""
	}
	return at.UTC().Format(time.RFC3339Nano)
}

// AppendJSON appends what a report is made of and what it came to, without its rows: all keys always, null when empty.
func (r *Report) AppendJSON(dst []byte) []byte {
	title := ""
	if kind, err := KindOf(r.Kind); err == nil {
		title = kind.Title
	}
	dst = jsontext.AppendStringOrNull(append(dst, `{"id":`...), r.ID)
	dst = jsontext.AppendString(append(dst, `,"kind":`...), r.Kind)
	dst = jsontext.AppendString(append(dst, `,"title":`...), title)
	dst = appendInstant(append(dst, `,"from":`...), r.From)
	dst = appendInstant(append(dst, `,"asOf":`...), r.AsOf)
	dst = strconv.AppendInt(append(dst, `,"knownAt":`...), r.KnownAt, 10)
	dst = jsontext.AppendString(append(dst, `,"headHash":`...), hex.EncodeToString(r.HeadHash[:]))
	dst = append(dst, `,"filters":{`...)
	for i, f := range r.Filters {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = jsontext.AppendString(append(jsontext.AppendString(dst, f.Name), ':'), f.Value)
	}
	dst = strconv.AppendInt(append(dst, `},"form":`...), int64(r.Form), 10)
	dst = strconv.AppendInt(append(dst, `,"rows":`...), r.Rows, 10)
	dst = jsontext.AppendString(append(dst, `,"digest":`...), hex.EncodeToString(r.Digest[:]))
	dst = strconv.AppendInt(append(dst, `,"notes":`...), r.Notes, 10)
	dst = strconv.AppendInt(append(dst, `,"shown":`...), r.Shown, 10)
	dst = append(dst, `,"totals":[`...)
	for i, total := range r.Totals {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = jsontext.AppendString(append(dst, `{"name":`...), total.Name)
		dst = strconv.AppendInt(append(dst, `,"count":`...), int64(total.Count), 10)
		dst = jsontext.AppendString(append(dst, `,"currency":`...), total.Amount.Currency().Code())
		dst = append(append(dst, `,"amount":`...), total.Amount.Number()...)
		dst = append(strconv.AppendInt(append(dst, `,"amountMinor":`...), total.Amount.Minor(), 10), '}')
	}
	return append(dst, "]}"...)
}

// Lines tells the report as pairs of a name and a value, for people: what is empty is left out.
func (r *Report) Lines() [][2]string {
	from := isoText(r.From)
	if kind, err := KindOf(r.Kind); err == nil && kind.Period && from == "" {
		from = "the beginning"
	}
	lines := [][2]string{
		{"report", r.Kind},
		{"id", r.ID},
		{"from", from},
		{"as of", isoText(r.AsOf)},
		{"known at", strconv.FormatInt(r.KnownAt, 10)},
		{"head hash", hex.EncodeToString(r.HeadHash[:])},
	}
	for _, f := range r.Filters {
		lines = append(lines, [2]string{"filter " + f.Name, f.Value})
	}
	if len(r.Filters) == 0 {
		lines = append(lines, [2]string{"filters", "none"})
	}
	lines = append(lines, [2]string{"rows", strconv.FormatInt(r.Rows, 10)}, [2]string{"digest", hex.EncodeToString(r.Digest[:])})
	if r.Notes > 0 {
		lines = append(lines, [2]string{"notes", fmt.Sprintf("%d, of which %d can be read", r.Notes, r.Shown)})
	}
	for _, t := range r.Totals {
		value := t.Amount.String()
		if t.Count != 0 {
			value += " (" + strconv.Itoa(t.Count) + ")"
		} else if t.Amount.IsZero() {
			value = ""
		}
		lines = append(lines, [2]string{"total " + t.Name, value})
	}
	return slices.DeleteFunc(lines, func(l [2]string) bool { return l[1] == "" })
}
