package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"payledger/cmd/payledger/internal/config"
)

// role is a role of the database, by the URL that is configured for it.
type role struct {
	name string
	url  config.Secret
	may  string // SQL: has it the rights that it needs, or is there no log yet? Empty: not asked.
}

func ownerRole(cfg config.Config) role {
	return role{"the owner", cfg.DatabaseURL, `to_regclass('ledger.head') IS NULL OR pg_has_role((SELECT relowner FROM pg_class WHERE oid = to_regclass('ledger.head')), 'USAGE')`}
}

func appRole(cfg config.Config) role {
	return role{"payledger_app", cfg.App(), `to_regclass('ledger.head') IS NULL OR has_any_column_privilege(to_regclass('ledger.head'), 'UPDATE')`}
}

func projectorRole(cfg config.Config) role {
	return role{"payledger_projector", cfg.Projector(), `to_regclass('ledger.checkpoints') IS NULL OR has_table_privilege(to_regclass('ledger.checkpoints'), 'UPDATE')`}
}

// reading returns the role for questions, which may come from whoever has the right to read.
func (r role) reading() role { return role{name: r.name, url: r.url} }

// querier is a connection, or a pool of them.
type querier interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// insufficientPrivilege is the SQLSTATE of what a role may not do.
const insufficientPrivilege = "42501"

// demand tells a URL of another role, which is a fault of the configuration.
func (r role) demand(ctx context.Context, db querier) error {
	if r.may == "" {
		return nil
	}
	var user string
	var may bool
	err := db.QueryRow(ctx, "SELECT current_user, "+r.may).Scan(&user, &may)
	switch pgErr, _ := errors.AsType[*pgconn.PgError](err); {
	case pgErr != nil && pgErr.Code == insufficientPrivilege:
		return usageError(fmt.Errorf("rights of %s: %w", r.name, err))
	case err != nil:
		return fmt.Errorf("rights of %s: %w", r.name, err)
	case !may:
		return usageError(fmt.Errorf("%s has not the rights of %s", user, r.name))
	}
	return nil
}
