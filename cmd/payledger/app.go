package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/spf13/cobra"

	"payledger/cmd/payledger/internal/config"
	"payledger/eventstore"
)

// The exit codes: scripts rely on them.
const (
	exitDone        = 0
	exitFailed      = 1
	exitUsage       = 2 // wrong usage or configuration
	exitUnreachable = 3 // a server that is needed can't be reached
	exitRefused     = 4 // refused by a rule
	exitDamaged     = 5 // the data is not intact: verify, drift, a halted projection
)

// exitError is an error that says how the process ends.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string { return e.err.Error() }
func (e *exitError) Unwrap() error { return e.err }

func usageError(err error) error {
	if err == nil {
		return nil
	}
	return &exitError{code: exitUsage, err: err}
}

func refused(format string, args ...any) error {
	return &exitError{code: exitRefused, err: fmt.Errorf(format, args...)}
}

// stopped forgives the error of a command that runs until it is told to stop, when it was told so while it started.
func stopped(ctx context.Context, err error) error {
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// app is what every command needs: the configuration is parsed on demand, so that --help works without any.
type app struct {
	environ []string
	stdout  io.Writer
	stderr  io.Writer
	json    bool
	now     func() time.Time
}

func newApp(environ []string, stdout, stderr io.Writer) *app {
	return &app{environ: environ, stdout: stdout, stderr: stderr, now: time.Now}
}

func (a *app) execute(ctx context.Context, args []string) int {
	root := a.rootCommand() //nolint:contextcheck // cobra hands it to the commands
	root.SetArgs(args)
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	demandShell(root)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitDone
	}
	fmt.Fprintf(a.stderr, "payledger: %v\n", err)
	return exitCode(err)
}

// exitCode maps an error to the process's exit code.
func exitCode(err error) int {
	var exit *exitError
	var connect *pgconn.ConnectError
	switch {
	case errors.As(err, &exit):
		return exit.code
	case errors.As(err, &connect):
		return exitUnreachable
	case errors.Is(err, eventstore.ErrNoHead):
		return exitDamaged
	}
	return exitFailed
}

func (a *app) rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:           "payledger",
		Short:         "An event-sourced ledger for library fees and ticket payments",
		Example:       "  payledger dev --demo\n  payledger audit history fee 0197… --json",
		SilenceUsage:  true,
		SilenceErrors: true,
		// Unknown commands and flags are wrong usage.
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usageError(fmt.Errorf("unknown command %q: see payledger --help", args[0]))
			}
			return cmd.Help()
		},
		Args: cobra.ArbitraryArgs,
		// Before cobra looks, whose error would end with 1.
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error { return usageError(cmd.ValidateFlagGroups()) },
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError(err) })
	root.PersistentFlags().BoolVar(&a.json, "json", false, "print one JSON value per line")
	for _, command := range a.commands() {
		root.AddCommand(command)
	}
	return root
}

// demandShell makes cobra's own command `completion` refuse what it doesn't know: it would print its help and end with 0. It writes to
// the output that root has by then.
func demandShell(root *cobra.Command) {
	root.InitDefaultCompletionCmd()
	for _, cmd := range root.Commands() {
		if cmd.Name() != "completion" {
			continue
		}
		cmd.Args, cmd.RunE = exactly(0), func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
		for _, shell := range cmd.Commands() {
			shell.Args = exactly(0)
		}
	}
}

// exactly is cobra.ExactArgs with our exit code.
func exactly(n int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error { return usageError(cobra.ExactArgs(n)(cmd, args)) }
}

// config reads the environment and validates the parts that the command needs.
func (a *app) config(parts ...config.Part) (config.Config, error) {
	cfg, err := config.Parse(a.environ)
	if err != nil {
		return config.Config{}, usageError(err)
	}
	if err := cfg.Validate(parts...); err != nil {
		return config.Config{}, usageError(err)
	}
	return cfg, nil
}

// logger writes JSON lines to stderr, and says once what is configured carelessly.
func (a *app) logger(ctx context.Context, cfg config.Config) *slog.Logger {
	log := slog.New(slog.NewJSONHandler(a.stderr, &slog.HandlerOptions{Level: cfg.LogLevel}))
	for _, warning := range cfg.Warnings() {
		log.WarnContext(ctx, "configuration", slog.String("warning", warning))
	}
	return log
}

// printJSON writes one value on a line of its own.
func (a *app) printJSON(value any) error {
	encoder := json.NewEncoder(a.stdout)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	return nil
}
