//go:build servers

package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
)

// searchPoints are the stages that a rebuild of the mirror passes.
var searchPoints = []string{"prepared", "applied", "caught", "verified", "met", "swapped", "certified"}

// TestSearchRebuildKilledAtEveryStage kills `rebuild search` on a real Elasticsearch at each of its stages, one after the other, while clerks work: the
// alias answers from a whole index all the time, the last run completes what the others began, with one certificate, and nothing is left over.
func TestSearchRebuildKilledAtEveryStage(t *testing.T) {
	t.Parallel()
	d := deploy(t)
	projectors := start(t, d.env, "project")
	serve := d.serve(t)
	elasticsearch := required(t, "TEST_ELASTICSEARCH_URL")
	require.Eventually(t, func() bool { return d.call(t, "staff", http.MethodGet, "/fees", "").status == http.StatusOK }, patience, 10*tick)
	other := d.users["otherMember"]
	const known = 40
	for range known {
		a := d.call(t, "staff", http.MethodPost, "/fees", fmt.Sprintf(`{"id":%q,"userId":%q,"amount":"1.00","reason":"overdue"}`, uuid.NewString(), other))
		require.Equal(t, http.StatusCreated, a.status, "%s", a.body)
	}
	require.Eventually(t, func() bool { return d.projectionsAt(t) }, patience, 10*tick)

	stop := make(chan struct{})
	var working sync.WaitGroup
	clerk := new(desk)
	working.Go(func() {
		for running(stop) {
			clerk.round(t, d.system)
			time.Sleep(tick) // so that the rebuild, too, has a processor
		}
	})
	var asked int
	var torn []string // answers from an index that isn't whole
	working.Go(func() {
		for running(stop) {
			n, err := countOf(t, elasticsearch+"/"+d.prefix+"_fee-v2/_count?q=owner:"+other)
			if asked++; err != nil || n != known {
				torn = append(torn, fmt.Sprint(n, err))
			}
		}
	})
	for _, point := range searchPoints {
		killed := start(t, append([]string{"PAYLEDGER_KILL_AT=" + point}, d.env...), "rebuild", "search", "--json")
		killed.wait(t)
		status, ok := killed.cmd.ProcessState.Sys().(syscall.WaitStatus)
		require.True(t, ok && status.Signaled() && status.Signal() == syscall.SIGKILL, "%s: %s", point, &killed.stderr)
	}
	out, errs, code := command(t, d.env, "rebuild", "search", "--json")
	require.Zero(t, code, "%s%s", out, errs)
	type rebuilt struct {
		Digest, LiveDigest, RebuildID string
		Equal, Swapped                bool
	}
	lastOf := func(out string) rebuilt {
		lines := strings.Split(strings.TrimSpace(out), "\n")
		return jsonLines[rebuilt](t, lines[len(lines)-1])[0]
	}
	completed := lastOf(out)
	require.True(t, completed.Equal && completed.Swapped, out)
	require.Equal(t, completed.Digest, completed.LiveDigest)
	close(stop)
	working.Wait()
	require.Empty(t, torn)
	require.Empty(t, clerk.wrong)
	t.Logf("%d answers from a whole index, %d requests of a clerk without an error", asked, clerk.requests)

	require.Eventually(t, func() bool { return d.projectionsAt(t) }, patience, 10*tick)
	conn, err := pgx.Connect(t.Context(), d.setting(t, "DATABASE_URL"))
	require.NoError(t, err)
	defer conn.Close(t.Context())
	var certificates, documents int64
	require.NoError(t, conn.QueryRow(t.Context(), `SELECT count(*) FROM ledger.events WHERE type = 'projection.rebuilt'`).Scan(&certificates))
	require.EqualValues(t, 1, certificates)
	require.NoError(t, conn.QueryRow(t.Context(), `SELECT count(*) FROM documents_v2.documents`).Scan(&documents))
	n, err := countOf(t, elasticsearch+"/"+d.prefix+"_*-v2/_count")
	require.NoError(t, err)
	require.Equal(t, documents, n)
	out, errs, code = command(t, d.env, "rebuild", "search", "--verify-only", "--json")
	require.Zero(t, code, "%s%s", out, errs)
	verified := lastOf(out)
	require.True(t, verified.Equal)
	require.Equal(t, verified.Digest, verified.LiveDigest)
	require.Len(t, d.indices(t, elasticsearch), 12, "in use, and the old ones")

	member := uuid.NewString() // of whom the old indices may say something
	a := d.call(t, "staff", http.MethodPost, "/fees", fmt.Sprintf(`{"id":%q,"userId":%q,"amount":"1.00","note":"secret"}`, uuid.NewString(), member))
	require.Equal(t, http.StatusCreated, a.status, "%s", a.body)
	a = d.call(t, "staff", http.MethodPost, "/payments", fmt.Sprintf(`{"userId":%q,"tender":"cash","amount":"1.00"}`, member))
	require.Equal(t, http.StatusCreated, a.status, "%s", a.body)
	_, errs, code = command(t, d.env, "erase", member)
	require.Equal(t, 4, code, errs)
	require.Contains(t, errs, "payledger rebuild search --drop-old")
	_, errs, code = command(t, d.env, "rebuild", "search", "--drop-old")
	require.Zero(t, code, errs)
	require.Len(t, d.indices(t, elasticsearch), 6)
	_, errs, code = command(t, d.env, "erase", member)
	require.Zero(t, code, errs)
	require.Zero(t, projectors.stop(t))
	require.Zero(t, serve.stop(t))
}

func running(stop chan struct{}) bool {
	select {
	case <-stop:
		return false
	default:
		return true
	}
}

// askElasticsearch decodes an answer.
func askElasticsearch(t *testing.T, url string, answer any) error {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("status %d", response.StatusCode)
	}
	return json.NewDecoder(response.Body).Decode(answer)
}

func countOf(t *testing.T, url string) (int64, error) {
	t.Helper()
	var answer struct {
		Count int64 `json:"count"`
	}
	err := askElasticsearch(t, url, &answer)
	return answer.Count, err
}

// indices returns all indices of this deployment.
func (d *deployment) indices(t *testing.T, elasticsearch string) map[string]any {
	t.Helper()
	var all map[string]any
	require.NoError(t, askElasticsearch(t, elasticsearch+"/"+d.prefix+"*/_alias", &all))
	return all
}
