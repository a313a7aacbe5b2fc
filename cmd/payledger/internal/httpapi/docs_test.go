package httpapi_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"payledger/cmd/payledger/internal/httpapi"
)

// page returns a page of the reference.
func page(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "docs", name))
	require.NoError(t, err)
	return string(text)
}

var (
	messageRow = regexp.MustCompile(`(?m)^\| (\d{3}) \| (\w+) \| (errMsg_\S*)(?: and the rule)? \| \S.*\|$`)
	ruleRow    = regexp.MustCompile(`(?m)^\| (is[A-Z]\w+) \| \S.* \|$`)
)

// docs/errors.md has every answer of the table of errors, and no other.
func TestEveryErrorIsDocumented(t *testing.T) {
	t.Parallel()
	want, told := map[string]bool{}, map[string]bool{}
	for _, answer := range httpapi.Refusals() {
		want[fmt.Sprintf("%d %s %s", answer.Status, answer.Code, answer.Message)] = true
	}
	for _, row := range messageRow.FindAllStringSubmatch(page(t, "errors.md"), -1) {
		message := strings.NewReplacer("`<param>`", "", "`<route>`RequiresLogin", "").Replace(row[3])
		told[row[1]+" "+row[2]+" "+message] = true
	}
	require.True(t, want["422 FeeCanceled errMsg_feeIsCanceled"])
	require.Equal(t, want, told)
}

// The rules of fields are constants of package input.
func TestEveryRuleIsDocumented(t *testing.T) {
	t.Parallel()
	file, err := parser.ParseFile(token.NewFileSet(), filepath.Join("input", "errors.go"), nil, 0)
	require.NoError(t, err)
	var want, told []string
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if kind, ok := spec.Type.(*ast.Ident); ok && kind.Name == "Rule" {
			text, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
			require.NoError(t, err)
			want = append(want, text)
		}
		return false
	})
	for _, row := range ruleRow.FindAllStringSubmatch(page(t, "errors.md"), -1) {
		told = append(told, row[1])
	}
	require.Contains(t, want, "isRequired")
	require.ElementsMatch(t, want, told)
}

func TestEveryMetricIsDocumented(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	require.NoError(t, httpapi.RegisterMetrics(registry))
	descriptions := make(chan *prometheus.Desc)
	go func() { registry.Describe(descriptions); close(descriptions) }()
	var want, told []string
	for d := range descriptions {
		want = append(want, regexp.MustCompile(`fqName: "([^"]+)"`).FindStringSubmatch(d.String())[1])
	}
	for _, row := range regexp.MustCompile("(?m)^\\| `(payledger_http_\\w+)` \\|").FindAllStringSubmatch(page(t, "runbook.md"), -1) {
		told = append(told, row[1])
	}
	require.NotEmpty(t, want)
	require.ElementsMatch(t, want, told)
}
