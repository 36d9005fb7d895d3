package confine

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"

	"lodge/inventory"
)

// IDs is how many ids a child's user namespace maps: 0..65535, as in a container.
const IDs = 65536

// DefaultIDBase is the first host id of the children's range. It lies where neither Linux
// distributions nor systemd put any (systemd, UIDS-GIDS.md: 1879048192 and up is unused), and
// the agent gives no container a range there.
const DefaultIDBase uint32 = 1879048192

// openMapped returns dir as a detached mount on which disk id 0 is host id base.
func openMapped(dir string, base uint32) (*os.File, error) {
	userns, err := userNamespace(base)
	if err != nil {
		return nil, err
	}
	defer userns.Close()
	fd, err := unix.OpenTree(unix.AT_FDCWD, dir, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("open_tree %s: %w", dir, err)
	}
	tree := os.NewFile(uintptr(fd), dir)
	err = unix.MountSetattr(fd, "", unix.AT_EMPTY_PATH, &unix.MountAttr{
		Attr_set:  unix.MOUNT_ATTR_IDMAP | unix.MOUNT_ATTR_NODEV,
		Userns_fd: uint64(userns.Fd()),
	})
	if err == nil {
		return tree, nil
	}
	tree.Close()
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EOPNOTSUPP) {
		return nil, inventory.Errorf(inventory.ErrUnavailable,
			"the file system of %s has no id-mapped mounts; use ext4, xfs or btrfs and Linux 5.15 or later", dir)
	}
	return nil, fmt.Errorf("mount_setattr %s: %w", dir, err)
}

// userNamespace returns a user namespace that maps 0..65535 to base and up. The namespace has to
// belong to a process when it is made; that one is stopped by ptrace before its first
// instruction, so it runs nothing, and is killed at once.
func userNamespace(base uint32) (*os.File, error) {
	runtime.LockOSThread() // ptrace(2): the tracer is a thread
	defer runtime.UnlockOSThread()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = []string{}
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  unix.CLONE_NEWUSER,
		UidMappings: idMap(base),
		GidMappings: idMap(base),
		Ptrace:      true,
		Pdeathsig:   unix.SIGKILL,
	}
	if err := cmd.Start(); err != nil {
		return nil, noNamespace(err)
	}
	defer func() {
		cmd.Process.Kill()
		cmd.Wait()
	}()
	return os.Open(fmt.Sprintf("/proc/%d/ns/user", cmd.Process.Pid))
}

func idMap(base uint32) []syscall.SysProcIDMap {
	return []syscall.SysProcIDMap{{ContainerID: 0, HostID: int(base), Size: IDs}}
}

func noNamespace(err error) error {
	if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EPERM) || errors.Is(err, unix.EUSERS) {
		return inventory.Errorf(inventory.ErrUnavailable,
			"no user namespace can be made (%v); the agent has to run as root and user.max_user_namespaces be more than 0", err)
	}
	return err
}
