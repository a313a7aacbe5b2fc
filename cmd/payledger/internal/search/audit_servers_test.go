//go:build servers

package search_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	feedomain "payledger/domain/fee"
	"payledger/eventstore"
	"payledger/internal/ledgertest"
	"payledger/projections"
	"payledger/projections/selfaudit"
	"payledger/readmodels/documents"
	"payledger/readmodels/search"
)

// audited is a fixture that the self-audit looks at.
type audited struct {
	*fixture
	registry *prometheus.Registry
	audit    *running
}

func newAudited(t *testing.T, seed uint64) *audited {
	t.Helper()
	return &audited{fixture: newFixture(t, seed)}
}

func (a *audited) mirror() selfaudit.Mirror {
	return selfaudit.Mirror{Pool: a.pool, Log: selfaudit.Log{Reader: a.Reader, Catalog: a.Catalog, Keys: a.Keys}, Index: a.index}
}

func (a *audited) startAudit(t *testing.T) {
	t.Helper()
	a.registry = prometheus.NewRegistry()
	cfg := selfaudit.Config{
		Pool: a.DB.ProjectorPool(t), Log: a.mirror().Log, Waker: a.Waker, Checks: []selfaudit.Check{a.mirror().Check()}, Logger: slog.New(slog.NewTextHandler(t.Output(), nil)),
		Metrics: selfaudit.NewMetrics(a.registry), Projections: projections.NewMetrics(prometheus.NewRegistry()), Now: time.Now,
		Rate: 1_000_000, Pause: 10 * time.Millisecond, Confirm: time.Millisecond,
	}
	a.audit = background(t, func(ctx context.Context) error { return selfaudit.Run(ctx, cfg) })
}

func (a *audited) mirrored(t *testing.T, position int64) {
	t.Helper()
	a.await(t, documents.Projection(), position)
	a.await(t, search.Mirror(), position)
}

func (a *audited) metric(t *testing.T, name string) (sum float64) {
	t.Helper()
	families, err := a.registry.Gather()
	require.NoError(t, err)
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == name {
				sum += m.GetGauge().GetValue() + m.GetCounter().GetValue()
			}
		}
	}
	return sum
}

// awaitRound waits until a round has ended that began after the call.
func (a *audited) awaitRound(t *testing.T) {
	t.Helper()
	before := a.metric(t, "selfaudit_rounds_total")
	require.Eventually(t, func() bool { return a.metric(t, "selfaudit_rounds_total") >= before+2 }, patience, 5*time.Millisecond)
}

func (a *audited) drift(t *testing.T) []selfaudit.Drift {
	t.Helper()
	list, err := selfaudit.List(t.Context(), a.DB.AppPool(t), 100)
	require.NoError(t, err)
	return list
}

// found waits for drift at one place, which may have been looked at in mid-damage first.
func (a *audited) found(t *testing.T, what string) selfaudit.Drift {
	t.Helper()
	before := a.metric(t, "selfaudit_rounds_total")
	told := func() bool { list := a.drift(t); return len(list) > 0 && strings.Contains(list[0].What, what) }
	require.Eventually(t, func() bool { return told() || a.metric(t, "selfaudit_rounds_total") >= before+3 }, patience, 5*time.Millisecond)
	list := a.drift(t)
	require.Len(t, list, 1, "%+v", list)
	require.Contains(t, list[0].What, what)
	return list[0]
}

// document is one as the server has it.
type esDocument struct {
	Index   string         `json:"_index"`
	ID      string         `json:"_id"`
	Version int64          `json:"_version"`
	Source  map[string]any `json:"_source"`
}

// some returns the first document of an object.
func (a *audited) some(t *testing.T, object string) esDocument {
	t.Helper()
	raw, err := json.Marshal(a.do(t, http.MethodGet, "/"+a.prefix+"_"+strings.ToLower(object)+"-v2/_search?size=1&version=true&sort=id"))
	require.NoError(t, err)
	var answer struct {
		Hits struct {
			Hits []esDocument `json:"hits"`
		} `json:"hits"`
	}
	require.NoError(t, json.Unmarshal(raw, &answer))
	require.Len(t, answer.Hits.Hits, 1, object)
	return answer.Hits.Hits[0]
}

// put writes a document as an intruder does; query says with which version.
func (a *audited) put(t *testing.T, d esDocument, query string) {
	t.Helper()
	body, err := json.Marshal(d.Source)
	require.NoError(t, err)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPut, a.url+"/"+d.Index+"/_doc/"+url.PathEscape(d.ID)+"?refresh=true"+query, bytes.NewReader(body))
	require.NoError(t, err)
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	raw, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.Less(t, response.StatusCode, 300, "%s", raw)
}

func (a *audited) remove(t *testing.T, d esDocument) {
	t.Helper()
	a.do(t, http.MethodDelete, "/"+d.Index+"/_doc/"+url.PathEscape(d.ID)+"?refresh=true")
}

// changed is a document with other fields.
func (d esDocument) changed(fields map[string]any) esDocument {
	d.Source = maps.Clone(d.Source)
	maps.Copy(d.Source, fields)
	return d
}

// farOff is a version that no document of ours will have: of another epoch, and late in it.
const farOff = 1<<60 + 1<<43

func version(v int64) string { return fmt.Sprintf("&version_type=external_gte&version=%d", v) }

func (a *audited) heal(t *testing.T, d selfaudit.Drift, dryRun bool) selfaudit.Healed {
	t.Helper()
	streams := []eventstore.StreamID{{Tenant: d.Tenant, Name: d.Stream}}
	healed, err := a.mirror().Heal(t.Context(), streams, nil, dryRun)
	require.NoError(t, err)
	return healed
}

// TestDamageOfTheMirrorIsFoundAndHealed: whatever an intruder does to a document on the server is found within a round, told without the texts, healed
// to the version that the mirror would have written, and gone. The mirror goes on behind it.
func TestDamageOfTheMirrorIsFoundAndHealed(t *testing.T) { //nolint:tparallel // its damages come one after the other
	t.Parallel()
	a := newAudited(t, 95)
	a.startDocuments(t)
	a.startMirror(t)
	a.mirrored(t, a.Random(t, 150))
	a.startAudit(t)
	a.awaitRound(t)
	require.Empty(t, a.drift(t))
	other := map[string]any{"body": `{"amount":1}`, "status": "waived"}
	for _, c := range []struct {
		name, object, what string
		damage             func(t *testing.T, d esDocument)
	}{
		{"changed, as the server counts versions", "fee", "changed: status, position, body", func(t *testing.T, d esDocument) { t.Helper(); a.put(t, d.changed(other), "") }},
		{"changed with its own version", "fee", "changed: status, body", func(t *testing.T, d esDocument) { t.Helper(); a.put(t, d.changed(other), version(d.Version)) }},
		{"changed with a version that is far off", "fee", "changed: status, position, epoch, body", func(t *testing.T, d esDocument) { t.Helper(); a.put(t, d.changed(other), version(farOff)) }},
		{"the same with a later version", "feePayment", "changed: position", func(t *testing.T, d esDocument) { t.Helper(); a.put(t, d, version(d.Version+1_000_000)) }},
		{"found under other words", "feePayment", "changed: words", func(t *testing.T, d esDocument) {
			t.Helper()
			a.put(t, d.changed(map[string]any{"words": []string{"other"}}), version(d.Version))
		}},
		{"another's", "feeEvent", "changed: tenant, owner", func(t *testing.T, d esDocument) {
			t.Helper()
			a.put(t, d.changed(map[string]any{"tenant": "x", "owner": "x"}), version(d.Version))
		}},
		{"an amount that only sums see", "fee", "changed: amount", func(t *testing.T, d esDocument) {
			t.Helper()
			a.put(t, d.changed(map[string]any{"amountLow": 7}), version(d.Version))
		}},
		{"not in our form", "fee", "changed: tenant, id,", func(t *testing.T, d esDocument) {
			t.Helper()
			a.put(t, d.changed(map[string]any{"words": "one"}), version(d.Version))
		}},
		{"not in our form at all", "paymentCustomer", "changed: tenant, id,", func(t *testing.T, d esDocument) {
			t.Helper()
			d.Source = map[string]any{}
			a.put(t, d, version(d.Version))
		}},
		{"stale", "fee", "stale: ", func(t *testing.T, d esDocument) {
			t.Helper()
			a.remove(t, d)
			a.forgotten(t, d)
			a.put(t, d.changed(other), version(d.Version-1))
		}},
		{"deleted", "feePayment", "missing", func(t *testing.T, d esDocument) { t.Helper(); a.remove(t, d) }},
		{"deleted with a version that is far off", "feeEvent", "missing", func(t *testing.T, d esDocument) {
			t.Helper()
			a.do(t, http.MethodDelete, "/"+d.Index+"/_doc/"+url.PathEscape(d.ID)+"?refresh=true"+version(farOff))
		}},
		{"an extra one", "fee", "extra", func(t *testing.T, d esDocument) { t.Helper(); d.ID += "f"; a.put(t, d, version(d.Version)) }},
		{"an extra one of a payment", "feePayment", "extra", func(t *testing.T, d esDocument) { t.Helper(); d.ID += "f"; a.put(t, d, version(d.Version)) }},
		{"an extra one of later", "feeEvent", "extra", func(t *testing.T, d esDocument) { t.Helper(); d.ID += "f"; a.put(t, d, version(farOff)) }},
		{"an extra one with a key of no one's", "fee", "extra", func(t *testing.T, d esDocument) { t.Helper(); d.ID = "made up"; a.put(t, d, "") }},
	} {
		ok := t.Run(c.name, func(t *testing.T) {
			before := a.some(t, c.object)
			c.damage(t, before)
			d := a.found(t, c.what)
			require.Equal(t, search.Mirror().Name, d.Projection)
			require.Equal(t, c.object, d.Object)
			if c.what != "extra" {
				require.Equal(t, before.ID, d.Tenant+"/"+d.Object+"/"+d.ID)
			}
			require.InDelta(t, 1, a.metric(t, "selfaudit_drift"), 0)
			require.Len(t, a.heal(t, d, true).Differences, 1)
			require.Len(t, a.heal(t, d, false).Differences, 1)
			require.Empty(t, a.heal(t, d, false).Differences, "nothing is left to heal")
			require.Empty(t, a.drift(t))
			require.Equal(t, before, a.some(t, c.object), "as the mirror wrote it")
			require.Eventually(t, func() bool { return a.metric(t, "selfaudit_drift") == 0 }, patience, 5*time.Millisecond)
			a.mirrored(t, a.Random(t, 2)) // the mirror goes on
		})
		require.True(t, ok) // what it left would be found by the next
	}
	a.awaitRound(t)
	require.Empty(t, a.drift(t))
	a.requireEqual(t)
}

// forgotten waits until the server has forgotten the version of a deleted document.
func (a *audited) forgotten(t *testing.T, d esDocument) {
	t.Helper()
	require.NoError(t, a.index.Restore(t.Context(), nil, []search.Document{{Object: "fee", ID: d.ID}}))
	time.Sleep(time.Second) // the server has a clock of its own
	a.do(t, http.MethodPost, "/"+d.Index+"/_refresh")
}

// TestHonestMirrorIsNoDrift: neither is a mirror that lags, is ahead of its checkpoint, is made anew, comes to an erasure late, or isn't there.
func TestHonestMirrorIsNoDrift(t *testing.T) {
	t.Parallel()
	a := newAudited(t, 96)
	a.startAudit(t)
	a.awaitRound(t) // there is no mirror yet
	a.startDocuments(t)
	m := a.startMirror(t)
	rounds := a.metric(t, "selfaudit_rounds_total")
	a.mirrored(t, a.Random(t, 60))
	for a.metric(t, "selfaudit_rounds_total") < rounds+6 {
		a.Random(t, 3)
		require.Empty(t, a.drift(t))
	}
	m.stop()
	_, err := a.pool.Exec(t.Context(), `UPDATE ledger.checkpoints SET (position, hash) = (SELECT position, hash FROM ledger.events WHERE position = 30) WHERE projection = 'search'`)
	require.NoError(t, err)
	a.awaitRound(t)
	require.Empty(t, a.drift(t), "it is ahead of its checkpoint")
	a.Random(t, 20)
	for _, user := range a.Users {
		a.Erase(t, user)
	}
	a.await(t, documents.Projection(), a.Random(t, 20))
	a.awaitRound(t)
	require.Empty(t, a.drift(t), "it lags behind erasures")
	m = a.startMirror(t)
	a.mirrored(t, a.Random(t, 5))
	a.awaitRound(t)
	require.Empty(t, a.drift(t))

	a.proxy.down.Store(true)
	a.awaitRound(t) // goes on without it
	require.Empty(t, a.drift(t))
	a.proxy.down.Store(false)
	for _, name := range a.serving(t) {
		a.do(t, http.MethodDelete, "/"+name)
	}
	a.awaitRound(t)
	a.mirrored(t, a.Random(t, 5))
	a.awaitRound(t)
	require.Empty(t, a.drift(t), "it was made anew")
	select {
	case <-a.audit.done:
		require.Fail(t, "the self-audit has ended")
	case <-m.done:
		require.Fail(t, "the mirror has ended")
	default:
	}
}

// TestHealWhileTheMirrorWrites: a document that the mirror sends while heal takes a later version out of its way is refused by the server. It must be
// sent again.
func TestHealWhileTheMirrorWrites(t *testing.T) {
	t.Parallel()
	a := newAudited(t, 97)
	a.startDocuments(t)
	a.startMirror(t)
	id := a.Assess(t, a.Users[0], 100_000)
	a.mirrored(t, a.Flush(t))
	d := a.some(t, "fee")
	a.put(t, d.changed(map[string]any{"body": "{}"}), version(farOff))

	held, released, answered := make(chan struct{}), make(chan struct{}), make(chan struct{})
	var holding, releasing atomic.Bool
	request := func(_ http.ResponseWriter, r *http.Request) bool {
		if isBulk(r) && holding.CompareAndSwap(false, true) { // the mirror's, with the change below
			r.Header.Set("X-Held", "1")
			close(held)
			<-released
		}
		return false
	}
	answer := func(r *http.Request, body []byte) []byte {
		switch {
		case r.Header.Get("X-Held") != "":
			t.Logf("the mirror's: %s", body)
			close(answered)
		case strings.Contains(string(body), `"delete":`) && releasing.CompareAndSwap(false, true): // heal's
			close(released)
			<-answered
		}
		return body
	}
	a.proxy.onAnswer.Store(&answer)
	a.proxy.onRequest.Store(&request)
	a.Change(t, id, feedomain.Annotate{Note: "later", At: a.Now()})
	last := a.Flush(t)
	<-held
	streams := []eventstore.StreamID{{Tenant: ledgertest.Tenant, Name: feedomain.Stream(id)}}
	healed, err := a.mirror().Heal(t.Context(), streams, nil, false)
	require.NoError(t, err)
	require.NotEmpty(t, healed.Differences)
	a.mirrored(t, last)
	healed, err = a.mirror().Heal(t.Context(), streams, nil, true)
	require.NoError(t, err)
	require.Empty(t, healed.Differences)
	require.Equal(t, last, healed.Position)
	require.Contains(t, a.some(t, "fee").Source["body"], "later")
}
