package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"lodge/inventory"
	"lodge/manager/systemd"
	"lodge/web/api"
)

// doorGroup is the Unix group whose members may use the socket beside root.
const doorGroup = "lodge"

// newDoor joins the API with what is behind it.
func (a *Agent) newDoor() (*api.API, error) {
	return api.New(api.Config{
		Gate: a.gate, Changes: a.changes, Rights: a.gate.Rights, Identity: a.identity, Refusals: a.gate, Secrets: a.secrets, Observer: a.measured,
		Reads: reads{Store: a.store, host: a.host, root: a.Root, pools: a.pools, capacity: a.capacity,
			observer: a.measured, facts: hostFacts(), strays: a.strays, affinity: a.affinity, firewall: a.firewall,
			drops: a.net.Drops, sshDoor: a.sshDoor, hostWay: a.net.HostWay, liblxc: sync.OnceValue(a.liblxc),
			now: a.now, effective: a.container.Effective},
		Settings: settings{table: a.table, devices: deviceTypes(), store: a.store},
		SSH:      sshAuthorities{a}, Schedules: a.schedules,
		Sessions: a.sessions, Recordings: a.sessions, Files: a.sessions, Console: consoles{a}, Images: a.images, Policies: a.policies,
		Journal: a.shown(), Proofs: a.shown(), Evidence: a.newEvidence(),
		Log: a.log, Version: version, Now: a.now,
		Uploads: filepath.Join(a.Root, "run", "uploads"), Group: doorGroup, InContainer: a.inContainer,
	}), nil
}

// inContainer reports whether a host uid belongs to a container of this agent, or of any other
// program that gives ranges to containers.
func (a *Agent) inContainer(uid uint32) bool {
	return uid >= min(a.claims.IDBase, api.FirstContainerUID)
}

// consoles reads what containers wrote to their consoles.
type consoles struct{ *Agent }

func (c consoles) ConsoleLog(ctx context.Context, of *inventory.Container) (io.ReadCloser, error) {
	f, err := os.Open(c.runtime.ConsoleLog(of))
	if errors.Is(err, os.ErrNotExist) {
		return io.NopCloser(strings.NewReader("")), nil
	}
	return f, err
}

// listen opens the socket, or takes the one systemd opened; what systemd opened for TCP is the SSH door's.
// A socket left by an agent that died is replaced: the root's lock says that none lives.
func (a *Agent) listen(ctx context.Context) (net.Listener, error) {
	given, err := systemd.Listeners()
	if err != nil {
		return nil, err
	}
	var own net.Listener
	for _, listeners := range given {
		for _, l := range listeners {
			if l.Addr().Network() == "tcp" {
				a.sshSockets = append(a.sshSockets, l)
			} else {
				own = l
			}
		}
	}
	if own != nil {
		return own, a.openToCallers(ctx)
	}
	if err := os.MkdirAll(filepath.Dir(a.Socket), 0o755); err != nil {
		return nil, err
	}
	if err := os.Remove(a.Socket); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	l, err := net.Listen("unix", a.Socket)
	if err != nil {
		return nil, err
	}
	return l, a.openToCallers(ctx)
}

// openToCallers lets root and the group connect, and everybody once some uid or token tells a user.
// Connecting is not being allowed anything: the door asks the kernel who calls, and refuses whom it
// does not know before it reads what they want.
func (a *Agent) openToCallers(ctx context.Context) error {
	gid, mode := 0, os.FileMode(0o660)
	if g, err := user.LookupGroup(doorGroup); err == nil {
		gid, _ = strconv.Atoi(g.Gid)
	}
	d, err := a.store.Directory(ctx)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(d.Users(), func(u inventory.User) bool { return len(u.UIDs) > 0 }) || len(d.Tokens()) > 0 {
		mode = 0o666
	}
	err = errors.Join(os.Chown(a.Socket, 0, gid), os.Chmod(a.Socket, mode))
	if errors.Is(err, os.ErrNotExist) {
		return nil // it is not open yet: listen asks again
	}
	return err
}

// hostFacts is what the agent found out about the host's kernel interfaces.
func hostFacts() map[string]string {
	facts := map[string]string{"cgroup": "v1"}
	if _, err := os.Stat("/sys/fs/cgroup/cgroup.controllers"); err == nil {
		facts["cgroup"] = "v2"
	} else if _, err := os.Stat("/sys/fs/cgroup/unified/cgroup.procs"); err == nil {
		facts["cgroup"] = "hybrid"
	}
	if _, err := os.Stat("/sys/kernel/security/apparmor"); err == nil {
		facts["apparmor"] = "yes"
	}
	return facts
}

// liblxc is the version of the library that the helper runs containers with; empty if it can't say.
func (a *Agent) liblxc() string {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	var versions struct {
		Liblxc string `json:"liblxc"`
	}
	out, err := exec.CommandContext(ctx, a.Helper, "version").Output()
	if err = cmp.Or(err, json.Unmarshal(out, &versions)); err != nil {
		a.log.Warn("the version of liblxc is not known", "error", err)
	}
	return versions.Liblxc
}

// machineID is the host's own lasting name for itself (machine-id(5)); empty where it has none.
func machineID() string {
	raw, err := os.ReadFile("/etc/machine-id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(raw))
}
