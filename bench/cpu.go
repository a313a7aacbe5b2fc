package main

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// tick is the unit of processor times in /proc/<pid>/stat: sysconf(_SC_CLK_TCK), which is 100 on every Linux.
const tick = 10 * time.Millisecond

// Fields of /proc/<pid>/stat after the command's name, see proc(5).
const (
	statParent   = 1
	statUser     = 11
	statSystem   = 12
	statReaped   = 13 // user time of children that have ended
	statReapedIn = 14 // their system time
	statFields   = 15
)

// processTime returns the processor time of a process and of its children that have ended; false where there is no /proc.
func processTime(pid int) (time.Duration, bool) {
	fields, ok := readStat(pid)
	if !ok {
		return 0, false
	}
	var ticks int64
	for _, i := range []int{statUser, statSystem, statReaped, statReapedIn} {
		n, err := strconv.ParseInt(fields[i], 10, 64)
		if err != nil {
			return 0, false
		}
		ticks += n
	}
	return time.Duration(ticks) * tick, true
}

// ownTime returns the processor time of this process.
func ownTime() (time.Duration, bool) { return processTime(os.Getpid()) }

// treeTime returns the processor time of a process and all its children, as Postgres has one for each connection.
func treeTime(pid int) (time.Duration, bool) {
	total, ok := processTime(pid)
	if !ok {
		return 0, false
	}
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range stats {
		child, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if err != nil || parentOf(child) != pid {
			continue
		}
		if own, alive := processTime(child); alive {
			total += own
		}
	}
	return total, true
}

// parentOf returns the parent of a process, 0 if it is not known.
func parentOf(pid int) int {
	fields, ok := readStat(pid)
	if !ok {
		return 0
	}
	parent, err := strconv.Atoi(fields[statParent])
	if err != nil {
		return 0
	}
	return parent
}

// readStat returns the fields after the name of the command, which stands in brackets and may hold anything.
func readStat(pid int) ([]string, bool) {
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat")) //nolint:gosec // the number of a process
	if err != nil {
		return nil, false
	}
	end := strings.LastIndexByte(string(text), ')')
	fields := strings.Fields(string(text[end+1:]))
	return fields, len(fields) >= statFields
}

// machineTime returns the processor time that all processes of the machine have used, and what its host gave to other machines.
func machineTime() (time.Duration, bool) {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, false
	}
	first, _, _ := strings.Cut(string(text), "\n")
	fields := strings.Fields(first)
	if len(fields) < len(busyFields)+1 || fields[0] != "cpu" {
		return 0, false
	}
	var ticks int64
	for i, busy := range busyFields {
		n, err := strconv.ParseInt(fields[i+1], 10, 64)
		if err != nil {
			return 0, false
		}
		if busy {
			ticks += n
		}
	}
	return time.Duration(ticks) * tick, true
}

// busyFields says which of the times in /proc/stat we can't use: user, nice, system, not idle and iowait, irq, softirq, and steal, which is
// what the host of a virtual machine gave to others.
var busyFields = [...]bool{true, true, true, false, false, true, true, true}
