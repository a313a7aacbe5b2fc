// Package sqltest checks the SQL constants of a package against a real schema.
package sqltest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
)

// Prepare lets Postgres parse and plan statements, as the role of databaseURL. Each constant of the package in dir whose name begins
// with "sql" must be among them by that name, so that none is forgotten; those in except are run by other tests (DDL,
// parts of statements).
func Prepare(t *testing.T, dir, databaseURL string, statements map[string]string, except ...string) {
	t.Helper()
	var names []string
	for name := range statements {
		names = append(names, name)
	}
	require.ElementsMatch(t, constants(t, dir), append(names, except...), "the constants of package %s", dir)
	conn, err := pgx.Connect(t.Context(), databaseURL)
	require.NoError(t, err)
	defer conn.Close(t.Context())
	for name, sql := range statements {
		_, err := conn.Prepare(t.Context(), name, sql)
		require.NoError(t, err, "%s: %s", name, sql)
	}
}

// constants returns the names of the SQL constants in the files of dir that aren't tests.
func constants(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	require.NoError(t, err)
	var names []string
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		source, err := os.ReadFile(file) //nolint:gosec // a file of the package under test
		require.NoError(t, err)
		parsed, err := parser.ParseFile(token.NewFileSet(), file, source, 0)
		require.NoError(t, err)
		ast.Inspect(parsed, func(n ast.Node) bool {
			decl, ok := n.(*ast.GenDecl)
			if !ok || decl.Tok != token.CONST {
				return true
			}
			for _, spec := range decl.Specs {
				for _, name := range spec.(*ast.ValueSpec).Names {
					if strings.HasPrefix(name.Name, "sql") {
						names = append(names, name.Name)
					}
				}
			}
			return false
		})
	}
	return names
}
