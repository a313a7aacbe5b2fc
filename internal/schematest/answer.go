package schematest

import (
	"bytes"
	"fmt"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"payledger/docs"
)

// contract is docs/openapi.yaml, read once; schemas are compiled when an answer needs them.
type contract struct {
	doc      map[string]any
	compiler *jsonschema.Compiler
	mu       sync.Mutex
	schemas  map[string]*jsonschema.Schema
}

const contractURL = "https://payledger.test/openapi.json"

var theContract = sync.OnceValues(func() (*contract, error) {
	var doc map[string]any
	if err := yaml.Unmarshal(docs.OpenAPI, &doc); err != nil {
		return nil, err
	}
	compiler := jsonschema.NewCompiler()
	compiler.DefaultDraft(jsonschema.Draft2020)
	if err := AddTo(compiler, strings.TrimSuffix(contractURL, "openapi.json")+"schemas/"); err != nil {
		return nil, err
	}
	if err := compiler.AddResource(contractURL, jsonValue(doc)); err != nil {
		return nil, err
	}
	return &contract{doc: doc, compiler: compiler, schemas: map[string]*jsonschema.Schema{}}, nil
})

// jsonValue turns YAML's integers into what the schema library takes for numbers.
func jsonValue(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for key, value := range v {
			out[key] = jsonValue(value)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, value := range v {
			out[i] = jsonValue(value)
		}
		return out
	case int:
		return float64(v) //nolint:forbidigo // the library wants its numbers so
	}
	return v
}

// Answer demands that an answer is what docs/openapi.yaml says: the status must be documented for the route, and the body must
// be what its schema says. What no documented route serves is an error envelope.
func Answer(t testing.TB, method, path string, status int, header http.Header, body []byte) {
	t.Helper()
	c, err := theContract()
	require.NoError(t, err)
	if status == http.StatusNotModified || method == http.MethodHead {
		require.Empty(t, body)
		return
	}
	media, _, err := mime.ParseMediaType(header.Get("Content-Type"))
	require.NoError(t, err)
	if media == "application/yaml" || media == "application/schema+json" || header.Get("Content-Disposition") != "" { // a file
		return
	}
	where := "/components/responses/Error"
	if template, ok := c.template(method, path); ok {
		response := []string{"paths", template, strings.ToLower(method), "responses", strconv.Itoa(status)}
		documented, ok := dig(c.doc, response...)
		require.True(t, ok, "%s %s does not document %d: %s", method, template, status, body)
		if _, isRef := documented["$ref"]; !isRef {
			where = pointer(response...)
		}
		if headers, _ := dig(documented, "headers"); headers["Ledger-Position"] != nil {
			require.NotEmpty(t, header.Get("Ledger-Position"), "%s %s", method, path)
		}
	}
	schema, err := c.schema(where + pointer("content", media, "schema"))
	require.NoError(t, err)
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	require.NoError(t, err, "%s", body)
	require.NoError(t, schema.Validate(value), "%s %s answers %s", method, path, body)
}

// Pattern returns the documented route that a request goes to, as method and path with places in braces; empty for none.
func Pattern(method, path string) string {
	c, err := theContract()
	if err != nil {
		return ""
	}
	if template, ok := c.template(method, path); ok {
		return method + " " + template
	}
	return ""
}

// template returns the documented path that a path belongs to, if the method is documented there.
func (c *contract) template(method, path string) (string, bool) {
	path, _, _ = strings.Cut(path, "?")
	paths, _ := dig(c.doc, "paths")
	for template := range paths {
		if _, ok := dig(c.doc, "paths", template, strings.ToLower(method)); ok && matches(template, path) {
			return template, true
		}
	}
	return "", false
}

func matches(template, path string) bool {
	want, got := strings.Split(template, "/"), strings.Split(path, "/")
	if len(want) != len(got) {
		return false
	}
	for i := range want {
		if want[i] != got[i] && !strings.HasPrefix(want[i], "{") {
			return false
		}
	}
	return true
}

func (c *contract) schema(at string) (*jsonschema.Schema, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s, ok := c.schemas[at]; ok {
		return s, nil
	}
	s, err := c.compiler.Compile(contractURL + "#" + at)
	if err != nil {
		return nil, fmt.Errorf("schema %s: %w", at, err)
	}
	c.schemas[at] = s
	return s, nil
}

func pointer(keys ...string) string {
	var b strings.Builder
	for _, key := range keys {
		b.WriteString("/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(key))
	}
	return b.String()
}

func dig(doc map[string]any, keys ...string) (map[string]any, bool) {
	for _, key := range keys {
		next, ok := doc[key].(map[string]any)
		if !ok {
			return nil, false
		}
		doc = next
	}
	return doc, true
}

// Operations returns the operationId of every documented route, by method and path.
func Operations(t testing.TB) map[string]string {
	t.Helper()
	c, err := theContract()
	require.NoError(t, err)
	all := map[string]string{}
	paths, _ := dig(c.doc, "paths")
	for path := range paths {
		operations, _ := dig(c.doc, "paths", path)
		for method, operation := range operations {
			all[strings.ToUpper(method)+" "+path] = operation.(map[string]any)["operationId"].(string)
		}
	}
	return all
}
