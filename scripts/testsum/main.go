// Command testsum reads the output of go test -json. It prints a line per package, all that failed tests said, and the counts of
// tests at the end; a test with subtests counts as its subtests. It fails if anything failed or nothing ran.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
)

func main() { os.Exit(run(os.Stdin, os.Stdout, os.Stderr)) }

// event is one line of go test -json (go doc cmd/test2json, go help buildjson).
type event struct {
	Action  string  `json:"Action"`
	Package string  `json:"Package"`
	Test    string  `json:"Test"`
	Output  string  `json:"Output"`
	Elapsed float64 `json:"Elapsed"` // seconds
}

type testID struct{ pkg, name string }

type summary struct {
	out     io.Writer
	output  map[testID][]string // of what still runs
	parents map[testID]bool
	counts  map[string]int // by action; with -count a test counts as often as it ran
	broken  bool           // a package failed by itself: it doesn't build, or TestMain or a panic ended it
}

func run(in io.Reader, out, errOut io.Writer) int {
	s := summary{out: out, output: map[testID][]string{}, parents: map[testID]bool{}, counts: map[string]int{}}
	decoder := json.NewDecoder(in)
	for {
		var e event
		err := decoder.Decode(&e)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			fmt.Fprintln(errOut, "testsum: not the output of go test -json:", err)
			return 1
		}
		s.add(e)
	}
	return s.finish()
}

func (s *summary) add(e event) {
	id := testID{e.Package, e.Test}
	switch e.Action {
	case "run":
		if i := strings.LastIndexByte(e.Test, '/'); i >= 0 {
			s.parents[testID{e.Package, e.Test[:i]}] = true
		}
	case "output":
		s.output[id] = append(s.output[id], e.Output)
	case "build-output":
		fmt.Fprint(s.out, e.Output)
	case "build-fail":
		s.broken = true
	case "pass", "fail", "skip":
		if e.Test == "" {
			s.endPackage(e)
			return
		}
		s.count(id, e.Action)
		if e.Action != "pass" {
			fmt.Fprint(s.out, strings.Join(s.output[id], ""))
		}
		delete(s.output, id)
	}
}

// count leaves parents out: their subtests have ended, and are counted, before them.
func (s *summary) count(id testID, action string) {
	if !s.parents[id] {
		s.counts[action]++
	}
}

func (s *summary) endPackage(e event) {
	if e.Action == "fail" {
		s.broken = true
		// What tests said that never ended: a panic or a time-out took them along.
		for _, id := range s.unfinished(e.Package) {
			fmt.Fprint(s.out, strings.Join(s.output[id], ""))
			if id.name != "" {
				s.count(id, "fail")
			}
			delete(s.output, id)
		}
	}
	delete(s.output, testID{pkg: e.Package})
	if e.Action != "skip" { // no test files
		fmt.Fprintf(s.out, "%-4s  %-42s %6.1f s\n", e.Action, e.Package, e.Elapsed)
	}
}

func (s *summary) unfinished(pkg string) []testID {
	var ids []testID
	for id := range s.output {
		if id.pkg == pkg {
			ids = append(ids, id)
		}
	}
	slices.SortFunc(ids, func(a, b testID) int { return strings.Compare(a.name, b.name) })
	return ids
}

func (s *summary) finish() int {
	fmt.Fprintf(s.out, "%d passed, %d failed", s.counts["pass"], s.counts["fail"])
	if n := s.counts["skip"]; n > 0 {
		fmt.Fprintf(s.out, ", %d skipped", n)
	}
	fmt.Fprintln(s.out)
	if s.broken || s.counts["fail"] > 0 || s.counts["pass"] == 0 {
		return 1
	}
	return 0
}
