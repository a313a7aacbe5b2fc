// Package docs carries the published contracts that programs serve.
package docs

import _ "embed"

// OpenAPI is the description of the HTTP API, OpenAPI 3.1 in YAML.
//
//go:embed openapi.yaml
var OpenAPI []byte
