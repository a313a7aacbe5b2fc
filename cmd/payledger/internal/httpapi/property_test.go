package httpapi_test

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"payledger/domain/money"
	"payledger/projections"
)

// Nothing that the edge accepts halts a projection, and each shows what the log says, whatever texts, dates and amounts were sent.
// What isn't accepted is refused by name, never by a fault of ours.
func TestAcceptedInputHaltsNoProjection(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.pause()
	var projectors []projections.Projector
	for _, p := range projections.All() {
		projectors = append(projectors, p.New())
	}
	w.project(projectors...)
	token := w.token(staffID, "admin")
	var fees []string
	accepted := 0
	rapid.Check(t, func(t *rapid.T) {
		method, path, body := drawRequest(t, fees)
		r := httptest.NewRequest(method, path, strings.NewReader(body))
		r.Header.Set("Authorization", "Bearer "+token)
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("X-Request-Id", rapid.SampledFrom([]string{"", "a", strings.Repeat("Z", 64)}).Draw(t, "request id"))
		if rapid.Bool().Draw(t, "with a key") {
			r.Header.Set("Idempotency-Key", rapid.StringMatching(`[ -~]{1,255}`).Draw(t, "key"))
		}
		rec := httptest.NewRecorder()
		w.handler.ServeHTTP(rec, r)
		if rec.Code >= 300 {
			require.Contains(t, []int{400, 404, 409, 422, 503}, rec.Code, "%s %s %s: %s", method, path, body, rec.Body)
			return
		}
		accepted++
		require.True(t, json.Valid(rec.Body.Bytes()))
		if path == "/fees" {
			var answer struct {
				Fee struct {
					ID string `json:"id"`
				} `json:"fee"`
			}
			require.NoError(t, json.Unmarshal(rec.Body.Bytes(), &answer))
			fees = append(fees, answer.Fee.ID)
		}
	})
	require.Greater(t, accepted, 20)
	w.wantProjected()
}

// wantProjected waits for all projections to come to the head of the log, and holds them against a replay of it.
func (w *world) wantProjected() {
	w.t.Helper()
	head := w.head()
	replays := make([]projections.Replay, 0, 2)
	for _, p := range projections.All() {
		at, err := w.watcher.Wait(context.Background(), p.Projection, head, wait)
		require.NoError(w.t, err)
		require.Equal(w.t, head, at, "%s: %v", p.Projection.Name, w.problem())
		replays = append(replays, p.NewReplay())
	}
	events, err := w.reader.ReadAll(context.Background(), 0, int(head))
	require.NoError(w.t, err)
	for i := range events {
		ev, err := w.catalog.Decode(context.Background(), w.vault, &events[i])
		require.NoError(w.t, err)
		for _, replay := range replays {
			require.NoError(w.t, replay.Apply(ev))
		}
	}
	pool := w.db.ProjectorPool(w.t)
	for i, p := range projections.All() {
		stored, err := p.Digest(context.Background(), pool)
		require.NoError(w.t, err)
		require.Equal(w.t, replays[i].Sum(), stored.Sum, p.Projection.Name)
	}
	w.pause()
	require.NoError(w.t, w.halted)
}

// problem returns what halted projections say.
func (w *world) problem() string {
	var text string
	_ = w.pool.QueryRow(context.Background(), `SELECT coalesce(string_agg(projection || ': ' || problem, '; '), 'none halted')
		FROM ledger.checkpoints WHERE state = 'halted'`).Scan(&text)
	return text
}

// drawRequest draws a command that is often good and sometimes strange.
func drawRequest(t *rapid.T, fees []string) (method, path, body string) {
	members := map[string]string{}
	set := func(name string, g *rapid.Generator[string]) {
		if rapid.IntRange(0, 3).Draw(t, "with "+name) > 0 {
			members[name] = g.Draw(t, name)
		}
	}
	currency := rapid.SampledFrom(money.Currencies()).Draw(t, "currency")
	set("note", drawText(4000))
	switch rapid.IntRange(0, 3).Draw(t, "route") {
	case 0, 1:
		members["userId"], members["loanId"], members["amount"] = quoted(drawID().Draw(t, "user")), quoted(drawID().Draw(t, "loan")), drawAmount(currency).Draw(t, "amount")
		members["currency"] = quoted(currency.Code())
		set("id", rapid.Map(drawID(), quoted))
		set("reason", drawText(255))
		set("status", rapid.SampledFrom([]string{`"unpaid"`, `0`, `"0"`, `""`, `null`}))
		set("statusUpdateDate", drawDate())
		return http.MethodPost, "/fees", object(members)
	case 2:
		set("status", rapid.SampledFrom([]string{`"waived"`, `"paid"`, `4`, `"1"`}))
		set("statusUpdateDate", drawDate())
		id := uuid.NewString()
		if len(fees) > 0 {
			id = rapid.SampledFrom(fees).Draw(t, "fee")
		}
		return http.MethodPatch, "/fees/" + id, object(members)
	}
	members["userId"], members["amount"], members["currency"] = quoted(drawID().Draw(t, "user")), drawAmount(currency).Draw(t, "amount"), quoted(currency.Code())
	members["tender"] = quoted(rapid.SampledFrom([]string{"cash", "pos", "check", "other"}).Draw(t, "tender"))
	set("id", rapid.Map(drawID(), quoted))
	set("paymentDate", drawDate())
	return http.MethodPost, "/payments", object(members)
}

func drawID() *rapid.Generator[string] {
	return rapid.OneOf(
		rapid.SampledFrom([]string{memberID, otherID, strings.ToUpper(loanID), "ffffffffffffffffffffffff", "00000000-0000-0000-0000-000000000000"}),
		rapid.StringMatching(`[0-9a-fA-F]{24}`), rapid.StringMatching(`[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}`),
	)
}

// drawText draws JSON strings: any characters at all, escapes, and lengths around the limit.
func drawText(limit int) *rapid.Generator[string] {
	return rapid.OneOf(
		rapid.Map(rapid.String(), quoted),
		rapid.Map(rapid.StringOfN(rapid.Rune(), limit, limit, -1), quoted),
		rapid.SampledFrom([]string{
			`"\u0000"`, `"a\u0000b"`, `"\ud800"`, `"\ufffe\uffff\u0001\u001f\u007f\u0080"`, `"\u202e\u0301\u0301\u0301"`, `"\ud83d\udcb6\ud83c\udff3\ufe0f"`,
			`"'; DROP TABLE ledger.events; --"`, `"{}[]\\\"\n\r\t"`, `"\u2028\u2029"`, `"%s%n\\u0000"`,
			quoted(strings.Repeat("\U0010ffff", limit)), quoted(strings.Repeat("e\u0301", limit/2)), quoted(strings.Repeat("\u0001", limit)),
			quoted(strings.Repeat("x", limit)), quoted(strings.Repeat("word ", limit/5)), quoted(strings.Repeat("ﷺ", limit)),
		}),
	)
}

func drawDate() *rapid.Generator[string] {
	return rapid.OneOf(
		rapid.SampledFrom([]string{
			`"1900-01-01"`, `"1900-01-01T00:00:00Z"`, `"2200-12-31T23:59:59.999999999Z"`, `"300000-01-01T00:00:00Z"`, `"-0001-01-01"`, `"0000-00-00"`,
			`"2026-01-01T00:00:00.000000001-23:59"`, `"2024-02-29T23:59:60Z"`, `""`, `null`, `0`, `"infinity"`, `"1999-12-31T23:59:59.999999999+14:00"`,
		}),
		rapid.Map(rapid.StringMatching(`20[0-2][0-9]-0[1-9]-[0-2][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9](\.[0-9]{1,9})?Z`), quoted),
	)
}

// drawAmount draws amounts that fit, from the smallest to the largest.
func drawAmount(cur money.Currency) *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		a := money.New(rapid.OneOf(rapid.Int64Range(1, 5000), rapid.SampledFrom([]int64{1, money.MaxMinor, money.MaxMinor - 1})).Draw(t, "minor"), cur)
		return rapid.SampledFrom([]string{a.Number(), quoted(a.Decimal()), quoted(a.Number())}).Draw(t, "form")
	})
}

func quoted(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	return string(b)
}

func object(members map[string]string) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(members)) {
		parts = append(parts, quoted(name)+":"+members[name])
	}
	return "{" + strings.Join(parts, ",") + "}"
}
