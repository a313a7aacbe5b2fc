package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"

	"payledger/cmd/payledger/internal/httpapi"
)

// drainTimeout bounds how long requests in flight may take once the process is told to stop.
const drainTimeout = 10 * time.Second

// listener is one HTTP server of the process.
type listener struct {
	address  string
	handler  http.Handler
	listener net.Listener
	server   *http.Server
}

// openAll binds all addresses; nothing is served yet.
func openAll(ctx context.Context, log *slog.Logger, listeners []listener) error {
	for i := range listeners {
		if err := listeners[i].open(ctx, log); err != nil {
			return err
		}
	}
	return nil
}

func (s *listener) open(ctx context.Context, log *slog.Logger) error {
	var err error
	if s.listener, err = new(net.ListenConfig).Listen(ctx, "tcp", s.address); err != nil {
		err = fmt.Errorf("listen on %s: %w", s.address, err)
		_, malformed := errors.AsType[*net.AddrError](err)
		if dns, ok := errors.AsType[*net.DNSError](err); malformed || ok && dns.IsNotFound { // no such host or service
			return usageError(err)
		}
		return err
	}
	s.server = httpapi.NewServer(s.handler, log)
	return nil
}

func (s *listener) serve() error {
	if err := s.server.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve %s: %w", s.address, err)
	}
	return nil
}

// serveAll serves until ctx ends; then it calls stopping, accepts no more and lets requests in flight finish.
func serveAll(ctx context.Context, log *slog.Logger, listeners []listener, stopping func()) error {
	group, ctx := errgroup.WithContext(ctx)
	for i := range listeners {
		group.Go(listeners[i].serve)
	}
	group.Go(func() error {
		<-ctx.Done()
		stopping()
		shutDown(context.WithoutCancel(ctx), listeners, drainTimeout, log)
		return nil
	})
	return group.Wait()
}

// shutDown stops accepting and lets requests in flight finish. Clients that are too slow for that are cut off: their fault is
// not the process's.
func shutDown(ctx context.Context, listeners []listener, patience time.Duration, log *slog.Logger) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for i := range listeners {
		server := listeners[i].server
		if err := server.Shutdown(ctx); err != nil {
			log.WarnContext(ctx, "connections cut off", slog.String("address", listeners[i].address), slog.Any("error", err))
			_ = server.Close() // nobody is left to tell
		}
	}
}

// url returns an address that a client on this machine can use: an unspecified host becomes the loopback.
func (s *listener) url() string {
	address := s.listener.Addr().(*net.TCPAddr)
	host := address.IP.String()
	if address.IP.IsUnspecified() {
		host = "127.0.0.1"
	}
	return "http://" + net.JoinHostPort(host, strconv.Itoa(address.Port))
}
