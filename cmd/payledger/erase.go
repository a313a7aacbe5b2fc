package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/spf13/cobra"

	"payledger/cmd/payledger/internal/config"
	"payledger/cmd/payledger/internal/httpapi/input"
	"payledger/commands"
	"payledger/domain/person"
	"payledger/eventstore"
	"payledger/eventstore/catalog"
	"payledger/projections"
	"payledger/projections/publisher"
	"payledger/readmodels/checkpoints"
	"payledger/readmodels/search"
)

// answerDays is for how long answers and route events are kept: see ledger.trim.
const answerDays = 30

// eraseFlags are the flags of `erase`.
type eraseFlags struct {
	tenant, reason string
	backupDays     int
	wait           time.Duration
}

func (a *app) eraseCommand() *cobra.Command {
	var flags eraseFlags
	cmd := &cobra.Command{
		Use:   "erase MEMBER",
		Short: "Destroy a person's key, and follow it everywhere",
		Long: "Destroys the key of a person: what was written about them can't be read any more. Follows it into tables, documents, the search server, stored answers and\n" +
			"route events, and keeps a certificate. Stopped or killed anywhere it is finished by running it again. Exit code 4: money is open for this person.",
		Example: "  APP_DATABASE_URL=postgres://… VAULT_KEY=… payledger erase 0197… --reason request\n  payledger erase 0197… --tenant main --backup-days 14 --json",
		Args:    exactly(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := a.config(config.NeedApp)
			if err != nil {
				return err
			}
			id, ok := input.ParseID(args[0])
			if !ok {
				return usageError(errors.New("an id is a UUID or 24 hexadecimal digits"))
			}
			if flags.backupDays < 0 {
				return usageError(errors.New("--backup-days can't be negative"))
			}
			return a.erase(cmd.Context(), cfg, id, flags)
		},
	}
	cmd.Flags().StringVar(&flags.tenant, "tenant", "", "tenant of the id; needed only where several tenants have it")
	cmd.Flags().StringVar(&flags.reason, "reason", "request", "code that stands in the log for ever: letters, digits, - and _")
	cmd.Flags().IntVar(&flags.backupDays, "backup-days", 0, "for how long backups of the vault are kept, for the certificate; 0: not said")
	cmd.Flags().DurationVar(&flags.wait, "wait", time.Minute, "how long to wait for the projections, for a republish, and for a Kafka that is silent")
	return cmd
}

// eraser is an erasure under way.
type eraser struct {
	*ledger
	service *commands.Service
	who     eventstore.Person
	flags   eraseFlags
	fail    func(string)
}

func (a *app) erase(ctx context.Context, cfg config.Config, userID string, flags eraseFlags) error {
	l, err := openLedger(ctx, cfg, appRole(cfg), a.logger(ctx, cfg), newRegistry(), a.now)
	if err != nil {
		return err
	}
	defer l.close()
	if flags.tenant, err = l.tenantOf(ctx, flags.tenant, "member", userID); err != nil {
		return err
	}
	store, err := eventstore.Open(ctx, eventstore.Config{
		URL: cfg.App().Reveal(), Folder: commands.Folder{Catalog: l.catalog}, Keys: l.vault, Logger: l.log, Failpoint: failpoint(),
	})
	if err != nil {
		return err
	}
	defer store.Close()
	e := &eraser{
		ledger: l, service: &commands.Service{Store: store, Catalog: l.catalog, Vault: l.vault},
		who: eventstore.Person{Tenant: flags.tenant, Subject: userID}, flags: flags, fail: failpoint(),
	}
	if e.fail == nil {
		e.fail = func(string) {}
	}
	certificate, err := e.run(ctx)
	switch {
	case errors.Is(err, person.ErrMoneyOpen):
		return refused("person %s isn't erased: %w", userID, err)
	case errors.Is(err, person.ErrBadReason):
		return usageError(err)
	case err != nil:
		return err
	}
	return a.printJSON(certificate)
}

// run erases, follows and certifies. Every step may be repeated.
func (e *eraser) run(ctx context.Context) (person.Certified, error) {
	was, err := eventstore.ReadErasure(ctx, e.pool, e.who)
	if err != nil {
		return person.Certified{}, err
	}
	if _, err := e.service.ErasePerson(ctx, e.request(), e.who.Subject, e.flags.reason, was.Living && was.Position > 0); err != nil {
		return person.Certified{}, err
	}
	e.fail("erase.erased")
	erased, err := eventstore.ReadErasure(ctx, e.pool, e.who)
	if err != nil {
		return person.Certified{}, err
	}
	c := person.Certified{
		UserID: e.who.Subject, ErasedAt: int(erased.Position), Keys: int(erased.Keys), AnswerDays: answerDays, BackupDays: e.flags.backupDays,
		Projections: []person.Projection{}, Topics: []person.Topic{},
	}
	if err := e.follow(ctx, &c); err != nil {
		return c, fmt.Errorf("the key is destroyed, but the erasure isn't followed everywhere, run it again: %w", err)
	}
	kept, err := e.service.CertifyErasure(ctx, e.request(), c)
	e.fail("erase.certified")
	return kept, err
}

// follow sees to everything that may still show a text, and counts it.
func (e *eraser) follow(ctx context.Context, c *person.Certified) error {
	if err := e.awaitProjections(ctx, c); err != nil {
		return err
	}
	e.fail("erase.projected")
	if err := e.findLeftovers(ctx); err != nil {
		return err
	}
	// Readers that began before may still put a route event behind what they read; processes that had the key have forgotten it by then.
	projections.Wait(ctx, eventstore.KeyFreshness)
	head, err := e.reader.Head(ctx)
	if err != nil {
		return err
	}
	stored, err := eventstore.EraseAnswers(ctx, e.pool, e.who, head.Position)
	if err != nil {
		return err
	}
	c.Answers, c.RouteEvents = int(stored.Answers), int(stored.RouteEvents)
	e.fail("erase.answers")
	if err := e.awaitReplays(ctx); err != nil {
		return err
	}
	events, err := e.readStreams(ctx, head.Position, c)
	if err != nil {
		return err
	}
	if err := e.askTopics(ctx, events, head.Position, c); err != nil {
		return err
	}
	e.fail("erase.counted")
	return nil
}

// awaitReplays waits for messages on their way that `republish` has rendered with the texts.
func (e *eraser) awaitReplays(ctx context.Context) error {
	waiting, cancel := context.WithTimeout(ctx, e.flags.wait)
	defer cancel()
	err := publisher.AwaitReplays(waiting, e.pool)
	if err != nil && ctx.Err() == nil && waiting.Err() != nil {
		return errors.New("a republish doesn't come on with what it has in hand: does Kafka take it?")
	}
	return err
}

// awaitProjections waits until all that run have applied the erasure.
func (e *eraser) awaitProjections(ctx context.Context, c *person.Certified) error {
	var all []checkpoints.Projection
	for _, p := range projections.All() {
		all = append(all, p.Projection)
	}
	if e.cfg.ElasticsearchURL != "" {
		all = append(all, search.Mirror())
	}
	if len(e.cfg.KafkaBrokers) > 0 {
		all = append(all, checkpoints.Projection{Name: publisher.Name, Version: publisher.Version})
	}
	deadline := e.now().Add(e.flags.wait)
	for _, p := range all {
		for {
			at, err := checkpoints.Read(ctx, e.pool, p)
			if err != nil {
				return err
			}
			if at == 0 {
				break // what it will write it will read without the key
			}
			if at >= int64(c.ErasedAt) {
				c.Projections = append(c.Projections, person.Projection{Name: p.Name, Position: int(at)})
				break
			}
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if e.now().After(deadline) {
				return fmt.Errorf("projection %s stands at %d, before the erasure at %d: does it run?", p.Name, at, c.ErasedAt)
			}
			projections.Wait(ctx, 50*time.Millisecond)
		}
	}
	return nil
}

// What rebuilds and earlier versions have left beside the live read models, which no projection follows.
const sqlLeftovers = `
SELECT nspname::text FROM pg_namespace WHERE nspname ~ '^(tables|documents)_v[0-9]+' AND nspname <> ALL ($1::text[]) ORDER BY 1`

func (e *eraser) findLeftovers(ctx context.Context) error {
	var live []string
	for _, p := range projections.All() {
		live = append(live, fmt.Sprintf("%s_v%d", p.Projection.Name, p.Projection.Version))
	}
	rows, err := e.pool.Query(ctx, sqlLeftovers, live)
	if err != nil {
		return err
	}
	left, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return err
	}
	if len(left) > 0 {
		return refused("the copy that a rebuild or an earlier version left aside may show the texts: let the rebuild end, then `payledger rebuild NAME --drop-old` or, as the "+
			"projector, DROP SCHEMA %s CASCADE", strings.Join(left, ", "))
	}
	return e.findIndices(ctx)
}

// findIndices looks for the same in the search server.
func (e *eraser) findIndices(ctx context.Context) error {
	index, err := e.searchIndex()
	if err != nil || index == nil {
		return err
	}
	left, err := index.Aside(ctx)
	if errors.Is(err, search.ErrUnavailable) {
		return &exitError{code: exitUnreachable, err: err}
	}
	if err == nil && len(left) > 0 {
		return refused("indices that a rebuild or an earlier version left aside may show the texts: let the rebuild end, then `payledger rebuild search --drop-old` or delete %s",
			strings.Join(left, ", "))
	}
	return err
}

const sqlStreamsOf = `SELECT stream FROM ledger.streams WHERE tenant = $1 AND subject = $2 ORDER BY stream`

// readStreams returns the events of all streams about the person, in order, and counts what in them can't be opened any more.
func (e *eraser) readStreams(ctx context.Context, upTo int64, c *person.Certified) ([]catalog.Event, error) {
	rows, err := e.pool.Query(ctx, sqlStreamsOf, e.who.Tenant, e.who.Subject)
	if err != nil {
		return nil, err
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, err
	}
	ids := make([]eventstore.StreamID, len(names))
	for i, name := range names {
		ids[i] = eventstore.StreamID{Tenant: e.who.Tenant, Name: name}
	}
	recs, err := e.reader.ReadStreams(ctx, ids, upTo)
	if err != nil {
		return nil, err
	}
	keys := &goneKeys{Keys: e.vault}
	events := make([]catalog.Event, len(recs))
	for i := range recs {
		if events[i], err = e.catalog.Decode(ctx, keys, &recs[i]); err != nil {
			return nil, err
		}
	}
	c.Streams, c.Texts = len(ids), keys.n
	return events, nil
}

// goneKeys counts the texts whose keys are destroyed.
type goneKeys struct {
	eventstore.Keys
	n int
}

// Key implements eventstore.Keys.
func (g *goneKeys) Key(ctx context.Context, id uuid.UUID) (eventstore.Key, error) {
	key, err := g.Keys.Key(ctx, id)
	if errors.Is(err, eventstore.ErrKeyDestroyed) {
		g.n++
	}
	return key, err
}

// request is a command of the operator's: whoever may connect as the app.
func (e *eraser) request() commands.Request {
	id := uuid.Must(uuid.NewV7())
	return commands.Request{
		Tenant: e.who.Tenant, Actor: catalog.Actor{Kind: "system", ID: "erase", Roles: []string{}}, CommandID: id, At: e.now(), RequestID: id.String(), Channel: "job",
		Render: func(commands.Outcome) (eventstore.Answer, *eventstore.RouteEvent, error) {
			return eventstore.Answer{Status: 200, Body: []byte(`{}`)}, nil, nil
		},
	}
}
