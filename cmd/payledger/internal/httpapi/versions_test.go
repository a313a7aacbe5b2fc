package httpapi_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"payledger/cmd/payledger/internal/httpapi"
)

// change is what one client did to the fee and what it was told.
type change struct {
	amount  int64 // what it waived, in cents; 0 for a note
	note    string
	matched int64 // the version that it changed by If-Match, -1 for none
	row     feeVersion
}

type feeVersion struct {
	RecordVersion int64   `json:"recordVersion"`
	Status        string  `json:"status"`
	Note          *string `json:"note"`
}

// Twenty clients change one fee, some by If-Match and some without, and read it in between. Some order explains what all of them
// were told: that of the versions. A change that came by If-Match follows the version that it names; what was refused changed nothing.
func TestTwentyClientsOnOneFee(t *testing.T) {
	t.Parallel()
	w := setup(t)
	const owed = 1000
	id := w.assess("10")
	var mu sync.Mutex
	var done []change
	stale := 0
	var clients sync.WaitGroup
	for n := range 20 {
		clients.Go(func() {
			random := rand.New(rand.NewPCG(uint64(n), 1))
			for step := 0; step < 5; {
				c := change{note: fmt.Sprintf("client %d, step %d", n, step), matched: -1}
				path, method, body := "/fees/"+id, http.MethodPatch, `{"note":"`+c.note+`"}`
				if random.IntN(2) == 0 {
					c.amount = 1 + random.Int64N(9)
					path, method, body = path+"/waivers", http.MethodPost, fmt.Sprintf(`{"amount":"0.0%d","reason":"goodwill","note":%q}`, c.amount, c.note)
				}
				var header []string
				if random.IntN(3) > 0 {
					seen := readFee(t, w.do("GET", "/fees/"+id, w.staff(), "").wants(200))
					c.matched = seen.RecordVersion
					header = []string{"If-Match", fmt.Sprintf("%q", fmt.Sprint(c.matched))}
				}
				r := w.do(method, path, w.staff(), body, header...)
				mu.Lock()
				if r.status == http.StatusPreconditionFailed {
					stale++
					require.Greater(t, r.number("detail", "recordVersion"), c.matched, "the current version")
				} else {
					r.wants(200)
					c.row = readFee(t, r)
					done = append(done, c)
					step++
				}
				mu.Unlock()
			}
		})
	}
	clients.Wait()
	slices.SortFunc(done, func(a, b change) int { return int(a.row.RecordVersion - b.row.RecordVersion) })
	require.Len(t, done, 100)
	waived := int64(0)
	for i, c := range done {
		require.Equal(t, int64(i+1), c.row.RecordVersion, "each change made one version")
		if c.matched >= 0 {
			require.Equal(t, c.matched, c.row.RecordVersion-1, "it changed the version that it had seen")
		}
		require.Equal(t, c.note, *c.row.Note)
		require.Equal(t, "unpaid", c.row.Status)
		waived += c.amount
	}
	t.Logf("%d changes, %d refused for their version", len(done), stale)
	require.Positive(t, stale)
	last := w.do("GET", "/fees/"+id, w.staff(), "").wants(200)
	require.Equal(t, done[len(done)-1].row, readFee(t, last))
	account := w.do("GET", "/members/"+memberID+"/account", w.staff(), "", "Min-Position", fmt.Sprint(w.head())).wants(200)
	rest := strings.TrimRight(fmt.Sprintf("%d.%02d", (owed-waived)/100, (owed-waived)%100), "0")
	require.Contains(t, string(account.raw("account", "totals")), `"owed":`+rest+`,`)
}

func readFee(t *testing.T, r reply) feeVersion {
	t.Helper()
	var v feeVersion
	require.NoError(t, json.Unmarshal(r.raw("fee"), &v))
	return v
}

func (r reply) number(path ...string) int64 {
	r.t.Helper()
	var n int64
	require.NoError(r.t, json.Unmarshal(r.raw(path...), &n))
	return n
}

// Every command on one row knows its version: the ETag of the row changes it, any other is refused with the one that it has.
func TestIfMatchOnEveryUpdate(t *testing.T) {
	t.Parallel()
	w := setup(t)
	admin := w.token(staffID, "admin")
	tried := 0
	for _, rt := range httpapi.Routes() {
		if !rt.Versioned {
			changesRow := rt.Method == http.MethodPatch || rt.Method == http.MethodDelete || rt.Action == "update" && rt.DataName == "fee"
			require.False(t, changesRow && rt.Answers != "", "%s changes a row that has a version", rt.Pattern)
			continue
		}
		values := w.placesOf(rt, memberID)
		body := w.goodBody(rt, values)
		row := w.do("GET", rowPath(rt, values), admin, "").wants(200)
		before := w.counts()
		for _, wrong := range []string{`"17"`, `17`, `"x"`, `"-1"`, `W/"0"`} {
			r := w.do(rt.Method, at(rt, values), admin, body, "If-Match", wrong)
			require.Equal(t, http.StatusPreconditionFailed, r.status, "%s %s: %s", rt.Pattern, wrong, r.body)
			r.refused(412, "VersionMismatch", "errMsg_recordVersionDoesNotMatch")
			require.Equal(t, row.header.Get("ETag"), r.header.Get("ETag"), rt.Pattern)
			require.Equal(t, row.header.Get("ETag"), fmt.Sprintf("%q", fmt.Sprint(r.number("detail", "recordVersion"))))
		}
		require.Equal(t, before, w.counts(), rt.Pattern)
		r := w.do(rt.Method, at(rt, values), admin, body, "If-Match", row.header.Get("ETag"))
		require.Equal(t, http.StatusOK, r.status, "%s: %s", rt.Pattern, r.body)
		if rt.Name != "addFeeNote" { // a note is a row of its own
			require.NotEqual(t, row.header.Get("ETag"), r.header.Get("ETag"), rt.Pattern)
		}
		tried++
	}
	require.GreaterOrEqual(t, tried, 10)
}

// rowPath is where the row is read that a command changes.
func rowPath(rt httpapi.RouteInfo, values map[string]string) string {
	switch {
	case strings.HasPrefix(rt.Path, "/fees/"):
		return "/fees/" + values["feeId"]
	case strings.HasPrefix(rt.Path, "/feepayments/"):
		return "/feepayments/" + values["feePaymentId"]
	case strings.HasPrefix(rt.Path, "/payment/"):
		return "/payment/" + values["feePaymentId"]
	}
	return "/feeevents/" + values["feeEventId"]
}
