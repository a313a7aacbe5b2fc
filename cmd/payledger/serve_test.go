package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"payledger/eventstore"
	"payledger/eventstore/pgtest"
	"payledger/eventstore/storetest"
)

// Who is told to stop while starting ends well.
func TestStoppedWhileStarting(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	environ := append(os.Environ(), "VAULT_KEY="+base64.StdEncoding.EncodeToString(make([]byte, 32)), "JWT_KEYS_FILE=keys.json",
		"APP_DATABASE_URL=postgres://payledger_app@127.0.0.1:1/payledger", "PROJECTOR_DATABASE_URL=postgres://payledger_projector@127.0.0.1:1/payledger")
	for _, args := range [][]string{{"serve"}, {"project"}, {"dev", "--data-dir", t.TempDir(), "--kafka-listen", "127.0.0.1:0"}} {
		var stderr bytes.Buffer
		require.Equal(t, exitDone, newApp(environ, io.Discard, &stderr).execute(ctx, args), "%v: %s", args, &stderr)
	}
}

// A client that never finishes its request is cut off, and the process ends as it should.
func TestShutDownCutsOffSlowClients(t *testing.T) {
	t.Parallel()
	var logs bytes.Buffer
	log := slog.New(slog.NewTextHandler(&logs, nil))
	reading := make(chan struct{})
	handler := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(reading)
		_, _ = io.ReadAll(r.Body) // ends when the connection does
	})
	s := listener{address: "127.0.0.1:0", handler: handler}
	require.NoError(t, s.open(t.Context(), log))
	served := make(chan error, 1)
	go func() { served <- s.serve() }()

	client, err := new(net.Dialer).DialContext(t.Context(), "tcp", s.listener.Addr().String())
	require.NoError(t, err)
	defer client.Close()
	_, err = io.WriteString(client, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{")
	require.NoError(t, err)
	<-reading

	shutDown(t.Context(), []listener{s}, 50*time.Millisecond, log)
	require.NoError(t, <-served)
	require.NoError(t, client.SetReadDeadline(time.Now().Add(30*time.Second)))
	_, err = io.ReadAll(client)
	require.NotErrorIs(t, err, os.ErrDeadlineExceeded, "the connection is still open")
	require.Contains(t, logs.String(), "connections cut off")
}

// An address that is none is wrong configuration; one that is taken isn't.
func TestMalformedAddressIsWrongUsage(t *testing.T) {
	t.Parallel()
	log := slog.New(slog.DiscardHandler)
	for _, none := range []string{"nonsense", ":nonsense", ":99999"} {
		err := openAll(t.Context(), log, []listener{{address: none}})
		require.Equal(t, exitUsage, exitCode(err), err)
	}
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { _ = taken.Close() }()
	err = openAll(t.Context(), log, []listener{{address: taken.Addr().String()}})
	require.Equal(t, exitFailed, exitCode(err), err)
}

// A log without its head is damaged for whoever would write to it, also where nobody's key shows it before.
func TestServeWithoutAHead(t *testing.T) {
	t.Parallel()
	db := pgtest.NewFrom(t, storetest.Template())
	_, err := db.Pool(t).Exec(t.Context(), "DELETE FROM ledger.head")
	require.NoError(t, err)
	out, errs, code := askingWithout(t, db, "VAULT_KEY="+base64.StdEncoding.EncodeToString(make([]byte, 32)), "JWT_KEYS_FILE=absent")("serve")
	require.Equal(t, exitDamaged, code, "%s%s", out, errs)
	require.Contains(t, errs, eventstore.ErrNoHead.Error())
}
