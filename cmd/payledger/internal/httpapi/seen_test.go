package httpapi_test

import (
	"bytes"
	"flag"
	"fmt"
	"maps"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"go.yaml.in/yaml/v3"

	"payledger/docs"
	"payledger/internal/schematest"
)

// seen is what the tests of this package got from each route.
var seen = sightings{counts: map[string]map[int]int{}}

// TestMain holds what the tests saw against docs/openapi.yaml when all of them ran: a status that is documented for a route and that no
// test saw fails them. ROUTES_TABLE names a file to write the table to: make routes.
func TestMain(m *testing.M) {
	flag.Parse()
	code := m.Run()
	table, unseen, err := seen.table()
	if path := os.Getenv("ROUTES_TABLE"); path != "" && err == nil {
		err = os.WriteFile(path, table, 0o644)
	}
	all := flag.Lookup("test.run").Value.String() == "" && flag.Lookup("test.skip").Value.String() == "" && flag.Lookup("test.list").Value.String() == ""
	if code == 0 && (err != nil || all && len(unseen) > 0) {
		fmt.Println("documented and seen by no test:", strings.Join(unseen, "; "), err)
		code = 1
	}
	os.Exit(code)
}

type sightings struct {
	mu     sync.Mutex
	counts map[string]map[int]int // by the route's pattern and the status
}

// watch notes what a handler answers.
func (s *sightings) watch(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		status := statusWriter{ResponseWriter: w}
		next.ServeHTTP(&status, r)
		s.mu.Lock()
		defer s.mu.Unlock()
		pattern := schematest.Pattern(r.Method, r.URL.Path)
		if s.counts[pattern] == nil {
			s.counts[pattern] = map[int]int{}
		}
		s.counts[pattern][status.is]++
	})
}

type statusWriter struct {
	http.ResponseWriter
	is int
}

func (w *statusWriter) WriteHeader(status int) {
	w.is = status
	w.ResponseWriter.WriteHeader(status)
}

func (w *statusWriter) Write(p []byte) (int, error) {
	if w.is == 0 {
		w.is = http.StatusOK
	}
	return w.ResponseWriter.Write(p)
}

// table prints what was seen of each documented route, and names what is documented and wasn't.
func (s *sightings) table() (table []byte, unseen []string, err error) {
	var doc struct {
		Paths map[string]map[string]struct {
			Responses map[string]any `yaml:"responses"`
		} `yaml:"paths"`
	}
	if err := yaml.Unmarshal(docs.OpenAPI, &doc); err != nil {
		return nil, nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var b bytes.Buffer
	b.WriteString("| route | statuses that tests saw, and how often | documented, not seen |\n|---|---|---|\n")
	for _, path := range slices.Sorted(maps.Keys(doc.Paths)) {
		for _, method := range slices.Sorted(maps.Keys(doc.Paths[path])) {
			pattern := strings.ToUpper(method) + " " + path
			counts := s.counts[pattern]
			var got, missing []string
			for _, status := range slices.Sorted(maps.Keys(counts)) {
				got = append(got, fmt.Sprintf("%d (%d)", status, counts[status]))
			}
			for _, text := range slices.Sorted(maps.Keys(doc.Paths[path][method].Responses)) {
				if status, err := strconv.Atoi(text); err != nil || counts[status] == 0 {
					missing = append(missing, text)
				}
			}
			if len(missing) > 0 {
				unseen = append(unseen, pattern+" "+strings.Join(missing, " "))
			}
			fmt.Fprintf(&b, "| %s | %s | %s |\n", pattern, strings.Join(got, ", "), strings.Join(missing, ", "))
		}
	}
	return b.Bytes(), unseen, nil
}
