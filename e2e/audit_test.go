package e2e

import (
	"bytes"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// storedReport is what the tests read of the last line of a report.
type storedReport struct {
	ID      string `json:"id"`
	KnownAt int64  `json:"knownAt"`
	Digest  string `json:"digest"`
	Totals  []struct {
		Name        string `json:"name"`
		AmountMinor int64  `json:"amountMinor"`
	} `json:"totals"`
}

// An auditor's day with the real binary: a report is made, later corrected by events dated back, and made again to the cent; the
// questions beside it are answered, over HTTP as well.
func TestAudit(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p, s := dev(t, dir)
	fee := s.must(t, "staff", http.MethodPost, "/fees", `{"userId":"`+s.users["member"]+`","amount":20,"reason":"lost","statusUpdateDate":"2026-03-01"}`, "fee", "id")
	ask := func(code int, args ...string) string {
		t.Helper()
		out, errs, got := command(t, s.env, append([]string{"audit"}, args...)...)
		require.Equal(t, code, got, "%v: %s %s", args, out, errs)
		return out
	}

	late := s.must(t, "staff", http.MethodPost, "/fees", `{"userId":"`+s.users["member"]+`","amount":5,"reason":"overdue","statusUpdateDate":"2026-03-02"}`, "fee", "id")
	pay := func(fee, amount, date string) string {
		return s.must(t, "staff", http.MethodPost, "/payments", `{"userId":"`+s.users["member"]+`","tender":"cash","amount":`+amount+`,"paymentDate":"`+date+
			`","allocations":[{"feeId":"`+fee+`","amount":`+amount+`}]}`, "payment", "id")
	}
	mistaken := pay(late, "5", "2026-03-05")

	// A report is made; then a payment turns up, another was none, and some is given up.
	tomorrow := time.Now().AddDate(0, 0, 1).Format(time.DateOnly)
	out := ask(0, "report", "rollforward", "--from", "2026-03-01", "--as-of", tomorrow, "--json")
	lines := bytes.SplitAfter([]byte(out), []byte("\n"))
	require.Len(t, lines, 3)
	made := jsonLines[struct {
		Report storedReport `json:"report"`
	}](t, string(lines[1]))[0].Report
	sum := sha256.Sum256(lines[0])
	require.Equal(t, hex.EncodeToString(sum[:]), made.Digest)
	pay(fee, "8", "2026-03-20")
	s.must(t, "supervisor", http.MethodPost, "/payments/"+mistaken+"/void", `{"reason":"keyingError"}`, "payment", "id")
	s.must(t, "finance", http.MethodPost, "/fees/"+fee+"/write-offs", `{"amount":2,"reason":"uncollectable"}`, "fee", "id")
	s.must(t, "staff", http.MethodPatch, "/fees/"+fee, `{"status":"waived","statusUpdateDate":"2026-03-20","note":"found it"}`, "fee", "id")

	type reproduced struct {
		Identical   bool         `json:"identical"`
		Report      storedReport `json:"report"`
		Again       storedReport `json:"again"`
		Today       storedReport `json:"today"`
		LearntCount int          `json:"learntCount"`
	}
	again := jsonLines[reproduced](t, ask(0, "reproduce", made.ID, "--json"))[0]
	require.True(t, again.Identical)
	require.Equal(t, made, again.Report)
	require.Equal(t, made.Totals, again.Again.Totals)
	require.Equal(t, 6, again.LearntCount)
	totals := func(r storedReport) map[string]int64 {
		sums := map[string]int64{}
		for _, total := range r.Totals {
			sums[total.Name] = total.AmountMinor
		}
		maps.DeleteFunc(sums, func(_ string, sum int64) bool { return sum == 0 })
		return sums
	}
	require.Equal(t, map[string]int64{"assessed": 2500, "paid": 500, "closing": 2000}, totals(again.Again))
	require.Equal(t, map[string]int64{"assessed": 2500, "paid": 800, "writtenOff": 200, "waived": 1000, "closing": 500}, totals(again.Today))
	told := ask(0, "reproduce", made.ID)
	require.True(t, strings.HasPrefix(told, "identical\n"))
	ask(1, "reproduce", fee)
	ask(2, "reproduce", "nonsense")
	ask(2, "report", "weather")
	ask(2, "report", "aging", "--from", "2026-03-01")

	require.Contains(t, ask(0, "explain", "fee", fee), "waived USD 10.00, note: found it")
	require.Contains(t, ask(0, "actions", "--type", "waiver", "--by", s.users["staff"]), "fee.waived")
	require.Contains(t, ask(0, "state", "fee", fee, "--as-of", "2026-03-19"), `"status": "unpaid"`)
	ask(1, "state", "fee", fee, "--as-of", "2026-02-28")
	ask(2, "state", "weather", fee)

	file := filepath.Join(dir, "activity.csv")
	require.Contains(t, ask(0, "report", "activity", "--format", "csv", "--out", file), "total fee.assessed           USD 25.00 (2)")
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	rows, err := csv.NewReader(bytes.NewReader(text)).ReadAll()
	require.NoError(t, err)
	require.Len(t, rows, 11)
	ask(2, "report", "activity", "--format", "pdf", "--out", file)
	kept, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, text, kept, "what fails leaves the older file")
	leftovers, err := filepath.Glob(filepath.Join(dir, ".payledger-report-*"))
	require.NoError(t, err)
	require.Empty(t, leftovers)

	before := ask(0, "actions", "--type", "report", "--json")
	ask(0, "report", "credits", "--dry-run")
	require.Equal(t, before, ask(0, "actions", "--type", "report", "--json"), "a dry run stores nothing")
	require.Equal(t, http.StatusOK, s.call(t, "auditor", http.MethodGet, "/audit/history/member/"+s.users["member"], "").status)
	require.Equal(t, http.StatusOK, s.call(t, "auditor", http.MethodGet, "/audit/reproduce/"+made.ID, "").status)
	require.Equal(t, http.StatusForbidden, s.call(t, "finance", http.MethodGet, "/audit/actions", "").status)
	require.Contains(t, ask(0, "actions", "--type", "read", "--by", s.users["auditor"]), "history member "+s.users["member"])

	require.Eventually(t, func() bool { return s.projectionsAt(t) }, patience, 10*tick)
	ask(0, "verify")
	require.Zero(t, p.stop(t))
}
