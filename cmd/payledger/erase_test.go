package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"payledger/commands"
	"payledger/domain/money"
	"payledger/domain/payment"
	"payledger/domain/person"
	"payledger/eventstore"
	"payledger/eventstore/catalog"
	"payledger/eventstore/pgtest"
	"payledger/eventstore/storetest"
	"payledger/internal/sqltest"
)

// answered is a command with an idempotency key and a route event.
func answered(key string) commands.Request {
	return commands.Request{
		Tenant: "main", Actor: catalog.Actor{Kind: "staff", ID: "s", Roles: []string{"staff"}}, CommandID: uuid.Must(uuid.NewV7()), At: time.Now(),
		Claim: &eventstore.Claim{Tenant: "main", Subject: "s", Key: key}, RequestID: key, Channel: "api",
		Render: func(o commands.Outcome) (eventstore.Answer, *eventstore.RouteEvent, error) {
			body := []byte(`{}`)
			if o.Fee != nil {
				body = o.Fee.AppendJSON(nil, true)
			}
			return eventstore.Answer{Status: 200, Body: body}, &eventstore.RouteEvent{Topic: "t", Key: key, Headers: map[string]string{"ledger-tenant": "main"}, Body: body}, nil
		},
	}
}

// TestErase erases a member over the command line: refused while a fee is owed, then no table has the texts, and once more changes nothing.
func TestErase(t *testing.T) {
	t.Parallel()
	db := pgtest.NewFrom(t, storetest.Template())
	master := [32]byte{3}
	events, vault := catalog.New(), eventstore.OpenVault(db.AppPool(t), master)
	store := storetest.OpenOn(t, db, func(c *eventstore.Config) { c.Folder, c.Keys = commands.Folder{Catalog: events}, vault })
	service := &commands.Service{Store: store, Catalog: events, Vault: vault}
	member, feeID := uuid.NewString(), uuid.NewString()
	request := answered
	usd, err := money.ParseCurrency("USD")
	require.NoError(t, err)
	_, err = service.AssessFee(t.Context(), request("fee"), commands.NewFee{FeeID: feeID, UserID: member, Amount: money.New(200, usd), Note: "annsecret"})
	require.NoError(t, err)
	require.Equal(t, map[string]int{"ledger.idempotency": 1, "ledger.route_events": 1}, sqltest.Grep(t, db.SuperURL, "annsecret"))

	var indices atomic.Pointer[string]
	indices.Store(new(`{}`))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Elastic-Product", "Elasticsearch")
		w.Header().Set("Content-Type", "application/json")
		if r.URL.Path != "/librarymanagementsystem_*/_alias" {
			w.WriteHeader(http.StatusBadRequest)
		}
		_, _ = io.WriteString(w, *indices.Load())
	}))
	t.Cleanup(server.Close)
	erase := func() (code int, stdout, stderr string) {
		var out, talk bytes.Buffer
		env := []string{"APP_DATABASE_URL=" + db.AppURL, "VAULT_KEY=" + base64.StdEncoding.EncodeToString(master[:]), "ELASTICSEARCH_URL=" + server.URL}
		code = newApp(env, &out, &talk).execute(t.Context(), []string{"erase", member, "--backup-days", "14"})
		return code, out.String(), talk.String()
	}
	code, _, talk := erase()
	require.Equal(t, exitRefused, code, talk)
	require.Contains(t, talk, fmt.Sprintf("fee-%s owes USD 2.00", feeID))

	_, err = service.RecordPayment(t.Context(), request("payment"), commands.NewPayment{
		UserID: member, Tender: payment.TenderCash, Amount: money.New(200, usd), Shares: []payment.Share{{FeeID: feeID, Amount: money.New(200, usd)}},
	})
	require.NoError(t, err)
	// A copy that a rebuild left aside isn't followed, so nothing is certified while it stands, and the message says what to do.
	projector := db.ProjectorPool(t)
	_, err = projector.Exec(t.Context(), "CREATE SCHEMA tables_v2_old; CREATE SCHEMA documents_v1")
	require.NoError(t, err)
	code, _, talk = erase()
	require.Equal(t, exitRefused, code, talk)
	require.Contains(t, talk, "the key is destroyed")
	require.Contains(t, talk, "DROP SCHEMA documents_v1, tables_v2_old CASCADE")
	_, err = projector.Exec(t.Context(), "DROP SCHEMA documents_v1, tables_v2_old CASCADE")
	require.NoError(t, err)

	// Nor while one stands aside in the search server.
	indices.Store(new(`{"librarymanagementsystem_fee-v2-1":{"aliases":{"librarymanagementsystem_fee-v2":{}}},"librarymanagementsystem_fee-v2-0":{"aliases":{"librarymanagementsystem_fee-v2-old":{}}},
		"librarymanagementsystem_fee":{"aliases":{}}}`))
	code, _, talk = erase()
	require.Equal(t, exitRefused, code, talk)
	require.Contains(t, talk, "`payledger rebuild search --drop-old` or delete librarymanagementsystem_fee, librarymanagementsystem_fee-v2-0")
	indices.Store(new(`{"librarymanagementsystem_fee-v2-1":{"aliases":{"librarymanagementsystem_fee-v2":{}}}}`))

	var first string
	for range 2 {
		code, out, talk := erase()
		require.Equal(t, exitDone, code, talk)
		var c person.Certified
		require.NoError(t, json.Unmarshal([]byte(out), &c))
		require.Equal(t, person.Certified{
			UserID: member, ErasedAt: 4, Keys: 1, Streams: 3, Texts: 1, Answers: 1, RouteEvents: 1, Projections: []person.Projection{},
			Topics: []person.Topic{}, AnswerDays: 30, BackupDays: 14,
		}, c)
		if first != "" {
			require.Equal(t, first, out)
		}
		first = out
		require.Empty(t, sqltest.Grep(t, db.SuperURL, "annsecret"))
	}
	head, err := eventstore.NewReader(db.AppPool(t)).Head(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 5, head.Position, "one erasure, one certificate")
	storetest.Verify(t, db)
}
