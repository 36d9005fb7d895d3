package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"lodge/inventory"
	"lodge/web/client"
	"lodge/web/wire"
)

// A world is what a person can see of a root: what has to be as before after a failed operation.
// Names are keys; what changes with every touch (revisions, times, process ids) is left out.
type world map[string]string

func (l *lab) world() world {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	w := world{}
	for _, c := range l.containers() {
		w["container "+c.Name] = fmt.Sprintf("%s %s intent=%s trashed=%v image=%s pool=%s owner=%s purpose=%s settings=%v nics=%v project=%s devices=%v lease=%s/%s",
			c.ID, c.State, c.Intent, !c.TrashedAt.IsZero(), c.ImageDigest, c.Pool, c.Owner, c.Purpose, c.Settings, c.NICs, c.Project, c.Devices,
			dateOf(c.RunUntil), dateOf(c.ExpiresAt))
		if c.State == inventory.StateRunning {
			// Read behind the agent's back: its own clock counts nothing here.
			w["limits "+c.Name] = cgroupLimit(c.Observed.InitPID)
			w["mounts "+c.Name] = fmt.Sprint(deviceMounts(c.Observed.InitPID), interfaces(c.Observed.InitPID))
		}
		text, _ := os.ReadFile(filepath.Join(l.volume(c.ID), "marker"))
		host, _ := os.ReadFile(filepath.Join(l.volume(c.ID), "etc/hostname"))
		w["files "+c.Name] = string(text) + strings.TrimSpace(string(host))
		for _, s := range l.snapshots(string(c.ID)) {
			w["snapshot "+c.Name+"/"+s.Name] = s.Note
		}
	}
	l.addVolumes(w)
	l.addNetworks(w)
	l.addFirewall(w)
	l.addIdentity(w)
	l.addPolicies(w)
	l.addSudo(w)
	images, err := l.api.Images(ctx)
	l.must(err)
	for _, m := range images {
		slices.Sort(m.Aliases)
		w["image "+m.Digest] = fmt.Sprint(m.Aliases)
	}
	projects, err := l.api.Projects(ctx)
	l.must(err)
	for _, p := range projects {
		w["project "+p.Name] = fmt.Sprint(p.Purpose, p.Owner, p.Members, p.Network, p.Image, p.Settings)
		for _, q := range p.Quotas {
			w["project "+p.Name] += fmt.Sprintf(" %s %d %d", q.Name, q.Max, q.Used)
		}
	}
	remotes, err := l.api.Remotes(ctx)
	l.must(err)
	for _, r := range remotes {
		w["remote "+r.Name] = r.URL
	}
	rules, err := l.api.Affinities(ctx)
	l.must(err)
	for _, a := range rules {
		w["affinity "+a.App] = a.Members
	}
	windows, err := l.api.Windows(ctx)
	l.must(err)
	for _, win := range windows {
		w["window "+win.Name] = win.Schedule + " " + win.Filter
	}
	added, err := l.api.DNSRecords(ctx)
	l.must(err)
	for _, r := range added {
		w["dns "+r.Name+" "+r.Type+" "+r.Data] = l.answer(r.Name)
	}
	for _, p := range l.pools() {
		w["pool "+p.Name] = fmt.Sprintf("%s %s default=%v", p.Driver, p.State, p.Default)
	}
	settings, err := l.api.Settings(ctx)
	l.must(err)
	for _, s := range settings {
		if s.Origin != "default" {
			w["setting "+s.Name] = s.Value
		}
	}
	return w
}

// deviceMounts are the places where the kernel shows a process devices of these tests.
func deviceMounts(pid int) (paths []string) {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/mountinfo", pid))
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) > 4 && (f[4] == "/scratch" || f[4] == "/srv/data") {
			paths = append(paths, f[4])
		}
	}
	return paths
}

// cgroupLimit is the memory limit the kernel has for a process.
func cgroupLimit(pid int) string {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	for line := range strings.Lines(string(text)) {
		field := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(field) != 3 {
			continue
		}
		for _, file := range []string{"/sys/fs/cgroup/memory" + field[2] + "/memory.limit_in_bytes", "/sys/fs/cgroup" + field[2] + "/memory.max"} {
			if limit, err := os.ReadFile(file); err == nil && (field[1] == "memory" || field[0] == "0") {
				return strings.TrimSpace(string(limit))
			}
		}
	}
	return "none"
}

func (l *lab) must(err error) {
	l.t.Helper()
	if err != nil {
		l.t.Fatalf("%v\n%s", err, l.log())
	}
}

// volume is the root of a container on the pool it is on; a pool it moved from may hold another.
func (l *lab) volume(id inventory.ContainerID) string {
	l.t.Helper()
	pool := inventory.DefaultPool
	if places := l.folder("pools/*/containers/" + string(id)); len(places) > 1 {
		all := l.containers()
		pool = all[slices.IndexFunc(all, func(c wire.Container) bool { return c.ID == id })].Pool
	} else if len(places) == 1 {
		pool, _, _ = strings.Cut(places[0], "/")
	}
	path := filepath.Join(l.root, "pools", pool, "containers", string(id))
	if _, err := os.Stat(filepath.Join(path, "volume.json")); err == nil { // a dir pool
		return filepath.Join(path, "root")
	}
	return path
}

func (l *lab) pools() []wire.Pool {
	l.t.Helper()
	all, err := l.api.Pools(context.Background())
	l.must(err)
	return all
}

// containers returns all, those in the trash too.
func (l *lab) containers() []wire.Container {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	here, err := l.api.AllContainers(ctx, client.ContainerQuery{})
	l.must(err)
	trash, err := l.api.AllContainers(ctx, client.ContainerQuery{Trash: true})
	l.must(err)
	return append(here, trash...)
}

func (l *lab) snapshots(name string) []wire.Snapshot {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	all, err := l.api.Snapshots(ctx, at(name), "")
	l.must(err)
	return all
}

// operations returns the newest of a verb first; all verbs for "".
func (l *lab) operations(verb string) []wire.Operation {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	page, err := l.api.Operations(ctx, client.OperationQuery{Verb: verb, Limit: 50})
	l.must(err)
	return page.Items
}

// settle waits until no operation is unfinished.
func (l *lab) settle() {
	l.t.Helper()
	l.await("every operation ends", func() bool {
		return !slices.ContainsFunc(l.operations(""), func(o wire.Operation) bool { return !o.State.IsEnded() })
	})
}

// checkClean compares what the agent says with what lies on the disk and what the kernel shows.
func (l *lab) checkClean() {
	l.t.Helper()
	all := l.containers()
	var volumes, folders, snapshots, addresses []string
	for _, c := range all {
		volumes, folders = append(volumes, c.Pool+"/containers/"+string(c.ID)), append(folders, inventory.LXCName(c.Project, c.Name))
		for _, nic := range c.NICs {
			addresses = append(addresses, nic.IPv4, nic.IPv6)
		}
		for _, s := range l.snapshots(string(c.ID)) {
			snapshots = append(snapshots, c.Pool+"/snapshots/"+string(c.ID)+"/"+s.Name)
		}
		if live := c.State.IsLive(); live != (c.Intent == inventory.IntentRun) {
			l.t.Errorf("%s is %s, and meant to %s", c.Name, c.State, c.Intent)
		}
	}
	for _, v := range l.allVolumes() {
		volumes = append(volumes, v.Pool+"/containers/"+string(v.ID))
		kept, err := l.api.VolumeSnapshots(context.Background(), at(string(v.ID)))
		l.must(err)
		for _, s := range kept {
			snapshots = append(snapshots, v.Pool+"/snapshots/"+string(v.ID)+"/"+s.Name)
		}
	}
	slices.Sort(volumes) // what a move left goes in the background
	l.await(fmt.Sprintf("there are these volumes and no others: %v, but for %v", volumes, l.spares), func() bool {
		found := l.folder("pools/*/containers/*")
		return slices.Equal(slices.DeleteFunc(found, func(v string) bool { return slices.Contains(l.spares, v) }), volumes)
	})
	l.same("LXC folders", l.folder("containers/*"), folders)
	l.same("snapshots", append(l.folder("pools/*/snapshots/*/*"), l.folder("pools/*/kept/snapshots/*/*")...), snapshots)
	l.same("addresses", l.heldAddresses(), addresses)
	l.checkImages()
	for _, path := range []string{"images/work/*", "run/uploads/*", "pools/*/*/.new-*", "pools/*/kept/*/.new-*", "pools/*.new"} {
		if left := l.folder(path); len(left) > 0 {
			l.t.Errorf("%s holds %v", path, left)
		}
	}
	l.checkAudit()
}

func (l *lab) checkImages() {
	l.t.Helper()
	images, err := l.api.Images(context.Background())
	l.must(err)
	var digests []string
	for _, m := range images {
		digests = append(digests, strings.TrimPrefix(m.Digest, "sha256:"))
	}
	found := map[string]bool{} // each in one pool at least
	for _, path := range l.folder("pools/*/images/*") {
		found[filepath.Base(path)] = true
	}
	l.same("images", slices.Collect(maps.Keys(found)), digests)
}

func (l *lab) heldAddresses() []string {
	l.t.Helper()
	held, err := l.api.Addresses(context.Background(), client.AddressQuery{})
	l.must(err)
	var out []string
	for _, a := range held {
		out = append(out, a.IP)
	}
	return out
}

// folder is what lies on the root under a pattern, without what all matches have in common.
func (l *lab) folder(pattern string) []string {
	fixed, _, _ := strings.Cut(pattern, "*")
	paths, _ := filepath.Glob(filepath.Join(l.root, pattern))
	names := make([]string, 0, len(paths))
	for _, p := range paths {
		names = append(names, strings.TrimPrefix(p, filepath.Join(l.root, fixed)+"/"))
	}
	return names
}

func (l *lab) same(what string, found, known []string) {
	l.t.Helper()
	slices.Sort(found)
	slices.Sort(known)
	if !slices.Equal(found, known) {
		l.t.Errorf("%s: there are %v, the agent knows %v", what, found, known)
	}
}

// checkAudit checks the journal, and that every operation's intent has an outcome that agrees with
// the operation's row. An intent without an operation is a crash before admission.
func (l *lab) checkAudit() {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	defer cancel()
	report, err := l.api.VerifyAudit(ctx)
	l.must(err)
	if report.Verdict != "clean" {
		l.t.Errorf("the audit journal is %s: %v", report.Verdict, report.Detail)
	}
	for _, text := range report.Detail {
		if strings.Contains(text, "have no intent") {
			l.t.Error(text)
		}
	}
	// An operation's row and its outcome are written side by side, and either may be seen first.
	var wrong []string
	for until := time.Now().Add(patience); ; time.Sleep(tick) {
		if wrong = l.unattested(ctx); len(wrong) == 0 || time.Now().After(until) {
			break
		}
	}
	for _, text := range wrong {
		l.t.Error(text)
	}
}

// unattested tells of the operations whose outcome in the journal is none or not that of the row.
func (l *lab) unattested(ctx context.Context) (wrong []string) {
	l.t.Helper()
	operations := l.operations("")
	page, err := l.api.AuditRecords(ctx, client.RecordQuery{Limit: 200})
	l.must(err)
	outcome := map[inventory.OperationID]string{}
	intent := map[inventory.OperationID]bool{}
	for _, r := range page.Items { // newest first: the last outcome counts
		if r.Kind == inventory.RecordOutcome && outcome[r.Operation] == "" {
			outcome[r.Operation] = r.Result
		}
		intent[r.Operation] = intent[r.Operation] || r.Kind == inventory.RecordIntent
	}
	for _, op := range operations {
		if !intent[op.ID] {
			continue // further back than the page
		}
		want := map[inventory.OperationState]string{inventory.OperationDone: "done",
			inventory.OperationFailed: "failed: ", inventory.OperationCancelled: "cancelled"}[op.State]
		if got := outcome[op.ID]; !strings.HasPrefix(got, want) || got == "" {
			wrong = append(wrong, fmt.Sprintf("operation %s %s is %s, its audit outcome %q", op.Verb, op.Name, op.State, got))
		}
	}
	return wrong
}

// text writes a world for people.
func (w world) text() string {
	raw, _ := json.MarshalIndent(w, "", " ")
	return string(raw)
}

// dateOf is the end of a lease; "" for none.
func dateOf(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}
