package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/spf13/cobra"

	"payledger/cmd/payledger/internal/config"
	"payledger/cmd/payledger/internal/kafkabus"
	"payledger/eventstore"
	"payledger/eventstore/catalog"
	"payledger/readmodels/books"
	"payledger/readmodels/checkpoints"
	"payledger/readmodels/proofs"
)

// checkTimeout bounds each check.
const checkTimeout = 5 * time.Second

// check is one line of `payledger doctor`.
type check struct {
	Name   string `json:"name"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail"`
	code   int    // exit code if it isn't OK
}

func (a *app) doctorCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "doctor",
		Short:   "Say what is configured, reachable, behind or halted",
		Example: "  payledger doctor\n  payledger doctor --json",
		Args:    exactly(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := a.config()
			if err != nil {
				return err
			}
			checks := a.examine(cmd.Context(), cfg)
			if err := a.printChecks(cfg, checks); err != nil {
				return err
			}
			code := exitDone
			for _, c := range checks {
				if !c.OK {
					code = max(code, c.code)
				}
			}
			if code != exitDone {
				return &exitError{code: code, err: errors.New("not all is well")}
			}
			return nil
		},
	}
}

func (a *app) printChecks(cfg config.Config, checks []check) error {
	if a.json {
		return a.printJSON(map[string]any{"checks": checks})
	}
	table := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
	for _, s := range cfg.Settings() {
		fmt.Fprintf(table, "%s\t%s\t%s\n", s.Name, s.Value, s.Doc)
	}
	fmt.Fprintln(table)
	for _, c := range checks {
		word := "ok"
		if !c.OK {
			word = "FAULT"
		}
		fmt.Fprintf(table, "%s\t%s\t%s\n", c.Name, word, c.Detail)
	}
	return table.Flush()
}

func (a *app) examine(ctx context.Context, cfg config.Config) []check {
	checks := []check{examineConfig(cfg)}
	for _, db := range []struct {
		name string
		as   role
	}{
		{"database (owner)", ownerRole(cfg)}, {"database (app)", appRole(cfg)}, {"database (projector)", projectorRole(cfg)},
	} {
		checks = append(checks, examineDatabase(ctx, db.name, db.as))
	}
	if cfg.Projector() != "" {
		checks = append(checks, examineLog(ctx, cfg)...)
	}
	if cfg.OIDCIssuer != "" || cfg.JWTKeysFile != "" {
		checks = append(checks, within(ctx, "issuer", exitUsage, func(ctx context.Context) (string, error) {
			_, err := (&ledger{cfg: cfg, now: a.now}).verifier(ctx)
			return cfg.OIDCIssuer + cfg.JWTKeysFile, err
		}))
	}
	if len(cfg.KafkaBrokers) > 0 {
		checks = append(checks, within(ctx, "kafka", exitUnreachable, func(ctx context.Context) (string, error) {
			return fmt.Sprint(cfg.KafkaBrokers), kafkabus.Ping(ctx, kafkaConfig(cfg))
		}))
	}
	if cfg.ElasticsearchURL != "" {
		checks = append(checks, within(ctx, "elasticsearch", exitUnreachable, func(ctx context.Context) (string, error) {
			index, err := (&ledger{cfg: cfg}).searchIndex()
			if err != nil {
				return "", err
			}
			return cfg.ElasticsearchURL, index.Ping(ctx)
		}))
	}
	return checks
}

// within examines for checkTimeout at most. An error that knows its exit code beats code.
func within(ctx context.Context, name string, code int, examine func(context.Context) (string, error)) check {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	detail, err := examine(ctx)
	if err == nil {
		return check{Name: name, OK: true, Detail: detail}
	}
	detail = err.Error()
	if errors.Is(err, context.DeadlineExceeded) {
		detail = fmt.Sprintf("no answer within %s", checkTimeout)
	}
	if own := exitCode(err); own != exitFailed {
		code = own
	}
	return check{Name: name, Detail: detail, code: code}
}

// checkEach is within for what is a check for each row; a fault of its own name says why there are none.
func checkEach(ctx context.Context, pool *pgxpool.Pool, name, sql string, scan pgx.RowToFunc[check]) []check {
	var checks []check
	asked := within(ctx, name, exitFailed, func(ctx context.Context) (string, error) {
		rows, err := pool.Query(ctx, sql)
		if err == nil {
			checks, err = pgx.CollectRows(rows, scan)
		}
		return "", err
	})
	if !asked.OK {
		return []check{asked}
	}
	return checks
}

func examineConfig(cfg config.Config) check {
	parts := []config.Part{config.NeedApp, config.NeedProjector}
	if cfg.OIDCIssuer != "" || cfg.JWTKeysFile != "" { // without either nobody serves here
		parts = append(parts, config.NeedTokens)
	}
	err := cfg.Validate(parts...)
	if err == nil {
		if _, keyErr := eventstore.ParseVaultKey(cfg.VaultKey.Reveal()); keyErr != nil {
			err = keyErr
		}
	}
	if err != nil {
		return check{Name: "configuration", Detail: err.Error(), code: exitUsage}
	}
	detail := append([]string{"complete"}, cfg.Warnings()...)
	return check{Name: "configuration", OK: true, Detail: strings.Join(detail, "; ")}
}

func examineDatabase(ctx context.Context, name string, as role) check {
	if as.url == "" {
		return check{Name: name, OK: true, Detail: "not configured"}
	}
	return within(ctx, name, exitFailed, func(ctx context.Context) (string, error) {
		conn, err := pgx.Connect(ctx, as.url.Reveal())
		if err != nil {
			return "", &exitError{code: exitUnreachable, err: errors.New("can't connect")} // the driver's text may hold parts of the URL
		}
		defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
		var version, user string
		if err = conn.QueryRow(ctx, `SELECT current_setting('server_version'), current_user`).Scan(&version, &user); err != nil {
			return "", err
		}
		return fmt.Sprintf("Postgres %s as %s", version, user), as.demand(ctx, conn)
	})
}

const sqlProjections = `
SELECT projection, version, c.position, state, coalesce(halted_position, 0), problem, lease_until > now(), h.position FROM ledger.checkpoints c, ledger.head h
WHERE projection <> 'selfaudit' ORDER BY 1, 2`

// A route cursor counts route events, the others positions.
const sqlCursors = `
SELECT c.name, c.position, CASE c.name WHEN 'route' THEN h.route ELSE h.position END FROM ledger.cursors c, ledger.head h ORDER BY 1`

// examineLog asks how far the log goes, and who is behind it or halted.
func examineLog(ctx context.Context, cfg config.Config) []check {
	pool, err := connect(ctx, projectorRole(cfg).reading())
	if err != nil {
		return nil // said already by the check of the database
	}
	defer pool.Close()
	var head eventstore.Head
	log := within(ctx, "log", exitFailed, func(ctx context.Context) (_ string, err error) {
		if head, err = eventstore.NewReader(pool).Head(ctx); errors.Is(checkpoints.NotBuilt(err), checkpoints.ErrNotBuilt) {
			err = errors.New("no log: run payledger migrate")
		}
		return fmt.Sprintf("position %d, epoch %d, %d event types", head.Position, head.Epoch, len(catalog.New().Types())), err
	})
	if !log.OK {
		return []check{log}
	}
	checks := append([]check{examineVault(ctx, cfg, pool), log}, checkEach(ctx, pool, "projections", sqlProjections, scanProjection)...)
	checks = append(checks, within(ctx, "books", exitFailed, func(ctx context.Context) (string, error) { return examineBooks(ctx, pool) }))
	checks = append(append(checks, examineDrift(ctx, pool)...), checkEach(ctx, pool, "publisher", sqlCursors, scanCursor)...)
	return append(checks, within(ctx, "checkpoints", exitFailed, func(ctx context.Context) (string, error) { return examineCheckpoints(ctx, cfg, pool, head.Position) }))
}

// examineVault opens one of the keys of persons.
func examineVault(ctx context.Context, cfg config.Config, pool *pgxpool.Pool) check {
	return within(ctx, "vault", exitFailed, func(ctx context.Context) (string, error) {
		key, err := eventstore.ParseVaultKey(cfg.VaultKey.Reveal())
		if err != nil {
			return "not asked: VAULT_KEY is absent or malformed", nil //nolint:nilerr // the check of the configuration says so
		}
		return "its keys open", vaultError(eventstore.OpenVault(pool, key).Check(ctx))
	})
}

// examineCheckpoints asks whether checkpoints are signed, and by the key that is configured here.
func examineCheckpoints(ctx context.Context, cfg config.Config, pool *pgxpool.Pool, head int64) (string, error) {
	keyed := cfg.CheckpointKey != "" || cfg.CheckpointKeyFile != ""
	latest, err := proofs.Latest(ctx, pool)
	switch {
	case errors.Is(err, checkpoints.ErrNotBuilt) && !keyed:
		return "not configured: CHECKPOINT_KEY is not set", nil
	case errors.Is(err, checkpoints.ErrNotBuilt), errors.Is(err, proofs.ErrNoCheckpoint):
		return "none was signed yet", nil
	case err != nil:
		return "", err
	}
	detail := fmt.Sprintf("the last one is of %d events, %d behind, signed %s by %s", latest.Size, head-latest.Size, latest.SignedAt.Format(time.RFC3339), latest.Origin)
	if latest.Size > head {
		return "", &exitError{code: exitDamaged, err: errors.New(detail + ": the log is shorter")}
	}
	if !keyed {
		return detail, nil
	}
	signers, err := checkpointSigners(cfg)
	if err != nil {
		return "", err
	}
	if _, err := signers.Keys().Open([]byte(latest.Note)); err != nil {
		detail += ", with another key than CHECKPOINT_KEY"
	}
	return detail, nil
}

// examineBooks holds the control accounts against the rows of fees and credits.
func examineBooks(ctx context.Context, pool *pgxpool.Pool) (string, error) {
	controls, err := books.Queries{Pool: pool}.Controls(ctx)
	switch {
	case errors.Is(err, checkpoints.ErrNotBuilt):
		return "not built yet", nil
	case err != nil:
		return "", err
	case !controls.Compared:
		return fmt.Sprintf("at %d, not compared with the tables, which are at %d", controls.Books, controls.Tables), nil
	case len(controls.Differences) > 0:
		var differing []string
		for _, d := range controls.Differences {
			differing = append(differing, d.String())
		}
		return "", &exitError{code: exitDamaged, err: fmt.Errorf("at %d: %s", controls.Tables, strings.Join(differing, "; "))}
	}
	return fmt.Sprintf("balance at %d: 1100 is what fees owe, 2100 what credits have", controls.Tables), nil
}

// holdAgainst makes a check a fault if what it is about stands beyond the end.
func (c *check) holdAgainst(at, end int64) {
	if at > end {
		c.OK, c.Detail = false, fmt.Sprintf("at %d, beyond the end at %d: the log is shorter than it was", at, end)
	}
}

func scanCursor(row pgx.CollectableRow) (check, error) {
	var name string
	var at, end int64
	err := row.Scan(&name, &at, &end)
	c := check{Name: "publisher cursor " + name, OK: true, Detail: fmt.Sprintf("at %d, %d behind", at, end-at), code: exitDamaged}
	c.holdAgainst(at, end)
	return c, err
}

func scanProjection(row pgx.CollectableRow) (check, error) {
	var name, state, problem string
	var version int
	var position, haltedAt, head int64
	var leased bool
	if err := row.Scan(&name, &version, &position, &state, &haltedAt, &problem, &leased, &head); err != nil {
		return check{}, err
	}
	c := check{Name: fmt.Sprintf("projection %s v%d", name, version), OK: state == "running", code: exitDamaged}
	c.Detail = fmt.Sprintf("at %d, %d behind", position, head-position)
	c.holdAgainst(position, head)
	if !leased {
		c.Detail += ", nobody runs it"
	}
	if state != "running" {
		c.Detail += fmt.Sprintf(", HALTED at %d: %s", haltedAt, problem)
	}
	return c, nil
}
