package main

import (
	"cmp"
	"context"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"lodge/inventory"
	"lodge/network"
	"lodge/sshgate"
	"lodge/web/wire"
)

// openSSH opens the SSH door. The agent works without one: a port that is taken is a warning.
func (a *Agent) openSSH(ctx context.Context) (err error) {
	a.ssh, err = sshgate.New(sshgate.Config{Root: a.Root, Program: a.beside("lodge-ssh"), UID: int(a.claims.RoleID), Version: version,
		Banner: a.sshBanner, Gate: a.gate, Rights: a.gate.Rights, Sessions: a.sessions, Store: a.store, Secrets: a.secrets, Certificates: a.store, MostLifetime: a.authorityLifetime,
		Names: []string{"lodge-" + string(a.host.ID), a.host.Name},
		Containers: func(ctx context.Context) ([]*inventory.Container, error) {
			return a.store.ContainersOnHost(ctx, a.host.ID)
		},
		Sockets: insideSockets{a}, Unix: a.runtime, Accounts: a.accounts, Settings: settings{table: a.table, store: a.store}, Journal: a.gate, Log: a.log, Now: a.now})
	if err != nil {
		return err
	}
	if err := a.ssh.Adopt(ctx); err != nil {
		a.log.Error("ssh: connections of the last agent", "error", err)
	}
	a.listenSSH(ctx)
	return nil
}

func (a *Agent) sshBanner(ctx context.Context) string {
	values, err := a.store.HostSettings(ctx)
	if err != nil || values[sshgate.SettingBanner] == "" {
		return ""
	}
	return values[sshgate.SettingBanner] + "\n"
}

// authorityLifetime is ssh.authority.lifetime; while that can't be read, no certificate from outside is good.
func (a *Agent) authorityLifetime(ctx context.Context) time.Duration {
	values, err := a.store.HostSettings(ctx)
	if err != nil {
		return 0
	}
	most, err := inventory.ParseDuration(cmp.Or(values[sshgate.SettingLifetime], sshgate.DefaultLifetime))
	if err != nil {
		return 0
	}
	return most
}

// listenSSH serves the sockets systemd opened, else the address of ssh.listen. Left to itself that is the
// well-known port, or where another agent has that, one of its own that it keeps.
func (a *Agent) listenSSH(ctx context.Context) {
	values, err := a.store.HostSettings(ctx)
	if err != nil {
		a.log.Error("ssh: settings", "error", err)
		return
	}
	set := values[sshgate.SettingListen]
	for _, l := range a.sshSockets {
		a.onClose(l.Close)
	}
	if set == "off" {
		a.log.Info("ssh", "listens", "nowhere")
		return
	}
	all := a.sshSockets
	if len(all) == 0 {
		l, err := a.openSSHPort(set)
		if err != nil {
			a.log.Warn("ssh: nobody is let in", "error", err)
			return
		}
		a.onClose(l.Close)
		all = []net.Listener{l}
	}
	for _, l := range all {
		go a.ssh.Serve(ctx, l)
	}
	address := all[0].Addr().String()
	a.sshAt.Store(&address)
	a.log.Info("ssh", "listens", address)
}

// openSSHPort listens on the first address it can, and keeps the port for the next start.
func (a *Agent) openSSHPort(set string) (l net.Listener, err error) {
	for _, address := range a.sshAddresses(set) {
		if l, err = net.Listen("tcp", address); err == nil {
			break
		}
	}
	if err != nil {
		return nil, err
	}
	port := strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
	os.WriteFile(filepath.Join(a.Root, "run", "ssh", "port"), []byte(port), 0o600) // another one next time is all that is lost
	return l, nil
}

func (a *Agent) sshAddresses(set string) []string {
	if set != "" {
		return []string{set}
	}
	kept, _ := os.ReadFile(filepath.Join(a.Root, "run", "ssh", "port"))
	all := []string{"127.0.0.1:0"}
	if port := strings.TrimSpace(string(kept)); port != "" {
		all = append([]string{"127.0.0.1:" + port}, all...)
	}
	if a.Root == network.DefaultRoot {
		all = append([]string{sshgate.DefaultListen}, all...)
	}
	return all
}

// sshDoor is what clients need to know of the door; nil while it is closed.
func (a *Agent) sshDoor() *wire.SSHDoor {
	address := a.sshAt.Load()
	if address == nil {
		return nil
	}
	door := wire.SSHDoor{Address: *address}
	for _, k := range a.ssh.HostKeys() {
		door.HostKeys = append(door.HostKeys, strings.TrimSpace(string(ssh.MarshalAuthorizedKey(k))))
	}
	return &door
}

// entrances are all ways into containers: who may not be in there any more loses their connections too,
// and who is nobody any more what they are asking the door.
type entrances struct{ *Agent }

func (e entrances) EndAll(ctx context.Context, by, reason string, match func(inventory.Session) bool) (int, error) {
	if e.ssh != nil {
		e.ssh.EndAll(match)
	}
	if e.door != nil {
		e.door.Recheck()
	}
	return e.sessions.EndAll(ctx, by, reason, match)
}

// insideSockets open connections in containers' networks, and know who answers names there.
type insideSockets struct{ *Agent }

func (s insideSockets) DialInside(ctx context.Context, c *inventory.Container, host string, port int) (*os.File, error) {
	return s.runtime.DialInside(ctx, c, s.nameServer(ctx, c), host, port)
}

func (s insideSockets) ListenInside(ctx context.Context, c *inventory.Container, host string, port int) (*os.File, int, error) {
	return s.runtime.ListenInside(ctx, c, host, port)
}

func (s insideSockets) nameServer(ctx context.Context, c *inventory.Container) netip.Addr {
	networks, err := s.store.Networks(ctx)
	if err != nil {
		return netip.Addr{}
	}
	for _, n := range networks {
		if len(c.NICs) > 0 && n.Name == c.NICs[0].Network {
			return n.IPv4.Addr()
		}
	}
	return netip.Addr{}
}
