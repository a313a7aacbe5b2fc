// Command payledger is the ledger: the API, the projectors, the auditor's questions and the operator's tools in one binary.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() { os.Exit(run(os.Args[1:], os.Environ(), os.Stdout, os.Stderr)) }

// run is main with its surroundings passed in, so that tests can call it. It returns the exit code.
func run(args, environ []string, stdout, stderr *os.File) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return newApp(environ, stdout, stderr).execute(ctx, args)
}
