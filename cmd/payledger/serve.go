package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"payledger/cmd/payledger/internal/config"
	"payledger/cmd/payledger/internal/httpapi"
	"payledger/cmd/payledger/internal/httpapi/auth"
	"payledger/commands"
	"payledger/eventstore"
	"payledger/readmodels/checkpoints"
	"payledger/readmodels/history"
	"payledger/readmodels/search"
	"payledger/readmodels/search/pgsearch"
	"payledger/readmodels/tables"
	"payledger/readmodels/totals"
)

// addresses are where the listeners of an API process can be reached.
type addresses struct {
	Library string `json:"library"`
	Tickets string `json:"tickets"`
}

func (a *app) serveCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "serve",
		Short: "Run the API",
		Long:  "Runs the API: the library on LIBRARY_LISTEN, health of the ticket service on TICKET_LISTEN, metrics on ADMIN_LISTEN. Start as many as needed.",
		Example: "  APP_DATABASE_URL=postgres://… VAULT_KEY=… JWT_KEYS_FILE=jwks.json payledger serve\n" +
			"  payledger serve --json   # prints the addresses when ready",
		Args: exactly(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := a.config(config.NeedApp, config.NeedTokens)
			if err != nil {
				return err
			}
			ctx := cmd.Context()
			l, err := openLedger(ctx, cfg, appRole(cfg), a.logger(ctx, cfg), newRegistry(), a.now)
			if err != nil {
				return stopped(ctx, err)
			}
			defer l.close()
			err = l.serve(ctx, func(at addresses) error {
				if a.json {
					return a.printJSON(at)
				}
				_, err := fmt.Fprintf(a.stdout, "library  %s\ntickets  %s\n", at.Library, at.Tickets)
				return err
			})
			return stopped(ctx, err)
		},
	}
}

// serve runs the API until ctx ends; ready is called once all listeners accept.
func (l *ledger) serve(ctx context.Context, ready func(addresses) error) error {
	var draining atomic.Bool
	store, err := eventstore.Open(ctx, eventstore.Config{
		URL: l.cfg.App().Reveal(), Folder: commands.Folder{Catalog: l.catalog}, Keys: l.vault, Logger: l.log, Failpoint: failpoint(),
	})
	if err != nil {
		return err
	}
	defer store.Close()
	if err := l.metrics.Register(storeMetrics(store)); err != nil {
		return fmt.Errorf("register metrics: %w", err)
	}
	api, err := l.api(ctx, store, &draining)
	if err != nil {
		return err
	}
	listeners := []listener{
		{address: l.cfg.LibraryListen, handler: api.Handler()}, //nolint:contextcheck // routes take the context of their request
		{address: l.cfg.TicketListen, handler: httpapi.HealthHandler()},
	}
	if l.cfg.AdminListen != "" {
		listeners = append(listeners, listener{address: l.cfg.AdminListen, handler: api.AdminHandler(l.metricsHandler())})
	}
	if err := openAll(ctx, l.log, listeners); err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { l.watcher.Run(ctx); return nil })
	group.Go(func() error { return serveAll(ctx, l.log, listeners, func() { draining.Store(true) }) })
	if err := ready(addresses{Library: listeners[0].url(), Tickets: listeners[1].url()}); err != nil {
		return err
	}
	return group.Wait()
}

func (l *ledger) api(ctx context.Context, store *eventstore.Store, draining *atomic.Bool) (*httpapi.API, error) {
	verifier, err := l.verifier(ctx)
	if err != nil {
		return nil, err
	}
	queries := tables.Queries{Pool: l.pool, Watcher: l.watcher, Totals: totals.NewMemory()}
	var searcher search.Searcher = pgsearch.New(l.pool)
	searched := documentsCheckpoint()
	index, err := l.searchIndex()
	if err != nil {
		return nil, err
	}
	if index != nil {
		searcher, searched = index, search.Mirror()
	}
	return httpapi.New(httpapi.Config{
		Commands: &commands.Service{Store: store, Catalog: l.catalog, Vault: l.vault, OpenFees: queries, Rows: httpapi.Rows{Tables: queries}},
		Tables:   queries, History: history.Reader{Log: l.reader, Catalog: l.catalog, Keys: l.vault}, Head: l.reader.Head, Search: searcher, SearchProjection: searched,
		Verifier: verifier, Logger: l.log, Metrics: l.metrics, Now: l.now, NewID: uuid.NewV7, Zone: l.cfg.Zone(),
		Ready:   func() error { return l.readiness(context.WithoutCancel(ctx), draining) },
		Extends: l.cfg.ExtendsNames, Service: l.cfg.LibraryService, Project: l.cfg.ProjectName, Version: appVersion,
	})
}

// readinessTimeout bounds the question whether the database answers.
const readinessTimeout = time.Second

// The read models of this version must be there: projectors are rolled out before the API.
const sqlBuilt = `SELECT to_regclass('tables_v2.fees') IS NOT NULL AND to_regclass('documents_v2.documents') IS NOT NULL`

// readiness says why requests should go elsewhere, nil if they needn't.
func (l *ledger) readiness(ctx context.Context, draining *atomic.Bool) error {
	if draining.Load() {
		return errors.New("shutting down")
	}
	ctx, cancel := context.WithTimeout(ctx, readinessTimeout)
	defer cancel()
	var built bool
	if err := l.pool.QueryRow(ctx, sqlBuilt).Scan(&built); err != nil {
		return fmt.Errorf("ask the database: %w", err)
	}
	if !built {
		return checkpoints.ErrNotBuilt
	}
	return nil
}

func (l *ledger) verifier(ctx context.Context) (*auth.Verifier, error) {
	var keys auth.KeySource
	if l.cfg.JWTKeysFile != "" {
		text, err := os.ReadFile(l.cfg.JWTKeysFile)
		if err != nil {
			return nil, usageError(fmt.Errorf("JWT_KEYS_FILE: %w", err))
		}
		static, err := auth.ParseKeys(text)
		if err != nil {
			return nil, usageError(fmt.Errorf("JWT_KEYS_FILE: %w", err))
		}
		keys = auth.StaticKeys(static)
	} else {
		remote, err := auth.Discover(ctx, &http.Client{Timeout: connectTimeout}, l.cfg.OIDCIssuer, l.now)
		if err != nil {
			return nil, &exitError{code: exitUnreachable, err: err}
		}
		keys = remote
	}
	return auth.NewVerifier(auth.Config{Issuer: l.cfg.OIDCIssuer, Audience: l.cfg.OIDCAudience, Keys: keys, Now: l.now})
}
