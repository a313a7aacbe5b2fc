//go:build !linux

package pgserver

import "syscall"

func inNamespace() *syscall.SysProcAttr { return &syscall.SysProcAttr{} }

func namespacesWork() bool { return false }
