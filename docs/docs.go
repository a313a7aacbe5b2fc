// Package docs carries the published contracts that programs serve.
package docs

import "embed"

// OpenAPI is the description of the HTTP API, OpenAPI 3.1 in YAML. Its schemas of answers are in Schemas.
//
//go:embed openapi.yaml
var OpenAPI []byte

// Schemas holds the JSON Schema (2020-12) of every payload, below schemas/.
//
//go:embed schemas
var Schemas embed.FS
