package tables

import "payledger/readmodels"

// ListSQL lets tests explain lists.
func ListSQL(object readmodels.Object, f Filter) (string, []any, error) {
	return listingOf(object).sql(f)
}
