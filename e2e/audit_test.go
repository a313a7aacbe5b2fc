package e2e

import (
	"bytes"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

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

	out := ask(0, "report", "rollforward", "--from", "2026-03-01", "--as-of", "2026-03-31", "--json")
	lines := bytes.SplitAfter([]byte(out), []byte("\n"))
	require.Len(t, lines, 3)
	made := jsonLines[struct {
		Report storedReport `json:"report"`
	}](t, string(lines[1]))[0].Report
	sum := sha256.Sum256(lines[0])
	require.Equal(t, hex.EncodeToString(sum[:]), made.Digest)
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
	require.Equal(t, 1, again.LearntCount)
	closing := func(r storedReport) int64 {
		for _, total := range r.Totals {
			if total.Name == "closing" {
				return total.AmountMinor
			}
		}
		return -1
	}
	require.Equal(t, []int64{2000, 0}, []int64{closing(again.Again), closing(again.Today)})
	require.True(t, strings.HasPrefix(ask(0, "reproduce", made.ID), "identical\n"))
	ask(1, "reproduce", fee)
	ask(2, "reproduce", "nonsense")
	ask(2, "report", "weather")
	ask(2, "report", "aging", "--from", "2026-03-01")

	require.Contains(t, ask(0, "explain", "fee", fee), "waived USD 20.00, note: found it")
	require.Contains(t, ask(0, "actions", "--type", "waiver", "--by", s.users["staff"]), "fee.waived")
	require.Contains(t, ask(0, "state", "fee", fee, "--as-of", "2026-03-19"), `"status": "unpaid"`)
	ask(1, "state", "fee", fee, "--as-of", "2026-02-28")
	ask(2, "state", "weather", fee)

	file := filepath.Join(dir, "activity.csv")
	require.Contains(t, ask(0, "report", "activity", "--format", "csv", "--out", file), "total fee.assessed  USD 20.00 (1)")
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	rows, err := csv.NewReader(bytes.NewReader(text)).ReadAll()
	require.NoError(t, err)
	require.Len(t, rows, 3)
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
