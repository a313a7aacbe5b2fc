package pgtest

import (
	"context"
	"testing"

	"payledger/internal/pgserver"
)

// StartDurable starts a server of the test's own with Postgres' durable defaults, for tests that crash it. It is gone when the
// test ends. It trusts local connections; no role but the superuser exists yet.
func StartDurable(tb testing.TB) *pgserver.Server {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), adminTimeout)
	defer cancel()
	s, err := pgserver.Start(ctx, pgserver.Config{Settings: pgserver.DurableSettings()})
	if err != nil {
		tb.Fatalf("pgtest: %v", err)
	}
	tb.Cleanup(func() {
		if err := s.Close(); err != nil {
			tb.Errorf("pgtest: %v", err)
		}
	})
	return s
}
