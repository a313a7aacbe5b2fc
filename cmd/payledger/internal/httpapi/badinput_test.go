package httpapi_test

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"payledger/cmd/payledger/internal/httpapi"
	"payledger/cmd/payledger/internal/httpapi/input"
)

// badInput is a body, or the value of a parameter, and what is wrong with it.
type badInput struct{ name, value, message string }

// Faults that every body may have.
func badBodies() []badInput {
	long := strings.Repeat("k", 1000)
	return []badInput{
		{"no JSON", `{`, "errMsg_bodyisNotValidJSON"},
		{"no object", `[]`, "errMsg_bodyisNotValidJSON"},
		{"two objects", `{}{}`, "errMsg_bodyisNotValidJSON"},
		{"not UTF-8", "{\"note\":\"\xff\"}", "errMsg_bodyisNotValidJSON"},
		{"U+0000", `{"note":"\u0000"}`, "errMsg_noteisNotAValidString"},
		{"half a pair", `{"note":"\ud83d"}`, "errMsg_noteisNotAValidString"},
		{"too deep", `{"note":` + strings.Repeat("[", 16) + strings.Repeat("]", 16) + `}`, "errMsg_bodyisNotValidJSON"},
		{"key twice", `{"note":"a","note":"b"}`, "errMsg_noteisGivenTwice"},
		{"long key twice", `{"` + long + `":1,"` + long + `":1}`, "errMsg_" + long[:64] + "isGivenTwice"},
	}
}

// faults returns values that a field doesn't take, as JSON, and the rule that each breaks. name is the field's, with its path.
func faults(f input.Field, name string) []badInput {
	var list []badInput
	add := func(rule input.Rule, values ...string) {
		for _, v := range values {
			list = append(list, badInput{name + " = " + v[:min(len(v), 40)], v, "errMsg_" + name + string(rule)})
		}
	}
	switch f.Kind {
	case input.KindID:
		add(input.ValidID, `17`, `"joe"`, `true`, `["11111111-1111-4111-8111-111111111111"]`, `"11111111-1111-4111-8111-11111111111'"`, repeated("1", 65))
	case input.KindString:
		add(input.ValidString, `1`, `false`, `[]`, `{}`, repeated("ü", 256))
	case input.KindText:
		add(input.ValidText, `1`, `false`, `[]`, `{}`, repeated("ü", 4001))
	case input.KindWord:
		add(input.ValidString, `1`, `[]`, repeated("x", 2001))
	case input.KindDate, input.KindUntil:
		add(input.ValidDate, `"soon"`, `5`, `true`, `"2026-13-01"`, `"1899-12-31"`, `"300000-01-01T00:00:00Z"`, repeated("2", 65))
	case input.KindAmount:
		add(input.ValidAmount, `"five"`, `"1,50"`, `-1`, `0`, `"0.00"`, `1.0001`, `1e30`, `true`, `[5]`, `{"minor":1}`)
	case input.KindCurrency:
		add(input.ValidCurrency, `"US$"`, `"euro"`, `5`, `["USD"]`)
	case input.KindEnum:
		add(input.ValidEnum, `"gone"`, strconv.Itoa(len(f.Words)), `"99"`, `-1`, `true`, `[]`)
	case input.KindChoice:
		add(input.ValidEnum, `"gone"`, `7`, `true`, `[]`)
	case input.KindInt:
		add(input.ValidInteger, `"x"`, `"1.5"`, strconv.Itoa(f.Low-1), strconv.Itoa(f.High+1), `true`)
	case input.KindPosition:
		add(input.ValidInteger, `"x"`, `-1`, `"99999999999999999999"`)
	case input.KindBool:
		add(input.ValidBool, `"yes"`, `1`, `[]`)
	case input.KindObject:
		add(input.ValidObject, `"x"`, `5`, `[]`)
		list = append(list, within(objectFaults(f.Of, name+"."), `%`)...)
	case input.KindObjects:
		add(input.ValidArray, `{}`, `5`, `"x"`)
		one := printed(sample(f.Of))
		add(input.ValidArray, `[`+one+strings.Repeat(`,`+one, f.High)+`]`)
		list = append(list, badInput{name + " of a number", `[5]`, "errMsg_" + name + "[0]isNotAValidObject"})
		list = append(list, within(objectFaults(f.Of, name+"[0]."), `[%]`)...)
	case input.KindStrings:
		add(input.ValidArray, `{}`, `5`, `"x"`, `["a"`+strings.Repeat(`,"a"`, f.High)+`]`)
		for _, element := range []string{`1`, `""`, `null`, repeated("x", 256)} {
			list = append(list, badInput{name + " of " + element[:1], `[` + element + `]`, "errMsg_" + name + "[0]isNotAValidString"})
		}
	}
	return list
}

func repeated(text string, times int) string { return `"` + strings.Repeat(text, times) + `"` }

func within(inner []badInput, form string) []badInput {
	for i := range inner {
		inner[i].value = strings.Replace(form, "%", inner[i].value, 1)
	}
	return inner
}

// objectFaults returns objects with one fault each; all else in them is as it should be.
func objectFaults(fields []input.Field, path string) []badInput {
	var list []badInput
	with := func(name, value string) string {
		object := sample(fields)
		object[name] = json.RawMessage(value)
		return printed(object)
	}
	known := map[string]bool{}
	for _, f := range fields {
		known[f.Name] = true
		if f.Required {
			for _, nothing := range []string{`null`, `""`} {
				list = append(list, badInput{f.Name + " = " + nothing, with(f.Name, nothing), "errMsg_" + path + f.Name + "isRequired"})
			}
			object := sample(fields)
			delete(object, f.Name)
			list = append(list, badInput{"no " + f.Name, printed(object), "errMsg_" + path + f.Name + "isRequired"})
		}
		for _, fault := range faults(f, path+f.Name) {
			list = append(list, badInput{fault.name, with(f.Name, fault.value), fault.message})
		}
	}
	list = append(list, badInput{"unknown field", with("surplus", `1`), "errMsg_" + path + "surplusisNotAKnownField"})
	for _, f := range fields {
		if other := strings.ToUpper(f.Name[:1]) + f.Name[1:]; !known[other] {
			list = append(list, badInput{"other case", with(other, `1`), "errMsg_" + path + other + "isNotAKnownField"})
			break
		}
	}
	return list
}

// sample is an object with what is required.
func sample(fields []input.Field) map[string]any {
	object := map[string]any{}
	for _, f := range fields {
		if f.Required {
			object[f.Name] = httpapi.SampleOf(f)
		}
	}
	return object
}

// Bad input is 400 with the field and the rule, and stores and publishes nothing: no event, no answer, no key, no route event. The
// rows are made from the route table: what a route takes has its rows by itself, and what has none is red.
func TestBadInput(t *testing.T) {
	t.Parallel()
	w := setup(t)
	rows := 0
	for _, rt := range httpapi.Routes() {
		if rt.Public { // signatures are its own matter
			continue
		}
		values := w.placesOf(rt, memberID)
		path := at(rt, values)
		before := w.counts()
		send := func(path, body string, header ...string) reply {
			rows++
			return w.do(rt.Method, path, w.token(staffID, "admin"), body, append([]string{"Idempotency-Key", "k"}, header...)...)
		}
		bad := func(path, body, message, name string) {
			r := send(path, body)
			require.Equal(t, http.StatusBadRequest, r.status, "%s: %s %s: %s", rt.Pattern, name, body[:min(len(body), 300)], r.body)
			require.Equal(t, message, r.str("message"), "%s: %s", rt.Pattern, name)
			r.refused(http.StatusBadRequest, "BadRequest", message)
			require.NotEmpty(t, r.str("detail", "field"))
			require.NotEmpty(t, r.str("detail", "rule"))
		}
		for _, c := range badQueries(rt.Query) {
			bad(path+"?"+c.value, "", c.message, c.name)
		}
		for _, name := range rt.Placeholders {
			for _, c := range badPaths(rt, name) {
				wrong := maps.Clone(values)
				wrong[name] = c.value
				bad(at(rt, wrong), "", c.message, c.name)
			}
		}
		if rt.Write && !rt.Raw {
			for _, c := range append(badBodies(), objectFaults(rt.Body, "")...) {
				bad(path, c.value, c.message, c.name)
			}
			for _, actor := range []string{"actorUserId", "handledByUserId"} {
				bad(path, bodyWith(rt, actor, `"me"`), "errMsg_"+actor+"isNotAValidID", actor)
				send(path, bodyWith(rt, actor, `"`+otherID+`"`)).refused(422, "OtherActor", "errMsg_actorIsNotTheCaller")
			}
		}
		if rt.Write {
			send(path, `{}`, "Content-Type", "text/plain").refused(415, "UnsupportedMediaType", "errMsg_bodyMustBeJSON")
			send(path, `{}`, "Content-Type", "application/json; charset=latin1").wants(415)
			send(path, `{}`, "Content-Encoding", "gzip").wants(415)
			send(path, `{"note":"`+strings.Repeat("x", 1<<20)+`"}`).refused(413, "BodyTooLarge", "errMsg_bodyIsTooLarge")
			if rt.Body != nil || rt.Raw {
				send(path, ``).wants(415)
			}
			good := bodyOf(rt)
			for _, key := range []string{strings.Repeat("k", 256), `""`, "ü"} {
				send(path, good, "Idempotency-Key", key).refused(400, "BadRequest", "errMsg_Idempotency-KeyisNotAValidString")
			}
		}
		require.Equal(t, before, w.counts(), "%s stores nothing", rt.Pattern)
	}
	t.Logf("%d requests", rows)
	require.Greater(t, rows, 20*len(httpapi.Routes()))
}

// bodyWith is a good body of a route, with one field more.
func bodyWith(rt httpapi.RouteInfo, name, value string) string {
	object := sample(rt.Body)
	if name != "" {
		object[name] = json.RawMessage(value)
	}
	return printed(object)
}

func printed(object map[string]any) string {
	text, err := json.Marshal(object)
	if err != nil {
		panic(err)
	}
	return string(text)
}

// badQueries returns queries with one fault each.
func badQueries(fields []input.Field) []badInput {
	list := []badInput{
		{"unknown", "surplus=1", "errMsg_surplusisNotAKnownField"},
		{"twice", "requestId=a&requestId=a", "errMsg_requestIdisGivenTwice"},
		{"request id", "requestId=a%20b", "errMsg_requestIdisNotAValidString"},
		{"U+0000", "x=%00", "errMsg_xisNotAValidString"},
	}
	for _, f := range fields {
		for _, fault := range faults(f, f.Name) {
			var text any
			if err := json.Unmarshal([]byte(fault.value), &text); err != nil {
				panic(err)
			}
			word, isText := text.(string)
			if !isText {
				word = fault.value
			}
			if fault.value == "true" || !isText && (f.Kind == input.KindString || f.Kind == input.KindText || f.Kind == input.KindWord) {
				continue // in a query every value is a text
			}
			list = append(list, badInput{fault.name, f.Name + "=" + url.QueryEscape(word), fault.message})
		}
	}
	return list
}

// badPaths returns what may not stand in a place of a route's path.
func badPaths(rt httpapi.RouteInfo, name string) []badInput {
	if slices.Contains(rt.Texts, name) {
		const message = "isNotAValidString"
		return []badInput{
			{"U+0000", "%00", "errMsg_" + name + message},
			{"not UTF-8", "%ff", "errMsg_" + name + message},
			{"too long", strings.Repeat("x", 256), "errMsg_" + name + message},
		}
	}
	var list []badInput
	for _, value := range []string{"x", "%00", "1", strings.Repeat("1", 65), memberID + "'"} {
		list = append(list, badInput{value, value, "errMsg_" + name + "isNotAValidID"})
	}
	return list
}

func TestWhatNoRouteServes(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.do("GET", "/nothing", "", "").refused(404, "RouteNotFound", "errMsg_RouteNotFound")
	w.do("GET", "/fees/"+memberID+"/", w.staff(), "").wants(404)
	r := w.do("DELETE", "/fees", "", "").refused(405, "MethodNotAllowed", "errMsg_MethodNotAllowed")
	require.Equal(t, "GET, HEAD, POST", r.header.Get("Allow"))
	require.Equal(t, "DELETE, GET, HEAD, PATCH", w.do("PUT", "/fees/"+memberID, "", "").wants(405).header.Get("Allow"))

	r = w.do("GET", "/nothing", "", "", "Accept", "application/problem+json", "X-Request-Id", "r1").wants(404)
	require.Equal(t, "application/problem+json", r.header.Get("Content-Type"))
	require.Equal(t, "errMsg_RouteNotFound", r.str("detail"))
	require.Equal(t, "r1", r.str("requestId"))
	r = w.do("POST", "/fees", w.staff(), `{}`, "Accept", "application/problem+json")
	require.JSONEq(t, `[{"field":"userId","rule":"isRequired"}]`, string(r.raw("errors")))

	require.JSONEq(t, `{"status":"OK"}`, string(w.do("GET", "/health", "", "").wants(200).body))
	yaml := w.do("GET", "/openapi.yaml", "", "").wants(200)
	require.Contains(t, string(yaml.body), "openapi: 3.1.0")
	for name, value := range map[string]string{
		"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer",
		"Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
	} {
		for _, r := range []reply{r, yaml, w.do("GET", "/fees", w.staff(), "")} {
			require.Equal(t, value, r.header.Get(name))
		}
	}
}

// counts tells how much is stored, and how far log and route events have come.
func (w *world) counts() [5]int64 {
	w.t.Helper()
	var n [5]int64
	err := w.pool.QueryRow(context.Background(), `SELECT (SELECT count(*) FROM ledger.events), (SELECT count(*) FROM ledger.commits),
		(SELECT count(*) FROM ledger.idempotency), (SELECT route FROM ledger.head), (SELECT position FROM ledger.head)`).Scan(&n[0], &n[1], &n[2], &n[3], &n[4])
	require.NoError(w.t, err)
	return n
}
