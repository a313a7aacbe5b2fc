package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"text/tabwriter"
)

// measure is one figure of a run, and one element of bench.json.
type measure struct {
	Name    string   `json:"name"`
	Value   float64  `json:"value"`
	Unit    string   `json:"unit"`
	RatioTo *string  `json:"ratioTo"` // name of the figure that this one is compared with
	Ratio   *float64 `json:"ratio"`   // null when that one wasn't measured
}

// Units.
const (
	perSecond   = "1/s"
	millisecond = "ms"
	microsecond = "us" // of processor time for one command or event
	seconds     = "s"
	cores       = "cores" // processors that other programs kept busy meanwhile
)

// report collects the figures of a run in the order in which they were measured.
type report struct {
	measures []measure
	log      io.Writer // progress
}

// add notes a figure; ratioTo may be empty.
func (r *report) add(name string, value float64, unit, ratioTo string) {
	m := measure{Name: name, Value: value, Unit: unit}
	if ratioTo != "" {
		m.RatioTo = &ratioTo
	}
	r.measures = append(r.measures, m)
	fmt.Fprintf(r.log, "  %-32s %10s %s\n", name, number(value), unit)
}

// relate fills the ratios in.
func (r *report) relate() {
	values := make(map[string]float64, len(r.measures))
	for _, m := range r.measures {
		values[m.Name] = m.Value
	}
	for i := range r.measures {
		m := &r.measures[i]
		if m.RatioTo == nil {
			continue
		}
		if base := values[*m.RatioTo]; base > 0 {
			ratio := m.Value / base
			m.Ratio = &ratio
		}
	}
}

// print writes the table for people.
func (r *report) print(w io.Writer) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "name\tvalue\tunit\tratio\tto\t")
	for _, m := range r.measures {
		ratio, to := "", ""
		if m.Ratio != nil {
			ratio, to = strconv.FormatFloat(*m.Ratio, 'f', 2, 64), *m.RatioTo
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t\n", m.Name, number(m.Value), m.Unit, ratio, to)
	}
	return table.Flush()
}

// number prints a figure with as many digits as mean something.
func number(v float64) string {
	if v >= 100 {
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	return strconv.FormatFloat(v, 'f', 2, 64)
}

// write writes the figures as JSON.
func (r *report) write(path string) error {
	text, err := json.MarshalIndent(r.measures, "", "  ")
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := os.WriteFile(path, append(text, '\n'), 0o600); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}
