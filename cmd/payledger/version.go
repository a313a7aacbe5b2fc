package main

import (
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"sync"

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
			commit := buildCommit()
			if a.json {
				return a.printJSON(map[string]string{"version": appVersion, "commit": commit})
			}
			_, err := fmt.Fprintf(a.stdout, "payledger %s (%s)\n", appVersion, commit)
			return err
		},
	}
}

func buildCommit() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				return s.Value
			}
		}
	}
	return "unknown"
}

// codeVersion names exactly the code that runs: version, commit and the hash of the executable, which tells builds with changes that
// aren't committed apart.
var codeVersion = sync.OnceValue(func() string {
	name := fmt.Sprintf("%s (%s)", appVersion, buildCommit())
	path, err := os.Executable()
	if err != nil {
		return name
	}
	file, err := os.Open(path) //nolint:gosec // ourselves
	if err != nil {
		return name
	}
	defer func() { _ = file.Close() }() // only read
	hash := sha256.New()
	if _, err := io.Copy(hash, file); err != nil {
		return name
	}
	return fmt.Sprintf("%s sha256:%x", name, hash.Sum(nil)[:8])
})
