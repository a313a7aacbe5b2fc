package httpapi_test

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestReplay(t *testing.T) {
	t.Parallel()
	w := setup(t)
	assess := func(token, body string, header ...string) reply {
		return w.do("POST", "/fees", token, body, append([]string{"Idempotency-Key", "key-1"}, header...)...)
	}
	first := assess(w.staff(), newFee(``)).wants(http.StatusCreated)
	require.Empty(t, first.header.Get("Idempotency-Replayed"))
	w.assess("1") // the log goes on
	before := w.counts()

	again := assess(w.staff(), newFee(``)).wants(http.StatusCreated)
	require.Equal(t, string(first.body), string(again.body), "the same bytes")
	require.Equal(t, "true", again.header.Get("Idempotency-Replayed"))
	require.Equal(t, first.header.Get("ETag"), again.header.Get("ETag"))
	require.Equal(t, first.position(), again.position(), "the first position")
	require.Equal(t, string(first.body), string(assess(w.staff(), newFee(``), "Idempotency-Key", `"key-1"`).body), "in quotes, as the draft has it")
	require.Equal(t, before, w.counts(), "nothing happens twice")

	assess(w.staff(), newFee(`"amount":1`)).refused(422, "IdempotencyKeyReused", "errMsg_idempotencyKeyIsUsedForAnotherRequest")
	w.do("POST", "/payments", w.staff(), newFee(``), "Idempotency-Key", "key-1").wants(400)
	w.do("POST", "/payments", w.staff(), pay(``), "Idempotency-Key", "key-1").wants(422)
	require.NotEqual(t, first.str("fee", "id"), assess(w.token(otherID, "staff"), newFee(``)).wants(201).str("fee", "id"), "keys belong to a caller")
}

// A refusal is not stored: the same request may succeed later.
func TestRefusalsAreNotStored(t *testing.T) {
	t.Parallel()
	w := setup(t)
	share := `"allocations":[{"feeId":"` + otherID + `","amount":1}]`
	w.do("POST", "/payments", w.staff(), pay(share), "Idempotency-Key", "k").wants(404)
	w.do("POST", "/fees", w.staff(), newFee(`"id":"`+otherID+`"`)).wants(201)
	w.do("POST", "/payments", w.staff(), pay(share), "Idempotency-Key", "k").wants(201)
	require.Empty(t, w.do("POST", "/fees", w.staff(), newFee(`"id":"`+otherID+`"`), "Idempotency-Key", "k2").
		refused(409, "IdInUse", "errMsg_idInUse").header.Get("Retry-After"))
}

// Many at the same time under one key: it happens once, and all get the same answer.
func TestRacersGetOneAnswer(t *testing.T) {
	t.Parallel()
	w := setup(t)
	const racers = 12
	replies := make([]reply, racers)
	var wg sync.WaitGroup
	for i := range racers {
		wg.Go(func() { replies[i] = w.do("POST", "/fees", w.staff(), newFee(``), "Idempotency-Key", "k") })
	}
	wg.Wait()
	fresh := 0
	for _, r := range replies {
		r.wants(http.StatusCreated)
		require.Equal(t, string(replies[0].body), string(r.body))
		if r.header.Get("Idempotency-Replayed") == "" {
			fresh++
		}
	}
	require.Equal(t, 1, fresh)
	require.EqualValues(t, 1, w.head())
}

// A hot fee: each of many payments is decided on what the others left, none is refused for a race.
func TestPaymentsOnOneFee(t *testing.T) {
	t.Parallel()
	w := setup(t)
	id := w.assess("10")
	var wg sync.WaitGroup
	statuses := make([]int, 14)
	for i := range statuses {
		wg.Go(func() {
			statuses[i] = w.do("POST", "/payments", w.staff(), pay(fmt.Sprintf(`"allocations":[{"feeId":"%s","amount":1}]`, id))).status
		})
	}
	wg.Wait()
	counts := map[int]int{}
	for _, s := range statuses {
		counts[s]++
	}
	require.Equal(t, map[int]int{201: 10, 422: 4}, counts)
	require.Equal(t, "paid", w.do("GET", "/fees/"+id, w.staff(), "").str("fee", "status"))
}

// While the command that has the key runs, others are told to come back. The loser of a race that a crash left open is one of them.
func TestRunningClaim(t *testing.T) {
	t.Parallel()
	w := setup(t)
	assess := func() reply { return w.do("POST", "/fees", w.staff(), newFee(``), "Idempotency-Key", "k") }
	assess().wants(201)
	_, err := w.db.Pool(t).Exec(context.Background(), `UPDATE ledger.idempotency SET answered_at = NULL`)
	require.NoError(t, err)
	r := assess().refused(409, "RequestInProgress", "errMsg_requestIsStillRunning")
	require.Equal(t, "1", r.header.Get("Retry-After"))
	require.EqualValues(t, 1, w.head())
}
