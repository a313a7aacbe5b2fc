package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"payledger/cmd/payledger/internal/config"
	"payledger/cmd/payledger/internal/httpapi"
	"payledger/cmd/payledger/internal/kafkabus"
	"payledger/eventstore"
	"payledger/projections"
	proofsprojection "payledger/projections/proofs"
	"payledger/projections/publisher"
	searchprojection "payledger/projections/search"
	"payledger/projections/selfaudit"
	"payledger/readmodels/books"
	"payledger/readmodels/checkpoints"
	"payledger/readmodels/documents"
	"payledger/readmodels/proofs"
	"payledger/readmodels/search"
)

// The names of the projections that don't write to Postgres, as arguments of `project`.
const (
	projectionSearch    = "search"
	projectionPublisher = publisher.Name
	projectionProofs    = proofs.ProjectionName
	projectionSelfAudit = selfaudit.Name
)

func documentsCheckpoint() checkpoints.Projection { return documents.Projection() }

func (a *app) projectCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "project [NAME…]",
		Short: "Run the projectors, all or the named",
		Long: "Runs projections: tables, documents, books, search (needs ELASTICSEARCH_URL), publisher (needs KAFKA_BROKERS), selfaudit and\n" +
			"proofs (needs CHECKPOINT_KEY or CHECKPOINT_KEY_FILE); without names all that are configured.\n" +
			"Each takes a lease: start as many processes as you like, the others stand by.",
		Example: "  PROJECTOR_DATABASE_URL=postgres://… VAULT_KEY=… payledger project\n  payledger project tables documents",
		RunE: func(cmd *cobra.Command, names []string) error {
			cfg, err := a.config(config.NeedProjector)
			if err != nil {
				return err
			}
			if names, err = chooseProjections(cfg, names); err != nil {
				return err
			}
			ctx := cmd.Context()
			l, err := openLedger(ctx, cfg, projectorRole(cfg), a.logger(ctx, cfg), newRegistry(), a.now)
			if err != nil {
				return stopped(ctx, err)
			}
			defer l.close()
			return stopped(ctx, l.projectWithMetrics(ctx, names))
		},
	}
}

// chooseProjections returns the names that were asked for, each once, or all that the configuration allows.
func chooseProjections(cfg config.Config, names []string) ([]string, error) {
	lacking := map[string]string{}
	if cfg.ElasticsearchURL == "" {
		lacking[projectionSearch] = "ELASTICSEARCH_URL"
	}
	if len(cfg.KafkaBrokers) == 0 {
		lacking[projectionPublisher] = "KAFKA_BROKERS"
	}
	if cfg.CheckpointKey == "" && cfg.CheckpointKeyFile == "" {
		lacking[projectionProofs] = "CHECKPOINT_KEY or CHECKPOINT_KEY_FILE"
	}
	if cfg.SelfAuditRate == 0 {
		lacking[projectionSelfAudit] = "SELFAUDIT_RATE above 0"
	}
	var all []string
	for _, p := range projections.All() {
		all = append(all, p.Projection.Name)
	}
	all = append(all, projectionSearch, projectionPublisher, projectionProofs, projectionSelfAudit)
	if len(names) == 0 {
		names = slices.DeleteFunc(slices.Clone(all), func(name string) bool { return lacking[name] != "" })
	}
	names = slices.Compact(slices.Sorted(slices.Values(names)))
	for _, name := range names {
		if !slices.Contains(all, name) {
			return nil, usageError(fmt.Errorf("there is no projection %q: choose from %s", name, strings.Join(all, ", ")))
		}
		if lacking[name] != "" {
			return nil, usageError(fmt.Errorf("projection %s needs %s", name, lacking[name]))
		}
		if name == projectionProofs { // it would end alone, while the others go on and nothing is signed
			if _, err := checkpointSigners(cfg); err != nil {
				return nil, err
			}
		}
	}
	return names, nil
}

// projectWithMetrics runs projections, and the listener for their metrics if one is configured.
func (l *ledger) projectWithMetrics(ctx context.Context, names []string) error {
	if l.cfg.AdminListen == "" {
		return l.project(ctx, names)
	}
	mux := http.NewServeMux()
	mux.Handle("/health", httpapi.HealthHandler())
	mux.Handle("GET /metrics", l.metricsHandler())
	listeners := []listener{{address: l.cfg.AdminListen, handler: mux}}
	if err := openAll(ctx, l.log, listeners); err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	serving, stop := context.WithCancel(ctx)
	group.Go(func() error { return serveAll(serving, l.log, listeners, func() {}) })
	group.Go(func() error {
		defer stop()
		return l.project(ctx, names)
	})
	return group.Wait()
}

// project runs projections until ctx ends. One that halts stops alone; at the end it makes the process exit with 5.
func (l *ledger) project(ctx context.Context, names []string) error {
	waker := eventstore.NewWaker(l.pool, l.log)
	metrics := projections.NewMetrics(l.metrics)
	projections.RegisterLag(l.metrics, l.pool, l.log, checkpointsOf(names)...)
	var wakers, running sync.WaitGroup
	helping, stop := context.WithCancel(context.WithoutCancel(ctx))
	wakers.Go(func() { waker.Run(helping) })
	wakers.Go(func() { l.watcher.Run(helping) })
	errs := make([]error, len(names))
	for i, name := range names {
		running.Go(func() { errs[i] = l.runProjection(ctx, name, waker, metrics) })
	}
	running.Wait()
	stop()
	wakers.Wait()
	err := errors.Join(errs...)
	if _, halted := errors.AsType[*projections.HaltedError](err); halted {
		return &exitError{code: exitDamaged, err: err}
	}
	return err
}

// checkpointsOf returns those of the named projections whose checkpoints say how far they are behind: the self-audit's says how far a round has looked.
func checkpointsOf(names []string) []checkpoints.Projection {
	all := []checkpoints.Projection{search.Mirror(), {Name: publisher.Name, Version: publisher.Version}, proofs.Projection()}
	for _, p := range projections.All() {
		all = append(all, p.Projection)
	}
	return slices.DeleteFunc(all, func(p checkpoints.Projection) bool { return !slices.Contains(names, p.Name) })
}

// booksInterval is how often the books are written: nobody waits to see their own command there, and few large batches cost less.
const booksInterval = 250 * time.Millisecond

func (l *ledger) runProjection(ctx context.Context, name string, waker *eventstore.Waker, metrics *projections.Metrics) error {
	switch name {
	case projectionSearch:
		index, err := l.searchIndex()
		if err != nil {
			return err
		}
		return searchprojection.Run(ctx, searchprojection.Config{Pool: l.pool, Watcher: l.watcher, Index: index, Logger: l.log, Metrics: metrics, Now: l.now})
	case projectionPublisher:
		return l.publish(ctx, waker)
	case projectionProofs:
		return l.sign(ctx, waker, metrics)
	case projectionSelfAudit:
		checks := []selfaudit.Check{selfaudit.Controls(books.Queries{Pool: l.pool})}
		mirror, err := l.auditedMirror()
		if err != nil {
			return err
		}
		if mirror != nil {
			checks = append(checks, mirror.Check())
		}
		if len(l.cfg.KafkaBrokers) > 0 {
			checks = append(checks, selfaudit.Tail(l.messages(), kafkabus.ReadTail(kafkaConfig(l.cfg))))
		}
		return selfaudit.Run(ctx, selfaudit.Config{
			Pool: l.pool, Log: l.auditLog(), Waker: waker, Models: selfaudit.Models(), Checks: checks, Logger: l.log, Metrics: selfaudit.NewMetrics(l.metrics),
			Projections: metrics, Now: l.now, Rate: l.cfg.SelfAuditRate, GiveWay: l.cfg.GiveWay,
		})
	}
	all := projections.All()
	p := all[slices.IndexFunc(all, func(p projections.Postgres) bool { return p.Projection.Name == name })]
	waitedFor := []checkpoints.Projection{p.Projection}
	if name == documents.ProjectionName {
		waitedFor = append(waitedFor, search.Mirror()) // which follows it
	}
	interval := time.Duration(0) // the default
	if name == books.ProjectionName {
		interval = booksInterval
	}
	return projections.Run(ctx, projections.RunConfig{
		Pool: l.pool, Reader: l.reader, Waker: waker, Catalog: l.catalog, Keys: l.vault, Projector: p.New(),
		Logger: l.log, Metrics: metrics, Now: l.now, Interval: interval, Model: p.Bulk, Code: codeVersion(), Failpoint: failpoint(),
		GiveWay: l.cfg.GiveWay, Wanted: func() bool { return slices.ContainsFunc(waitedFor, l.watcher.Wanted) },
	})
}

func (l *ledger) publish(ctx context.Context, waker *eventstore.Waker) error {
	after := documentsCheckpoint()
	if l.cfg.ElasticsearchURL != "" {
		after = search.Mirror()
	}
	topics := topicConfig(l.cfg)
	publisher.RegisterLag(l.metrics, l.pool, l.log)
	return publisher.Run(ctx, publisher.Config{
		Source: l.messages(), Waker: waker, Checkpoints: l.watcher,
		Connect: kafkabus.Connect(kafkaConfig(l.cfg), publisher.Topics(topics), l.log), IndexAfter: after,
		Logger: l.log, Metrics: publisher.NewMetrics(l.metrics), Now: l.now, GiveWay: l.cfg.GiveWay, Failpoint: failpoint(),
	})
}

// messages is the log as the publisher renders it.
func (l *ledger) messages() publisher.Source {
	return publisher.Source{
		Pool: l.pool, Reader: l.reader, Catalog: l.catalog, Keys: l.vault, Topics: topicConfig(l.cfg),
		IndexUpdatedOnCreatedTopic: l.cfg.IndexUpdatedOnCreatedTopic,
	}
}

// sign grows the Merkle tree over the log and signs checkpoints.
func (l *ledger) sign(ctx context.Context, waker *eventstore.Waker, metrics *projections.Metrics) error {
	signers, err := checkpointSigners(l.cfg)
	if err != nil {
		return err
	}
	return proofsprojection.Run(ctx, proofsprojection.Config{
		Pool: l.pool, Reader: l.reader, Waker: waker, Signers: signers, File: l.cfg.CheckpointFile, SignEvery: l.cfg.CheckpointInterval,
		Logger: l.log, Metrics: metrics, Now: l.now,
	})
}

func kafkaTLS(cfg config.Config) *tls.Config {
	if !cfg.KafkaTLS {
		return nil
	}
	return &tls.Config{MinVersion: tls.VersionTLS12}
}
