package pgserver

import (
	"fmt"
	"os"
	"os/user"
	"strconv"
	"syscall"
)

// identity says as whom the server runs. The zero value is "as ourselves".
type identity struct {
	// uid and gid own the data folder; they count only when other is true.
	uid, gid int
	other    bool
	// attributes makes the attributes of a new process; each needs its own.
	attributes func() *syscall.SysProcAttr
}

// chooseIdentity answers Postgres' refusal to run as root. A user namespace in which we are somebody else is best: the server then
// reaches every folder that we reach. Where there are none, it is the user postgres, or nobody.
func chooseIdentity() (identity, error) {
	ourselves := identity{attributes: func() *syscall.SysProcAttr { return &syscall.SysProcAttr{} }}
	if os.Geteuid() != 0 {
		return ourselves, nil
	}
	if namespacesWork() {
		return identity{attributes: inNamespace}, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		if u, err = user.Lookup("nobody"); err != nil {
			return identity{}, fmt.Errorf("find a user to run Postgres as: %w", err)
		}
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 31)
	if err != nil {
		return identity{}, fmt.Errorf("user %s: %w", u.Username, err)
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 31)
	if err != nil {
		return identity{}, fmt.Errorf("user %s: %w", u.Username, err)
	}
	return identity{uid: int(uid), gid: int(gid), other: true, attributes: func() *syscall.SysProcAttr {
		//nolint:gosec // parsed as 31 bits above
		return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
	}}, nil
}
