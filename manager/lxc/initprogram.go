package lxc

import (
	"fmt"
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"lodge/inventory"
)

// An initProgram is the first process of an image and the signal that makes it power off.
type initProgram struct {
	path string // inside
	halt int
}

// initPaths are where images have their init, in the order the kernel itself looks (init/main.c),
// after the place distributions agree on.
var initPaths = []string{"/sbin/init", "/etc/init", "/bin/init", "/init", "/usr/lib/systemd/systemd", "/lib/systemd/systemd"}

// haltSignals say how each init is asked to power off. The key is the name of the program /sbin/init
// leads to.
var haltSignals = map[string]unix.Signal{
	"systemd":     37,           // SIGRTMIN+3 (systemd(1))
	"busybox":     unix.SIGUSR2, // init/init.c: poweroff
	"openrc-init": unix.SIGTERM, // openrc-init.c: shutdown
	"init":        unix.SIGPWR,  // sysvinit: the powerfail line LXC images have
	"runit-init":  unix.SIGCONT, // runit(8): /etc/runit/stopit
	"runit":       unix.SIGCONT, // runit(8)
	"s6-svscan":   unix.SIGUSR2, // s6-svscan(8): poweroff
	"finit":       unix.SIGUSR2, // finit(8)
	"procd":       unix.SIGUSR2, // OpenWrt procd signal.c
	"dinit":       unix.SIGTERM, // dinit(8): shutdown
	"tini":        unix.SIGTERM, // passes it on
	"dumb-init":   unix.SIGTERM, // passes it on
}

// findInit looks for the image's init without ever leaving the rootfs, whatever links it holds.
func findInit(rootfs string) (initProgram, error) {
	root, err := unix.Open(rootfs, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return initProgram{}, inventory.Errorf(inventory.ErrUnavailable, "the root file system %s can't be opened: %v", rootfs, err)
	}
	defer unix.Close(root)
	for _, p := range initPaths {
		if target, ok := resolve(root, p); ok {
			return initProgram{path: p, halt: int(haltSignal(path.Base(target)))}, nil
		}
	}
	return initProgram{}, inventory.Errorf(inventory.ErrInvalid, "the image has no init: none of %s is there", strings.Join(initPaths, ", "))
}

func haltSignal(program string) unix.Signal {
	if signal, ok := haltSignals[program]; ok {
		return signal
	}
	return unix.SIGPWR
}

// resolve follows p within root and returns what it leads to. Links that are absolute or go up end
// at root (openat2(2), RESOLVE_IN_ROOT).
func resolve(root int, p string) (target string, ok bool) {
	how := unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS}
	fd, err := unix.Openat2(root, p, &how)
	for err == unix.EAGAIN { // a rename or mount anywhere on the host, while the path goes up
		fd, err = unix.Openat2(root, p, &how)
	}
	if err != nil {
		return "", false
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if unix.Fstat(fd, &st) != nil || st.Mode&unix.S_IFMT != unix.S_IFREG || st.Mode&0o111 == 0 {
		return "", false
	}
	buf := make([]byte, unix.PathMax)
	n, err := unix.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd), buf)
	return string(buf[:max(0, n)]), err == nil
}
