package main

import (
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
)

// failpoint returns a function that kills the process, as kill -9 would, at the point that PAYLEDGER_KILL_AT names: NAME or
// NAME:N for the Nth time that it is passed. Crash tests set it; without it there are no failpoints.
func failpoint() func(string) {
	name, count, _ := strings.Cut(os.Getenv("PAYLEDGER_KILL_AT"), ":")
	if name == "" {
		return nil
	}
	nth, err := strconv.ParseInt(count, 10, 64)
	if err != nil {
		nth = 1
	}
	var passed atomic.Int64
	return func(point string) {
		if point == name && passed.Add(1) == nth {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {} // nothing may happen between the signal and the end
		}
	}
}
