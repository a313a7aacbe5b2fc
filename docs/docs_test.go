package docs_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"payledger/projections/publisher"
)

// read returns a page, by its name in this folder.
func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	require.NoError(t, err)
	return string(text)
}

// section returns what stands below a heading, up to the next of the same level.
func section(t *testing.T, text, heading string) string {
	t.Helper()
	_, rest, found := strings.Cut(text, "\n"+heading+"\n")
	require.True(t, found, heading)
	level, _, _ := strings.Cut(heading, " ")
	body, _, _ := strings.Cut(rest, "\n"+level+" ")
	return body
}

// rows returns the cells of a section's table, without its head.
func rows(section string) [][]string {
	var list [][]string
	for line := range strings.Lines(section) {
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, "|") {
			continue
		}
		cells := strings.Split(strings.Trim(strings.ReplaceAll(line, `\|`, "/"), "|"), "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		list = append(list, cells)
	}
	return slices.DeleteFunc(list[min(1, len(list)):], func(cells []string) bool { return strings.Trim(cells[0], "-") == "" && cells[0] != "" })
}

func TestEveryTopicIsDocumented(t *testing.T) {
	t.Parallel()
	var want, told []string
	for _, topic := range publisher.Topics(publisher.TopicConfig{}) {
		want = append(want, topic.Topic+" "+string(topic.Kind))
	}
	for _, row := range rows(section(t, read(t, "messages.md"), "## Topics")) {
		require.Len(t, row, 5)
		require.NotContains(t, row, "", "key, value and when")
		told = append(told, row[0]+" "+row[1])
	}
	require.Equal(t, want, told)
}

// The names of headers are constants of the publisher.
func TestEveryHeaderIsDocumented(t *testing.T) {
	t.Parallel()
	file, err := parser.ParseFile(token.NewFileSet(), filepath.Join("..", "projections", "publisher", "message.go"), nil, 0)
	require.NoError(t, err)
	var want, told []string
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || !strings.HasPrefix(spec.Names[0].Name, "header") {
			return true
		}
		if text, ok := spec.Values[0].(*ast.BasicLit); ok && text.Kind == token.STRING {
			name, err := strconv.Unquote(text.Value)
			require.NoError(t, err)
			want = append(want, name)
		}
		return false
	})
	for _, row := range rows(section(t, read(t, "messages.md"), "## Headers")) {
		told = append(told, row[0])
	}
	require.Contains(t, want, "ledger-position")
	require.ElementsMatch(t, want, told)
}
