package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"payledger/cmd/payledger/internal/config"
	"payledger/cmd/payledger/internal/kafkabus"
	"payledger/eventstore"
	"payledger/projections"
	"payledger/projections/bulk"
	"payledger/projections/publisher"
)

// republishFlags say what is sent again, as text.
type republishFlags struct {
	to          string
	from, until int64
	filters     []string
	create      bool
}

func (a *app) republishCommand() *cobra.Command {
	var flags republishFlags
	cmd := &cobra.Command{
		Use:   "republish",
		Short: "Send messages to Kafka again, from the log",
		Long: "Sends again what the log says: to a topic of ours its own messages, to any other topic those of all topics. Ids, keys, values and headers are those of\n" +
			"the first sending; header x-replay marks them, ledger-topic names the topic of the first sending. What the publisher does meanwhile is not touched.\n" +
			"Stopped or killed, it goes on with --from the position that it told.",
		Example: "  payledger republish --to replay-billing --create --from 1 --filter kind=db --filter tenant=main\n" +
			"  payledger republish --to librarymanagementsystem-payment-service-dbevent-fee-updated --from 120000 --until 120500",
		Args: exactly(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			filter, err := parseFilter(flags.filters)
			if err != nil {
				return usageError(err)
			}
			if err := flags.check(cmd.Flags().Changed("until")); err != nil {
				return usageError(err)
			}
			cfg, err := a.config(config.NeedProjector)
			if err != nil {
				return err
			}
			if len(cfg.KafkaBrokers) == 0 {
				return usageError(errors.New("KAFKA_BROKERS is required: `payledger dev` prints its own"))
			}
			return a.republish(cmd.Context(), cfg, flags, filter)
		},
	}
	cmd.Flags().StringVar(&flags.to, "to", "", "topic to send to, required")
	cmd.Flags().Int64Var(&flags.from, "from", 0, "first position, required")
	cmd.Flags().Int64Var(&flags.until, "until", 0, "last position; default the head of the log at the start")
	cmd.Flags().StringArrayVar(&flags.filters, "filter", nil, "only some: topic=, kind=, object=, tenant=, stream= or person=; may be repeated")
	cmd.Flags().BoolVar(&flags.create, "create", false, "make the topic if it isn't there")
	return cmd
}

// topicName is what Kafka takes, but for "." and "..".
var topicName = regexp.MustCompile(`^[A-Za-z0-9._-]{1,249}$`)

const topicNameRule = "a topic has 1 to 249 letters, digits, dots, - and _"

func isTopicName(name string) bool { return topicName.MatchString(name) && name != "." && name != ".." }

func (f republishFlags) check(hasUntil bool) error {
	switch {
	case f.to == "":
		return errors.New("--to is required: the topic to send to")
	case !isTopicName(f.to):
		return fmt.Errorf("--to %q: %s", f.to, topicNameRule)
	case f.from < 1:
		return errors.New("--from is required, positions begin at 1")
	case hasUntil && f.until < f.from:
		return fmt.Errorf("--until %d: not before --from", f.until)
	}
	return nil
}

func parseFilter(filters []string) (publisher.Filter, error) {
	var f publisher.Filter
	fields := map[string]*[]string{
		"topic": &f.Topics, "kind": &f.Kinds, "object": &f.Objects, "tenant": &f.Tenants, "stream": &f.Streams, "person": &f.Persons,
	}
	for _, filter := range filters {
		name, value, found := strings.Cut(filter, "=")
		field, known := fields[name]
		if !found || !known || value == "" {
			return f, fmt.Errorf("--filter %q: must be NAME=VALUE, NAME one of %s", filter, strings.Join(slices.Sorted(maps.Keys(fields)), ", "))
		}
		*field = append(*field, value)
	}
	return f, nil
}

// republished is the last line of a replay.
type republished struct {
	Topic    string `json:"topic"`
	From     int64  `json:"from"`
	Until    int64  `json:"until"`
	Position int64  `json:"position"` // up to which everything is acknowledged
	Messages int64  `json:"messages"`
	Done     bool   `json:"done"`
}

func (a *app) republish(ctx context.Context, cfg config.Config, flags republishFlags, filter publisher.Filter) error {
	l, err := openLedger(ctx, cfg, projectorRole(cfg), a.logger(ctx, cfg), newRegistry(), a.now)
	if err != nil {
		return err
	}
	defer l.close()
	head, err := l.reader.Head(ctx)
	if err != nil {
		return err
	}
	if flags.until == 0 {
		flags.until = head.Position
	}
	if last := max(flags.from, flags.until); last > head.Position {
		return usageError(fmt.Errorf("--from and --until: the log ends at position %d, before %d", head.Position, last))
	}
	replay := publisher.Replay{
		Source: l.messages(), To: flags.to, From: flags.from, Until: flags.until, Filter: filter, Logger: l.log, Failpoint: failpoint(),
	}
	if err := l.chooseTopic(ctx, &replay, flags.create); err != nil {
		return err
	}
	if replay.Bus, err = kafkabus.NewPublisher(kafkaConfig(cfg)); err != nil {
		return &exitError{code: exitUnreachable, err: err}
	}
	bar := a.newBar()
	replay.Progress = func(far publisher.Replayed) { bar.showReplay(far, flags.from, flags.until) }
	far, err := publisher.Republish(ctx, replay)
	bar.end()
	return errors.Join(a.printRepublished(republished{
		Topic: flags.to, From: flags.from, Until: flags.until, Position: far.Position, Messages: far.Messages, Done: err == nil,
	}), republishError(err, far), replay.Bus.Close())
}

// chooseTopic makes sure that the topic is there, and that it fits the filter: a topic of ours takes its own messages only.
func (l *ledger) chooseTopic(ctx context.Context, replay *publisher.Replay, create bool) error {
	ours := slices.ContainsFunc(publisher.Topics(replay.Topics), func(t publisher.Topic) bool { return t.Topic == replay.To })
	if ours {
		if slices.ContainsFunc(replay.Filter.Topics, func(topic string) bool { return topic != replay.To }) {
			return usageError(fmt.Errorf("--filter topic=: %s is a topic of ours, which takes its own messages only", replay.To))
		}
		replay.Filter.Topics = []string{replay.To}
	}
	if err := replay.Check(ctx); err != nil {
		return republishError(err, publisher.Replayed{})
	}
	kafka := kafkaConfig(l.cfg)
	if err := reachKafka(ctx, kafka); err != nil {
		return err
	}
	exists, err := kafkabus.TopicExists(ctx, kafka, replay.To)
	switch {
	case err != nil:
		return err
	case !exists && !create:
		return refused("there is no topic %s: look at the name, or let --create make it", replay.To)
	case !exists:
		return kafkabus.EnsureTopics(ctx, kafka, []publisher.Topic{topicOf(replay)})
	}
	return nil
}

// topicOf returns the topic that is made: one of ours as the publisher makes it.
func topicOf(replay *publisher.Replay) publisher.Topic {
	all := publisher.Topics(replay.Topics)
	if i := slices.IndexFunc(all, func(t publisher.Topic) bool { return t.Topic == replay.To }); i >= 0 {
		return all[i]
	}
	return publisher.Topic{Topic: replay.To}
}

// republishError gives an error of a replay its exit code, and says how to go on.
func republishError(err error, far publisher.Replayed) error {
	_, halted := errors.AsType[*projections.HaltedError](err)
	goOn := func(code int) error {
		return &exitError{code: code, err: fmt.Errorf("%w: all up to position %d is sent, go on with --from %d", err, far.Position, far.Position+1)}
	}
	switch {
	case err == nil:
		return nil
	case errors.Is(err, publisher.ErrBadFilter):
		return usageError(fmt.Errorf("--filter: %w", err))
	case halted, errors.Is(err, eventstore.ErrGap):
		return goOn(exitDamaged)
	case errors.Is(err, publisher.ErrBroker):
		return goOn(exitUnreachable)
	case errors.Is(err, context.Canceled):
		err = errors.New("stopped")
	}
	return goOn(exitCode(err))
}

func (a *app) printRepublished(r republished) error {
	if a.json {
		return a.printJSON(r)
	}
	_, err := fmt.Fprintf(a.stdout, "%d messages of positions %d to %d sent to %s\n", r.Messages, r.From, r.Position, r.Topic)
	return err
}

// showReplay shows how far a replay is, and in JSON also up to where everything is acknowledged: who is killed goes on behind that.
func (b *bar) showReplay(far publisher.Replayed, from, until int64) {
	b.position = far.Position
	b.show(bulk.Progress{Stage: "republish", Done: far.Position - from + 1, Total: until - from + 1})
}
