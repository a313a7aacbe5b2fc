package docs_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const root = ".."

var (
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	fence   = regexp.MustCompile("(?ms)^```.*?^```")
	heading = regexp.MustCompile(`(?m)^#+ (.+)$`)
	slugged = regexp.MustCompile(`[^\p{L}\p{N}_ -]`)
)

// pages returns every page for people, relative to the repository's root.
func pages(t *testing.T) []string {
	t.Helper()
	var list []string
	for _, pattern := range []string{"*.md", "docs/*.md", "docs/adr/*.md"} {
		found, err := filepath.Glob(filepath.Join(root, pattern))
		require.NoError(t, err)
		for _, path := range found {
			name, err := filepath.Rel(root, path)
			require.NoError(t, err)
			list = append(list, name)
		}
	}
	require.Contains(t, list, "README.md")
	require.Contains(t, list, "docs/messages.md")
	return list
}

// links returns where a page leads: paths relative to the root, with their anchors. A folder stands for its README.
func links(t *testing.T, page string) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, page))
	require.NoError(t, err)
	var list []string
	for _, match := range link.FindAllStringSubmatch(fence.ReplaceAllString(string(text), ""), -1) {
		path, anchor, _ := strings.Cut(match[1], "#")
		if strings.Contains(path, "://") {
			continue
		}
		target := page
		if path != "" {
			target = filepath.Join(filepath.Dir(page), path)
		}
		if _, err := os.Stat(filepath.Join(root, target, "README.md")); err == nil {
			target = filepath.Join(target, "README.md")
		}
		list = append(list, target+"#"+anchor)
	}
	return list
}

func TestLinksLeadSomewhere(t *testing.T) {
	t.Parallel()
	for _, page := range pages(t) {
		for _, to := range links(t, page) {
			path, anchor, _ := strings.Cut(to, "#")
			_, err := os.Stat(filepath.Join(root, path))
			require.NoError(t, err, "%s links to %s", page, to)
			if anchor != "" {
				require.Contains(t, anchors(t, path), anchor, "%s links to %s", page, to)
			}
		}
	}
}

// anchors returns the names of a page's headings, as GitHub makes them.
func anchors(t *testing.T, page string) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, page))
	require.NoError(t, err)
	var list []string
	for _, match := range heading.FindAllStringSubmatch(fence.ReplaceAllString(string(text), ""), -1) {
		list = append(list, strings.ReplaceAll(slugged.ReplaceAllString(strings.ToLower(match[1]), ""), " ", "-"))
	}
	return list
}

// Whoever begins at the README finds every page of the reference in two clicks.
func TestEveryPageIsTwoClicksAway(t *testing.T) {
	t.Parallel()
	reached := map[string]bool{"README.md": true}
	last := []string{"README.md"}
	for range 2 {
		var next []string
		for _, page := range last {
			for _, to := range links(t, page) {
				path, _, _ := strings.Cut(to, "#")
				if !reached[path] && strings.HasSuffix(path, ".md") {
					next = append(next, path)
				}
				reached[path] = true
			}
		}
		last = next
	}
	wanted := append(pages(t), "docs/openapi.yaml", ".env.example")
	for _, page := range wanted {
		if strings.HasPrefix(page, "docs/adr/") {
			page = "docs/adr" // its list is the folder's
		}
		require.True(t, reached[page], "%s is not two clicks from the README", page)
	}
}

// Each decision has a number of its own, which its file's name and its title begin with.
func TestDecisionsAreNumbered(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("adr/*.md")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	taken := map[string]string{}
	for _, file := range files {
		number, _, _ := strings.Cut(filepath.Base(file), "-")
		require.Empty(t, taken[number], "%s has the number of another", file)
		taken[number] = file
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		require.True(t, strings.HasPrefix(string(text), "# "+strings.TrimLeft(number, "0")+". "), file)
	}
}
