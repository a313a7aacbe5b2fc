package readmodels_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"payledger/domain/extension"
	"payledger/readmodels"
)

func created(row readmodels.Row) readmodels.Change { return change(readmodels.ActionCreated, row) }

func change(action readmodels.Action, row readmodels.Row) readmodels.Change {
	c := readmodels.Change{Object: readmodels.ObjectFee, Action: action, New: row}
	switch row.(type) {
	case *readmodels.FeePayment:
		c.Object = readmodels.ObjectFeePayment
	case *readmodels.FeeEvent:
		c.Object = readmodels.ObjectFeeEvent
	}
	return c
}

// ofFee is the document of the fee in all these tests.
func ofFee() readmodels.Ref { return readmodels.Ref{Object: readmodels.ObjectFee, ID: feeID} }

func TestPrintedDocuments(t *testing.T) {
	t.Parallel()
	row, event := &goldenPayment(t).Rows[0], goldenFeeEvent(t)
	var none *readmodels.Document
	plain := none.Fold(ofFee(), created(goldenFee(t)))
	paid := plain.Fold(ofFee(), created(row)).Fold(ofFee(), created(event))
	reminded, added := paid.Extend(extension.Put{Name: "reminders", Elements: []extension.Element{{ID: "1", Value: `{"id":"1"}`}, {ID: "2", Value: `{"id":"2"}`}}})
	require.Len(t, added, 2)
	require.JSONEq(t, string(goldenFee(t).AppendJSON(nil, false)), string(plain.AppendJSON(nil)), "nothing below, no extends")
	for name, printed := range map[string][]byte{
		"document":                 reminded.AppendJSON([]byte{}),
		"document.found":           readmodels.AppendFound(nil, reminded.AppendJSON(nil)),
		"document.extended":        paid.AppendExtended(nil, feeID, readmodels.Document{Payments: paid.Payments}),
		"document.extended-by-put": reminded.AppendExtended(nil, feeID, readmodels.Document{Extensions: []readmodels.Extension{{Name: "reminders", Elements: added[1:]}}}),
	} {
		var indented bytes.Buffer
		require.NoError(t, json.Indent(&indented, printed, "", "  "), name)
		path := filepath.Join("testdata", name+".json")
		if *update {
			require.NoError(t, os.WriteFile(path, append(indented.Bytes(), '\n'), 0o644))
		}
		want, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Equal(t, string(want), indented.String()+"\n", name)
	}
}

// Answers of searches have the numbers of enums where the rows are ours: texts and the lists of other services stay as they are.
func TestFoundDocuments(t *testing.T) {
	t.Parallel()
	const looksLike = `"status_":"paid","extends":{"feeEvents":[{"eventType_":"note"}],"feeEvents_count":1}`
	theirs := extension.Put{Name: "reminders", Elements: []extension.Element{{ID: "1", Value: `{"id":"1",` + looksLike + `}`}}}
	payment, event, customer := &goldenPayment(t).Rows[0], goldenFeeEvent(t), goldenCustomer(t)
	payment.Note, event.Note = looksLike, looksLike
	var none *readmodels.Document
	for _, row := range []readmodels.Row{goldenFee(t), payment, event, goldenGatewayPayment(t), customer.Customers[0], customer.Methods[0]} {
		plain := none.With(row)
		require.Equal(t, string(row.AppendJSON(nil, true)), string(readmodels.AppendFound(nil, plain.AppendJSON(nil))), "%T", row)
		extended, _ := plain.Extend(theirs)
		found := string(readmodels.AppendFound([]byte("before"), extended.AppendJSON(nil)))
		numbered := row.AppendJSON([]byte("before"), true)
		require.Equal(t, string(numbered[:len(numbered)-1])+`,"extends":`+string(extended.AppendExtends(nil))+`}`, found, "%T", row)
	}
	const newer = `{"status":"disputed","status_":"disputed","mood_":"glad"}`
	require.JSONEq(t, newer, string(readmodels.AppendFound(nil, []byte(newer))), "no number is better than a wrong one")
	children := []readmodels.Change{created(payment), created(event)}
	for _, some := range [][]readmodels.Change{children[:1], children[1:], children} {
		d, want := none.With(goldenFee(t)), none.With(goldenFee(t))
		for _, c := range some {
			d = d.Fold(ofFee(), c)
			child := []readmodels.Child{{ID: c.New.Key(), JSON: c.New.AppendJSON(nil, true)}}
			if c.Object == readmodels.ObjectFeePayment {
				want.Payments = child
			} else {
				want.Events = child
			}
		}
		d, _ = d.Extend(theirs)
		want, _ = want.Extend(theirs)
		row := goldenFee(t).AppendJSON(nil, true)
		require.Equal(t, string(row[:len(row)-1])+`,"extends":`+string(want.AppendExtends(nil))+`}`, string(readmodels.AppendFound(nil, d.AppendJSON(nil))))
	}
}

func TestDocumentFollowsItsChildren(t *testing.T) {
	t.Parallel()
	payment := func(id string, note string) *readmodels.FeePayment {
		return &readmodels.FeePayment{ID: id, FeeID: feeID, Note: note}
	}
	var d *readmodels.Document
	var states []*readmodels.Document
	for _, c := range []readmodels.Change{
		created(payment("a", "")),
		created(goldenFee(t)), // a payment's event stands before the fee's in their commit
		created(payment("b", "")),
		change(readmodels.ActionUpdated, payment("a", "new")),
		created(&readmodels.FeeEvent{ID: "e", FeeID: feeID}),
		change(readmodels.ActionDeleted, payment("b", "")),
		change(readmodels.ActionDeleted, payment("b", "")),
		change(readmodels.ActionDeleted, &readmodels.FeeEvent{ID: "e", FeeID: feeID}),
	} {
		require.Contains(t, c.Documents(), ofFee())
		d = d.Fold(ofFee(), c)
		states = append(states, d)
	}
	seen := func(d *readmodels.Document) (list []string) {
		for _, p := range d.Payments {
			list = append(list, p.ID+p.Note)
		}
		for _, e := range d.Events {
			list = append(list, e.ID)
		}
		return list
	}
	var got [][]string
	for _, state := range states {
		got = append(got, seen(state))
	}
	require.Empty(t, cmp.Diff([][]string{{"a"}, {"a"}, {"a", "b"}, {"anew", "b"}, {"anew", "b", "e"}, {"anew", "e"}, {"anew", "e"}, {"anew"}}, got),
		"and old values stay as they were")
	require.Nil(t, states[0].Row)
	require.Equal(t, goldenFee(t).Key(), d.Row.Key())
}

// Which documents show a row: its own, and that of its fee, but for what no member may see.
func TestDocumentsOfChanges(t *testing.T) {
	t.Parallel()
	payment := &goldenPayment(t).Rows[0]
	note := *goldenFeeEvent(t)
	require.Equal(t, []readmodels.Ref{ofFee()}, created(goldenFee(t)).Documents())
	require.Equal(t, []readmodels.Ref{{Object: readmodels.ObjectFeePayment, ID: payment.ID}, ofFee()}, created(payment).Documents())
	require.Equal(t, []readmodels.Ref{{Object: readmodels.ObjectFeeEvent, ID: note.ID}, ofFee()}, created(&note).Documents())
	note.StaffOnly = true
	require.Equal(t, []readmodels.Ref{{Object: readmodels.ObjectFeeEvent, ID: note.ID}}, created(&note).Documents())
	gateway := readmodels.Change{Object: readmodels.ObjectGatewayPayment, Action: readmodels.ActionCreated, New: goldenGatewayPayment(t)}
	require.Equal(t, []readmodels.Ref{{Object: readmodels.ObjectGatewayPayment, ID: payID}}, gateway.Documents())
	require.Equal(t, "feePayment", gateway.Object.Name())
}

// Known elements are replaced where they stand, new ones come behind, and older documents stay as they were.
func TestExtensions(t *testing.T) {
	t.Parallel()
	put := func(name string, elements ...extension.Element) extension.Put {
		return extension.Put{Name: name, Elements: elements}
	}
	el := func(id, value string) extension.Element {
		return extension.Element{ID: id, Value: extension.Value(value)}
	}
	var none *readmodels.Document
	one, added := none.Extend(put("a", el("1", "{}"), el("2", "{}")))
	require.Equal(t, []extension.Element{el("1", "{}"), el("2", "{}")}, added)
	two, added := one.Extend(put("a", el("1", `{"x":1}`), el("3", "{}")))
	require.Equal(t, []extension.Element{el("3", "{}")}, added)
	three, added := two.Extend(put("b", el("1", "{}")))
	require.Len(t, added, 1)
	require.Equal(t, []readmodels.Extension{{Name: "a", Elements: []extension.Element{el("1", "{}"), el("2", "{}")}}}, one.Extensions)
	require.Equal(t, []readmodels.Extension{
		{Name: "a", Elements: []extension.Element{el("1", `{"x":1}`), el("2", "{}"), el("3", "{}")}}, {Name: "b", Elements: []extension.Element{el("1", "{}")}},
	}, three.Extensions)
	require.Len(t, two.Extensions, 1)
}
