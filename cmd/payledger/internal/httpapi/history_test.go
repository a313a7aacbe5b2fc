package httpapi_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestHistory(t *testing.T) {
	t.Parallel()
	w := setup(t)
	fee := w.do("POST", "/fees", w.staff(), newFee(`"statusUpdateDate":"2026-03-01","reason":"lost"`)).wants(201)
	id := fee.str("fee", "id")
	w.do("PATCH", "/fees/"+id, w.staff(), `{"note":"asked nicely","statusUpdateDate":"2026-03-02T10:00:00Z"}`).wants(200)
	w.do("POST", "/payments", w.staff(), pay(`"amount":2.5,"paymentDate":"2026-03-03"`)).wants(201)

	told := func(query string) []string {
		r := w.do("GET", "/fees/"+id+"/history"+query, w.member(), "").wants(200)
		var entries []struct {
			Type        string      `json:"type"`
			Outstanding json.Number `json:"outstanding"`
		}
		require.NoError(t, json.Unmarshal(r.raw("history"), &entries))
		var lines []string
		for _, e := range entries {
			lines = append(lines, e.Type+" "+e.Outstanding.String())
		}
		return lines
	}
	all := []string{"fee.assessed 12.5", "fee.annotated 12.5", "payment.captured ", "fee.payment_applied 10"}
	require.Equal(t, all, told(""))
	require.Equal(t, all[:1], told("?asOf=2026-03-01"))
	require.Equal(t, all[:1], told("?asOf=2026-03-02T09:59:59Z"))
	require.Equal(t, all[:2], told("?asOf=2026-03-02"))
	require.Equal(t, all[:1], told("?knownAt=1"))
	require.Empty(t, told("?asOf=2026-02-28"))
	require.Equal(t, w.head(), w.do("GET", "/fees/"+id+"/history", w.staff(), "").position())
	require.EqualValues(t, 2, w.do("GET", "/fees/"+id+"/history?knownAt=2", w.staff(), "").position())
	for _, token := range []string{w.staff(), w.member()} {
		w.do("GET", fmt.Sprintf("/fees/%s/history", otherID), token, "").refused(404, "RecordNotFound", "errMsg_RecordNotFound")
	}
}

// Members don't read in the history what the lists keep from them: notes among the staff, and hidden ones.
func TestHistoryKeepsNotesFromMembers(t *testing.T) {
	t.Parallel()
	w := setup(t)
	id := w.assess("5")
	w.do("POST", "/fees/"+id+"/notes", w.staff(), `{"note":"among us"}`).wants(200)
	w.do("POST", "/feeevents", w.staff(), `{"id":"`+otherID+`","feeId":"`+id+`","eventType":"note","note":"to be hidden"}`).wants(201)
	w.do("POST", "/fees/"+id+"/notes", w.staff(), `{"note":"for all","visibility":"patron"}`).wants(200)
	before := w.head()
	w.do("DELETE", "/feeevents/"+otherID, w.staff(), "").wants(200)
	for _, query := range []string{"", fmt.Sprintf("?knownAt=%d", before)} {
		history := func(token string) string {
			return string(w.do("GET", "/fees/"+id+"/history"+query, token, "").wants(200).raw("history"))
		}
		require.Contains(t, history(w.member()), "for all")
		for _, secret := range []string{"among us", "to be hidden", "fee.note_hidden"} {
			require.NotContains(t, history(w.member()), secret)
		}
		require.Contains(t, history(w.staff()), "among us")
	}
}
