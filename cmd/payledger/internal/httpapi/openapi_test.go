package httpapi

import (
	"bytes"
	"encoding/json"
	"flag"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"payledger/audit"
	"payledger/cmd/payledger/internal/httpapi/input"
	"payledger/docs"
)

var update = flag.Bool("update", false, "write docs/openapi.yaml from the route table")

// object is a part of the document.
type object = map[string]any

// docs/openapi.yaml is made from the route table: what a route takes, answers and refuses is told once. The parts that are no
// routes stand in testdata/openapi.yaml.
func TestOpenAPIIsTheRouteTable(t *testing.T) {
	t.Parallel()
	frame, err := os.ReadFile(filepath.Join("testdata", "openapi.yaml"))
	require.NoError(t, err)
	var doc yaml.Node
	require.NoError(t, yaml.Unmarshal(frame, &doc))
	paths := object{}
	require.NoError(t, find(&doc, "paths").Decode(&paths))
	for _, rt := range routes() {
		path, _ := paths[rt.path].(object)
		if path == nil {
			path = object{}
			paths[rt.path] = path
		}
		path[strings.ToLower(rt.method)] = rt.operation()
	}
	var node yaml.Node
	require.NoError(t, node.Encode(paths))
	*find(&doc, "paths") = node
	flow(&doc, 0)
	var printed bytes.Buffer
	printed.WriteString("# Made from the route table in cmd/payledger/internal/httpapi: go test ./cmd/payledger/internal/httpapi -run OpenAPI -update\n")
	encoder := yaml.NewEncoder(&printed)
	encoder.SetIndent(2)
	require.NoError(t, encoder.Encode(&doc))
	if *update {
		require.NoError(t, os.WriteFile(filepath.Join("..", "..", "..", "..", "docs", "openapi.yaml"), printed.Bytes(), 0o644))
		return
	}
	require.Equal(t, string(docs.OpenAPI), printed.String())
}

// find returns the value of a key of the document.
func find(doc *yaml.Node, key string) *yaml.Node {
	root := doc.Content[0]
	for i := 0; i < len(root.Content); i += 2 {
		if root.Content[i].Value == key {
			return root.Content[i+1]
		}
	}
	panic("no key " + key)
}

// flow puts what is short on one line.
func flow(n *yaml.Node, depth int) {
	if depth > 1 && (n.Kind == yaml.MappingNode || n.Kind == yaml.SequenceNode) && width(n) < 130 {
		n.Style = yaml.FlowStyle
	}
	for _, child := range n.Content {
		flow(child, depth+1)
	}
}

func width(n *yaml.Node) int {
	sum := len(n.Value) + 3
	for _, child := range n.Content {
		sum += width(child)
	}
	return sum
}

func (rt *route) operation() object {
	op := object{"operationId": rt.name, "summary": rt.summary, "parameters": rt.parameters(), "responses": rt.responses()}
	if rt.doc != "" {
		op["description"] = rt.doc
	}
	if rt.public {
		op["security"] = []any{}
	}
	if rt.topic != "" {
		op["x-topic"] = rt.topic
	}
	switch {
	case rt.public:
		op["requestBody"] = object{"required": true, "content": object{"application/json": object{}}}
	case rt.raw:
		op["requestBody"] = object{"required": true, "content": object{"application/json": object{"schema": object{"$ref": "schemas/elements.json"}}}}
	case rt.writes():
		content := object{"schema": bodySchema(append(slices.Clip(rt.body), actorFields()...))}
		if example := exampleOf(rt.body); len(example) > 0 {
			content["example"] = example
		}
		op["requestBody"] = object{"required": rt.body != nil, "content": object{"application/json": content}}
	}
	return op
}

func refTo(kind, name string) object { return object{"$ref": "#/components/" + kind + "/" + name} }

func (rt *route) parameters() []any {
	var list []any
	for _, name := range rt.placeholders() {
		schema := object{"type": "string", "maxLength": input.MaxString}
		if !slices.Contains(rt.texts, name) {
			schema = refTo("schemas", "Id")
		}
		list = append(list, object{"name": name, "in": "path", "required": true, "schema": schema})
	}
	for _, f := range rt.query {
		p := object{"name": f.Name, "in": "query", "schema": fieldSchema(f)}
		if f.Doc != "" {
			p["description"] = f.Doc
		}
		if f.Required {
			p["required"] = true
		}
		list = append(list, p)
	}
	common := []string{"RequestId", "Tenant"}
	switch {
	case rt.writes():
		list = append(list, refTo("parameters", "IdempotencyKey"))
	case rt.showsRow():
		list = append(list, refTo("parameters", "IfNoneMatch"), refTo("parameters", "MinPosition"))
	case !rt.plain:
		list = append(list, refTo("parameters", "MinPosition"))
	}
	if rt.versioned {
		list = append(list, refTo("parameters", "IfMatch"))
	}
	for _, name := range common {
		list = append(list, refTo("parameters", name))
	}
	return list
}

// showsRow tells whether the route reads one row by its id. An account is made of many, a profile is none.
func (rt *route) showsRow() bool {
	return !rt.plain && rt.action == actionGet && rt.name != "getAccount" && rt.name != "getBooksProfile" && rt.question == ""
}

func (rt *route) responses() object {
	statuses := []int{400, 401, 403, 404, 500, 503}
	switch {
	case rt.public: // nothing is read of it but the request's id
		statuses = []int{400, 503}
	case rt.writes() && rt.answers == "":
		statuses = append(statuses, 413, 415, 422)
	case rt.writes():
		statuses = append(statuses, 409, 413, 415, 422)
	case rt.question == "state", rt.question == "reproduce":
		statuses = append(statuses, 422)
	}
	if rt.versioned {
		statuses = append(statuses, 412)
	}
	all := object{}
	for _, status := range statuses {
		all[strconv.Itoa(status)] = refTo("responses", "Error")
	}
	if rt.answers == "" { // it needs a gateway, which this version hasn't
		return all
	}
	success := object{"description": "Done.", "content": object{"application/json": object{"schema": object{"$ref": "schemas/" + rt.answers}}}}
	header := func(name string) object { return refTo("headers", name) }
	if rt.file {
		content := object{}
		for _, format := range audit.Formats() {
			media, _, _ := strings.Cut(audit.Format(format).MediaType(), ";")
			content[media] = object{"schema": object{"type": "string", "format": "binary"}}
		}
		success = object{"description": "The file.", "content": content, "headers": object{
			"Ledger-Position": header("ReadPosition"), headerReportID: object{"description": "Id of the stored report.", "schema": refTo("schemas", "Id")},
		}}
	}
	if !rt.plain {
		switch {
		case rt.writes():
			success["headers"] = object{"Ledger-Position": header("WrittenPosition"), "ETag": header("ETag"), "Idempotency-Replayed": header("Replayed")}
		case rt.action == actionList:
			success["headers"] = object{"Ledger-Position": header("ReadPosition"), "Total-Count": header("TotalCount")}
		case rt.showsRow():
			success["headers"] = object{"Ledger-Position": header("ReadPosition"), "ETag": header("ETag")}
			all["304"] = object{"description": "The caller has this version already."}
		default:
			success["headers"] = object{"Ledger-Position": header("ReadPosition")}
		}
	}
	if rt.name == "getAdminHealth" {
		all["503"] = object{"description": "It should not, or is too busy to say.", "content": object{"application/json": object{"schema": object{
			"anyOf": []any{object{"$ref": "schemas/health.json"}, object{"$ref": "schemas/error.json"}},
		}}}}
	}
	all[strconv.Itoa(rt.status())] = success
	if rt.writes() {
		trial := object{"$ref": "schemas/dryRun.json#/$defs/one"}
		if rt.status() == http.StatusOK {
			trial = object{"anyOf": []any{object{"$ref": "schemas/" + rt.answers}, trial}}
			success["content"] = object{"application/json": object{"schema": trial}}
		} else {
			all["200"] = object{"description": "What a dry run would do.", "content": object{"application/json": object{"schema": trial}}}
		}
	}
	return all
}

// bodySchema is the schema of an object with some fields.
func bodySchema(fields []input.Field) object {
	properties := object{}
	var required []any
	for _, f := range fields {
		schema := fieldSchema(f)
		if f.Doc != "" {
			schema["description"] = f.Doc
		}
		properties[f.Name] = schema
		if f.Required {
			required = append(required, f.Name)
		}
	}
	s := object{"type": "object", "additionalProperties": false, "properties": properties}
	if required != nil {
		s["required"] = required
	}
	return s
}

// fieldSchema tells what a field takes; that empty strings and null count as absent stands in the document's introduction.
func fieldSchema(f input.Field) object {
	switch f.Kind {
	case input.KindID:
		return refTo("schemas", "Id")
	case input.KindString:
		return object{"type": "string", "maxLength": input.MaxString}
	case input.KindText:
		return object{"type": "string", "maxLength": input.MaxText}
	case input.KindWord:
		return object{"type": "string"}
	case input.KindDate, input.KindUntil:
		return refTo("schemas", "DateIn")
	case input.KindAmount:
		return refTo("schemas", "AmountIn")
	case input.KindCurrency:
		s := object{"type": "string", "pattern": "^[A-Z]{3}$"}
		if f.Default != "" {
			s["default"] = f.Default
		}
		return s
	case input.KindEnum:
		var values []any
		for _, w := range f.Words {
			values = append(values, w)
		}
		for n := range f.Words {
			values = append(values, n)
		}
		for n := range f.Words {
			values = append(values, strconv.Itoa(n))
		}
		return object{"enum": values}
	case input.KindChoice:
		return object{"enum": f.Words}
	case input.KindInt:
		return object{"type": "integer", "minimum": f.Low, "maximum": f.High}
	case input.KindPosition:
		return object{"type": "integer", "minimum": 0}
	case input.KindBool:
		return object{"enum": []any{true, false, "true", "false"}}
	case input.KindObject:
		return bodySchema(f.Of)
	case input.KindObjects:
		return object{"type": "array", "maxItems": f.High, "items": bodySchema(f.Of)}
	case input.KindStrings:
		return object{"type": "array", "maxItems": f.High, "items": object{"type": "string", "minLength": 1, "maxLength": input.MaxString}}
	}
	panic("no schema for a field of kind " + string(f.Kind))
}

// exampleOf is a body with what is required.
func exampleOf(fields []input.Field) object {
	example := object{}
	for _, f := range fields {
		if f.Required {
			example[f.Name] = SampleOf(f)
		}
	}
	return example
}

// SampleOf is a value that a field takes.
func SampleOf(f input.Field) any {
	switch f.Kind {
	case input.KindID:
		return "11111111-1111-4111-8111-111111111111"
	case input.KindDate, input.KindUntil:
		return "2026-01-31T12:00:00Z"
	case input.KindAmount:
		return json.Number("1.5")
	case input.KindCurrency:
		return "USD"
	case input.KindEnum, input.KindChoice:
		return f.Words[0]
	case input.KindInt:
		return f.Low
	case input.KindPosition:
		return 0
	case input.KindBool:
		return true
	case input.KindObject:
		return exampleOf(f.Of)
	case input.KindObjects:
		return []any{exampleOf(f.Of)}
	case input.KindStrings:
		return []any{"overdue"}
	case input.KindString, input.KindText, input.KindWord:
	}
	return "some text"
}

// Every route has what the published contract needs, and names of its own.
func TestRoutesAreComplete(t *testing.T) {
	t.Parallel()
	names := map[string]bool{}
	for _, rt := range routes() {
		at := rt.method + " " + rt.path
		require.NotEmpty(t, rt.summary, at)
		require.NotEqual(t, rt.public, len(rt.needs) > 0, "%s: deny by default", at)
		require.NotNil(t, rt.serve, at)
		require.False(t, names[rt.name], "%s: the name %s is taken", at, rt.name)
		names[rt.name] = true
		require.Equal(t, rt.plain || rt.dataName == "", rt.action == "", "%s: an envelope has dataName and action", at)
		require.False(t, rt.body != nil && rt.method == http.MethodGet, at)
		for _, name := range rt.texts {
			require.Contains(t, rt.placeholders(), name, at)
		}
	}
}
