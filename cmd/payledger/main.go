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

	"payledger/projections/bulk"
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
// collector takes a sixth of a projector's processor time; the heaps of all roles are small. One that builds a large read model holds up to
// bulk.MaxMemory: towards memoryLimit bytes, unless GOMEMLIMIT says otherwise, the collector lets it grow less and less.
const (
	gcPercent   = 300
	memoryLimit = bulk.MaxMemory * 3 / 2
)

func tuneCollector(environ []string) {
	isSet := func(name string) bool {
		return slices.ContainsFunc(environ, func(line string) bool { return strings.HasPrefix(line, name+"=") })
	}
	if !isSet("GOGC") {
		debug.SetGCPercent(gcPercent)
	}
	if !isSet("GOMEMLIMIT") {
		debug.SetMemoryLimit(memoryLimit)
	}
}
