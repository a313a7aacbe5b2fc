package tables

// OrderBy lets tests explain the order that lists use.
func OrderBy(s Sort) string { return s.sql() }
