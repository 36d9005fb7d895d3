package main

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
)

// raw works with the tools of liblxc, on the agent's own pool and with the configuration the agent
// writes. Its containers lie beside the agent's, each with its root file system below it, which is
// where lxc-copy wants it.
type raw struct {
	b      *bench
	path   string // lxcpath
	model  string // the agent's configuration
	subnet netip.Prefix

	mu    sync.Mutex // guards addresses
	given map[string]int
}

// rawBase is the container that others are copies of, as lxc-copy knows no images. Its root file
// system is that of a container the agent made ready for its first boot: the raw tools copy the
// host keys where Lodge makes new ones.
const rawBase = "base"

// firstRaw is the last byte of the first address raw containers get: above any the agent picks in
// the figures that use both.
const firstRaw = 225

func newRaw(b *bench) (*raw, error) {
	model, err := b.agent.client.Container(context.Background(), refOf("model"))
	if err != nil {
		return nil, err
	}
	config, err := os.ReadFile(filepath.Join(b.agent.root(), "containers", "model", "config"))
	if err != nil {
		return nil, err
	}
	r := &raw{b: b, path: filepath.Join(b.agent.pool(), "raw"), model: string(config),
		given: map[string]int{}}
	if r.subnet, err = netip.ParsePrefix(value(r.model, "lxc.net.0.ipv4.address")); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Join(r.path, rawBase), 0o755); err != nil {
		return nil, err
	}
	// liblxc looks whether the container's root could pass through its lxcpath.
	for _, dir := range []string{filepath.Dir(b.agent.pool()), b.agent.pool()} {
		if err := os.Chmod(dir, 0o711); err != nil {
			return nil, err
		}
	}
	if out, err := exec.Command("btrfs", "subvolume", "snapshot",
		filepath.Join(b.agent.pool(), "containers",
			string(model.ID)), r.rootfs(rawBase)).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("snapshot: %w: %s", err, out)
	}
	return r, r.write(rawBase, "btrfs")
}

func (r *raw) rootfs(name string) string { return filepath.Join(r.path, name, "rootfs") }

// value reads one key of a configuration.
func value(config, key string) string {
	for line := range strings.Lines(config) {
		if k, v, ok := strings.Cut(line, "="); ok && strings.TrimSpace(k) == key {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

// write gives a container its configuration: the agent's, with the names and addresses of this one
// and without the hooks that tell the agent and the control groups named by its id. Copies and snapshots take the driver btrfs; starting
// with an id-mapped mount takes dir, which is what the agent uses.
func (r *raw) write(name, driver string) error {
	dir, text := filepath.Join(r.path, name), r.model
	for key, v := range map[string]string{
		"lxc.uts.name": name, "lxc.rootfs.path": driver + ":" + r.rootfs(name), "lxc.rootfs.managed": "1",
		"lxc.log.file": dir + "/lxc.log", "lxc.console.logfile": dir + "/console.log",
		"lxc.net.0.veth.pair": "raw" + name, "lxc.net.0.ipv4.address": r.cidr(name), "lxc.net.0.hwaddr": r.mac(name),
	} {
		text = regexp.MustCompile(`(?m)^`+regexp.QuoteMeta(key)+` = .*$`).ReplaceAllLiteralString(text, key+" = "+v)
	}
	text = regexp.MustCompile(`(?m)^(lxc\.hook\.|lxc\.cgroup\.dir\.|lxc\.net\.0\.ipv6|#).*\n`).ReplaceAllString(text, "")
	if driver == "dir" && value(text, "lxc.rootfs.options") == "" {
		text += "lxc.rootfs.options = idmap=container\n" // the agent makes this mount by itself
	}
	return os.WriteFile(filepath.Join(dir, "config"), []byte(text), 0o600)
}

// number is a container's place among the raw ones that exist.
func (r *raw) number(name string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	if n, ok := r.given[name]; ok {
		return n
	}
	taken := map[int]bool{}
	for _, n := range r.given {
		taken[n] = true
	}
	n := 0
	for taken[n] {
		n++
	}
	r.given[name] = n
	return n
}

func (r *raw) ip(name string) netip.Addr {
	bytes := r.subnet.Masked().Addr().As4()
	bytes[3] = byte(firstRaw + r.number(name))
	return netip.AddrFrom4(bytes)
}

func (r *raw) cidr(name string) string { return netip.PrefixFrom(r.ip(name), r.subnet.Bits()).String() }
func (r *raw) mac(name string) string  { return fmt.Sprintf("02:16:3e:00:00:%02x", r.number(name)) }

func (r *raw) address(_ context.Context, name string) (string, error) {
	return r.ip(name).String(), nil
}

// tool runs one of liblxc's. Without newuidmap in reach it maps ids by itself, as Lodge's helper
// does: faster, and not bound to /etc/subuid.
func (r *raw) tool(ctx context.Context, name string, args ...string) error {
	path, err := exec.LookPath(name)
	if err != nil {
		return err
	}
	env := []string{"PATH=/nonexistent"}
	return command(ctx, env, append([]string{path, "-P", r.path}, args...)...)
}

func (r *raw) copy(ctx context.Context, from, to string) error {
	return r.tool(ctx, "lxc-copy", "-n", from, "-N", to, "-s", "-B", "btrfs")
}

func (r *raw) create(ctx context.Context, name string) error { return r.copy(ctx, rawBase, name) }

func (r *raw) clone(ctx context.Context, name, to string) error { return r.copy(ctx, name, to) }

func (r *raw) start(ctx context.Context, name string) error {
	if err := r.write(name, "dir"); err != nil {
		return err
	}
	if err := r.tool(ctx, "lxc-start", "-d", "-n", name); err != nil {
		return fmt.Errorf("%w: %s", err, r.why(name))
	}
	return nil
}

// why is what the container's log says about an error.
func (r *raw) why(name string) string {
	text, _ := os.ReadFile(filepath.Join(r.path, name, "lxc.log"))
	var why []string
	for line := range strings.Lines(string(text)) {
		if strings.Contains(line, " ERROR ") {
			why = append(why, strings.TrimSpace(line))
		}
	}
	return strings.Join(why, "; ")
}

func (r *raw) launch(ctx context.Context, name string) error {
	if err := r.create(ctx, name); err != nil {
		return err
	}
	return r.start(ctx, name)
}

func (r *raw) exec(ctx context.Context, name string) error {
	return r.tool(ctx, "lxc-attach", "-n", name, "--", "/bin/true")
}

func (r *raw) stop(ctx context.Context, name string) error {
	return r.tool(ctx, "lxc-stop", "-n", name)
}

func (r *raw) kill(ctx context.Context, name string) error {
	return r.tool(ctx, "lxc-stop", "-k", "-n", name)
}

func (r *raw) snapshot(ctx context.Context, name string) error {
	if err := r.write(name, "btrfs"); err != nil {
		return err
	}
	return r.tool(ctx, "lxc-snapshot", "-n", name)
}

func (r *raw) restore(ctx context.Context, name string) error {
	return r.tool(ctx, "lxc-snapshot", "-n", name, "-r", "snap0")
}

// trash has no counterpart: nothing is measured.
func (r *raw) trash(context.Context, string) error { return nil }

func (r *raw) purge(ctx context.Context, name string) error {
	if err := r.write(name, "btrfs"); err != nil {
		return err
	}
	defer func() {
		r.mu.Lock()
		delete(r.given, name)
		r.mu.Unlock()
	}()
	return r.tool(ctx, "lxc-destroy", "-s", "-f", "-n", name)
}

// remove deletes what is left of the raw containers, so that the pool can go.
func (r *raw) remove(ctx context.Context) {
	entries, _ := os.ReadDir(r.path)
	for _, e := range entries {
		r.kill(ctx, e.Name())
		r.purge(ctx, e.Name())
	}
}
