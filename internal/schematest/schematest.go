// Package schematest holds payloads against the published schemas in docs/schemas.
package schematest

import (
	"bytes"
	"fmt"
	"io/fs"
	"strings"
	"sync"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"

	"payledger/docs"
)

// base is where the schemas seem to be; they refer to each other by their names.
const base = "https://payledger.test/schemas/"

// library holds the published schemas; each is compiled when it is first asked for.
type library struct {
	mu       sync.Mutex
	compiler *jsonschema.Compiler
	compiled map[string]*jsonschema.Schema
}

var theLibrary = sync.OnceValues(func() (*library, error) {
	l := &library{compiler: jsonschema.NewCompiler(), compiled: map[string]*jsonschema.Schema{}}
	l.compiler.DefaultDraft(jsonschema.Draft2020)
	return l, AddTo(l.compiler, base)
})

// AddTo makes the published schemas known to a compiler, as if they were at a URL that ends with a slash.
func AddTo(c *jsonschema.Compiler, at string) error {
	return fs.WalkDir(docs.Schemas, "schemas", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := fs.ReadFile(docs.Schemas, path)
		if err != nil {
			return err
		}
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		return c.AddResource(at+strings.TrimPrefix(path, "schemas/"), doc)
	})
}

// Compile returns a schema by its name in docs/schemas, such as fee.json#/$defs/updated.
func Compile(name string) (*jsonschema.Schema, error) {
	l, err := theLibrary()
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if s, ok := l.compiled[name]; ok {
		return s, nil
	}
	s, err := l.compiler.Compile(base + name)
	if err != nil {
		return nil, fmt.Errorf("schema %s: %w", name, err)
	}
	l.compiled[name] = s
	return s, nil
}

// Check reports what is wrong with a payload, nil for nothing.
func Check(name string, payload []byte) error {
	s, err := Compile(name)
	if err != nil {
		return err
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(payload))
	if err != nil {
		return err
	}
	return s.Validate(value)
}

// Validate demands that a payload is what a schema says.
func Validate(t testing.TB, name string, payload []byte) {
	t.Helper()
	require.NoError(t, Check(name, payload), "%s", payload)
}

// Message demands that a message is what its topic and headers say.
func Message(t testing.TB, topic string, headers map[string]string, value []byte) {
	t.Helper()
	name := schemaOf(topic, headers["ledger-schema"], headers["ledger-action"], value)
	require.NoError(t, Check(name, value), "%s: %s", topic, value)
}

// schemaOf returns the schema of a message.
func schemaOf(topic, schema, action string, value []byte) string {
	switch {
	case strings.HasSuffix(topic, "-journal") && action == "signed":
		return schema + ".json"
	case strings.HasSuffix(topic, "-journal"):
		return "events/" + schema + ".json"
	case strings.HasPrefix(topic, "elastic-index-") && action == "extended":
		return schema + ".json#/$defs/extended"
	case strings.HasPrefix(topic, "elastic-index-"):
		return schema + ".json#/$defs/document"
	case strings.Contains(topic, "-dbevent-") && action == "created":
		return schema + ".json#/$defs/row"
	case strings.Contains(topic, "-dbevent-"):
		return schema + ".json#/$defs/" + action
	case bytes.Contains(value, []byte(`"paging":{`)): // a route message: the answer of a list
		return schema + ".json#/$defs/list"
	}
	return schema + ".json#/$defs/one"
}
