package pgserver

import (
	"os"
	"os/exec"
	"syscall"
)

// inside is the id under which root appears in the namespace: any but 0 will do.
const inside = 1000

// inNamespace lets a process of root run in a user namespace where its id isn't 0; to the file system it stays root.
func inNamespace() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: inside, HostID: os.Geteuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: inside, HostID: os.Getegid(), Size: 1}},
	}
}

// namespacesWork tries one: containers often forbid them.
func namespacesWork() bool {
	cmd := exec.Command("/bin/sh", "-c", "exit 0") //nolint:noctx // ends at once
	cmd.SysProcAttr = inNamespace()
	return cmd.Run() == nil
}
