package catalog

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"payledger/domain/extension"
	"payledger/internal/schematest"
)

// docs/schemas/events has the schema of every stored payload, old versions too. A schema is written once, with -update, and then
// only read: what is stored never changes.
func TestEveryPayloadHasASchema(t *testing.T) {
	t.Parallel()
	dir := filepath.Join("..", "..", "docs", "schemas", "events")
	all := entries()
	for _, e := range all {
		name := fmt.Sprintf("%s.v%d.json", e.name, e.schema)
		var want bytes.Buffer
		printer := json.NewEncoder(&want)
		printer.SetEscapeHTML(false)
		printer.SetIndent("", "  ")
		require.NoError(t, printer.Encode(payloadSchema(t, e.wireName, e.typ)))
		requireGolden(t, filepath.Join(dir, name), want.Bytes())
	}
	found, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, found, len(all), "a schema without its event")
}

// The golden payloads are what the schemas say, and without any one key they aren't.
func TestGoldenPayloadsFitTheirSchemas(t *testing.T) {
	t.Parallel()
	golden, err := filepath.Glob(filepath.Join("testdata", "events", "*.json"))
	require.NoError(t, err)
	require.NotEmpty(t, golden)
	for _, path := range golden {
		payload, err := os.ReadFile(path)
		require.NoError(t, err)
		name := "events/" + filepath.Base(path)
		schematest.Validate(t, name, payload)
		var keys map[string]json.RawMessage
		require.NoError(t, json.Unmarshal(payload, &keys))
		for key, value := range keys {
			delete(keys, key)
			less, err := json.Marshal(keys)
			require.NoError(t, err)
			require.Error(t, schematest.Check(name, less), "%s without %s", name, key)
			keys[key] = value
		}
		keys["surplus"] = json.RawMessage(`1`)
		more, err := json.Marshal(keys)
		require.NoError(t, err)
		require.Error(t, schematest.Check(name, more), name)
	}
}

func payloadSchema(t *testing.T, name wireName, typ reflect.Type) map[string]any {
	t.Helper()
	s := typeSchema(t, typ)
	s["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	s["title"] = fmt.Sprintf("%s, version %d", name.name, name.schema)
	return s
}

// typeSchema tells of a type what formOf makes of it.
func typeSchema(t *testing.T, typ reflect.Type) map[string]any {
	t.Helper()
	switch typ {
	case amountType, totalType:
		return object(map[string]any{
			"minor": map[string]any{"type": "integer"}, "currency": map[string]any{"type": "string", "pattern": "^[A-Z]{3}$"},
		})
	case instantType:
		return map[string]any{"type": "string", "pattern": `^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?Z$`}
	case reflect.TypeFor[extension.Value]():
		return map[string]any{"type": "object"}
	}
	switch typ.Kind() { //nolint:exhaustive // formOf knows no other kinds
	case reflect.String:
		return map[string]any{"type": "string"}
	case reflect.Bool:
		return map[string]any{"type": "boolean"}
	case reflect.Int, reflect.Int64:
		return map[string]any{"type": "integer"}
	case reflect.Slice:
		return map[string]any{"type": "array", "items": typeSchema(t, typ.Elem())}
	case reflect.Struct:
		properties := map[string]any{}
		for f := range typ.Fields() {
			properties[f.Tag.Get("json")] = typeSchema(t, f.Type)
			if f.Tag.Get("sealed") == "true" {
				properties[f.Tag.Get("json")] = map[string]any{
					"description": "sealed under the person's key, empty for none", "type": "string", "pattern": `^(v1\..+)?$`,
				}
			}
		}
		return object(properties)
	}
	require.FailNow(t, "no schema", "for %s", typ)
	return nil
}

func object(properties map[string]any) map[string]any {
	required := slices.Sorted(maps.Keys(properties))
	return map[string]any{"type": "object", "additionalProperties": false, "required": required, "properties": properties}
}
