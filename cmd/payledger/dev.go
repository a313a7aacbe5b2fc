package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"payledger/cmd/payledger/internal/config"
	"payledger/cmd/payledger/internal/devstack"
	"payledger/eventstore"
	"payledger/internal/pgserver"
)

// devTokenTTL is how long the tokens that `payledger dev` prints are valid.
const devTokenTTL = 12 * time.Hour

// devDatabase is the database of the embedded server.
const devDatabase = "payledger"

type devFlags struct {
	dir, library, tickets, kafka string
	demo                         bool
}

// devReady is the line that `payledger dev --json` prints when everything answers.
type devReady struct {
	Ready    bool              `json:"ready"`
	Library  string            `json:"library"`
	Tickets  string            `json:"tickets"`
	Kafka    string            `json:"kafka"`
	Database string            `json:"database"`
	Search   string            `json:"search"`
	Tokens   map[string]string `json:"tokens"`
	Users    map[string]string `json:"users"`
	// Integrations is null as long as no listener takes vendors' messages.
	Integrations *struct{} `json:"integrations"`

	environment string // path of the file with settings for other commands
}

func (a *app) devCommand() *cobra.Command {
	var flags devFlags
	cmd := &cobra.Command{
		Use:   "dev",
		Short: "Run everything in one process on embedded defaults",
		Long: "Runs API and projections in one process, on a Postgres server and a Kafka-protocol broker of its own, with tokens for every role.\n" +
			"Whatever DATABASE_URL, KAFKA_BROKERS, ELASTICSEARCH_URL, OIDC_ISSUER or JWT_KEYS_FILE name replaces its embedded default.\n" +
			"For development: everybody on this machine can reach its servers.",
		Example: "  payledger dev --demo\n  payledger dev --json --data-dir /tmp/ledger --library-listen 127.0.0.1:0 --ticket-listen 127.0.0.1:0 --kafka-listen 127.0.0.1:0",
		Args:    exactly(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := a.config()
			if err != nil {
				return err
			}
			if cmd.Flags().Changed("library-listen") || !a.isSet("LIBRARY_LISTEN") {
				cfg.LibraryListen = flags.library
			}
			if cmd.Flags().Changed("ticket-listen") || !a.isSet("TICKET_LISTEN") {
				cfg.TicketListen = flags.tickets
			}
			if !a.isSet("LOG_LEVEL") {
				cfg.LogLevel = slog.LevelWarn
			}
			return stopped(cmd.Context(), a.dev(cmd.Context(), cfg, flags))
		},
	}
	cmd.Flags().StringVar(&flags.dir, "data-dir", defaultDataDir, "folder of the data; a second start goes on with them")
	cmd.Flags().BoolVar(&flags.demo, "demo", false, "fill in a small library of members and fees, and show one fee's way")
	cmd.Flags().StringVar(&flags.library, "library-listen", "127.0.0.1:3004", "address of the library API; port 0 takes any free one")
	cmd.Flags().StringVar(&flags.tickets, "ticket-listen", "127.0.0.1:3005", "address of the ticket API; port 0 takes any free one")
	cmd.Flags().StringVar(&flags.kafka, "kafka-listen", "127.0.0.1:9092", "address of the embedded Kafka; port 0 takes any free one")
	return cmd
}

// dev starts what is embedded, then the roles, each as its own command would.
func (a *app) dev(ctx context.Context, cfg config.Config, flags devFlags) error {
	dir, err := filepath.Abs(flags.dir)
	if err != nil {
		return fmt.Errorf("data folder: %w", err)
	}
	release, err := devstack.Lock(dir)
	if errors.Is(err, devstack.ErrLocked) {
		return &exitError{code: exitRefused, err: err}
	}
	if err != nil {
		return err
	}
	defer release()
	stack, err := a.startStack(ctx, &cfg, dir, flags)
	defer stack.close()
	if err != nil {
		return err
	}
	if err := eventstore.Migrate(ctx, cfg.DatabaseURL.Reveal()); err != nil {
		return err
	}
	if err := writeEnvironment(dir, cfg); err != nil {
		return err
	}
	return a.runRoles(ctx, cfg, stack.issuer, dir, flags.demo)
}

// stack is the embedded servers; what the environment replaced is nil.
type stack struct {
	postgres *pgserver.Server
	kafka    *devstack.Kafka
	issuer   *devstack.Issuer
}

func (s *stack) close() {
	if s.kafka != nil {
		s.kafka.Close()
	}
	if s.postgres != nil {
		_ = s.postgres.Close() // the keeper stops it in any case
	}
}

// startStack starts each embedded server that the configuration doesn't replace, and points the configuration to it.
func (a *app) startStack(ctx context.Context, cfg *config.Config, dir string, flags devFlags) (*stack, error) {
	s := &stack{}
	var err error
	if cfg.VaultKey == "" {
		key, err := devstack.VaultKey(dir)
		if err != nil {
			return s, err
		}
		cfg.VaultKey = config.Secret(key)
	}
	if cfg.CheckpointKey == "" && cfg.CheckpointKeyFile == "" {
		if err := devCheckpointKey(cfg, dir); err != nil {
			return s, err
		}
	}
	if cfg.OIDCIssuer == "" && cfg.JWTKeysFile == "" {
		if s.issuer, err = devstack.OpenIssuer(dir, cfg.OIDCAudience); err != nil {
			return s, err
		}
		cfg.JWTKeysFile = s.issuer.KeysFile()
	}
	if cfg.DatabaseURL == "" {
		fmt.Fprintln(a.stderr, "starting Postgres …")
		if s.postgres, err = devstack.StartPostgres(ctx, filepath.Join(dir, "postgres")); err != nil {
			return s, err
		}
		owner := s.postgres.URL(devDatabase)
		if err := createDatabase(ctx, s.postgres.URL("postgres"), devDatabase); err != nil {
			return s, err
		}
		cfg.DatabaseURL = config.Secret(owner)
		cfg.AppDatabaseURL = config.Secret(asRole(owner, "payledger_app"))
		cfg.ProjectorDatabaseURL = config.Secret(asRole(owner, "payledger_projector"))
	}
	if len(cfg.KafkaBrokers) == 0 {
		if s.kafka, err = devstack.StartKafka(ctx, filepath.Join(dir, "kafka"), flags.kafka); err != nil {
			return s, err
		}
		cfg.KafkaBrokers = []string{s.kafka.Addr()}
	}
	return s, nil
}

// devCheckpointKey makes the key that signs checkpoints at the first start, and has them written to a file beside it.
func devCheckpointKey(cfg *config.Config, dir string) error {
	path := filepath.Join(dir, "checkpoint-key")
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
		public, err := makeCheckpointKey("payledger.dev/demo", path)
		if err != nil {
			return err
		}
		if err := devstack.WriteFile(path+".pub", []byte(public+"\n")); err != nil {
			return err
		}
	}
	cfg.CheckpointKeyFile = path
	if cfg.CheckpointFile == "" {
		cfg.CheckpointFile = filepath.Join(dir, "checkpoints")
	}
	return nil
}

// runRoles runs API and projectors until ctx ends or one of them fails.
func (a *app) runRoles(ctx context.Context, cfg config.Config, issuer *devstack.Issuer, dir string, demo bool) error {
	log := a.logger(ctx, cfg)
	registry := newRegistry()
	api, err := openLedger(ctx, cfg, appRole(cfg), log, registry, a.now)
	if err != nil {
		return err
	}
	defer api.close()
	projector, err := openLedger(ctx, cfg, projectorRole(cfg), log, registry, a.now)
	if err != nil {
		return err
	}
	defer projector.close()
	names, err := chooseProjections(cfg, nil)
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return projector.project(ctx, names) })
	group.Go(func() error {
		return api.serve(ctx, func(at addresses) error {
			ready, err := a.describe(cfg, issuer, at)
			if err != nil {
				return err
			}
			ready.environment = filepath.Join(dir, environmentFile)
			if err := api.awaitReadModels(ctx); err != nil {
				return err
			}
			if demo {
				if err := a.demo(ctx, ready); err != nil {
					return fmt.Errorf("demo: %w", err)
				}
			}
			return a.announce(ready)
		})
	})
	return group.Wait()
}

// readyPoll is how often dev asks whether its projectors have made their tables.
const readyPoll = 20 * time.Millisecond

// awaitReadModels waits until reads can be answered.
func (l *ledger) awaitReadModels(ctx context.Context) error {
	ticker := time.NewTicker(readyPoll)
	defer ticker.Stop()
	for l.readiness(ctx, new(atomic.Bool)) != nil {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// environmentFile holds the settings with which other commands reach the servers of `payledger dev`.
const environmentFile = "env"

// writeEnvironment lets other commands talk to this ledger: `. DIR/env`. It holds secrets and is its owner's alone.
func writeEnvironment(dir string, cfg config.Config) error {
	var text strings.Builder
	for _, setting := range []struct{ name, value string }{
		{"DATABASE_URL", cfg.DatabaseURL.Reveal()},
		{"APP_DATABASE_URL", cfg.App().Reveal()},
		{"PROJECTOR_DATABASE_URL", cfg.Projector().Reveal()},
		{"VAULT_KEY", cfg.VaultKey.Reveal()},
		{"CHECKPOINT_KEY", cfg.CheckpointKey.Reveal()},
		{"CHECKPOINT_KEY_FILE", cfg.CheckpointKeyFile},
		{"CHECKPOINT_FILE", cfg.CheckpointFile},
		{"KAFKA_BROKERS", strings.Join(cfg.KafkaBrokers, ",")},
		{"ELASTICSEARCH_URL", cfg.ElasticsearchURL},
	} {
		if setting.value != "" {
			fmt.Fprintf(&text, "export %s='%s'\n", setting.name, strings.ReplaceAll(setting.value, "'", `'\''`))
		}
	}
	return devstack.WriteFile(filepath.Join(dir, environmentFile), []byte(text.String()))
}

// describe makes the ready line.
func (a *app) describe(cfg config.Config, issuer *devstack.Issuer, at addresses) (devReady, error) {
	ready := devReady{
		Ready: true, Library: at.Library, Tickets: at.Tickets, Kafka: cfg.KafkaBrokers[0], Database: cfg.DatabaseURL.Reveal(),
		Search: "postgres", Tokens: map[string]string{}, Users: map[string]string{},
	}
	if cfg.ElasticsearchURL != "" {
		ready.Search = cfg.ElasticsearchURL
	}
	if issuer == nil {
		return ready, nil
	}
	for _, p := range devstack.People() {
		token, err := issuer.Token(devstack.Claims{Subject: p.ID, Tenant: devstack.Tenant, Role: p.Role, TTL: devTokenTTL}, a.now())
		if err != nil {
			return devReady{}, err
		}
		ready.Tokens[p.Name], ready.Users[p.Name] = token, p.ID
	}
	return ready, nil
}

func (a *app) announce(ready devReady) error {
	if a.json {
		return a.printJSON(ready)
	}
	_, err := fmt.Fprintf(a.stdout, `
library API  %s
ticket API   %s   (health only, so far)
Kafka        %s
database     %s
search       %s
tokens       payledger token --role member | staff | supervisor | finance | auditor | service | admin
other tools  . %s && payledger audit verify

Ready. Stop with Ctrl-C; the data stay.
`, ready.Library, ready.Tickets, ready.Kafka, ready.Database, ready.Search, ready.environment)
	return err
}

// isSet reports whether the environment has a variable, also an empty one.
func (a *app) isSet(name string) bool {
	for _, line := range a.environ {
		if len(line) > len(name) && line[:len(name)+1] == name+"=" {
			return true
		}
	}
	return false
}

// asRole returns the URL for another user of the embedded server, which trusts all local users.
func asRole(owner, role string) string {
	u, err := url.Parse(owner)
	if err != nil {
		return owner // our own server's URL always parses
	}
	u.User = url.User(role)
	return u.String()
}

func createDatabase(ctx context.Context, adminURL, name string) error {
	conn, err := pgx.Connect(ctx, adminURL)
	if err != nil {
		return fmt.Errorf("create database %s: %w", name, err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	var exists bool
	err = conn.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)`, name).Scan(&exists)
	if err == nil && !exists {
		_, err = conn.Exec(ctx, `CREATE DATABASE `+pgx.Identifier{name}.Sanitize())
	}
	if err != nil {
		return fmt.Errorf("create database %s: %w", name, err)
	}
	return nil
}
