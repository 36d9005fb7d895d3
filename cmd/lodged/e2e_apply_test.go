package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"lodge/inventory"
	"lodge/web/wire"
)

// threeContainers is a spec with volumes, devices, order, labels, sizes and a stopped one, in a project
// of its own.
const threeContainers = `
kind: volume
name: lt-orders
project: lt-spec
size: 64MiB
purpose: what was ordered
owner: dev1
backup: false
---
- {kind: volume, name: lt-pages, project: lt-spec, size: 32MiB, owner: dev1, shared: true}
---
name: lt-web
project: lt-spec
image: tiny
purpose: shop front
environment: prod
labels: {tier: front, team: shop}
memory: 64MiB
after: [lt-db]
devices:
  pages: {type: disk, volume: lt-pages, path: /srv/data}
  scratch: {type: tmpfs, path: /scratch, size: 2MiB}
---
- name: lt-db
  project: lt-spec
  image: tiny
  purpose: orders
  environment: prod
  disk: 64MiB
  cpus: 1
  settings: {stop.timeout: 10s}
  devices:
    orders: {type: disk, volume: lt-orders, path: /srv/data}
- name: lt-sums
  project: lt-spec
  image: tiny
  purpose: nightly sums
  environment: dev
  after: [lt-web, lt-db]
  intent: stop
  devices:
    orders: {type: disk, volume: lt-orders, path: /orders, readonly: true}
    pages: {type: disk, volume: lt-pages, path: /pages}
`

// TestApply: a file becomes containers, again becomes nothing, and comes back the same.
func TestApply(t *testing.T) {
	l := newLab(t)
	l.project("lt-spec", map[string]string{"disk": "64MiB", "memory": "64MiB"})
	file := filepath.Join(t.TempDir(), "spec.yaml")
	l.must(os.WriteFile(file, []byte(threeContainers), 0o644))
	if out := l.run("apply", "-f", file, "--plan"); strings.Count(out, "container.launch") != 2 || len(l.containers()) != 0 {
		t.Errorf("the plan: %s", out)
	}
	l.run("apply", "-f", file)
	for name, state := range map[string]inventory.State{"lt-web": "running", "lt-db": "running", "lt-sums": "stopped"} {
		if c := l.container("lt-spec/" + name); c.State != state {
			t.Errorf("%s is %s", name, c.State)
		}
	}
	for name, want := range map[string]string{"lt-web": "/scratch /srv/data", "lt-db": "/srv/data"} {
		got := deviceMounts(l.container("lt-spec/" + name).Observed.InitPID)
		if slices.Sort(got); strings.Join(got, " ") != want {
			t.Errorf("%s has %v, want %s", name, got, want)
		}
	}
	l.unchangedBy(file)
	exported := l.run("--project", "lt-spec", "export-spec", "--all")
	l.must(os.WriteFile(file, []byte(exported), 0o644))
	l.unchangedBy(file)
	edited := strings.Replace(exported, "memory: 64MiB", "memory: 80MiB", 1)
	l.must(os.WriteFile(file, []byte(edited), 0o644))
	pid := l.container("lt-spec/lt-web").Observed.InitPID
	l.run("apply", "-f", file)
	if got := cgroupLimit(pid); got != fmt.Sprint(80<<20) {
		t.Errorf("the kernel's limit is %s after an apply of 80MiB", got)
	}
	if again := l.run("--project", "lt-spec", "export-spec", "--all"); again != edited {
		t.Errorf("came back as\n%s\nfrom\n%s", again, edited)
	}
	l.applyOtherDevices(file, edited)
	l.must(os.WriteFile(file, []byte(edited), 0o644))
	l.run("apply", "-f", file, "--yes")
	circle := strings.Replace(edited, "after: [lt-db]", "after: [lt-sums]", 1)
	l.must(os.WriteFile(file, []byte(strings.Replace(circle, "80MiB", "96MiB", 1)), 0o644))
	before := l.world()
	if out, code := l.lodge("apply", "-f", file); code != 2 || !strings.Contains(out, "goes in a circle; nothing was changed") {
		t.Errorf("a circle: %d %s", code, out)
	}
	l.unchanged(before)
	l.checkClean()
}

// applyOtherDevices moves a volume from one container to another, grows it, and takes a device away, all
// by the file, while both run. What a device holds is the volume's.
func (l *lab) applyOtherDevices(file, spec string) {
	l.t.Helper()
	l.must(os.WriteFile(filepath.Join(l.volumePath("lt-orders"), "order"), []byte("one"), 0o644))
	for _, change := range [][2]string{
		{"size: 64MiB", "size: 96MiB"},
		{"  orders:\n    path: /srv/data\n    type: disk\n    volume: lt-orders\n", "  sheet:\n    path: /scratch\n    size: 1MiB\n    type: tmpfs\n"},
		{"  pages:\n    path: /srv/data\n    type: disk\n    volume: lt-pages\n  scratch:\n    path: /scratch\n    size: 2MiB\n    type: tmpfs\n", "  orders:\n    path: /srv/data\n    type: disk\n    volume: lt-orders\n"},
	} {
		if !strings.Contains(spec, change[0]) {
			l.t.Fatalf("%s\ndoes not hold\n%s", spec, change[0])
		}
		spec = strings.Replace(spec, change[0], change[1], 1)
	}
	l.must(os.WriteFile(file, []byte(spec), 0o644))
	before := l.world()
	if out, code := l.lodge("apply", "-f", file); code != 2 || !strings.Contains(out, "take away lt-spec/lt-db/orders") {
		l.t.Errorf("devices are taken away without a word: %d %s", code, out)
	}
	l.unchanged(before)
	l.run("apply", "-f", file, "--yes")
	web, db := l.container("lt-spec/lt-web"), l.container("lt-spec/lt-db")
	if got := fmt.Sprint(deviceMounts(web.Observed.InitPID), deviceMounts(db.Observed.InitPID)); got != "[/srv/data] [/scratch]" {
		l.t.Errorf("lt-web and lt-db have %s", got)
	}
	if out, code := l.exec("lt-spec/lt-web", "cat", "/srv/data/order"); code != 0 || out != "one" {
		l.t.Errorf("what the volume holds: %d %s", code, out)
	}
	l.unchangedBy(file)
	if again := l.run("--project", "lt-spec", "export-spec", "--all"); again != spec {
		l.t.Errorf("came back as\n%s\nfrom\n%s", again, spec)
	}
}

// unchangedBy applies a file that says what is there already.
func (l *lab) unchangedBy(file string) {
	l.t.Helper()
	if out := l.run("apply", "-f", file); !strings.HasPrefix(out, "nothing to change: ") || strings.Count(out, "\n") != 1 {
		l.t.Errorf("applied again: %s", out)
	}
}

// TestApplyIsInterrupted: the agent is killed in the middle, the command line too; the same file
// applied again makes the rest.
func TestApplyIsInterrupted(t *testing.T) {
	requireRoot(t)
	l := emptyLab(t, "crash")
	l.start()
	l.importImage("tiny", tinyImage(t, ""))
	l.project("lt-spec", map[string]string{"disk": "64MiB", "memory": "64MiB"})
	file := filepath.Join(t.TempDir(), "spec.yaml")
	l.must(os.WriteFile(file, []byte(threeContainers), 0o644))
	for _, tt := range []struct{ boundary, left string }{
		{"volume.create/volume/after", ""},
		{"container.launch/first boot/after", ""},
		{"container.create/volume/after", "lt-db lt-web"},
	} {
		l.stop()
		l.start("LODGE_CRASH=" + tt.boundary)
		cmd := exec.Command(filepath.Join(programs(t, "lodge"), "lodge"), "apply", "-f", file)
		cmd.Env = append(os.Environ(), "LODGE_HOST=unix:"+l.socket())
		l.must(cmd.Start())
		l.awaitEnd()
		l.must(cmd.Process.Kill())
		cmd.Wait()
		l.start()
		l.settle()
		l.checkClean()
		if left := strings.Join(l.names("lt-spec"), " "); left != tt.left {
			t.Errorf("after a crash at %s there is %q, not %q", tt.boundary, left, tt.left)
		}
	}
	l.run("apply", "-f", file)
	l.unchangedBy(file)
	l.interruptDevices(file)
	if names := l.names("lt-spec"); !slices.Equal(names, []string{"lt-db", "lt-sums", "lt-web"}) {
		t.Error(names)
	}
	l.checkClean()
}

// interruptDevices kills the agent while the file takes a device away and gives another.
func (l *lab) interruptDevices(file string) {
	l.t.Helper()
	other := strings.Replace(threeContainers, "path: /scratch, size: 2MiB", "path: /scratch, size: 4MiB", 1)
	l.must(os.WriteFile(file, []byte(other), 0o644))
	for _, boundary := range []string{"container.device.remove/apply/after", "container.device.add/apply/after"} {
		l.stop()
		l.start("LODGE_CRASH=" + boundary)
		cmd := exec.Command(filepath.Join(programs(l.t, "lodge"), "lodge"), "apply", "-f", file)
		cmd.Env = append(os.Environ(), "LODGE_HOST=unix:"+l.socket())
		l.must(cmd.Start())
		l.awaitEnd()
		l.must(cmd.Process.Kill())
		cmd.Wait()
		l.start()
		l.settle()
		l.checkClean()
	}
	l.run("apply", "-f", file)
	l.unchangedBy(file)
	got := deviceMounts(l.container("lt-spec/lt-web").Observed.InitPID)
	if slices.Sort(got); strings.Join(got, " ") != "/scratch /srv/data" {
		l.t.Errorf("after all lt-web has %v", got)
	}
}

func (l *lab) names(project string) (names []string) {
	l.t.Helper()
	for _, c := range l.containers() {
		if c.Project == project {
			names = append(names, c.Name)
		}
	}
	slices.Sort(names)
	return names
}

// TestApplyOfFifty: fifty containers that are as their spec says take one question.
func TestApplyOfFifty(t *testing.T) {
	l := newLab(t)
	var specs []inventory.Spec
	for n := range 50 {
		specs = append(specs, inventory.Spec{Name: fmt.Sprintf("lt-f%d", n), Image: "tiny", Purpose: "one of many",
			Disk: "64MiB", Memory: "64MiB", Intent: inventory.IntentStop})
	}
	plan, err := l.api.PlanSpecs(context.Background(), inventory.Specs{Containers: specs})
	l.must(err)
	for _, step := range plan.Steps {
		l.do(l.create(*step.Create, false))
	}
	began := time.Now()
	plan, err = l.api.PlanSpecs(context.Background(), inventory.Specs{Containers: specs})
	l.must(err)
	t.Logf("a plan of 50 unchanged containers took %s", time.Since(began))
	if len(plan.Steps) > 0 || plan.Unchanged != 50 {
		t.Errorf("%d steps, %d unchanged", len(plan.Steps), plan.Unchanged)
	}
	var all wire.SpecPage
	all, err = l.api.Specs(context.Background(), "")
	l.must(err)
	if len(all.Items) != 50 {
		t.Errorf("%d are exported", len(all.Items))
	}
	file := filepath.Join(t.TempDir(), "fifty.yaml")
	l.must(os.WriteFile(file, []byte(l.run("export-spec", "--all")), 0o644))
	began = time.Now()
	l.unchangedBy(file)
	t.Logf("lodge apply of 50 unchanged containers took %s", time.Since(began))
}
