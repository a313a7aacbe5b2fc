package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"payledger/cmd/payledger/internal/config"
	"payledger/cmd/payledger/internal/kafkabus"
	searchindex "payledger/cmd/payledger/internal/search"
	"payledger/eventstore"
	"payledger/eventstore/catalog"
	"payledger/projections/publisher"
	"payledger/readmodels/checkpoints"
	"payledger/readmodels/search"
)

// poolSize is the number of connections of a process, unless pool_max_conns in its URL says otherwise: all projectors of
// a process together want ten at times, and a lease is renewed over one of them.
const poolSize = 16

// connectTimeout bounds how long a command waits for the database at its start.
const connectTimeout = 10 * time.Second

// ledger is the parts that every long-running role shares, over one pool of connections of that role.
type ledger struct {
	cfg     config.Config
	log     *slog.Logger
	now     func() time.Time
	metrics *prometheus.Registry
	pool    *pgxpool.Pool
	reader  *eventstore.Reader
	vault   *eventstore.Vault
	catalog *catalog.Catalog
	watcher *checkpoints.Watcher
}

// openLedger connects as a role.
func openLedger(ctx context.Context, cfg config.Config, as role, log *slog.Logger, registry *prometheus.Registry, now func() time.Time) (*ledger, error) {
	pool, err := connect(ctx, as)
	if err != nil {
		return nil, err
	}
	key, err := eventstore.ParseVaultKey(cfg.VaultKey.Reveal())
	if err != nil {
		pool.Close()
		return nil, usageError(err)
	}
	vault := eventstore.OpenVault(pool, key)
	if err := vault.Check(ctx); err != nil {
		pool.Close()
		return nil, vaultError(err)
	}
	return &ledger{
		cfg: cfg, log: log, now: now, metrics: registry, pool: pool, reader: eventstore.NewReader(pool),
		vault: vault, catalog: catalog.New(), watcher: checkpoints.NewWatcher(pool, log),
	}, nil
}

// vaultError tells a wrong VAULT_KEY, which is a fault of the configuration, from a database without a schema.
func vaultError(err error) error {
	if errors.Is(err, eventstore.ErrMasterKey) {
		return usageError(err)
	}
	if errors.Is(checkpoints.NotBuilt(err), checkpoints.ErrNotBuilt) {
		return refused("the database has no log yet: run `payledger migrate`")
	}
	return err
}

func (l *ledger) close() { l.pool.Close() }

// connect opens a pool, and makes sure that the database answers and that the role has its rights.
func connect(ctx context.Context, as role) (*pgxpool.Pool, error) {
	cfg, err := pgxpool.ParseConfig(as.url.Reveal())
	if err != nil {
		return nil, usageError(fmt.Errorf("database URL: %w", err))
	}
	if !strings.Contains(as.url.Reveal(), "pool_max_conns") {
		cfg.MaxConns = poolSize
	}
	cfg.ConnConfig.RuntimeParams["jit"] = "off" // compiling takes longer than any of our statements
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("connect to the database: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	if err := pool.Ping(ctx); err != nil {
		pool.Close()
		return nil, &exitError{code: exitUnreachable, err: fmt.Errorf("connect to the database: %w", err)}
	}
	if err := as.demand(ctx, pool); err != nil {
		pool.Close()
		return nil, err
	}
	return pool, nil
}

// newRegistry returns a registry with the metrics of process and runtime.
func newRegistry() *prometheus.Registry {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return registry
}

// searchIndex returns the client of Elasticsearch, nil when none is configured.
func (l *ledger) searchIndex() (*searchindex.Index, error) {
	if l.cfg.ElasticsearchURL == "" {
		return nil, nil //nolint:nilnil // none is configured
	}
	return searchindex.New(searchindex.Config{
		URL: l.cfg.ElasticsearchURL, Username: l.cfg.ElasticsearchUsername, Password: l.cfg.ElasticsearchPassword.Reveal(),
		Prefix: l.cfg.LibraryIndexPrefix,
		Checkpoint: func(ctx context.Context) (int64, error) {
			return checkpoints.Read(ctx, l.pool, search.Mirror())
		},
	})
}

func kafkaConfig(cfg config.Config) kafkabus.Config {
	return kafkabus.Config{
		Brokers: cfg.KafkaBrokers, SASLUser: cfg.KafkaSASLUser, SASLPassword: cfg.KafkaSASLPassword.Reveal(),
		SASLMechanism: cfg.KafkaSASLMechanism, TLS: kafkaTLS(cfg), Partitions: cfg.KafkaPartitions, Replication: cfg.KafkaReplication,
	}
}

func topicConfig(cfg config.Config) publisher.TopicConfig {
	return publisher.TopicConfig{LibraryService: cfg.LibraryService, LibraryIndexPrefix: cfg.LibraryIndexPrefix}
}
