package audit

import (
	"archive/zip"
	"bufio"
	"encoding/xml"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
)

// xlsx writes a workbook straight into a zip file: a sheet of the report and sheets of rows. Texts are inline strings, never
// formulas; numbers are printed from whole minor units.
type xlsx struct {
	columns []Column
	zip     *zip.Writer
	sheet   *bufio.Writer
	sheets  []string
	rows    int // of the sheet
}

// sheetRows is how many rows a sheet has at most; programs take 1,048,576.
const sheetRows = 1_000_000

const (
	xmlHead   = `<?xml version="1.0" encoding="UTF-8" standalone="yes"?>` + "\n"
	mainSpace = `http://schemas.openxmlformats.org/spreadsheetml/2006/main`
	relSpace  = `http://schemas.openxmlformats.org/officeDocument/2006/relationships`
	relsSpace = `http://schemas.openxmlformats.org/package/2006/relationships`
	typeSpace = `http://schemas.openxmlformats.org/package/2006/content-types`
	mediaMain = `application/vnd.openxmlformats-officedocument.spreadsheetml.`

	fixedTypes = `<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>` +
		`<Override PartName="/xl/workbook.xml" ContentType="` + mediaMain + `sheet.main+xml"/>`
)

func newXLSX(kind Kind, to io.Writer) (*xlsx, error) {
	e := &xlsx{columns: kind.Columns, zip: zip.NewWriter(to)}
	return e, e.open("Rows", names(kind.Columns))
}

// open begins a sheet with a row of heads.
func (e *xlsx) open(name string, heads []string) error {
	if err := e.end(); err != nil {
		return err
	}
	e.sheets = append(e.sheets, name)
	file, err := e.zip.Create(fmt.Sprintf("xl/worksheets/sheet%d.xml", len(e.sheets)))
	if err != nil {
		return err
	}
	e.sheet, e.rows = bufio.NewWriter(file), 0
	_, _ = e.sheet.WriteString(xmlHead + `<worksheet xmlns="` + mainSpace + `"><sheetData>`) // end has its error, as of all below
	e.begin()
	for _, head := range heads {
		e.text(head)
	}
	e.finish()
	return nil
}

// end ends the sheet that is open.
func (e *xlsx) end() error {
	if e.sheet == nil {
		return nil
	}
	_, _ = e.sheet.WriteString(`</sheetData></worksheet>`)
	return e.sheet.Flush()
}

func (e *xlsx) begin()  { _, _ = e.sheet.WriteString(`<row>`) }
func (e *xlsx) finish() { _, _ = e.sheet.WriteString(`</row>`) }

// escaped is what such programs take for the code of a character.
var escaped = regexp.MustCompile(`^_x[0-9A-Fa-f]{4}_`)

// literal escapes each underscore that would begin one; that which ends one may begin the next.
func literal(s string) string {
	if !strings.Contains(s, "_x") {
		return s
	}
	var b strings.Builder
	for i := range len(s) {
		if s[i] == '_' && escaped.MatchString(s[i:]) {
			b.WriteString("_x005F")
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

func (e *xlsx) text(s string) {
	_, _ = e.sheet.WriteString(`<c t="inlineStr"><is><t xml:space="preserve">`)
	_ = xml.EscapeText(e.sheet, []byte(literal(s)))
	_, _ = e.sheet.WriteString(`</t></is></c>`)
}

func (e *xlsx) number(literal string) { _, _ = e.sheet.WriteString(`<c><v>` + literal + `</v></c>`) }

func (e *xlsx) Row(row Row) error {
	if e.rows == sheetRows {
		if err := e.open(fmt.Sprintf("Rows %d", len(e.sheets)+1), names(e.columns)); err != nil {
			return err
		}
	}
	e.rows++
	e.begin()
	for i, c := range e.columns {
		switch v := row[i]; c.Kind {
		case Text, Note:
			e.text(v.Text)
		case Instant:
			e.text(isoText(v.At))
		case Number:
			e.number(strconv.FormatInt(v.Number, 10))
		case Money:
			if v.None() {
				e.text("")
				e.text("")
			} else {
				e.number(v.Amount.Decimal())
				e.number(strconv.FormatInt(v.Amount.Minor(), 10))
			}
		}
	}
	_, err := e.sheet.WriteString(`</row>`)
	return err
}

// Close writes the sheet of the report, which stands first, and what holds the sheets together.
func (e *xlsx) Close(report Report) error {
	if err := e.open("Report", []string{"name", "value"}); err != nil {
		return err
	}
	for _, line := range report.Lines() {
		e.begin()
		e.text(line[0])
		e.text(line[1])
		e.finish()
	}
	if err := e.end(); err != nil {
		return err
	}
	var types, sheets, rels strings.Builder
	for i := range e.sheets {
		at := (i + len(e.sheets) - 1) % len(e.sheets) // the last first
		n := strconv.Itoa(at + 1)
		types.WriteString(`<Override PartName="/xl/worksheets/sheet` + n + `.xml" ContentType="` + mediaMain + `worksheet+xml"/>`)
		rels.WriteString(`<Relationship Id="rId` + n + `" Type="` + relSpace + `/worksheet" Target="worksheets/sheet` + n + `.xml"/>`)
		sheets.WriteString(`<sheet name="` + e.sheets[at] + `" sheetId="` + n + `" r:id="rId` + n + `"/>`)
	}
	for _, part := range [][2]string{
		{"xl/workbook.xml", `<workbook xmlns="` + mainSpace + `" xmlns:r="` + relSpace + `"><sheets>` + sheets.String() + `</sheets></workbook>`},
		{"xl/_rels/workbook.xml.rels", `<Relationships xmlns="` + relsSpace + `">` + rels.String() + `</Relationships>`},
		{"_rels/.rels", `<Relationships xmlns="` + relsSpace + `"><Relationship Id="rId1" Type="` + relSpace + `/officeDocument" Target="xl/workbook.xml"/></Relationships>`},
		{"[Content_Types].xml", `<Types xmlns="` + typeSpace + `">` + fixedTypes + types.String() + `</Types>`},
	} {
		file, err := e.zip.Create(part[0])
		if err != nil {
			return err
		}
		if _, err := io.WriteString(file, xmlHead+part[1]); err != nil {
			return err
		}
	}
	return e.zip.Close()
}
