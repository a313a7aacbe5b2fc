// Package migrations holds the numbered SQL of the log's schema.
package migrations

import "embed"

// FS holds the goose files, in order of their numbers.
//
//go:embed *.sql
var FS embed.FS
