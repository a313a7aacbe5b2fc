// Command payledger is the ledger: the API, the projectors, the auditor's questions and the operator's tools in one binary.
package main

import (
	"context"
	"os"
	"os/signal"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
)

func main() { os.Exit(run(os.Args[1:], os.Environ(), os.Stdout, os.Stderr)) }

// run is main with its surroundings passed in, so that tests can call it. It returns the exit code.
func run(args, environ []string, stdout, stderr *os.File) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	tuneCollector(environ)
	return newApp(environ, stdout, stderr).execute(ctx, args)
}

// gcPercent is how much the heap may grow, in percent, before garbage is collected, unless GOGC says otherwise. With Go's 100 the
// collector takes a sixth of a projector's processor time; the heaps of all roles are small.
const gcPercent = 300

func tuneCollector(environ []string) {
	isSet := slices.ContainsFunc(environ, func(line string) bool { return strings.HasPrefix(line, "GOGC=") })
	if !isSet {
		debug.SetGCPercent(gcPercent)
	}
}
