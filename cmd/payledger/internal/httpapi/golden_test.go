package httpapi_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"payledger/cmd/payledger/internal/httpapi"
)

var (
	anID     = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)
	aTime    = regexp.MustCompile(`[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z`)
	aDigest  = regexp.MustCompile(`"[0-9a-f]{32}([0-9a-f]{32})?"`)
	aMeasure = regexp.MustCompile(`"(elapsedMs|ssoTime|position|knownAt|head)":[0-9]+`)
)

// The answer of every route, whole and in order: testdata/answers. What no two runs have in common is replaced by a word; each id
// gets a number of its own. The route event says the same, byte for byte: its golden file is this one too. Those of searches are in
// search_golden_test.go.
func TestGoldenAnswers(t *testing.T) {
	t.Parallel()
	w := setup(t)
	written := map[string]bool{}
	for _, rt := range httpapi.Routes() {
		if rt.Public || rt.File || rt.Answers == "" || strings.HasPrefix(rt.Path, "/search/") {
			continue
		}
		person := uuid.NewString() // with rows of no other route
		if rt.Write {
			person = memberID
		}
		values := w.placesOf(rt, person)
		token, body := w.token(staffID, "admin"), ""
		if rt.Write {
			body = w.goodBody(rt, values)
		} else {
			w.rowsFor(rt, person)
			if memberMay(rt) {
				token = w.token(person, "member")
			}
		}
		told := w.lastRoute()
		r := w.do(rt.Method, at(rt, values)+goldenQuery[rt.Name], token, body, "Min-Position", fmt.Sprint(w.head()))
		require.Less(t, r.status, http.StatusMultipleChoices, "%s: %s", rt.Pattern, r.body)
		var event []routeEvent
		if rt.Topic != "" {
			event = []routeEvent{{rt.Topic, r.header.Get("X-Request-Id"), string(r.body)}}
		}
		require.Equal(t, event, w.routeEvents(told), rt.Pattern)
		name := filepath.Join("testdata", "answers", rt.Name+".json")
		written[filepath.Base(name)] = true
		golden(t, name, r.body)
	}
	found, err := os.ReadDir(filepath.Join("testdata", "answers"))
	require.NoError(t, err)
	for _, f := range found {
		require.True(t, written[f.Name()], "%s is of no route", f.Name())
	}
}

// golden holds an answer against a file, or writes the file.
func golden(t *testing.T, name string, body []byte) {
	t.Helper()
	got := plain(t, body)
	if flag.Lookup("update").Value.String() == "true" {
		require.NoError(t, os.MkdirAll(filepath.Dir(name), 0o755))
		require.NoError(t, os.WriteFile(name, got, 0o644))
	}
	want, err := os.ReadFile(name)
	require.NoError(t, err)
	require.Equal(t, string(want), string(got), name)
}

// goldenQuery narrows down what would show the rows of other routes as well.
var goldenQuery = map[string]string{"auditActions": "?type=write-off", "auditTrialBalance": "?knownAt=1"}

// rowsFor makes a row that a list of a person shows.
func (w *world) rowsFor(rt httpapi.RouteInfo, person string) {
	w.t.Helper()
	switch rt.Path {
	case "/fees", "/members/{userId}/account":
		w.assessFor(person, "5")
	case "/feepayments":
		w.feePayment(person)
	case "/feeevents":
		w.note(person)
	case "/payments":
		w.gatewayPayment(person, uuid.NewString(), "pi_1")
	case "/customers", "/listethods", "/user-payment-methods":
		w.customerOf(person)
	}
}

// plain replaces what differs from run to run, and indents.
func plain(t *testing.T, body []byte) []byte {
	t.Helper()
	ids := map[string]string{}
	text := anID.ReplaceAllStringFunc(string(body), func(id string) string {
		if ids[id] == "" {
			ids[id] = fmt.Sprintf("ID-%d", len(ids)+1)
		}
		return ids[id]
	})
	text = aTime.ReplaceAllString(text, `TIME`)
	text = aDigest.ReplaceAllString(text, `"DIGEST"`)
	text = regexp.MustCompile(`at position [0-9]+`).ReplaceAllString(text, `at position 0`)
	text = aMeasure.ReplaceAllString(text, `"$1":0`)
	text = regexp.MustCompile(`"(pm|cus)_[^"]*"`).ReplaceAllString(text, `"${1}_1"`)
	var indented bytes.Buffer
	require.NoError(t, json.Indent(&indented, []byte(text), "", "  "), text)
	return append(indented.Bytes(), '\n')
}
