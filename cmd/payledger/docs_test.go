package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"

	"payledger/cmd/payledger/internal/config"
)

// reference returns docs/cli.md.
func reference(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "cli.md"))
	require.NoError(t, err)
	return string(text)
}

// below returns what stands below a heading, up to the next one.
func below(t *testing.T, text, heading string) string {
	t.Helper()
	_, rest, found := strings.Cut(text, "\n"+heading+"\n")
	require.True(t, found, "docs/cli.md has no heading %s", heading)
	body, _, _ := strings.Cut(rest, "\n##")
	return body
}

var (
	commandHeading = regexp.MustCompile(`(?m)^### (payledger .+)$`)
	tableRow       = regexp.MustCompile("(?m)^\\| `([^`]+)` \\| (\\S*) ?\\| \\S")
)

// table reads the first two columns of the tables in a section: name and default.
func table(section string) map[string]string {
	told := map[string]string{}
	for _, row := range tableRow.FindAllStringSubmatch(section, -1) {
		told[row[1]] = row[2]
	}
	return told
}

// Every command has its section, with its way of use and all its flags and their defaults; no section tells of others.
func TestEveryCommandIsDocumented(t *testing.T) {
	t.Parallel()
	text := reference(t)
	var want, told []string
	root := newApp(nil, nil, nil).rootCommand()
	var visit func(c *cobra.Command)
	visit = func(c *cobra.Command) {
		body, _, _ := strings.Cut(text, "\n### ")
		if c != root {
			want = append(want, c.CommandPath())
			body = below(t, text, "### "+c.CommandPath())
			require.Contains(t, body, "`"+strings.TrimSuffix(c.UseLine(), " [flags]")+"`")
		}
		require.Equal(t, flagsOf(c), table(body), c.CommandPath())
		for _, child := range c.Commands() {
			visit(child)
		}
	}
	visit(root)
	for _, heading := range commandHeading.FindAllStringSubmatch(text, -1) {
		told = append(told, heading[1])
	}
	require.Contains(t, want, "payledger audit verify")
	require.ElementsMatch(t, want, told)
}

// flagsOf returns the flags of a command itself, with their defaults.
func flagsOf(c *cobra.Command) map[string]string {
	flags := map[string]string{}
	add := func(f *pflag.Flag) {
		flags["--"+f.Name] = f.DefValue
		if f.DefValue == "[]" {
			flags["--"+f.Name] = ""
		}
	}
	c.LocalNonPersistentFlags().VisitAll(add)
	c.PersistentFlags().VisitAll(add)
	return flags
}

func TestEverySettingIsDocumented(t *testing.T) {
	t.Parallel()
	want := map[string]string{}
	for _, s := range (config.Config{}).Settings() {
		want[s.Name] = s.Default
	}
	require.Equal(t, want, table(below(t, reference(t), "## Settings")))
}

// The exit codes are constants of app.go.
func TestEveryExitCodeIsDocumented(t *testing.T) {
	t.Parallel()
	file, err := parser.ParseFile(token.NewFileSet(), "app.go", nil, 0)
	require.NoError(t, err)
	want, told := map[string]string{}, map[string]string{}
	ast.Inspect(file, func(n ast.Node) bool {
		if spec, ok := n.(*ast.ValueSpec); ok && strings.HasPrefix(spec.Names[0].Name, "exit") && len(spec.Values) == 1 {
			if code, ok := spec.Values[0].(*ast.BasicLit); ok {
				want[spec.Names[0].Name] = code.Value
			}
		}
		return true
	})
	for _, row := range regexp.MustCompile(`(?m)^\| (\d) \| (exit\w+) \| \S`).FindAllStringSubmatch(below(t, reference(t), "## Exit codes"), -1) {
		told[row[2]] = row[1]
	}
	require.Contains(t, want, "exitDamaged")
	require.Equal(t, want, told)
}
