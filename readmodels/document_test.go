package readmodels_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"payledger/domain/money"
	"payledger/readmodels"
)

func created(row readmodels.Row) readmodels.Change {
	object := readmodels.ObjectFee
	if _, ok := row.(*readmodels.FeePayment); ok {
		object = readmodels.ObjectFeePayment
	}
	return readmodels.Change{Object: object, Action: readmodels.ActionCreated, New: row}
}

func TestPrintedDocuments(t *testing.T) {
	t.Parallel()
	row := &goldenPayment(t).Rows[0]
	plain := readmodels.FoldDocument(nil, created(goldenFee(t)))
	paid := readmodels.FoldDocument(plain, created(row))
	require.JSONEq(t, string(goldenFee(t).AppendJSON(nil, false)), string(plain.AppendJSON(nil)), "no payments, no extends")
	for name, printed := range map[string][]byte{
		"document":          paid.AppendJSON([]byte{}),
		"document.extended": paid.AppendExtended(nil, []*readmodels.FeePayment{row}),
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

func TestDocumentFollowsItsChildren(t *testing.T) {
	t.Parallel()
	payment := func(id string, note string) *readmodels.FeePayment {
		return &readmodels.FeePayment{ID: id, FeeID: feeID, Note: note}
	}
	change := func(action readmodels.Action, row readmodels.Row) readmodels.Change {
		return readmodels.Change{Object: readmodels.ObjectFeePayment, Action: action, New: row}
	}
	var d *readmodels.Document
	var states []*readmodels.Document
	for _, c := range []readmodels.Change{
		change(readmodels.ActionCreated, payment("a", "")),
		created(goldenFee(t)), // a payment's event stands before the fee's in their commit
		change(readmodels.ActionCreated, payment("b", "")),
		change(readmodels.ActionUpdated, payment("a", "new")),
		change(readmodels.ActionDeleted, payment("b", "")),
		change(readmodels.ActionDeleted, payment("b", "")),
	} {
		d = readmodels.FoldDocument(d, c)
		states = append(states, d)
	}
	seen := func(d *readmodels.Document) (list []string) {
		for _, p := range d.Payments {
			list = append(list, p.ID+p.Note)
		}
		return list
	}
	var got [][]string
	for _, state := range states {
		got = append(got, seen(state))
	}
	require.Empty(t, cmp.Diff([][]string{{"a"}, {"a"}, {"a", "b"}, {"anew", "b"}, {"anew"}, {"anew"}}, got), "and old values stay as they were")
	require.Nil(t, states[0].Fee)
	require.Empty(t, cmp.Diff(goldenFee(t), d.Fee, cmp.Comparer(func(a, b money.Amount) bool { return a == b })))
}
