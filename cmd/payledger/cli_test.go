package main

import (
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"payledger": func() { os.Exit(run(os.Args[1:], os.Environ(), os.Stdout, os.Stderr)) },
		// code runs payledger and prints the exit code that it ended with.
		"code": func() { println(run(os.Args[1:], os.Environ(), os.Stdout, os.Stderr)) },
	})
}

// The scripts of testdata/cli are what people and scripts may rely on: words and exit codes.
func TestCommandLine(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{Dir: "testdata/cli"})
}

// Every command says what it is for and shows an example.
func TestEveryCommandHasHelp(t *testing.T) {
	t.Parallel()
	var visit func(c *cobra.Command)
	visit = func(c *cobra.Command) {
		require.NotEmpty(t, c.Short, c.CommandPath())
		require.NotEmpty(t, c.Example, c.CommandPath())
		for _, child := range c.Commands() {
			visit(child)
		}
	}
	visit(newApp(nil, nil, nil).rootCommand())
}
