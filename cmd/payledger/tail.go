package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"payledger/cmd/payledger/internal/kafkabus"
	"payledger/projections/publisher"
)

func (a *app) tailCommand() *cobra.Command {
	var topics []string
	var from int64
	cmd := &cobra.Command{
		Use:     "tail",
		Short:   "Print what is being published",
		Long:    "Prints the messages of our topics, or of the named ones, which may be any that the brokers have: that of a replay, for example.",
		Example: "  payledger tail\n  payledger tail --topic librarymanagementsystem-payment-service-dbevent-fee-created --from 1 --json\n  payledger tail --topic replay-billing --from 1",
		Args:    exactly(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := a.config()
			if err != nil {
				return err
			}
			if len(cfg.KafkaBrokers) == 0 {
				return usageError(errors.New("KAFKA_BROKERS is required: `payledger dev` prints its own"))
			}
			if cmd.Flags().Changed("from") && from < 1 {
				return usageError(fmt.Errorf("--from %d: positions begin at 1", from))
			}
			known := publisher.Topics(topicConfig(cfg))
			if len(topics) == 0 {
				for _, topic := range known {
					topics = append(topics, topic.Topic)
				}
			}
			for _, name := range topics {
				if !isTopicName(name) {
					return usageError(fmt.Errorf("--topic %q: %s", name, topicNameRule))
				}
			}
			if err := reachKafka(cmd.Context(), kafkaConfig(cfg)); err != nil {
				return err
			}
			for _, name := range topics {
				if slices.ContainsFunc(known, func(t publisher.Topic) bool { return t.Topic == name }) {
					continue // ours may come later
				}
				exists, err := kafkabus.TopicExists(cmd.Context(), kafkaConfig(cfg), name)
				if err != nil {
					return err
				}
				if !exists {
					return usageError(fmt.Errorf("there is no topic %q: see payledger topics; one that republish makes is there once it has begun", name))
				}
			}
			return kafkabus.Tail(cmd.Context(), kafkaConfig(cfg), topics, from, a.printMessage)
		},
	}
	cmd.Flags().StringArrayVar(&topics, "topic", nil, "name of a topic, ours or any other that exists; may be repeated; default all of ours")
	cmd.Flags().Int64Var(&from, "from", kafkabus.FromNow, "first position to print; default: what comes from now on")
	return cmd
}

// reachKafka makes sure that the brokers answer: the client itself would wait for them without end.
func reachKafka(ctx context.Context, cfg kafkabus.Config) error {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	if err := kafkabus.Ping(ctx, cfg); err != nil {
		return &exitError{code: exitUnreachable, err: err}
	}
	return nil
}

func (a *app) printMessage(m kafkabus.Message) error {
	if a.json {
		return a.printJSON(struct {
			Topic   string            `json:"topic"`
			Key     string            `json:"key"`
			Headers map[string]string `json:"headers"`
			Value   json.RawMessage   `json:"value"`
		}{m.Topic, m.Key, m.Headers, jsonValue(m.Value)})
	}
	_, err := fmt.Fprintf(a.stdout, "%s  %s  %s\n  %s\n", visible(m.Headers["ledger-position"]), m.Topic, visible(m.Key), visible(string(m.Value)))
	return err
}

// jsonValue returns a message's value as JSON: null for none, and what isn't JSON, which is of others, as a text.
func jsonValue(value []byte) json.RawMessage {
	switch {
	case len(value) == 0:
		return json.RawMessage("null")
	case json.Valid(value):
		return value
	}
	text, err := json.Marshal(string(value))
	if err != nil { // not reached with a text
		return json.RawMessage("null")
	}
	return text
}
