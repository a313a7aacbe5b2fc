package tables

import "payledger/readmodels"

// ListSQL lets tests explain lists.
func ListSQL(object readmodels.Object, f Filter) (string, []any, error) {
	list, err := listingOf(object).statement(f, nil)
	return list.sql, list.args, err
}
