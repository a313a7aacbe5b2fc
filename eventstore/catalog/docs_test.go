package catalog

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var (
	eventSection = regexp.MustCompile(`(?ms)^### (\S+\.\S+)\n(.*?)(?:^##|\z)`)
	fieldRow     = regexp.MustCompile(`(?m)^\| ([a-zA-Z]+) \| (\w+) \|`)
)

// docs/messages.md tells the payload of each event: keys in order, types, and which are sealed.
func TestEveryEventIsDocumented(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "messages.md"))
	require.NoError(t, err)
	told, want := map[string][]string{}, map[string][]string{}
	// Two sections share no heading: each match begins where the one before ended.
	for rest := string(text); ; {
		at := eventSection.FindStringSubmatchIndex(rest)
		if at == nil {
			break
		}
		name, body := rest[at[2]:at[3]], rest[at[4]:at[5]]
		version := regexp.MustCompile(`^\nv(\d+), stream `).FindStringSubmatch(body)
		require.NotNil(t, version, "%s: version and stream", name)
		told[name+" v"+version[1]] = fields(body)
		rest = rest[at[5]:]
	}
	for _, e := range entries() {
		want[fmt.Sprintf("%s v%d", e.name, e.schema)] = fieldsOfType(e.typ)
	}
	require.Equal(t, want, told)
}

func TestMetadataIsDocumented(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "messages.md"))
	require.NoError(t, err)
	_, section, found := strings.Cut(string(text), "\n## Metadata\n")
	require.True(t, found)
	section, _, _ = strings.Cut(section, "\n## ")
	require.Equal(t, fieldsOfType(reflect.TypeFor[Meta]()), fields(section))
}

// fields reads a table: key and type of each line.
func fields(section string) []string {
	var list []string
	for _, row := range fieldRow.FindAllStringSubmatch(section, -1) {
		if row[1] != "field" {
			list = append(list, row[1]+" "+row[2])
		}
	}
	return list
}

func fieldsOfType(t reflect.Type) []string {
	list := make([]string, t.NumField())
	for i := range list {
		f := t.Field(i)
		list[i] = f.Tag.Get("json") + " " + word(f)
	}
	return list
}

// word is how the page names the type of a field.
func word(f reflect.StructField) string {
	switch kind := f.Type.Kind(); {
	case f.Tag.Get("sealed") == "true":
		return "sealed"
	case f.Type == amountType, f.Type == totalType:
		return "amount"
	case f.Type == instantType:
		return "instant"
	case kind == reflect.String:
		return "text"
	case kind == reflect.Bool:
		return "flag"
	case kind == reflect.Int:
		return "number"
	case kind == reflect.Slice:
		return "list"
	default:
		return "object"
	}
}
