package liblxc

import (
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// Bind mounts files of the host into the mount namespace of a process, in place of what is mounted
// there: "bind PID SOURCE TARGET ...". The detached copies are made out here, where the sources can
// be seen, and attached in there (open_tree(2), move_mount(2), Linux 5.2). Targets are resolved in
// the container; what it made of its paths concerns only itself.
func Bind(args []string) int {
	if len(args) < 3 || len(args)%2 != 1 {
		fmt.Fprintln(os.Stderr, "usage: lodge-lxc bind PID SOURCE TARGET ...")
		return 2
	}
	if err := bind(args[0], args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func bind(pid string, pairs []string) error {
	// The thread enters another namespace and is never used for anything else again.
	runtime.LockOSThread()
	trees := make([]int, 0, len(pairs)/2)
	for i := 0; i < len(pairs); i += 2 {
		fd, err := unix.OpenTree(unix.AT_FDCWD, pairs[i], unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
		if err != nil {
			return fmt.Errorf("open %s: %w", pairs[i], err)
		}
		trees = append(trees, fd)
	}
	ns, err := unix.Open("/proc/"+pid+"/ns/mnt", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	if err := unix.Unshare(unix.CLONE_FS); err != nil { // setns(2): a thread that shares its root can't move
		return err
	}
	if err := unix.Setns(ns, unix.CLONE_NEWNS); err != nil {
		return fmt.Errorf("enter the mount namespace of %s: %w", pid, err)
	}
	for i, tree := range trees {
		target := pairs[2*i+1]
		unix.Unmount(target, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW) // nothing may be mounted there
		if err := unix.MoveMount(tree, "", unix.AT_FDCWD, target,
			unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
			return fmt.Errorf("mount on %s: %w", target, err)
		}
	}
	return nil
}
