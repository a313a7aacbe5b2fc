package devstack

import (
	"context"
	"fmt"

	"payledger/internal/pgserver"
)

// StartPostgres starts a durable Postgres server with its data in dir, from the binaries found on the machine.
func StartPostgres(ctx context.Context, dir string) (*pgserver.Server, error) {
	server, err := pgserver.Start(ctx, pgserver.Config{Dir: dir, Settings: pgserver.DurableSettings()})
	if err != nil {
		return nil, fmt.Errorf("start the embedded Postgres: %w", err)
	}
	return server, nil
}
