package docs_test

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"payledger/docs"
	"payledger/internal/schematest"
)

// goldenSchema maps the golden payloads of the read models to their schemas, by the beginning of their names.
var goldenSchema = []struct{ name, schema string }{
	{`^document\.extended`, "fee.json#/$defs/extended"},
	{`^document\.found`, "fee.json#/$defs/found"},
	{`^document`, "fee.json#/$defs/document"},
	{`^fee\.rest`, "fee.json#/$defs/rest"},
	{`^fee\.`, "fee.json#/$defs/row"},
	{`^feepayment\.gateway\.`, "feePayment.gateway.json#/$defs/row"},
	{`^feeevent\.rest`, "feeEvent.json#/$defs/rest"},
	{`^feeevent\.`, "feeEvent.json#/$defs/row"},
	{`^paymentcustomer\.`, "paymentCustomer.json#/$defs/row"},
	{`^paymentmethod\.`, "paymentMethod.json#/$defs/row"},
	{`^feeevent\.rest`, "feeEvent.json#/$defs/rest"},
	{`^feeevent\.`, "feeEvent.json#/$defs/row"},
	{`^feepayment\.gateway`, "feePayment.gateway.json#/$defs/row"},
	{`^paymentcustomer\.`, "paymentCustomer.json#/$defs/row"},
	{`^paymentmethod\.`, "paymentMethod.json#/$defs/row"},
	{`^feepayment\.rest`, "feePayment.json#/$defs/rest"},
	{`^feepayment\.`, "feePayment.json#/$defs/row"},
	{`^payment\.`, "payment.json"},
}

// Every golden payload is what its schema says; with a key less or a key more it isn't.
func TestGoldenPayloadsFitTheirSchemas(t *testing.T) {
	t.Parallel()
	found, err := filepath.Glob(filepath.Join("..", "readmodels", "testdata", "*.json"))
	require.NoError(t, err)
	require.NotEmpty(t, found)
	for _, path := range found {
		if strings.Contains(path, ".bare.") { // a row of nothing, which no log makes
			continue
		}
		name := schemaOf(t, filepath.Base(path))
		payload, err := os.ReadFile(path)
		require.NoError(t, err)
		schematest.Validate(t, name, payload)
		var keys map[string]json.RawMessage
		require.NoError(t, json.Unmarshal(payload, &keys))
		for key, value := range keys {
			if key == "extends" { // documents without children have none
				continue
			}
			delete(keys, key)
			require.Error(t, schematest.Check(name, printed(t, keys)), "%s without %s", path, key)
			keys[key] = value
		}
		keys["surplus"] = json.RawMessage(`1`)
		require.Error(t, schematest.Check(name, printed(t, keys)), path)
	}
}

func schemaOf(t *testing.T, golden string) string {
	t.Helper()
	for _, g := range goldenSchema {
		if regexp.MustCompile(g.name).MatchString(golden) {
			return g.schema
		}
	}
	require.FailNow(t, "a golden payload without a schema", golden)
	return ""
}

func printed(t *testing.T, keys map[string]json.RawMessage) []byte {
	t.Helper()
	text, err := json.Marshal(keys)
	require.NoError(t, err)
	return text
}

// The schemas are JSON Schema 2020-12, all of them compile with all their parts, and no object of ours is open by mistake.
func TestSchemasAreClosed(t *testing.T) {
	t.Parallel()
	require.NoError(t, fs.WalkDir(docs.Schemas, "schemas", func(path string, d fs.DirEntry, err error) error {
		require.NoError(t, err)
		if d.IsDir() {
			return nil
		}
		text, err := fs.ReadFile(docs.Schemas, path)
		require.NoError(t, err)
		var doc map[string]any
		require.NoError(t, json.Unmarshal(text, &doc), path)
		require.Equal(t, "https://json-schema.org/draft/2020-12/schema", doc["$schema"], path)
		name := strings.TrimPrefix(path, "schemas/")
		_, err = schematest.Compile(name)
		require.NoError(t, err)
		defs, _ := doc["$defs"].(map[string]any)
		for part, def := range defs {
			_, err = schematest.Compile(name + "#/$defs/" + part)
			require.NoError(t, err)
			schema := def.(map[string]any)
			if schema["properties"] == nil || part == "head" || part == "listHead" || part == "extends" || part == "deleted" || part == "detail" {
				continue // parts of others, closed by them
			}
			closed := schema["additionalProperties"] == false || schema["unevaluatedProperties"] == false
			require.True(t, closed, "%s %s takes any key", path, part)
			require.NotEmpty(t, schema["required"], "%s %s needs no key", path, part)
		}
		require.False(t, bytes.Contains(text, []byte("\t")), path)
		return nil
	}))
}
