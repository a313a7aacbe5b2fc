// Command withpostgres runs a command beside a temporary Postgres, whose superuser's URL it exports as TEST_DATABASE_URL, and ends
// with the exit code of that command. A server that TEST_DATABASE_URL names already is used instead.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"time"

	"payledger/internal/pgserver"
)

const envURL = "TEST_DATABASE_URL"

// stopTimeout is what the command gets to stop after a signal.
const stopTimeout = 10 * time.Second

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

func run(args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("withpostgres", flag.ContinueOnError)
	flags.SetOutput(stderr)
	durable := flags.Bool("durable", false, "a server of its own with fsync on")
	find := flags.Bool("find", false, "only print the folder of the Postgres that would be used")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	var code int
	var err error
	switch {
	case *find:
		err = printBinaries(ctx, stdout)
	case flags.NArg() == 0:
		fmt.Fprintln(stderr, "usage: withpostgres [-durable] COMMAND [ARGUMENT…] | withpostgres -find")
		return 2
	default:
		code, err = beside(ctx, *durable, flags.Args())
	}
	if err != nil {
		fmt.Fprintln(stderr, "withpostgres:", err)
		return 1
	}
	return code
}

func printBinaries(ctx context.Context, stdout io.Writer) error {
	dir, err := pgserver.FindBinaries(ctx)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(stdout, dir)
	return err
}

// beside returns the exit code of the command.
func beside(ctx context.Context, durable bool, command []string) (int, error) {
	url := os.Getenv(envURL)
	if durable || url == "" {
		settings := pgserver.ThrowawaySettings()
		if durable {
			settings = pgserver.DurableSettings()
		}
		server, err := pgserver.Start(ctx, pgserver.Config{Settings: settings})
		if err != nil {
			return 0, err
		}
		defer server.Close()
		url = server.URL("postgres")
	}
	cmd := exec.CommandContext(ctx, command[0], command[1:]...) //nolint:gosec // running what it is given is its purpose
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = stopTimeout
	cmd.Env = append(os.Environ(), envURL+"="+url)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	err := cmd.Run()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok && exit.Exited() {
		return exit.ExitCode(), nil
	}
	return 0, err
}
