package audit

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"payledger/domain/evidence"
)

// Kind is a kind of report: what it shows and what it can be narrowed down to.
type Kind struct {
	Name  string
	Title string
	// Period tells whether it is about a period, From to AsOf, and not about the state at AsOf only.
	Period  bool
	Filters []string // names of the filters that it takes
	Columns []Column

	form int // changes with columns and rules: reports of another form can't be compared
	// earlier has forms whose rows were the first so many columns of today's: they can still be made.
	earlier map[int]int
	also    []string // types of events that it is made of beside those that move money
	fold    func(context.Context, Reader, Params, *table) error
}

// Kinds returns all kinds of reports.
func Kinds() []Kind {
	return []Kind{activity(), staff(), waivers(), payments(), aging(), rollForward(), creditsDue(), accounts()}
}

// KindNames returns their names.
func KindNames() []string {
	var names []string
	for _, k := range Kinds() {
		names = append(names, k.Name)
	}
	return names
}

// KindOf returns a kind by its name. Errors: ErrUnknownReport.
func KindOf(name string) (Kind, error) {
	kinds := Kinds()
	i := slices.IndexFunc(kinds, func(k Kind) bool { return k.Name == name })
	if i < 0 {
		return Kind{}, fmt.Errorf("%w: %q, not one of %s", ErrUnknownReport, name, strings.Join(KindNames(), ", "))
	}
	return kinds[i], nil
}

// Params say what a report is made of.
type Params struct {
	Tenant string
	Kind   string
	Bounds
	Filters []evidence.Parameter
}

// filter returns the value of a filter, empty for none.
func (p Params) filter(name string) string {
	for _, f := range p.Filters {
		if f.Name == name {
			return f.Value
		}
	}
	return ""
}

// Report is what a report came to. With the same params it is always the same.
type Report struct {
	ID string // empty before it is stored
	Params
	Form     int
	HeadHash [32]byte // of the chain at KnownAt
	Rows     int64
	Digest   [32]byte // SHA-256 of the rows as JSON Lines, without their notes
	Notes    int64    // rows with a note about a person
	Shown    int64    // of them those whose note could be read
	Totals   []evidence.Total
}

// Make makes a report and hands each of its rows over; an error of each ends it. KnownAt must not be beyond the head: see Known.
// Errors: ErrUnknownReport, ErrBadFilter, money.ErrTotalTooLarge.
func (r Reader) Make(ctx context.Context, p Params, each func(Row) error) (Report, error) {
	kind, err := KindOf(p.Kind)
	if err != nil {
		return Report{}, err
	}
	return r.make(ctx, kind, p, each)
}

func (r Reader) make(ctx context.Context, kind Kind, p Params, each func(Row) error) (Report, error) {
	if err := kind.check(p); err != nil {
		return Report{}, err
	}
	report := Report{Params: p, Form: kind.form}
	var err error
	if _, report.HeadHash, err = r.Known(ctx, &p.KnownAt); err != nil {
		return Report{}, fmt.Errorf("report %s: %w", p.Kind, err)
	}
	t := newTable(kind.Columns, each)
	if err := kind.fold(ctx, r, p, t); err != nil {
		return Report{}, fmt.Errorf("report %s: %w", p.Kind, err)
	}
	report.Rows, report.Digest, report.Totals = t.rows, [32]byte(t.digest.Sum(nil)), t.sums()
	report.Notes, report.Shown = t.notes, t.shown
	return report, nil
}

// as returns the kind as an earlier form had it. Errors: ErrOtherForm.
func (k Kind) as(form int) (Kind, error) {
	if form == k.form {
		return k, nil
	}
	width, known := k.earlier[form]
	if !known {
		return k, fmt.Errorf("%w: form %d of %s, this program has %d", ErrOtherForm, form, k.Name, k.form)
	}
	k.form, k.Columns = form, k.Columns[:width]
	return k, nil
}

// check refuses params that the kind doesn't take.
func (k Kind) check(p Params) error {
	if !p.From.IsZero() && !k.Period {
		return fmt.Errorf("%w: %s is about a moment and takes no from", ErrBadFilter, k.Name)
	}
	if err := p.check(); err != nil {
		return err
	}
	for i, f := range p.Filters {
		if !slices.Contains(k.Filters, f.Name) {
			return fmt.Errorf("%w: %s takes no filter %q", ErrBadFilter, k.Name, f.Name)
		}
		if slices.ContainsFunc(p.Filters[:i], func(g evidence.Parameter) bool { return g.Name == f.Name }) {
			return fmt.Errorf("%w: %q twice", ErrBadFilter, f.Name)
		}
	}
	return nil
}
