package main

import "github.com/spf13/cobra"

// defaultDataDir is where `payledger dev` keeps its data.
const defaultDataDir = ".data/dev"

func (a *app) commands() []*cobra.Command {
	return []*cobra.Command{
		a.devCommand(), a.serveCommand(), a.projectCommand(), a.migrateCommand(), a.topicsCommand(), a.tokenCommand(), a.tailCommand(),
		a.republishCommand(), a.doctorCommand(), a.rebuildCommand(), a.auditCommand(), a.eraseCommand(), a.healCommand(), a.versionCommand(),
	}
}
