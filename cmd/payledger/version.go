package main

import (
	"fmt"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// appVersion is the released version; the commit of the build stands beside it.
const appVersion = "0.1.0"

func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Print the version and the commit of the build",
		Example: "  payledger version --json",
		Args:    exactly(0),
		RunE: func(*cobra.Command, []string) error {
			commit := "unknown"
			if info, ok := debug.ReadBuildInfo(); ok {
				for _, s := range info.Settings {
					if s.Key == "vcs.revision" {
						commit = s.Value
					}
				}
			}
			if a.json {
				return a.printJSON(map[string]string{"version": appVersion, "commit": commit})
			}
			_, err := fmt.Fprintf(a.stdout, "payledger %s (%s)\n", appVersion, commit)
			return err
		},
	}
}
