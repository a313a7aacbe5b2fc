// Command bench measures Payledger on a Postgres server of its own, with fsync on: what Postgres can do bare, what the event
// store makes of it, full commands over HTTP with the projectors beside, and how fast read models and topics catch up. It
// prints a table and writes out/bench.json. All figures are of one run, so their ratios can be compared between machines.
// docs/performance.md says what the lines mean and what limits them.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

func main() { os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }

// run is main with its surroundings passed in. It returns the exit code.
func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	if len(args) == 1 && args[0] == brokerRole {
		return exitCode(serveBroker(ctx, stdin, stdout), stderr)
	}
	o, err := parseOptions(args, stderr)
	if err != nil {
		return 2 // the flag package has said why
	}
	return exitCode(measureAll(ctx, o, stdout, stderr), stderr)
}

func exitCode(err error, stderr io.Writer) int {
	if err == nil {
		return 0
	}
	fmt.Fprintln(stderr, "bench:", err)
	return 1
}

// options are the command line.
type options struct {
	only      *regexp.Regexp
	out       string
	binary    string        // of payledger; empty: it is built
	duration  time.Duration // of each rate
	sustained time.Duration // of each sustained rate
	members   int           // of the library that the read models are built from; each has nine events
	sizes     []int         // of the libraries on which growth is measured, in fees, the smallest first
	logs      []int         // sizes of the logs that rebuilds are measured on, in events, the smallest first
	profiles  string        // folder for CPU profiles of the steps that run in this process
}

// What -quick stands for: a smoke run, whose figures mean little.
const (
	quickDuration  = 500 * time.Millisecond
	quickSustained = 2 * time.Second
	quickMembers   = 1000
	quickSize      = 1000
)

func parseOptions(args []string, stderr io.Writer) (options, error) {
	var o options
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&o.out, "out", "out/bench.json", "file for the figures")
	flags.StringVar(&o.binary, "bin", "", "payledger binary to measure; default: it is built from ./cmd/payledger")
	flags.DurationVar(&o.duration, "time", 5*time.Second, "how long each rate is measured")
	flags.DurationVar(&o.sustained, "sustained", time.Minute, "how long each sustained rate is measured")
	flags.IntVar(&o.members, "members", 20_000, "members of the library that read models are built from, nine events each")
	flags.StringVar(&o.profiles, "profiles", "", "folder for CPU profiles of the steps that run in this process")
	sizes := flags.String("sizes", "1000,100000,1000000", "fees in the libraries that the lines growth.* are measured on; 1000000 takes some ten minutes")
	logs := flags.String("logs", "100000,1000000", "events in the logs that the lines rebuild.* are measured on; 1000000 takes some five minutes, 5000000 half an hour")
	quick := flags.Bool("quick", false, "a smoke run of a few seconds")
	only := flags.String("only", "", "regular expression: measure only the names it matches")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	var err error
	if o.only, err = regexp.Compile(*only); err == nil && flags.NArg() > 0 {
		err = fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	if err == nil {
		o.sizes, err = parseSizes(*sizes)
	}
	if err == nil {
		o.logs, err = parseSizes(*logs)
	}
	if err == nil && (o.duration <= 0 || o.sustained <= 0 || o.members < 1) {
		err = errors.New("times and members must be more than zero")
	}
	if err != nil {
		fmt.Fprintln(stderr, "bench:", err)
		return o, err
	}
	if *quick {
		o.duration, o.sustained, o.members, o.sizes, o.logs = quickDuration, quickSustained, quickMembers, []int{quickSize}, []int{quickSize}
	}
	return o, nil
}

// minSize is the smallest library in which there is something to page through.
const minSize = 1000

func parseSizes(list string) ([]int, error) {
	var sizes []int
	for text := range strings.SplitSeq(list, ",") {
		n, err := strconv.Atoi(text)
		if err != nil || n < minSize {
			return nil, fmt.Errorf("a size must be a number, %d at least: %q", minSize, text)
		}
		sizes = append(sizes, n)
	}
	slices.Sort(sizes)
	return slices.Compact(sizes), nil
}

// measureAll runs the steps that were asked for and reports what they measured, also when one of them fails.
func measureAll(ctx context.Context, o options, stdout, stderr io.Writer) error {
	s, err := newSuite(ctx, o, stderr)
	if err != nil {
		return err
	}
	began := time.Now()
	err = errors.Join(s.run(ctx), s.close())
	if len(s.report.measures) == 0 {
		return errors.Join(err, errors.New("nothing was measured"))
	}
	s.report.relate()
	fmt.Fprintf(stderr, "measured for %s\n", time.Since(began).Round(time.Second))
	return errors.Join(err, s.report.print(stdout), s.report.write(o.out))
}
