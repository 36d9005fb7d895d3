package main

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"lodge/inventory"
	"lodge/manager/account"
	"lodge/manager/addressing"
	"lodge/manager/affinity"
	"lodge/manager/anchor"
	"lodge/manager/change"
	"lodge/manager/container"
	"lodge/manager/gate"
	"lodge/manager/identity"
	"lodge/manager/image"
	auditing "lodge/manager/journal"
	"lodge/manager/lease"
	"lodge/manager/lxc"
	"lodge/manager/policy"
	"lodge/manager/project"
	"lodge/manager/schedule"
	"lodge/manager/secret"
	"lodge/manager/session"
	"lodge/manager/sudo"
	"lodge/manager/systemd"
	"lodge/manager/volume"
	"lodge/network"
	"lodge/network/record"
	"lodge/sshgate"
	"lodge/web/api"
)

// settingsRows are what every package that applies settings exports.
func settingsRows() [][]inventory.Setting {
	return [][]inventory.Setting{
		lxc.Settings(),
		container.Settings(),
		image.Settings(),
		policy.Settings(),
		auditing.Settings(),
		anchor.Settings(),
		change.Settings(),
		lease.Settings(),
		schedule.Settings(),
		network.Settings(),
		sshgate.Settings(),
		session.Settings(),
		account.Settings(),
		sudo.Settings(),
	}
}

func settingsTable() inventory.Settings { return inventory.NewSettings(settingsRows()...) }

// deviceTypes joins the rows of every package that gives devices to containers.
func deviceTypes() inventory.DeviceTypes { return inventory.NewDeviceTypes(lxc.DeviceTypes()) }

func (a *Agent) openServices(ctx context.Context) (err error) {
	a.table = settingsTable()
	a.images, err = image.New(image.Config{Root: a.Root, Pool: a.pools, Store: a.store,
		Snapshots: a.store, Remotes: a.store, SelfExe: a.self,
		IDBase: a.claims.RoleID, Mirror: a.mirror, MadeFrom: a.madeFrom, Log: a.log, Now: a.now})
	if err != nil {
		return err
	}
	key, err := a.sessionKey()
	if err != nil {
		return err
	}
	a.accounts = account.New(account.Config{Helper: a.Helper, LXCPath: filepath.Join(a.Root, "containers"), Host: a.host.ID, Store: a.store,
		Rights: directory{a}, Journal: a.journal, Observer: a.runtime, Rootfs: a.rootfs, Settings: settings{table: a.table, store: a.store},
		Log: a.log, Now: a.now})
	a.sessions, err = session.New(session.Config{Root: a.Root, Accounts: a.accounts,
		LXCPath: filepath.Join(a.Root, "containers"), Helper: a.Helper,
		Starter: systemd.NewStarter(a.log), Journal: a.journal, Store: a.store, Observer: a.runtime, Key: key,
		Settings: settings{table: a.table, store: a.store},
		Rootfs:   a.rootfs, Log: a.log, Now: a.now})
	if err != nil {
		return err
	}
	hostKey, err := secret.OpenKeyring(filepath.Join(a.Root, "keys", "host.key"))
	if err != nil {
		return err
	}
	a.secrets = secret.New(secret.Config{Store: a.store, Keys: hostKey, Now: a.now})
	a.identity = identity.New(identity.Config{Store: a.store, Certificates: a.store, Containers: a.store, Sessions: entrances{a},
		IsMember: isGroupMember, Changed: a.openToCallers, Log: a.log, Now: a.now})
	a.anchors = a.newAnchors()
	a.audits = auditing.New(a.shown(), a.store, a.log, a.now)
	a.affinity = affinity.New(a.store, a.store, a.now)
	a.records = record.New(a.store, a.store, a.net)
	a.addressing = addressing.New(a.store, hostNetworks{a.net, a.claimConfig(network.Options{})}, network.RandomULA, a.now)
	a.firewall = a.newFirewall()
	a.container = container.New(container.Config{Host: a.host.ID, Cgroups: lxc.Cgroups(),
		FirstIDBase: a.claims.IDBase, IDRanges: a.claims.IDRanges, Settings: a.table,
		Store: a.store, Power: swept{a.runtime, a}, Shape: a.runtime, Devices: a.runtime, Plugs: a.runtime, Observer: a.runtime,
		DeviceTypes: deviceTypes(), Pools: a.pools, Images: a.store, Archives: a.images,
		Placement: a.affinity,
		Addresses: &addresses{store: a.store, now: a.now, picked: map[netip.Addr]pick{}},
		Names:     zone{a.net}, Traffic: traffic{a.net}, Caveats: a.runtime, HostSize: a.hostSize, FirstBoot: firstBoot,
		HostChanged: a.hostChanged, Projects: a.store, Log: a.log, Now: a.now})
	a.measured.restarts, a.measured.switching = a.container.Restarts, a.container.Switching
	a.leases = lease.New(lease.Config{Host: a.host.ID, Store: a.store, Rules: a.container, Now: a.now, Log: a.log})
	a.measured.leaseWarned = a.leases.Warned
	a.schedules = schedule.New(schedule.Config{Host: a.host.ID, Store: a.store, Deadlines: a.store,
		Settings: settings{table: a.table, store: a.store}, Now: a.now, Log: a.log})
	a.sudo = a.newSudo()
	a.policies = a.newPolicies()
	a.volumes = volume.New(volume.Config{Host: a.host.ID, Pools: a.pools, Store: a.store,
		Observer: a.runtime, Capacity: a.container, Log: a.log, Now: a.now})
	a.projects = project.New(project.Config{Settings: a.table, Projects: a.store, Quotas: a.store,
		Defaults: a.store, Containers: a.container, Rules: a.net, Now: a.now})
	return nil
}

// rootfs is where a container's root file system lies.
func (a *Agent) rootfs(c *inventory.Container) string { return a.pools.Pool(c.Pool).Path(string(c.ID)) }

// directory is who may what, for services that are there before it.
type directory struct{ *Agent }

// Allowed asks the directory.
func (d directory) Allowed(p inventory.Principal, right inventory.Right, c *inventory.Container) bool {
	return d.identity.Allowed(p, right, c)
}

// verbs is the whole verb table. The door has rows for what it serves from the store; where a
// service has the same row, the service's counts.
func (a *Agent) verbs() []gate.Verb {
	all := slices.Concat(a.container.Verbs(), a.projects.Verbs(), a.images.Verbs(), a.sessions.Verbs(),
		a.volumes.Verbs(), a.affinity.Verbs(), a.records.Verbs(), a.pools.Verbs(), a.firewall.Verbs(), a.addressing.Verbs(),
		a.leases.Verbs(), a.sudo.Verbs(), a.audits.Verbs(), a.changes.Verbs(), a.identity.Verbs(), a.policies.Verbs(), a.secrets.Verbs(), sshgate.Verbs())
	for _, v := range api.Verbs() {
		if !slices.ContainsFunc(all, func(have gate.Verb) bool { return have.Name == v.Name }) {
			all = append(all, v)
		}
	}
	return a.identity.Guard(all)
}

// nameVerbs tells the settings that name verbs which there are.
func (a *Agent) nameVerbs() {
	var names []string
	for _, v := range a.verbs() {
		if v.Mode == gate.ModeOperation || v.Mode == gate.ModeSession { // what else is never held
			names = append(names, v.Name)
		}
	}
	slices.Sort(names)
	for name, s := range a.table {
		if s.Type == inventory.TypeVerbs {
			s.Values = names
			a.table[name] = s
		}
	}
}

// mirror is the setting image.mirror.
func (a *Agent) mirror(ctx context.Context) string {
	values, err := a.store.HostSettings(ctx)
	if err != nil {
		a.log.Error("image.mirror can't be read; the host's archive is used", "error", err)
	}
	return values["image.mirror"]
}

// madeFrom names the containers made from an image, those in the trash too.
func (a *Agent) madeFrom(ctx context.Context, digest string) (names []string, err error) {
	all, err := a.store.ContainersOnHost(ctx, a.host.ID)
	for _, c := range all {
		if c.ImageDigest == digest {
			names = append(names, c.Name)
		}
	}
	return names, err
}

// sessionKey derives the key that hashes command lines from the audit key: who has the journal
// alone can't guess at them.
func (a *Agent) sessionKey() ([]byte, error) {
	raw, err := os.ReadFile(filepath.Join(a.Root, "keys", "audit.key"))
	if err != nil {
		return nil, err
	}
	mac := hmac.New(sha256.New, raw)
	mac.Write([]byte("lodge command lines v1"))
	return mac.Sum(nil), nil
}

// firstBoot translates between the container package and the image package.
func firstBoot(_ context.Context, b container.FirstBoot) error {
	c := b.Container
	id := image.Identity{ID: c.ID, Hostname: c.Name, Domain: domain(c.Project),
		Search:   []string{domain(c.Project)},
		Timezone: hostTimezone(), SSHKeys: b.SSHKeys, UserData: b.UserData}
	if c.Project != inventory.DefaultProject {
		id.Search = append(id.Search, inventory.Domain)
	}
	if len(c.NICs) > 0 {
		id.Address = c.NICs[0].IPv4
	}
	for _, ip := range []netip.Addr{b.Gateway, b.Gateway6} {
		if ip.IsValid() {
			id.Nameservers = append(id.Nameservers, ip)
		}
	}
	if len(id.Nameservers) == 0 {
		id.Nameservers = hostResolvers()
	}
	return image.FirstBoot(b.Rootfs, id)
}

// hostResolvers are the host's, as far as another machine can ask them: what systemd-resolved asks itself
// stands in a file of its own (systemd-resolved.service(8)).
func hostResolvers() (out []netip.Addr) {
	for _, path := range []string{network.ResolvConf, "/run/systemd/resolve/resolv.conf"} {
		all, _ := network.Nameservers(path) // none is what there is, then
		for _, a := range all {
			if !a.IsLoopback() && !a.IsLinkLocalUnicast() {
				out = append(out, a)
			}
		}
		if len(out) > 0 {
			return out
		}
	}
	return nil
}

// domain is where a project's names live.
func domain(project string) string {
	if project == inventory.DefaultProject {
		return inventory.Domain
	}
	return project + "." + inventory.Domain
}

// hostTimezone is the host's, by the link of localtime(5); "" when it can't be told.
func hostTimezone() string {
	target, err := os.Readlink("/etc/localtime")
	if err != nil {
		return ""
	}
	_, name, _ := strings.Cut(target, "/zoneinfo/")
	return name
}
