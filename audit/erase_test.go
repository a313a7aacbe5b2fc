package audit_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"slices"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"payledger/audit"
	"payledger/domain/evidence"
	"payledger/domain/fee"
	"payledger/eventstore/catalog"
	"payledger/internal/ledgertest"
	"payledger/internal/sqltest"
)

const secret = "told us at length"

// store makes a report, stores it and returns its id.
func (s *story) store(t *testing.T, reader audit.Reader, p audit.Params) string {
	t.Helper()
	p.Tenant = ledgertest.Tenant
	report, err := reader.Make(t.Context(), p, func(audit.Row) error { return nil })
	require.NoError(t, err)
	return s.keep(t, report)
}

func (s *story) keep(t *testing.T, report audit.Report) string {
	t.Helper()
	keeper := audit.Keeper{Store: s.Store, Catalog: s.Catalog, NewID: uuid.NewV7}
	id, _, err := keeper.Report(t.Context(), audit.Asked{Tenant: ledgertest.Tenant, Meta: catalog.Meta{Actor: catalog.Actor{Kind: "staff"}, At: s.Now()}}, report)
	require.NoError(t, err)
	return id
}

func (s *story) reproduced(t *testing.T, reader audit.Reader, id string) *audit.Reproduction {
	t.Helper()
	res, err := reader.Reproduce(t.Context(), ledgertest.Tenant, id)
	require.NoError(t, err)
	return &res
}

// An erasure takes the texts out of a report that shows some, and changes nothing else of any.
func TestReportsAreIdenticalExceptErasedText(t *testing.T) {
	t.Parallel()
	s := tell(t)
	s.Change(t, book, fee.AddNote{NoteID: "n", Visibility: fee.VisibilityPatron, Note: secret, At: s.Now()})
	head := s.Flush(t)
	sealed := s.reader
	sealed.Keys = audit.SealedKeys{}
	bounds := audit.Bounds{AsOf: s.end(30), KnownAt: head}
	stored, before := map[string]string{}, map[string]audit.Report{}
	for _, kind := range audit.KindNames() {
		stored[kind] = s.store(t, s.reader, audit.Params{Kind: kind, Bounds: bounds})
		_, before[kind] = s.made(t, audit.Params{Kind: kind, Bounds: bounds})
		require.Equal(t, "identical", s.reproduced(t, s.reader, stored[kind]).Answer(), kind)
	}
	rows, _ := s.made(t, audit.Params{Kind: "activity", Bounds: bounds})
	require.Contains(t, rows[2], secret)
	require.Equal(t, [2]int64{1, 1}, [2]int64{before["activity"].Notes, before["activity"].Shown})
	unread := s.store(t, sealed, audit.Params{Kind: "activity", Bounds: bounds})
	paymentsOnly := s.store(t, s.reader, audit.Params{Kind: "activity", Bounds: bounds, Filters: []evidence.Parameter{{Name: "type", Value: "payment.captured"}}})
	require.Equal(t, "identical except sealed text", s.reproduced(t, sealed, stored["activity"]).Answer())

	s.Erase(t, s.member)
	for _, kind := range audit.KindNames() {
		res := s.reproduced(t, s.reader, stored[kind])
		want := "identical"
		if kind == "activity" {
			want = "identical except erased text"
			require.Equal(t, [2]int64{1, 0}, [2]int64{res.Again.Notes, res.Again.Shown})
			require.EqualValues(t, 1, res.Gone)
			res.Again.Shown = 1
		}
		require.Equal(t, want, res.Answer(), kind)
		res.Again.Filters = nil
		require.Equal(t, before[kind], res.Again, kind)
		rows, _ := s.made(t, audit.Params{Kind: kind, Bounds: bounds})
		for _, row := range rows {
			require.NotContains(t, row, secret)
		}
	}
	require.Equal(t, "identical", s.reproduced(t, s.reader, unread).Answer(), "it showed no text")
	require.Equal(t, "identical", s.reproduced(t, s.reader, paymentsOnly).Answer(), "it showed none of hers")
	late := s.store(t, s.reader, audit.Params{Kind: "activity", Bounds: bounds})
	require.Equal(t, "identical", s.reproduced(t, s.reader, late).Answer(), "made after the erasure")
	require.Empty(t, sqltest.Grep(t, s.DB.SuperURL, secret))
}

// Who takes a note out of the log doesn't get away with an erasure.
func TestATextThatWasTakenOutIsNoErasure(t *testing.T) {
	t.Parallel()
	s := tell(t)
	id := s.store(t, s.reader, audit.Params{Kind: "activity", Bounds: audit.Bounds{AsOf: s.end(30), KnownAt: 9}})
	conn, err := pgx.Connect(t.Context(), s.DB.SuperURL)
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close(t.Context())) }()
	for _, sql := range []string{
		"SET session_replication_role = replica",
		`UPDATE ledger.events SET data = convert_to(regexp_replace(convert_from(data, 'UTF8'), '"note":"[^"]*"', '"note":""'), 'UTF8')`,
	} {
		_, err = conn.Exec(t.Context(), sql)
		require.NoError(t, err)
	}
	res := s.reproduced(t, s.reader, id)
	require.Equal(t, res.Stored.Digest, res.Again.Digest)
	require.Equal(t, "NOT IDENTICAL", res.Answer())
}

// The digest is that of the lines without their last key, note.
func TestNotesAreNoPartOfTheDigest(t *testing.T) {
	t.Parallel()
	s := tell(t)
	kind, err := audit.KindOf("activity")
	require.NoError(t, err)
	var lines, plain bytes.Buffer
	out, err := audit.NewExporter(audit.JSONLines, kind, &lines)
	require.NoError(t, err)
	report, err := s.reader.Make(t.Context(), audit.Params{Tenant: ledgertest.Tenant, Kind: "activity", Bounds: audit.Bounds{AsOf: s.end(9), KnownAt: 9}}, out.Row)
	require.NoError(t, err)
	require.NoError(t, out.Close(report))
	all := bytes.SplitAfter(lines.Bytes(), []byte("\n"))
	for _, line := range all[:len(all)-2] {
		var row struct {
			Note *string `json:"note"`
		}
		require.NoError(t, json.Unmarshal(line, &row))
		head, _, found := bytes.Cut(line, []byte(`,"note":`))
		require.True(t, found)
		plain.Write(append(head, "}\n"...))
	}
	require.Equal(t, sha256.Sum256(plain.Bytes()), report.Digest)
}

// Reports that an earlier version of this program made are made again with the columns that they had.
func TestEarlierFormsAreMadeAgain(t *testing.T) {
	t.Parallel()
	s := tell(t)
	ids := map[string]string{}
	for kindName, earlier := range map[string]struct {
		form   int
		behind string // the first column that it was without
	}{"activity": {1, "paidBy"}, "payments": {1, "overdue"}, "staff": {1, "members"}, "rollforward": {2, "recovered"}, "credits": {2, "tender"}} {
		p := audit.Params{Tenant: ledgertest.Tenant, Kind: kindName, Bounds: audit.Bounds{AsOf: s.end(9), KnownAt: 9}}
		kind, err := audit.KindOf(p.Kind)
		require.NoError(t, err)
		first := sha256.New()
		report, err := s.reader.Make(t.Context(), p, func(row audit.Row) error {
			old, _, found := bytes.Cut(row.AppendJSON(nil, kind.Columns), []byte(`,"`+earlier.behind+`":`))
			require.True(t, found)
			first.Write(append(old, "}\n"...))
			return nil
		})
		require.NoError(t, err)
		require.Equal(t, earlier.form+1, report.Form)
		require.False(t, slices.ContainsFunc(report.Totals, func(total evidence.Total) bool { return total.Name == earlier.behind }), kindName)
		report.Form, report.Digest, report.Notes, report.Shown = earlier.form, [32]byte(first.Sum(nil)), 0, 0
		ids[kindName] = s.keep(t, report)
	}
	s.Erase(t, s.member)
	for kindName, id := range ids {
		res := s.reproduced(t, s.reader, id)
		require.Equal(t, "identical", res.Answer(), "%s: that form shows no notes", kindName)
	}
}
