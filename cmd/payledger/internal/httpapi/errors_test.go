package httpapi_test

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"payledger/cmd/payledger/internal/httpapi"
	"payledger/commands"
	"payledger/domain/money"
)

// exempt lists the exported errors of packages beside the ones that the table covers, with the reason.
var exempt = map[string]string{
	"eventstore.ErrBadVaultKey": "at start-up only",
}

// Every exported error of the domain, the use cases and the store has a line in the table: a new one is a decision about what
// callers are told.
func TestEveryErrorHasALine(t *testing.T) {
	t.Parallel()
	found := exportedErrors(t, "domain", "commands", "eventstore", "audit")
	require.Contains(t, found, "fee.ErrAlreadySettled")
	require.Contains(t, found, "commands.ErrIDInUse")
	require.Contains(t, found, "eventstore.ErrBusy")
	source := tableSource(t)
	for _, name := range found {
		if exempt[name] != "" {
			continue
		}
		require.True(t, strings.Contains(source, "("+name+",") || strings.Contains(source, "{"+name+",") || strings.Contains(source, "fault("+name+")"),
			"errors.go has no line for %s", name)
	}
}

// tableSource returns the text of the table.
func tableSource(t *testing.T) string {
	t.Helper()
	source, err := os.ReadFile("errors.go")
	require.NoError(t, err)
	return string(source)
}

// exportedErrors returns the exported error values of the packages below some folders, as package.ErrName.
func exportedErrors(t *testing.T, folders ...string) []string {
	t.Helper()
	var found []string
	for _, folder := range folders {
		err := filepath.WalkDir(filepath.Join(root, folder), func(path string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if d.IsDir() && strings.HasSuffix(d.Name(), "test") { // helpers for tests
				return fs.SkipDir
			}
			if d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return nil
			}
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			for _, decl := range file.Decls {
				gen, ok := decl.(*ast.GenDecl)
				if !ok || gen.Tok != token.VAR {
					continue
				}
				for _, spec := range gen.Specs {
					for _, name := range spec.(*ast.ValueSpec).Names {
						if strings.HasPrefix(name.Name, "Err") {
							found = append(found, file.Name.Name+"."+name.Name)
						}
					}
				}
			}
			return nil
		})
		require.NoError(t, err)
	}
	return found
}

// root is the repository's folder as seen from here.
const root = "../../../.."

func TestErrorsAreFoundWhenWrapped(t *testing.T) {
	t.Parallel()
	for _, err := range httpapi.Listed() {
		status, message, listed := httpapi.Answered(fmt.Errorf("assess fee 1: %w", err))
		require.True(t, listed, "%v", err)
		require.GreaterOrEqual(t, status, 400)
		require.True(t, strings.HasPrefix(message, "errMsg_"))
	}
	status, message, listed := httpapi.Answered(errors.New("connect to secret-host: SELECT 1"))
	require.False(t, listed)
	require.Equal(t, 500, status)
	require.Equal(t, "errMsg_internalError", message)
	status, _, listed = httpapi.Answered(fmt.Errorf("report aging: %w", money.ErrTotalTooLarge)) // not what the caller sent
	require.True(t, listed)
	require.Equal(t, 500, status)
	status, _, _ = httpapi.Answered(fmt.Errorf("patch: %w", &commands.VersionMismatchError{Current: 3}))
	require.Equal(t, 412, status)
}
