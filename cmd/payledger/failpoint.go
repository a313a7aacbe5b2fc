package main

import (
	"os"
	"syscall"
)

// failpoint returns a function that kills the process at the point named by PAYLEDGER_KILL_AT, as kill -9 would. Crash tests
// set it; without it there are no failpoints.
func failpoint() func(string) {
	name := os.Getenv("PAYLEDGER_KILL_AT")
	if name == "" {
		return nil
	}
	return func(point string) {
		if point == name {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {} // nothing may happen between the signal and the end
		}
	}
}
