// Package faulttest breaks the event store on purpose: processes that are killed between any two steps of the writer,
// connections that are cut around COMMIT, servers that crash, holders of the head that hang, restored dumps. After each
// fault the log must hold every acknowledged commit once, every other one at most once and whole, and verify clean.
package faulttest

import (
	"os"
	"testing"
)

// envChild holds the plan of a process that this test binary runs as a writer.
const envChild = "EVENTSTORE_FAULT_CHILD"

func TestMain(m *testing.M) {
	if plan := os.Getenv(envChild); plan != "" {
		os.Exit(runChild(plan))
	}
	os.Exit(m.Run())
}
