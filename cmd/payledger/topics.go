package main

import (
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"payledger/projections/publisher"
)

func (a *app) topicsCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "topics",
		Short:   "List the topics that are published",
		Example: "  payledger topics\n  payledger topics --json | jq -r .topic",
		Args:    exactly(0),
		RunE: func(*cobra.Command, []string) error {
			cfg, err := a.config()
			if err != nil {
				return err
			}
			table := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
			for _, topic := range publisher.Topics(topicConfig(cfg)) {
				if a.json {
					if err := a.printJSON(topic); err != nil {
						return err
					}
					continue
				}
				fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", topic.Kind, topic.Object, topic.Action, topic.Topic)
			}
			return table.Flush()
		},
	}
}
