//go:build servers

package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

// TestMirrorDriftIsToldAndHealed changes a document on the real search server: doctor and verify end with 5 and print the command that puts it
// right; after it all is well, and the document is found as before. A server that isn't there is no drift.
func TestMirrorDriftIsToldAndHealed(t *testing.T) {
	t.Parallel()
	d := deploy(t)
	d.env = append(d.env, "SELFAUDIT_RATE=1000")
	projectors := start(t, d.env, "project")
	serve := d.serve(t)
	require.Eventually(t, func() bool { return d.call(t, "staff", http.MethodGet, "/fees", "").status == http.StatusOK }, patience, 10*tick)
	id, elasticsearch := uuid.NewString(), required(t, "TEST_ELASTICSEARCH_URL")
	a := d.call(t, "staff", http.MethodPost, "/fees", fmt.Sprintf(`{"id":%q,"userId":%q,"amount":"1.00","reason":"overdue","note":"Villette"}`, id, d.users["member"]))
	require.Equal(t, http.StatusCreated, a.status, "%s", a.body)
	before := d.search(t, "staff", "villette", a.header.Get("Ledger-Position"))
	require.Len(t, before, 1)
	doctor := func(want int) string {
		var out string
		require.Eventually(t, func() bool {
			var code int
			out, _, code = command(t, d.env, "doctor")
			return code == want
		}, patience, 10*tick)
		return out
	}
	doctor(0)
	d.forge(t, elasticsearch, "demo/fee/"+id)
	require.Len(t, d.search(t, "staff", "forged", ""), 1)

	out := doctor(5)
	require.Contains(t, out, "drift in search")
	require.Contains(t, out, "fee/"+id+" of tenant demo: changed: words")
	cure := "payledger heal fee-" + id + " --projection search --tenant demo"
	require.Contains(t, out, cure)
	out, _, code := command(t, d.env, "audit", "verify", "--json")
	require.Equal(t, 5, code)
	require.Contains(t, out, `"drift":[{"projection":"search","tenant":"demo","key":"fee/`+id)

	_, errs, code := command(t, append(d.env, "ELASTICSEARCH_URL=http://127.0.0.1:1"), strings.Fields(cure)[1:]...)
	require.Equal(t, 3, code, errs)
	_, errs, code = command(t, append(d.env, "ELASTICSEARCH_URL="), strings.Fields(cure)[1:]...)
	require.Equal(t, 2, code)
	require.Contains(t, errs, "needs ELASTICSEARCH_URL")
	out, errs, code = command(t, d.env, "heal", "fee/"+id, "--projection", "search", "--dry-run")
	require.Zero(t, code, errs)
	require.Contains(t, out, "words: (text) -> (text)")
	doctor(5)
	out, errs, code = command(t, d.env, strings.Fields(cure)[1:]...)
	require.Zero(t, code, errs)
	require.Contains(t, out, "healed fee/"+id+" of search")
	doctor(0)
	require.Equal(t, before, d.search(t, "staff", "villette", ""))
	_, errs, code = command(t, d.env, "heal", "fee-"+id)
	require.Zero(t, code)
	require.Contains(t, errs, "nothing differs")
	require.Zero(t, projectors.stop(t))
	require.Zero(t, serve.stop(t))
}

// TestForgedMessageOnARealKafka: what stands on a real Kafka is compared as well, and put right by the command that doctor prints.
func TestForgedMessageOnARealKafka(t *testing.T) {
	t.Parallel()
	d := deploy(t)
	d.env = append(d.env, "SELFAUDIT_RATE=1000", "KAFKA_PARTITIONS=2")
	d.serveEnv = append(d.serveEnv, "KAFKA_PARTITIONS=2")
	projectors, serve := start(t, d.env, "project"), d.serve(t)
	require.Eventually(t, func() bool { return d.call(t, "staff", http.MethodGet, "/fees", "").status == http.StatusOK }, patience, 10*tick)
	d.forgeMessage(t)
	require.Zero(t, projectors.stop(t))
	require.Zero(t, serve.stop(t))
}

// forge lets a document be found by another word, as whoever may write to the server can.
func (d *deployment) forge(t *testing.T, elasticsearch, id string) {
	t.Helper()
	at := elasticsearch + "/" + d.prefix + "_fee-v2/_doc/" + url.PathEscape(id)
	do := func(method, url, body string) (answer struct {
		Source map[string]any `json:"_source"`
	},
	) {
		request, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
		require.NoError(t, err)
		request.Header.Set("Content-Type", "application/json")
		response, err := http.DefaultClient.Do(request)
		require.NoError(t, err)
		defer response.Body.Close()
		require.Equal(t, http.StatusOK, response.StatusCode)
		require.NoError(t, json.NewDecoder(response.Body).Decode(&answer))
		return answer
	}
	stored := do(http.MethodGet, at, "").Source
	stored["words"] = []string{"forged"}
	body, err := json.Marshal(stored)
	require.NoError(t, err)
	do(http.MethodPut, at+"?refresh=true", string(body))
}

// TestErasureOfCompactedTopicsOnARealKafka: and once Kafka has compacted, what was erased is gone from the topics.
func TestErasureOfCompactedTopicsOnARealKafka(t *testing.T) {
	t.Parallel()
	d := deploy(t)
	d.env = append(d.env, "SELFAUDIT_RATE=1000")
	projectors, serve := start(t, d.env, "project"), d.serve(t)
	require.Eventually(t, func() bool { return d.call(t, "staff", http.MethodGet, "/fees", "").status == http.StatusOK }, patience, 10*tick)
	topic, route, secret := d.eraseFromCompacted(t)
	require.Eventually(t, func() bool {
		// Kafka compacts what isn't the newest segment, so something must begin another.
		d.call(t, "staff", http.MethodPost, "/fees", fmt.Sprintf(`{"id":%q,"userId":%q,"amount":"1.00"}`, uuid.NewString(), d.users["member"]))
		for _, to := range []string{topic, route} {
			_, _, code := command(t, d.env, "republish", "--to", to, "--from", "1")
			require.Zero(t, code)
		}
		return !d.shows(t, topic, secret) && !d.shows(t, route, secret)
	}, 3*patience, time.Second)
	last := d.call(t, "staff", http.MethodPost, "/fees", fmt.Sprintf(`{"id":%q,"userId":%q,"amount":"1.00"}`, uuid.NewString(), d.users["member"]))
	require.Equal(t, http.StatusCreated, last.status, "%s", last.body)
	position, err := strconv.ParseInt(last.header.Get("Ledger-Position"), 10, 64)
	require.NoError(t, err)
	require.Eventually(t, func() bool { // what was compacted away isn't missing
		out, errs, code := command(t, d.env, "doctor")
		require.Zero(t, code, out+errs)
		var looked int64
		_, after, _ := strings.Cut(out, "looked at everything up to ")
		_, err := fmt.Sscan(after, &looked)
		return err == nil && looked >= position
	}, patience, 10*tick)
	require.Zero(t, projectors.stop(t))
	require.Zero(t, serve.stop(t))
}
