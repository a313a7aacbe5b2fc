package audit_test

import (
	"archive/zip"
	"bytes"
	"cmp"
	"encoding/csv"
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"payledger/audit"
	"payledger/domain/evidence"
	"payledger/domain/money"
	"payledger/internal/ledgertest"
)

// nasty are texts that a spreadsheet would run, and others that only look so.
var nasty = []string{
	`=HYPERLINK("http://evil","x")`, "+1", "-1+2", "@SUM(A1)", "\tx", "\rx", "\nx", "＝1", "＋1", "－1", "＠x", "a=b", "", `say "hi", you`, "naïve ☃", "_x0041_", "a<b>&c", "\x01",
	`x;=cmd|' /C calc'!A0;y`, ";;+1", "a\t＝1", "a\n-1\n@b", "a; b;", "a\n\tb", "a\rb", "_x0041_x0042_", "_x0041__x0042_",
}

// inside are what of them a spreadsheet that splits lines at other separators would run.
var inside = map[string]string{
	`x;=cmd|' /C calc'!A0;y`: `x;'=cmd|' /C calc'!A0;y`, ";;+1": ";;'+1", "a\t＝1": "a\t'＝1", "a\n-1\n@b": "a\n'-1\n'@b",
}

func exported(t *testing.T, format audit.Format) []byte {
	t.Helper()
	kind := audit.Kind{Name: "aging", Columns: []audit.Column{{Name: "word", Kind: audit.Text}, {Name: "at", Kind: audit.Instant}, {Name: "n", Kind: audit.Number}, {Name: "due", Kind: audit.Money}}}
	var file bytes.Buffer
	out, err := audit.NewExporter(format, kind, &file)
	require.NoError(t, err)
	for i, word := range nasty {
		require.NoError(t, out.Row(audit.Row{{Text: word}, {At: time.Date(2026, 3, 1, 9, 0, 0, 1000, time.UTC)}, {Number: int64(i)}, {Amount: ledgertest.USD(t, -int64(i))}}))
	}
	require.NoError(t, out.Close(audit.Report{
		Params: audit.Params{Kind: "aging", Bounds: audit.Bounds{KnownAt: 7}, Filters: []evidence.Parameter{{Name: "by", Value: "=1+1"}}}, Rows: 1,
		Totals: []evidence.Total{{Name: "total", Count: 2, Amount: money.Total{Amount: ledgertest.USD(t, 1250)}}},
	}))
	return file.Bytes()
}

func TestCSV(t *testing.T) {
	t.Parallel()
	file := exported(t, audit.CSV)
	require.True(t, bytes.HasPrefix(file, []byte("word,at,n,due,dueMinor\r\n")), "%s", file)
	rows, err := csv.NewReader(bytes.NewReader(file)).ReadAll()
	require.NoError(t, err)
	require.Len(t, rows, len(nasty)+1)
	for i, row := range rows[1:] {
		want := cmp.Or(inside[nasty[i]], nasty[i])
		if i < 11 { // the first eleven are dangerous
			want = "'" + want
		}
		require.Equal(t, want, row[0])
		require.Equal(t, []string{"2026-03-01T09:00:00.000001Z", fmt.Sprint(i), ledgertest.USD(t, -int64(i)).Decimal(), fmt.Sprint(-i)}, row[1:])
	}
	// what isn't quoted isn't taken for a formula either
	for cell := range strings.FieldsFuncSeq(string(file), func(r rune) bool { return strings.ContainsRune("\r\n;\t", r) }) {
		require.False(t, strings.ContainsRune("=+-@＝＋－＠", []rune(cell)[0]), cell)
	}
}

// The workbook is read back by its parts: texts are inline strings, numbers are exact, no cell is a formula.
func TestXLSX(t *testing.T) {
	t.Parallel()
	file := exported(t, audit.XLSX)
	book, err := zip.NewReader(bytes.NewReader(file), int64(len(file)))
	require.NoError(t, err)
	parts := map[string]string{}
	for _, f := range book.File {
		r, err := f.Open()
		require.NoError(t, err)
		text, err := io.ReadAll(r)
		require.NoError(t, err)
		require.NoError(t, xml.Unmarshal(text, new(struct{})), f.Name)
		parts[f.Name] = string(text)
	}
	require.Len(t, parts, 6)
	type cell struct {
		Type    string    `xml:"t,attr"`
		Text    string    `xml:"is>t"`
		Value   string    `xml:"v"`
		Formula *struct{} `xml:"f"`
	}
	var sheet struct {
		Rows []struct {
			Cells []cell `xml:"c"`
		} `xml:"sheetData>row"`
	}
	require.NoError(t, xml.Unmarshal([]byte(parts["xl/worksheets/sheet1.xml"]), &sheet))
	require.Len(t, sheet.Rows, len(nasty)+1)
	for i, row := range sheet.Rows[1:] {
		want := map[string]string{
			"_x0041_": "_x005F_x0041_", "_x0041_x0042_": "_x005F_x0041_x005F_x0042_", "_x0041__x0042_": "_x005F_x0041__x005F_x0042_", "\x01": "�",
		}[nasty[i]]
		if want == "" {
			want = nasty[i]
		}
		require.Equal(t, []cell{
			{Type: "inlineStr", Text: want},
			{Type: "inlineStr", Text: "2026-03-01T09:00:00.000001Z"},
			{Value: fmt.Sprint(i)},
			{Value: ledgertest.USD(t, -int64(i)).Decimal()},
			{Value: fmt.Sprint(-i)},
		}, row.Cells)
	}
	require.Contains(t, parts["xl/worksheets/sheet2.xml"], "total total</t></is></c><c t=\"inlineStr\"><is><t xml:space=\"preserve\">USD 12.50 (2)")
	require.Contains(t, parts["xl/workbook.xml"], `<sheet name="Report" sheetId="2" r:id="rId2"/><sheet name="Rows"`)
}

func TestUnknownFormat(t *testing.T) {
	t.Parallel()
	_, err := audit.NewExporter("pdf", audit.Kind{}, io.Discard)
	require.ErrorIs(t, err, audit.ErrBadFilter)
}
